"""What is served, which markets there are, how fresh everything is."""

from typing import Annotated

from fastapi import Query

from candlewave import __version__
from candlewave.contracts.api import About, Freshness, Markets
from candlewave.services.api.answers import Answer
from candlewave.services.api.context import Ctx
from candlewave.services.api.documents import freshness_document
from candlewave.services.api.parameters import NoQuery
from candlewave.services.api.routes.common import answers, router

SYNTHETIC = "simulated"
"""The exchange of made-up markets."""

_MINUTE = 60
routes = router("overview")


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
            "ema": min(config.indicators.ema),
            "rsi": config.indicators.rsi,
            "indicators": [row["name"] for row in await ctx.indicator_catalog()],
            "features": [row["name"] for row in await ctx.feature_catalog()],
            "interval": 0.8,
            "anonymous": ctx.anonymous,
            "history": ctx.history.name,
        },
        fresh=_MINUTE,
    )


@routes.get("/symbols", responses=answers(Markets))
async def symbols(ctx: Ctx, _: Annotated[NoQuery, Query()]) -> Answer:
    """Every market that is configured or has data."""
    ranges = await ctx.ranges()
    prices = {(row["exchange"], row["symbol"]): row["last_price"] for row in await ctx.prices()}
    data = []
    for market in await ctx.markets():
        key = (market["exchange"], market["symbol"])
        span = ranges.get(key, {})
        base, _slash, quote = market["symbol"].partition("/")
        data.append(
            {
                "exchange": market["exchange"],
                "symbol": market["symbol"],
                "id": market["symbol"].replace("/", "-"),
                "base": market["base"] or base or None,
                "quote": market["quote"] or quote or None,
                "is_synthetic": market["exchange"] == SYNTHETIC,
                "first_candle": span.get("first_candle"),
                "last_candle": span.get("last_candle"),
                "last_event": market["last_ts"],
                "last_trade": market["last_trade_ts"],
                "last_price": prices.get(key),
            }
        )
    return ctx.answer({"data": data})


@routes.get("/freshness", responses=answers(Freshness))
async def freshness(ctx: Ctx, _: Annotated[NoQuery, Query()]) -> Answer:
    """How far each layer has come."""
    rows = await ctx.freshness()
    return ctx.answer(freshness_document(ctx, rows), tagged=[row["newest"] for row in rows])
