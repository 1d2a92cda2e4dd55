"""Fill deploy-time parameters into rendered SQL: how Kafka and Elasticsearch are reached, what topic names begin with.

Rendered and frozen SQL keeps them as ``${name}``, so that it holds no secret and means the same everywhere.
"""

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

from candlewave.core.errors import CandlewaveError
from candlewave.core.settings import Settings
from candlewave.sqlproject.quoting import quote_string

_PARAMETER = re.compile(r"\$\{([^}]*)\}")
_MASK = "***"


class ParameterError(CandlewaveError, ValueError):
    """A parameter is unknown, or the settings do not say its value; the text names the parameter or the setting."""


class UnsetParameterError(ParameterError):
    """The settings lack an optional part of the deployment: what needs the parameter is left out, not wrong."""


def fill(text: str, settings: Settings, *, mask_secrets: bool = False) -> str:
    """Return SQL with every ``${name}`` replaced.

    Known are ``${kafka_properties}`` and ``${elasticsearch_properties}``, how a connector reaches them, and
    ``${topic_prefix}``. The embedded engine has its own ways: a connector's properties say no more than ``embedded``.

    Args:
        text: rendered SQL.
        settings: where Kafka is and how to log in.
        mask_secrets: put ``***`` for passwords, for text that people read.

    Raises:
        ParameterError: a parameter is unknown, or a setting that it needs is missing.
        UnsetParameterError: Elasticsearch is not set up.
    """
    known: dict[str, Callable[[], str]] = {
        "kafka_properties": lambda: _kafka_properties(settings, mask_secrets),
        "elasticsearch_properties": lambda: _elasticsearch_properties(settings, mask_secrets),
        "topic_prefix": lambda: "" if settings.embedded else settings.kafka_topic_prefix,
    }

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in known:
            raise ParameterError(f"unknown parameter ${{{name}}}; known are {', '.join(known)}")
        return known[name]()

    remainder = _PARAMETER.sub("", text)
    if (at := remainder.find("${")) >= 0:
        raise ParameterError(f"parameter without closing brace: {remainder[at : at + 40]!r}")
    return _PARAMETER.sub(value, text)


def _kafka_properties(settings: Settings, mask_secrets: bool) -> str:
    if settings.kafka_bootstrap_servers is None:
        if settings.embedded:
            return "properties.bootstrap.server = 'embedded'"
        raise ParameterError(
            "${kafka_properties} needs KAFKA_BOOTSTRAP_SERVERS: RisingWave reads its topics from Kafka; set it, for"
            " example to kafka:9092"
        )
    properties = {"bootstrap.server": settings.kafka_bootstrap_servers}
    protocol = settings.kafka_security_protocol
    if protocol != "PLAINTEXT":
        properties["security.protocol"] = protocol
    if protocol.startswith("SASL_"):
        properties |= _sasl(settings, mask_secrets)
    if settings.kafka_ssl_ca_location is not None:
        properties["ssl.ca.location"] = str(settings.kafka_ssl_ca_location)
    return ",\n    ".join(f"properties.{name} = {quote_string(value)}" for name, value in properties.items())


def _sasl(settings: Settings, mask_secrets: bool) -> Mapping[str, str]:
    needed = {
        "KAFKA_SASL_MECHANISM": settings.kafka_sasl_mechanism,
        "KAFKA_SASL_USERNAME": settings.kafka_sasl_username,
        "KAFKA_SASL_PASSWORD": settings.kafka_sasl_password and settings.kafka_sasl_password.get_secret_value(),
    }
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise ParameterError(
            f"${{kafka_properties}}: KAFKA_SECURITY_PROTOCOL={settings.kafka_security_protocol} needs"
            f" {', '.join(missing)}"
        )
    mechanism, username, password = (str(value) for value in needed.values())
    return {
        "sasl.mechanism": mechanism,
        "sasl.username": username,
        "sasl.password": _MASK if mask_secrets else password,
    }


def _elasticsearch_properties(settings: Settings, mask_secrets: bool) -> str:
    """RisingWave takes user and password apart from the address."""
    if settings.elasticsearch_url is None:
        raise UnsetParameterError(
            "${elasticsearch_properties} needs ELASTICSEARCH_URL, for example http://elasticsearch:9200"
        )
    if settings.embedded:
        return "url = 'embedded'"
    parts = urlsplit(settings.elasticsearch_url.get_secret_value())
    properties = {"url": urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))}
    if parts.username is not None:
        properties["username"] = unquote(parts.username)
        properties["password"] = _MASK if mask_secrets else unquote(parts.password or "")
    return ",\n    ".join(f"{name} = {quote_string(value)}" for name, value in properties.items())
