"""Forecasts: those served now, and past ones with what came."""

import math
from typing import Annotated, Any

from fastapi import Query
from psycopg.sql import SQL

from candlewave.contracts.api import LatestForecasts, PastForecasts
from candlewave.core.times import MINUTE
from candlewave.services.api.answers import Answer
from candlewave.services.api.context import Context, Ctx
from candlewave.services.api.history import FORECAST, ORDER, OUTCOME, HistoryQuery, mark_amended, read_history
from candlewave.services.api.parameters import AnySymbol, Exchange, Horizon, Parameters
from candlewave.services.api.reader import Row
from candlewave.services.api.routes.common import answers, router
from candlewave.services.api.sql import Position, columns, statement

MADE_BY = ("median_by", "interval_by")
"""Whose parts a served forecast has: a champion serves what of it has beaten the baseline."""

SERVED = statement(
    SQL(
        "SELECT {}, p.median_by, p.interval_by, c.close AS latest_price FROM served_predictions AS p"
        " LEFT JOIN feed_clock AS f ON f.exchange = p.exchange AND f.symbol = p.symbol"
        " LEFT JOIN candles_1m_live AS c ON c.exchange = f.exchange AND c.symbol = f.symbol"
        "  AND c.open_time = date_trunc('minute', f.last_trade_ts, 'UTC')"
        " ORDER BY p.exchange, p.symbol, p.horizon_minutes"
    ).format(columns(FORECAST, "p"))
)
"""The forecasts that are served, with the newest price of their markets: one query for all who ask for any of them."""

routes = router("forecasts")


class LatestQuery(Parameters):
    """Forecasts that are served."""

    symbol: AnySymbol = None
    exchange: Exchange = None
    horizon_minutes: Horizon | None = None


@routes.get("/predictions/latest", responses=answers(LatestForecasts))
async def latest(ctx: Ctx, wanted: Annotated[LatestQuery, Query()]) -> Answer:
    """The forecast that is served for each market and horizon: the champion's, else the baseline's."""
    rows = await ctx.of_market(await ctx.rows(SERVED), wanted.symbol, wanted.exchange)
    if wanted.horizon_minutes is not None:
        rows = [row for row in rows if row["horizon_minutes"] == wanted.horizon_minutes]
    # Ages change by themselves; a forecast or a price that changes is a change.
    tagged = [[row[name] for name in (*FORECAST, *MADE_BY, "latest_price")] for row in rows]
    return ctx.answer({"data": [standing(ctx, row) for row in rows]}, tagged=tagged)


@routes.get("/predictions", responses=answers(PastForecasts))
async def history(ctx: Ctx, wanted: Annotated[HistoryQuery, Query()]) -> Answer:
    """Past forecasts of a market and horizon, newest first, each with what came."""
    exchange, symbol = await ctx.market(wanted.symbol, wanted.exchange)
    selection = (
        "predictions",
        exchange,
        symbol,
        wanted.horizon_minutes,
        wanted.role,
        wanted.model_name,
        wanted.model_version,
        wanted.since,
        wanted.until,
    )

    async def read(position: Position) -> list[Row]:
        found = await read_history(ctx.history, exchange, symbol, wanted, position)
        return await mark_amended(ctx.reader, exchange, symbol, found)

    # One forecast is served per candle: the others of the candle must not begin the next page.
    blank = [name for name, _ in ORDER[1:]] if wanted.role == "served" else []
    page = await ctx.page_of(wanted, selection, ORDER, read, blank=blank)
    page["data"] = [_with_outcome(row) for row in page["data"]]
    return ctx.answer({"exchange": exchange, "symbol": symbol, "horizon_minutes": wanted.horizon_minutes, **page})


def standing(ctx: Context, row: Row) -> dict[str, Any]:
    """Return a served forecast with how it stands at the newest price."""
    price, reference = row["latest_price"], row["reference_price"]
    so_far = math.log(price / reference) if price and reference else None
    now = ctx.clock()
    return {
        **{name: row[name] for name in (*FORECAST, *MADE_BY)},
        "age_seconds": (now - row["feature_time"] - MINUTE).total_seconds(),
        "latest_price": price,
        "error_so_far": None if so_far is None else row["q50"] - so_far,
        "is_inside_so_far": None if so_far is None else row["q10"] <= so_far <= row["q90"],
        "is_due": now >= row["target_time"],
    }


def _with_outcome(row: Row) -> dict[str, Any]:
    outcome = None
    if row["realised_return"] is not None:
        outcome = {name: row[name] for name in (*OUTCOME, "inputs_amended")}
    return {**{name: row[name] for name in FORECAST}, "outcome": outcome}
