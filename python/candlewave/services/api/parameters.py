"""Query parameters: one class per kind of list; what is not in it is refused by name."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)")
_SYMBOL = r"^[A-Za-z0-9._]{1,32}[-/][A-Za-z0-9._]{1,32}$"
_NAME = r"^[A-Za-z0-9_.-]{1,100}$"
MAX_LIMIT = 1000


def _read_time(value: object) -> object:
    if isinstance(value, datetime) or value is None:
        return value
    text = str(value)
    if not _TIME.fullmatch(text):
        raise ValueError(
            "expected ISO 8601 with a zone, such as 2026-05-04T12:00:00Z (a + is written %2B in an address)"
        )
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("there is no such time") from None


Time = Annotated[datetime, BeforeValidator(_read_time), WithJsonSchema({"type": "string", "format": "date-time"})]
Symbol = Annotated[str, Field(pattern=_SYMBOL, description="BASE-QUOTE, such as BTC-USD", examples=["BTC-USD"])]
AnySymbol = Annotated[str | None, Field(pattern=_SYMBOL, description="Every market if left out", examples=["BTC-USD"])]
Exchange = Annotated[
    str | None, Field(pattern=_NAME, description="The configured default if left out", examples=["simulated"])
]
Timeframe = Annotated[str, Field(max_length=8, description="Length of a bar", examples=["5m"])]
Horizon = Annotated[
    int, Field(ge=1, le=1440, description="Minutes from the candle's close to the target time", examples=[5])
]
Names = Annotated[
    str | None,
    Field(max_length=4000, pattern=r"^[A-Za-z0-9_,]+$", description="Comma-separated; all if left out"),
]
ModelName = Annotated[str | None, Field(pattern=_NAME, description="Every model if left out", examples=["baseline"])]
ModelVersion = Annotated[str | None, Field(pattern=_NAME, description="Every version if left out", examples=["1"])]
Span = Annotated[Literal["1h", "24h", "7d"], Field(description="Window of the figures", examples=["24h"])]


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=(), populate_by_name=False)


class MarketQuery(_Query):
    """One market."""

    symbol: Symbol
    exchange: Exchange = None


class PageQuery(_Query):
    """A part of a list."""

    since: Annotated[
        Time | None, Field(alias="from", description="At this time or later", examples=["2026-05-04T12:00:00Z"])
    ] = None
    until: Annotated[
        Time | None, Field(alias="to", description="Before this time", examples=["2100-01-01T00:00:00Z"])
    ] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Rows of a page", examples=[10])] = 200
    cursor: Annotated[str | None, Field(max_length=500, description="next_cursor of the page before")] = None


class CandleQuery(MarketQuery, PageQuery):
    """Bars."""

    timeframe: Timeframe = "1m"
    include_open: Annotated[bool, Field(description="Show bars that still grow")] = True


class IndicatorQuery(MarketQuery, PageQuery):
    """Indicators of bars."""

    timeframe: Timeframe = "1m"
    names: Annotated[Names, Field(examples=["rsi_14,ema_12"])] = None


class FeatureQuery(MarketQuery, PageQuery):
    """Features of minutes."""

    names: Annotated[Names, Field(examples=["rsi_14_1m,body_1m"])] = None


class LatestQuery(_Query):
    """Forecasts that are served."""

    symbol: AnySymbol = None
    exchange: Exchange = None
    horizon_minutes: Horizon | None = None


class HistoryQuery(MarketQuery, PageQuery):
    """Past forecasts."""

    horizon_minutes: Horizon
    role: Annotated[
        Literal["served", "champion", "challenger", "baseline", "all"],
        Field(description="served: the champion's of each candle, else the baseline's"),
    ] = "served"
    model_name: ModelName = None
    model_version: ModelVersion = None


class PerformanceQuery(_Query):
    """Newest performance."""

    symbol: AnySymbol = None
    exchange: Exchange = None
    horizon_minutes: Horizon | None = None
    span: Span | None = None
    model_name: ModelName = None
    model_version: ModelVersion = None


class PerformanceHistoryQuery(MarketQuery, PageQuery):
    """Performance over time."""

    horizon_minutes: Horizon
    span: Span
    model_name: ModelName = None
    model_version: ModelVersion = None


class AssetQuery(PageQuery):
    """Of one asset."""

    asset: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9._]{1,32}$", description="Base of a market, such as BTC", examples=["BTC"])
    ]


class AlertQuery(PageQuery):
    """Alerts."""

    status: Annotated[Literal["firing", "all"], Field(description="Those that fire now, or every change")] = "firing"


class StreamQuery(_Query):
    """Live events."""

    symbol: AnySymbol = None
    exchange: Exchange = None
    timeframe: Annotated[
        str | None, Field(max_length=8, description="Every timeframe if left out", examples=["1m"])
    ] = None
    kinds: Annotated[
        str | None,
        Field(
            pattern=r"^(candle|prediction|alert|freshness)(,(candle|prediction|alert|freshness)){0,3}$",
            description="Comma-separated: candle, prediction, alert, freshness; all if left out",
            examples=["candle,freshness"],
        ),
    ] = None
    limit: Annotated[int | None, Field(ge=1, le=100_000, description="End after so many events", examples=[1])] = None


class NoQuery(_Query):
    """No parameter at all."""
