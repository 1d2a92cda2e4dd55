"""Candles, indicators and features of one market."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query
from psycopg.sql import SQL, Composable
from pydantic import Field

from candlewave.contracts.api import Candles, FeatureCatalog, Features, IndicatorCatalog, Indicators
from candlewave.services.api.answers import Answer
from candlewave.services.api.context import Ctx
from candlewave.services.api.parameters import MarketQuery, NoQuery, PageQuery, Timeframe
from candlewave.services.api.problems import bad_parameter, not_found
from candlewave.services.api.reader import Row
from candlewave.services.api.routes.common import answers, router
from candlewave.services.api.sql import Position, Statement, Where, columns, one_more, statement

CATALOG_SECONDS = 60
INDICATOR_CATALOG = statement(
    "SELECT name, kind, unit, parameters, needs, warm_up, talib, source, note FROM indicator_catalog ORDER BY name"
)
OWN_COLUMNS = statement("SELECT column_name FROM information_schema.columns WHERE table_name = 'own_indicators'")
_WITH_OWN = SQL("indicators LEFT JOIN own_indicators USING (exchange, symbol, timeframe, open_time)")
FEATURE_CATALOG = statement('SELECT name, timeframe, needs, "range", meaning FROM feature_catalog ORDER BY name')

routes = router("bars")
_ORDER = (("open_time", "timestamptz"),)
_SHARED = (
    "open_time", "close_time", "open", "high", "low", "close", "volume", "turnover", "trades", "buy_volume",
)  # fmt: skip
_Names = Annotated[
    str | None,
    Field(max_length=4000, pattern=r"^[A-Za-z0-9_,]+$", description="Comma-separated; all if left out"),
]


class CandleQuery(MarketQuery, PageQuery):
    """Bars."""

    timeframe: Timeframe = "1m"
    include_open: Annotated[bool, Field(description="Show bars that still grow")] = True


class IndicatorQuery(MarketQuery, PageQuery):
    """Indicators of bars."""

    timeframe: Timeframe = "1m"
    names: Annotated[_Names, Field(examples=["rsi_14,ema_12"])] = None


class FeatureQuery(MarketQuery, PageQuery):
    """Features of minutes."""

    names: Annotated[_Names, Field(examples=["rsi_14_1m,body_1m"])] = None


def candles_of(exchange: str, symbol: str, wanted: CandleQuery, position: Position) -> Statement:
    """Return the statement of a page of candles and, on the first, of open bars, in one snapshot."""

    def where() -> Where:
        conditions = Where().equal(exchange=exchange, symbol=symbol, timeframe=wanted.timeframe)
        return conditions.within("open_time", wanted).before(_ORDER, position)

    closed = where()
    text = SQL(
        "(SELECT {}, false AS is_open, is_filled, feed_state, amended_at, minutes_present, is_whole"
        " FROM candles{} ORDER BY open_time DESC LIMIT {})"
    ).format(columns(_SHARED), closed.text, one_more(wanted))
    values = closed.values
    if wanted.include_open:
        growing = where().also("is_open")
        text = SQL(
            "SELECT * FROM ({} UNION ALL SELECT {}, true, NULL::boolean, NULL::varchar, NULL::timestamptz,"
            " NULL::int, NULL::boolean FROM candles_live{}) AS bars ORDER BY open_time DESC LIMIT {}"
        ).format(text, columns(_SHARED), growing.text, one_more(wanted))
        values = [*values, *growing.values]
    return Statement(text, values)


def values_of(
    relation: Composable, market: dict[str, str], names: Sequence[str], page: PageQuery, position: Position
) -> Statement:
    """Return the statement of a page of columns of a relation with a row per bar.

    Args:
        relation: what stands after FROM.
        market: columns that select one series of bars, and their values.
        names: the columns.
    """
    where = Where().equal(**market).within("open_time", page).before(_ORDER, position)
    text = SQL("SELECT {} FROM {}{} ORDER BY open_time DESC LIMIT {}").format(
        columns(names), relation, where.text, one_more(page)
    )
    return Statement(text, where.values)


@routes.get("/candles", responses=answers(Candles))
async def candles(ctx: Ctx, wanted: Annotated[CandleQuery, Query()]) -> Answer:
    """Bars of a market, newest first; those that still grow are marked."""
    exchange, symbol = await ctx.market(wanted.symbol, wanted.exchange)
    timeframe = ctx.timeframe(wanted.timeframe)
    selection = ("candles", exchange, symbol, timeframe, wanted.since, wanted.until, wanted.include_open)
    page = await ctx.page(wanted, selection, _ORDER, lambda position: candles_of(exchange, symbol, wanted, position))
    return ctx.answer({"exchange": exchange, "symbol": symbol, "timeframe": timeframe, **page})


@routes.get("/indicators", responses=answers(Indicators))
async def indicators(ctx: Ctx, wanted: Annotated[IndicatorQuery, Query()]) -> Answer:
    """Indicators of closed bars, newest first."""
    exchange, symbol = await ctx.market(wanted.symbol, wanted.exchange)
    timeframe = ctx.timeframe(wanted.timeframe)
    names = _chosen(wanted.names, await ctx.rows(INDICATOR_CATALOG, CATALOG_SECONDS), "indicator")
    selection = ("indicators", exchange, symbol, timeframe, names, wanted.since, wanted.until)
    market = {"exchange": exchange, "symbol": symbol, "timeframe": timeframe}
    others = ("open_time", "close_time", "warm_bars")
    own = await _columns_of_entries(ctx)
    relation = columns(["indicators"]) if own.isdisjoint(names) else _WITH_OWN
    page = await ctx.page(
        wanted, selection, _ORDER, lambda position: values_of(relation, market, [*others, *names], wanted, position)
    )
    page["data"] = [_named(row, names, others) for row in page["data"]]
    return ctx.answer({**market, **page})


@routes.get("/indicators/catalog", responses=answers(IndicatorCatalog))
async def indicator_catalog(ctx: Ctx, _: Annotated[NoQuery, Query()]) -> Answer:
    """What the indicators mean, and when they have a value."""
    own = await _columns_of_entries(ctx)
    rows = await ctx.rows(INDICATOR_CATALOG, CATALOG_SECONDS)
    return ctx.answer({"data": [row | {"entry": row["name"] in own} for row in rows]}, fresh=CATALOG_SECONDS)


@routes.get("/features", responses=answers(Features))
async def features(ctx: Ctx, wanted: Annotated[FeatureQuery, Query()]) -> Answer:
    """What models see of closed minutes, newest first."""
    exchange, symbol = await ctx.market(wanted.symbol, wanted.exchange)
    names = _chosen(wanted.names, await ctx.rows(FEATURE_CATALOG, CATALOG_SECONDS), "feature")
    selection = ("features", exchange, symbol, names, wanted.since, wanted.until)
    market = {"exchange": exchange, "symbol": symbol}
    others = ("open_time", "close_time", "available_at")
    page = await ctx.page(
        wanted,
        selection,
        _ORDER,
        lambda position: values_of(columns(["features"]), market, [*others, *names], wanted, position),
    )
    page["data"] = [_named(row, names, others) for row in page["data"]]
    return ctx.answer({**market, **page})


@routes.get("/features/catalog", responses=answers(FeatureCatalog))
async def feature_catalog(ctx: Ctx, _: Annotated[NoQuery, Query()]) -> Answer:
    """What the features mean."""
    return ctx.answer({"data": await ctx.rows(FEATURE_CATALOG, CATALOG_SECONDS)}, fresh=CATALOG_SECONDS)


async def _columns_of_entries(ctx: Ctx) -> set[object]:
    return {row["column_name"] for row in await ctx.rows(OWN_COLUMNS, CATALOG_SECONDS)}


def _named(row: Row, names: Sequence[str], others: tuple[str, ...]) -> Row:
    return {**{name: row[name] for name in others}, "values": {name: row[name] for name in names}}


def _chosen(names: str | None, catalog: list[Row], what: str) -> list[str]:
    """Return the columns that were asked for, all by default.

    Raises:
        ProblemError: 404, one of them does not exist.
    """
    known = [str(row["name"]) for row in catalog]
    if names is None:
        return known
    wanted = list(dict.fromkeys(name for name in names.split(",") if name))
    if not wanted:
        raise bad_parameter("names", f"names no {what}", names)
    existing = set(known)
    for name in wanted:
        if name not in existing:
            raise not_found(f"unknown-{what}", f"Unknown {what}", f"There is no {what} {name[:100]}.", name, known)
    return wanted
