"""What is served, which markets there are, how fresh everything is."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query

from candlewave import __version__
from candlewave.contracts.api import About, Freshness, Markets
from candlewave.core.markets import Market as MarketName
from candlewave.core.markets import symbol_id
from candlewave.engine.clocks import feed_state
from candlewave.services.api.answers import Answer
from candlewave.services.api.context import Context, Ctx
from candlewave.services.api.parameters import NoQuery
from candlewave.services.api.reader import Row
from candlewave.services.api.routes.bars import CATALOG_SECONDS, FEATURE_CATALOG, INDICATOR_CATALOG
from candlewave.services.api.routes.common import answers, router
from candlewave.services.api.sql import statement

RANGES = statement(
    "SELECT f.exchange, f.symbol, min(c.open_time) AS first_candle, max(c.open_time) AS last_candle"
    " FROM feed_clock AS f INNER JOIN candles AS c ON c.exchange = f.exchange AND c.symbol = f.symbol"
    " WHERE c.timeframe = '1m' GROUP BY f.exchange, f.symbol"
)
"""On RisingWave, which reads all candles for it; hence kept for a minute."""

RANGES_BY_INDEX = statement(
    "SELECT f.exchange, f.symbol,"
    " (SELECT min(c.open_time) FROM candles AS c WHERE c.exchange = f.exchange AND c.symbol = f.symbol"
    "  AND c.timeframe = '1m') AS first_candle,"
    " (SELECT max(c.open_time) FROM candles AS c WHERE c.exchange = f.exchange AND c.symbol = f.symbol"
    "  AND c.timeframe = '1m') AS last_candle"
    " FROM feed_clock AS f"
)
"""On PostgreSQL: two looks into the index per market."""

PRICES = statement(
    "SELECT c.exchange, c.symbol, c.close AS last_price FROM feed_clock AS f"
    " INNER JOIN candles_1m_live AS c ON c.exchange = f.exchange AND c.symbol = f.symbol"
    "  AND c.open_time = date_trunc('minute', f.last_trade_ts, 'UTC')"
)
"""Newest price of each market, found by the whole key."""

LOADS = statement(
    "SELECT exchange, symbol, source, range_from, range_to, trades AS records, updated_at FROM loaded_ranges"
    " WHERE state = 'loading' ORDER BY updated_at"
)
"""Loads of history that have begun and not ended; one that was interrupted stays."""

_LOADING_FOR = timedelta(minutes=10)
"""A load that has noted nothing for this long was interrupted."""

_RECENT = (
    " FROM market_clock AS m INNER JOIN feed_clock AS f ON f.exchange = m.exchange INNER JOIN {view} AS v"
    "  ON v.exchange = f.exchange AND v.symbol = f.symbol AND v.open_time >= m.closed_until - INTERVAL '10 minutes'"
)

FRESHNESS = statement(
    "SELECT 'trades' AS layer, max(last_ts) AS newest, 1 AS place FROM feed_clock"
    f" UNION ALL SELECT 'candles', max(v.close_time), 2{_RECENT.format(view='candles')} WHERE v.timeframe = '1m'"
    f" UNION ALL SELECT 'indicators', max(v.close_time), 3{_RECENT.format(view='indicators')} WHERE v.timeframe = '1m'"
    f" UNION ALL SELECT 'features', max(v.close_time), 4{_RECENT.format(view='features')}"
    " UNION ALL SELECT 'sentiment', max(scored_at), 5 FROM news_sentiment"
    " UNION ALL SELECT 'predictions', max(feature_time) + INTERVAL '1 minute', 6 FROM served_predictions"
    " UNION ALL SELECT 'closed_until', max(closed_until), 7 FROM furthest_clock"
    " ORDER BY place"
)
"""Newest event of each layer; what is older than ten minutes behind its exchange's clock counts as nothing."""

SYNTHETIC = "simulated"
"""The exchange of made-up markets."""

routes = router("overview")
_ABOUT_SECONDS = 60
_RANGES_SECONDS = 60.0


def freshness_document(ctx: Context, rows: list[Row]) -> dict[str, object]:
    """Return the answer of ``/v1/freshness``."""
    now = ctx.clock()
    newest = {row["layer"]: row["newest"] for row in rows}
    closed_until = newest.pop("closed_until", None)
    layers = [
        {"layer": name, "newest": when, "age_seconds": None if when is None else (now - when).total_seconds()}
        for name, when in newest.items()
    ]
    return {"closed_until": closed_until, "data": layers}


@routes.get("/about", responses=answers(About))
async def about(ctx: Ctx, _: Annotated[NoQuery, Query()]) -> Answer:
    """What this API serves."""
    config = ctx.config
    return ctx.answer(
        {
            "version": __version__,
            "default_exchange": config.default_exchange,
            "timeframes": config.candles.timeframes,
            "horizons_minutes": config.predictions.horizons_minutes,
            "indicators": [row["name"] for row in await ctx.rows(INDICATOR_CATALOG, CATALOG_SECONDS)],
            "features": [row["name"] for row in await ctx.rows(FEATURE_CATALOG, CATALOG_SECONDS)],
            "interval": 0.8,
            "anonymous": ctx.anonymous,
            "history": ctx.history.name,
        },
        fresh=_ABOUT_SECONDS,
    )


@routes.get("/symbols", responses=answers(Markets))
async def symbols(ctx: Ctx, _: Annotated[NoQuery, Query()]) -> Answer:
    """Every market that is configured or has data."""
    on_risingwave = ctx.reader.is_risingwave
    found = await ctx.rows(*((RANGES, _RANGES_SECONDS) if on_risingwave else (RANGES_BY_INDEX, 1.0)))
    ranges = {(row["exchange"], row["symbol"]): row for row in found}
    prices = {(row["exchange"], row["symbol"]): row["last_price"] for row in await ctx.rows(PRICES)}
    loads = {(row["exchange"], row["symbol"]): row for row in await ctx.rows(LOADS)}
    data = []
    followed, now = frozenset(ctx.config.markets), ctx.clock()
    for market in await ctx.markets():
        key = (market["exchange"], market["symbol"])
        span = ranges.get(key, {})
        named = MarketName(*key)
        data.append(
            {
                "exchange": market["exchange"],
                "symbol": market["symbol"],
                "id": symbol_id(market["symbol"]),
                "base": market["base"] or named.base or None,
                "quote": market["quote"] or named.quote or None,
                "kind": market["kind"],
                "is_synthetic": market["exchange"] == SYNTHETIC,
                "state": feed_state(named, market["last_ts"], followed, now),
                "first_candle": span.get("first_candle"),
                "last_candle": span.get("last_candle"),
                "last_event": market["last_ts"],
                "last_trade": market["last_trade_ts"],
                "last_price": prices.get(key),
                "loading": _loading(loads.get(key), now),
            }
        )
    return ctx.answer({"data": data})


def _loading(load: Row | None, now: datetime) -> dict[str, object] | None:
    if load is None or now - load["updated_at"] > _LOADING_FOR:
        return None
    return {name: load[name] for name in ("source", "range_from", "range_to", "records", "updated_at")}


@routes.get("/freshness", responses=answers(Freshness))
async def freshness(ctx: Ctx, _: Annotated[NoQuery, Query()]) -> Answer:
    """How far each layer has come."""
    rows = await ctx.rows(FRESHNESS)
    return ctx.answer(freshness_document(ctx, rows), tagged=[row["newest"] for row in rows])
