"""Where things are and who may use them: connections, data directory, secrets. Environment variables only."""

import re
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from candlewave.core.paths import own_root

_SECRETS = Path("/run/secrets")
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_PLACEHOLDERS = {"changeme", "change-me", "secret", "password", "placeholder", "example", "todo", "xxx"}


class Environment(StrEnum):
    """Where the process runs; anything but development refuses placeholder secrets."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


class EnvironmentSettings(BaseSettings):
    """Settings whose fields are environment variables of the names given as aliases.

    Secrets may also come as files named like the variable in lower case, in the folder ``/run/secrets``. In a project
    of one's own all may stand in its file ``.env``; the environment wins.
    """

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True, frozen=True, hide_input_in_errors=True)

    @classmethod
    def load(cls) -> Self:
        """Read the environment, a project's ``.env``, and ``/run/secrets``.

        Raises:
            pydantic.ValidationError: a setting is wrong.
        """
        own = own_root()
        return cls(  # type: ignore[call-arg]
            _secrets_dir=_SECRETS if _SECRETS.is_dir() else None, _env_file=own / ".env" if own else None
        )


def _data_dir() -> Path:
    """Return where data are by default: in a project the same place from each of its folders."""
    own = own_root()
    return own / ".candlewave" if own else Path(".candlewave")


class Settings(EnvironmentSettings):
    """Settings shared by every command and service."""

    environment: Environment = Field(Environment.DEVELOPMENT, alias="CANDLEWAVE_ENV")
    data_dir: Path = Field(default_factory=_data_dir, alias="CANDLEWAVE_DATA_DIR")
    config_file: Path | None = Field(None, alias="CANDLEWAVE_CONFIG")

    risingwave_url: SecretStr | None = Field(None, alias="RISINGWAVE_URL")
    kafka_bootstrap_servers: str | None = Field(None, alias="KAFKA_BOOTSTRAP_SERVERS")
    kafka_topic_prefix: str = Field("", alias="KAFKA_TOPIC_PREFIX", pattern=r"^[A-Za-z0-9._-]*$")
    kafka_security_protocol: str = Field("PLAINTEXT", alias="KAFKA_SECURITY_PROTOCOL")
    kafka_sasl_mechanism: str | None = Field(None, alias="KAFKA_SASL_MECHANISM")
    kafka_sasl_username: str | None = Field(None, alias="KAFKA_SASL_USERNAME")
    kafka_sasl_password: SecretStr | None = Field(None, alias="KAFKA_SASL_PASSWORD")
    kafka_ssl_ca_location: Path | None = Field(None, alias="KAFKA_SSL_CA_LOCATION")
    elasticsearch_url: SecretStr | None = Field(None, alias="ELASTICSEARCH_URL")
    mlflow_tracking_uri: SecretStr | None = Field(None, alias="MLFLOW_TRACKING_URI")

    admin_host: str = Field("127.0.0.1", alias="ADMIN_HOST")
    admin_port: int = Field(9100, alias="ADMIN_PORT", ge=0, le=65535)
    log_level: str = Field("INFO", alias="LOG_LEVEL")
    otlp_endpoint: str | None = Field(None, alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    shutdown_grace_seconds: float = Field(20.0, alias="SHUTDOWN_GRACE_SECONDS", gt=0)

    @model_validator(mode="after")
    def _no_placeholder_secret(self) -> Self:
        if self.environment is Environment.DEVELOPMENT:
            return self
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, SecretStr) and _is_placeholder(value.get_secret_value()):
                raise ValueError(
                    f"{field.alias} still holds a placeholder; set a real secret or CANDLEWAVE_ENV=development"
                )
        return self

    @field_validator("log_level")
    @classmethod
    def _is_level(cls, value: str) -> str:
        if value.upper() not in _LOG_LEVELS:
            raise ValueError(f"expected one of {', '.join(_LOG_LEVELS)}")
        return value.upper()

    @field_validator("elasticsearch_url")
    @classmethod
    def _is_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.match(r"https?://[^/\s]+", value.get_secret_value()):
            raise ValueError("expected http://host:port or https://user:password@host:port")
        return value

    @property
    def embedded(self) -> bool:
        """True when no RisingWave is configured and the embedded PostgreSQL stands in."""
        return self.risingwave_url is None

    @property
    def runtime_file(self) -> Path:
        """Where ``candlewave up`` writes how to reach the embedded engine."""
        return self.data_dir / "runtime.json"


def _is_placeholder(secret: str) -> bool:
    """Return whether a secret, or the password inside a URL, is one people forget to replace."""
    words = {secret.lower()}
    if "://" in secret and "@" in secret:
        credentials = secret.split("://", 1)[1].rsplit("@", 1)[0]
        words.add(credentials.rpartition(":")[2].lower())
    return not words.isdisjoint(_PLACEHOLDERS) or any(word.startswith("<") for word in words)


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the process's settings, read once from the environment and ``/run/secrets``."""
    return Settings.load()
