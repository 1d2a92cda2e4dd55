"""Query parameters that several routes have."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)")
_SYMBOL = r"^[^\x00-#%-\-/:-@\[-^`{-\x9f?]{1,40}[-/][^\x00-#%-,/;-@\[-^`{-\x9f?]{1,80}$".replace("?", "\ufffd")
"""Letters of any script, digits, ``.``, ``$`` and ``_``; behind the first ``-`` or ``/`` also ``:`` and ``-``.

U+FFFD stands for bytes that are no text."""
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
Symbol = Annotated[
    str, Field(pattern=_SYMBOL, description="BASE-QUOTE, such as BTC-USD, or BTC-USDT:USDT", examples=["BTC-USD"])
]
AnySymbol = Annotated[str | None, Field(pattern=_SYMBOL, description="Every market if left out", examples=["BTC-USD"])]
Exchange = Annotated[
    str | None, Field(pattern=_NAME, description="The configured default if left out", examples=["simulated"])
]
Timeframe = Annotated[str, Field(max_length=8, description="Length of a bar", examples=["5m"])]
Horizon = Annotated[
    int, Field(ge=1, le=1440, description="Minutes from the candle's close to the target time", examples=[5])
]
ModelName = Annotated[str | None, Field(pattern=_NAME, description="Every model if left out", examples=["baseline"])]
ModelVersion = Annotated[str | None, Field(pattern=_NAME, description="Every version if left out", examples=["1"])]


class Parameters(BaseModel):
    """Query parameters of a route; what is not among them is refused by name."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), populate_by_name=False)


class MarketQuery(Parameters):
    """One market."""

    symbol: Symbol
    exchange: Exchange = None


class PageQuery(Parameters):
    """A part of a list."""

    since: Annotated[
        Time | None, Field(alias="from", description="At this time or later", examples=["2026-05-04T12:00:00Z"])
    ] = None
    until: Annotated[
        Time | None, Field(alias="to", description="Before this time", examples=["2100-01-01T00:00:00Z"])
    ] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Rows of a page", examples=[10])] = 200
    cursor: Annotated[str | None, Field(max_length=500, description="next_cursor of the page before")] = None


class NoQuery(Parameters):
    """No parameter at all."""
