"""Where exchanges are reached, when not at their own addresses."""

from pydantic import BaseModel, ConfigDict, Field

from candlewave.core.settings import EnvironmentSettings


class Mirror(BaseModel):
    """Another address of an exchange: scheme and host; paths stay the exchange's own.

    Attributes:
        rest: such as http://127.0.0.1:8080.
        ws: such as ws://127.0.0.1:8080.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rest: str | None = None
    ws: str | None = None


class IngestSettings(EnvironmentSettings):
    """Settings of what talks to exchanges.

    ``CANDLEWAVE_EXCHANGE_URLS`` is JSON, an object per exchange:
    ``{"kraken": {"rest": "http://127.0.0.1:8080", "ws": "ws://127.0.0.1:8080"}}``. The interval between requests is
    the exchange's own rule unless set, for a mirror that allows more. A symbol that an exchange does not know or
    refuses is tried again after ``symbol_retry_first_seconds``, then ever more rarely. A symbol of which nothing has
    shown for ``silence_seconds`` that it is served is subscribed to again, also ever more rarely; quiet symbols are
    asked for once a minute, so it is longer than that.
    """

    exchange_urls: dict[str, Mirror] = Field(default_factory=dict, alias="CANDLEWAVE_EXCHANGE_URLS")
    request_interval_ms: float | None = Field(None, alias="CANDLEWAVE_EXCHANGE_REQUEST_INTERVAL_MS", gt=0)
    request_give_up_seconds: float = Field(600.0, alias="CANDLEWAVE_EXCHANGE_GIVE_UP_SECONDS", gt=0)
    retry_first_seconds: float = Field(0.5, alias="CANDLEWAVE_EXCHANGE_RETRY_FIRST_SECONDS", gt=0)
    retry_max_seconds: float = Field(60.0, alias="CANDLEWAVE_EXCHANGE_RETRY_MAX_SECONDS", gt=0)
    symbol_retry_first_seconds: float = Field(3_600.0, alias="CANDLEWAVE_EXCHANGE_SYMBOL_RETRY_FIRST_SECONDS", gt=0)
    symbol_retry_max_seconds: float = Field(86_400.0, alias="CANDLEWAVE_EXCHANGE_SYMBOL_RETRY_MAX_SECONDS", gt=0)
    silence_seconds: float = Field(90.0, alias="CANDLEWAVE_EXCHANGE_SILENCE_SECONDS", ge=75)
