"""Candles, indicators and features of one market."""

from collections.abc import Sequence

from psycopg.sql import SQL, Literal

from candlewave.services.api.parameters import CandleQuery, PageQuery
from candlewave.services.api.queries.common import Query, Where, columns

POSITION = (("open_time", "timestamptz"),)

_SHARED = (
    "open_time", "close_time", "open", "high", "low", "close", "volume", "turnover", "trades", "buy_volume",
)  # fmt: skip

INDICATOR_CATALOG = (
    "SELECT name, kind, unit, parameters, needs, warm_up, talib, source, note FROM indicator_catalog ORDER BY name"
)
FEATURE_CATALOG = 'SELECT name, timeframe, needs, "range", meaning FROM feature_catalog ORDER BY name'


def candles(exchange: str, symbol: str, wanted: CandleQuery, position: Sequence[str] | None) -> Query:
    """Return the query of a page of candles and, on the first, of open bars, in one snapshot."""

    def where() -> Where:
        conditions = Where().equal(exchange=exchange, symbol=symbol, timeframe=wanted.timeframe)
        return conditions.within("open_time", wanted).before(POSITION, position)

    closed = where()
    text = SQL(
        "(SELECT {}, false AS is_open, is_filled, feed_state, amended_at FROM candles{}"
        " ORDER BY open_time DESC LIMIT {})"
    ).format(columns(_SHARED), closed.text, Literal(wanted.limit + 1))
    values = closed.values
    if wanted.include_open:
        growing = where().also("is_open")
        text = SQL(
            "SELECT * FROM ({} UNION ALL SELECT {}, true, NULL::boolean, NULL::varchar, NULL::timestamptz"
            " FROM candles_live{}) AS bars ORDER BY open_time DESC LIMIT {}"
        ).format(text, columns(_SHARED), growing.text, Literal(wanted.limit + 1))
        values = [*values, *growing.values]
    return Query(text, values)


def indicators(
    exchange: str, symbol: str, timeframe: str, names: Sequence[str], page: PageQuery, position: Sequence[str] | None
) -> Query:
    """Return the query of a page of indicators."""
    where = Where().equal(exchange=exchange, symbol=symbol, timeframe=timeframe)
    where.within("open_time", page).before(POSITION, position)
    text = SQL("SELECT {} FROM indicators{} ORDER BY open_time DESC LIMIT {}").format(
        columns(["open_time", "close_time", "warm_bars", *names]), where.text, Literal(page.limit + 1)
    )
    return Query(text, where.values)


def features(
    exchange: str, symbol: str, names: Sequence[str], page: PageQuery, position: Sequence[str] | None
) -> Query:
    """Return the query of a page of features."""
    where = Where().equal(exchange=exchange, symbol=symbol).within("open_time", page).before(POSITION, position)
    text = SQL("SELECT {} FROM features{} ORDER BY open_time DESC LIMIT {}").format(
        columns(["open_time", "close_time", "available_at", *names]), where.text, Literal(page.limit + 1)
    )
    return Query(text, where.values)
