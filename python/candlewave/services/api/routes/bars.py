"""Candles, indicators and features of one market."""

from typing import Annotated

from fastapi import Query

from candlewave.contracts.api import Candles, FeatureCatalog, Features, IndicatorCatalog, Indicators
from candlewave.services.api.answers import Answer
from candlewave.services.api.context import Ctx, check_range, chosen_names, listed
from candlewave.services.api.parameters import CandleQuery, FeatureQuery, IndicatorQuery, NoQuery
from candlewave.services.api.queries import bars as sql
from candlewave.services.api.reader import Row
from candlewave.services.api.routes.common import answers, router

_CATALOG_SECONDS = 60
routes = router("bars")


@routes.get("/candles", responses=answers(Candles))
async def candles(ctx: Ctx, wanted: Annotated[CandleQuery, Query()]) -> Answer:
    """Bars of a market, newest first; those that still grow are marked."""
    check_range(wanted)
    exchange, symbol = await ctx.market(wanted.symbol, wanted.exchange)
    timeframe = ctx.timeframe(wanted.timeframe)
    selection = listed("candles", exchange, symbol, timeframe, wanted.since, wanted.until, wanted.include_open)
    position = ctx.cursors.read(selection, wanted.cursor)
    rows = await ctx.shared_rows(sql.candles(exchange, symbol, wanted, position))
    page = ctx.page(rows, wanted, selection, ["open_time"])
    return ctx.answer({"exchange": exchange, "symbol": symbol, "timeframe": timeframe, **page})


@routes.get("/indicators", responses=answers(Indicators))
async def indicators(ctx: Ctx, wanted: Annotated[IndicatorQuery, Query()]) -> Answer:
    """Indicators of closed bars, newest first."""
    check_range(wanted)
    exchange, symbol = await ctx.market(wanted.symbol, wanted.exchange)
    timeframe = ctx.timeframe(wanted.timeframe)
    known = [row["name"] for row in await ctx.indicator_catalog()]
    names = chosen_names(wanted.names, known, "indicator")
    selection = listed("indicators", exchange, symbol, timeframe, names, wanted.since, wanted.until)
    position = ctx.cursors.read(selection, wanted.cursor)
    query = sql.indicators(exchange, symbol, timeframe, names, wanted, position)
    page = ctx.page(await ctx.shared_rows(query), wanted, selection, ["open_time"])
    page["data"] = [_named(row, names, ("open_time", "close_time", "warm_bars")) for row in page["data"]]
    return ctx.answer({"exchange": exchange, "symbol": symbol, "timeframe": timeframe, **page})


@routes.get("/indicators/catalog", responses=answers(IndicatorCatalog))
async def indicator_catalog(ctx: Ctx, _: Annotated[NoQuery, Query()]) -> Answer:
    """What the indicators mean, and when they have a value."""
    return ctx.answer({"data": await ctx.indicator_catalog()}, fresh=_CATALOG_SECONDS)


@routes.get("/features", responses=answers(Features))
async def features(ctx: Ctx, wanted: Annotated[FeatureQuery, Query()]) -> Answer:
    """What models see of closed minutes, newest first."""
    check_range(wanted)
    exchange, symbol = await ctx.market(wanted.symbol, wanted.exchange)
    known = [row["name"] for row in await ctx.feature_catalog()]
    names = chosen_names(wanted.names, known, "feature")
    selection = listed("features", exchange, symbol, names, wanted.since, wanted.until)
    position = ctx.cursors.read(selection, wanted.cursor)
    query = sql.features(exchange, symbol, names, wanted, position)
    page = ctx.page(await ctx.shared_rows(query), wanted, selection, ["open_time"])
    page["data"] = [_named(row, names, ("open_time", "close_time", "available_at")) for row in page["data"]]
    return ctx.answer({"exchange": exchange, "symbol": symbol, **page})


@routes.get("/features/catalog", responses=answers(FeatureCatalog))
async def feature_catalog(ctx: Ctx, _: Annotated[NoQuery, Query()]) -> Answer:
    """What the features mean."""
    return ctx.answer({"data": await ctx.feature_catalog()}, fresh=_CATALOG_SECONDS)


def _named(row: Row, names: list[str], others: tuple[str, ...]) -> Row:
    return {**{name: row[name] for name in others}, "values": {name: row[name] for name in names}}
