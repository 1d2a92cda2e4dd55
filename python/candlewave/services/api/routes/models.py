"""Models: what they do, what became of them, how good they are."""

from typing import Annotated, Any

from fastapi import Query

from candlewave.contracts.api import Models, PerformanceHistory, Performances
from candlewave.services.api.answers import Answer
from candlewave.services.api.context import Ctx, check_range, listed
from candlewave.services.api.parameters import NoQuery, PerformanceHistoryQuery, PerformanceQuery
from candlewave.services.api.queries import models as sql
from candlewave.services.api.routes.common import answers, router

_ORDER = ("champion", "challenger", "baseline")
routes = router("models")


@routes.get("/performance", responses=answers(Performances))
async def performance(ctx: Ctx, wanted: Annotated[PerformanceQuery, Query()]) -> Answer:
    """How good each model version was, up to the newest hour of each window."""
    rows = await ctx.of_market(await ctx.standing(), wanted.symbol, wanted.exchange)
    for name in ("horizon_minutes", "span", "model_name", "model_version"):
        value = getattr(wanted, name)
        if value is not None:
            rows = [row for row in rows if row[name] == value]
    return ctx.answer({"data": rows})


@routes.get("/performance/history", responses=answers(PerformanceHistory))
async def performance_history(ctx: Ctx, wanted: Annotated[PerformanceHistoryQuery, Query()]) -> Answer:
    """How good model versions were, hour by hour, newest first."""
    check_range(wanted)
    exchange, symbol = await ctx.market(wanted.symbol, wanted.exchange)
    selection = listed(
        "performance",
        exchange,
        symbol,
        wanted.horizon_minutes,
        wanted.span,
        wanted.model_name,
        wanted.model_version,
        wanted.since,
        wanted.until,
    )
    position = ctx.cursors.read(selection, wanted.cursor)
    rows = await ctx.shared_rows(sql.performance(exchange, symbol, wanted, position))
    page = ctx.page(rows, wanted, selection, [name for name, _ in sql.POSITION])
    return ctx.answer({"exchange": exchange, "symbol": symbol, **page})


@routes.get("/models", responses=answers(Models))
async def models(ctx: Ctx, _: Annotated[NoQuery, Query()]) -> Answer:
    """Every model version that forecasts or was heard of."""
    roles, served, events = await ctx.models()
    found: dict[tuple[str, str], dict[str, Any]] = {}

    def entry(row: dict[str, Any]) -> dict[str, Any]:
        key = (row["model_name"], row["model_version"])
        return found.setdefault(
            key,
            {
                "model_name": key[0],
                "model_version": key[1],
                "roles": [],
                "horizons_minutes": [],
                "newest_forecast": None,
                "registered_at": None,
                "promoted_at": None,
                "events": [],
            },
        )

    newest = max((row["newest"] for row in roles), default=None)
    for row in roles:
        model = entry(row)
        model["newest_forecast"] = max(filter(None, (model["newest_forecast"], row["newest"])))
        if row["newest"] == newest:  # a role that it has now, not one that it had
            model["roles"].append(row["role"])
    for row in served:
        entry(row)["horizons_minutes"].append(row["horizon_minutes"])
    for row in events:
        model = entry(row)
        model["events"].append({name: row[name] for name in ("event", "reason", "occurred_at")})
        for event, field in (("registered", "registered_at"), ("promoted", "promoted_at")):
            if row["event"] == event and model[field] is None:
                model[field] = row["occurred_at"]
    for model in found.values():
        model["roles"] = sorted(set(model["roles"]), key=_ORDER.index)
        model["horizons_minutes"] = sorted(set(model["horizons_minutes"]))
    data = sorted(found.values(), key=lambda m: (m["model_name"], _number(m["model_version"])), reverse=True)
    return ctx.answer({"data": data})


def _number(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdecimal() else (-1, version)
