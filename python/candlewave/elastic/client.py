"""Clients of the Elasticsearch that ELASTICSEARCH_URL names, and its errors in words."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from candlewave.core.errors import CandlewaveError
from candlewave.core.settings import Settings
from candlewave.elastic.settings import SearchSettings

if TYPE_CHECKING:
    from elasticsearch import AsyncElasticsearch, Elasticsearch

OLDEST = 8
"""Oldest major version of the server."""


class SearchError(CandlewaveError):
    """Elasticsearch refused, or cannot be reached; the text says what was tried and what it answered."""


class ElasticUnavailableError(SearchError):
    """It cannot be reached, or is overloaded: trying again later may help."""


class ElasticTooLargeError(SearchError):
    """The request is larger than the server takes."""


_KINDS: dict[int, type[SearchError]] = {
    413: ElasticTooLargeError,
    429: ElasticUnavailableError,
    502: ElasticUnavailableError,
    503: ElasticUnavailableError,
    504: ElasticUnavailableError,
}


def open_client(settings: Settings, search_settings: SearchSettings | None = None) -> "Elasticsearch":
    """Return a client; nothing is sent yet.

    Raises:
        SearchError: ELASTICSEARCH_URL is not set.
    """
    from elasticsearch import Elasticsearch

    return Elasticsearch(**_options(settings, search_settings))


def open_async_client(settings: Settings, search_settings: SearchSettings | None = None) -> "AsyncElasticsearch":
    """As :func:`open_client`, for asyncio."""
    from elasticsearch import AsyncElasticsearch

    return AsyncElasticsearch(**_options(settings, search_settings))


def address(settings: Settings) -> str:
    """Return ELASTICSEARCH_URL without user and password.

    Raises:
        SearchError: it is not set.
    """
    if settings.elasticsearch_url is None:
        raise SearchError("ELASTICSEARCH_URL is not set, for example http://elasticsearch:9200")
    parts = urlsplit(settings.elasticsearch_url.get_secret_value())
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn errors of the client into :class:`SearchError`."""
    from elasticsearch import ApiError, TransportError, UnsupportedProductError

    try:
        yield
    except UnsupportedProductError:
        raise SearchError(f"cannot {what}: what answers at ELASTICSEARCH_URL is not Elasticsearch") from None
    except ApiError as error:
        text = f"cannot {what}: Elasticsearch answered {error.status_code}, {_reason(error)}"
        raise _KINDS.get(error.status_code, SearchError)(text) from None
    except TransportError as error:
        raise ElasticUnavailableError(f"cannot {what}: Elasticsearch cannot be reached: {error.message}") from None


def require_version(client: "Elasticsearch") -> str:
    """Return the server's version.

    Raises:
        SearchError: it cannot be reached, refuses, or is too old.
    """
    with asking("ask for its version"):
        version = str(client.info()["version"]["number"])
    if int(version.partition(".")[0]) < OLDEST:
        raise SearchError(f"Elasticsearch is version {version}; candlewave needs {OLDEST} or later")
    return version


def _options(settings: Settings, search_settings: SearchSettings | None) -> dict[str, Any]:
    search_settings = search_settings or SearchSettings.load()
    logging.getLogger("elastic_transport").setLevel(logging.WARNING)  # a line for each request
    host = address(settings)
    assert settings.elasticsearch_url is not None
    parts = urlsplit(settings.elasticsearch_url.get_secret_value())
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return {
        "hosts": [_with_port(host)],
        "basic_auth": login,
        "request_timeout": search_settings.timeout_seconds,
        "max_retries": 2,
        "retry_on_timeout": True,
    }


def _with_port(url: str) -> str:
    """The client wants a port, which people leave out when it is that of the scheme."""
    parts = urlsplit(url)
    if parts.port is not None:
        return url
    return urlunsplit((parts.scheme, f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}", parts.path, "", ""))


def _reason(error: Any) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    found = body.get("error")
    if isinstance(found, dict):
        return str(found.get("reason") or found.get("type"))[:300]
    return str(found or error.message)[:300]
