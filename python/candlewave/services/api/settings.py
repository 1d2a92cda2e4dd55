"""Settings of the predictions API. Environment variables only."""

import ipaddress
import re
from typing import Annotated

from limits import parse_many
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from candlewave.core.settings import EnvironmentSettings

_MIN_PEPPER = 16
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-fA-F:]+\](:\d{1,5})?")


class ApiSettings(EnvironmentSettings):
    """See :class:`candlewave.core.settings.EnvironmentSettings`.

    Attributes:
        host, port: where requests are taken.
        key_pepper: goes into the hash of every API key and the signature of every cursor; all replicas share it.
        anonymous: reading needs no key; unset: in development only.
        rate_limit: per key, or per address without one, in the notation of the library ``limits``.
        rate_limit_store: ``memory://`` counts per replica, ``redis://host:6379`` for all together.
        cors_origins: origins, separated by commas, whose pages may read the API; none by default.
        trusted_proxies: addresses and networks, separated by commas, whose X-Forwarded-For is believed.
        timeout_seconds: longest time to an answer.
        pool_size: maximum number of connections to the engine.
        cache_seconds: how old an answer from memory may be.
        stream_clients: maximum number of clients of the live stream.
        stream_queue: events that may wait for a client before it is dropped.
        stream_poll_seconds: how often the engine is polled while clients listen.
        heartbeat_seconds: silence after which a stream gets a comment.
    """

    host: str = Field("127.0.0.1", alias="API_HOST")
    port: int = Field(8000, alias="API_PORT", ge=0, le=65535)
    key_pepper: SecretStr | None = Field(None, alias="API_KEY_PEPPER")
    anonymous: bool | None = Field(None, alias="API_ANONYMOUS")
    rate_limit: str = Field("100/second;3000/minute", alias="API_RATE_LIMIT")
    rate_limit_store: str = Field("memory://", alias="API_RATE_LIMIT_STORE", pattern=r"^(memory|rediss?)://")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field((), alias="API_CORS_ORIGINS")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field((), alias="API_TRUSTED_PROXIES")
    timeout_seconds: float = Field(10.0, alias="API_TIMEOUT_SECONDS", gt=0, le=120)
    pool_size: int = Field(8, alias="API_POOL_SIZE", ge=1, le=100)
    cache_seconds: float = Field(0.25, alias="API_CACHE_SECONDS", gt=0, lt=1)
    stream_clients: int = Field(1000, alias="API_STREAM_CLIENTS", ge=1)
    stream_queue: int = Field(1024, alias="API_STREAM_QUEUE", ge=8)
    stream_poll_seconds: float = Field(0.1, alias="API_STREAM_POLL_SECONDS", gt=0, le=10)
    heartbeat_seconds: float = Field(15.0, alias="API_HEARTBEAT_SECONDS", gt=0)

    @field_validator("cors_origins", "trusted_proxies", mode="before")
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("key_pepper")
    @classmethod
    def _long(cls, pepper: SecretStr | None) -> SecretStr | None:
        if pepper is not None and len(pepper) < _MIN_PEPPER:
            raise ValueError(f"expected at least {_MIN_PEPPER} characters, found {len(pepper)}")
        return pepper

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is not a valid origin, such as https://charts.example or http://localhost:3000"
                )
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as error:
                raise ValueError(f"{proxy!r} is not a valid address or network, such as 10.0.0.0/8: {error}") from None
        return proxies

    @field_validator("rate_limit")
    @classmethod
    def _limit(cls, text: str) -> str:
        try:
            parse_many(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a rate limit, such as 100/second;3000/minute") from None
        return text
