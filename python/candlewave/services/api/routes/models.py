"""Models: what they do, what became of them, how good they are."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Query
from psycopg.sql import SQL, Composable, Composed
from pydantic import Field

from candlewave.contracts.api import Models, PerformanceHistory, Performances
from candlewave.contracts.trainings import parse_training
from candlewave.services.api.answers import Answer
from candlewave.services.api.context import Ctx
from candlewave.services.api.parameters import (
    AnySymbol,
    Exchange,
    Horizon,
    MarketQuery,
    ModelName,
    ModelVersion,
    NoQuery,
    PageQuery,
    Parameters,
)
from candlewave.services.api.routes.common import answers, router
from candlewave.services.api.sql import Position, Statement, Where, columns, one_more, statement

ROLES = statement(
    "SELECT model_name, model_version, role, max(feature_time) AS newest FROM latest_predictions"
    " GROUP BY model_name, model_version, role"
)
SERVED = statement("SELECT DISTINCT model_name, model_version, horizon_minutes FROM served_predictions")
EVENTS = statement(
    "SELECT model_name, model_version, event, reason, occurred_at FROM model_events WHERE model_version <> ''"
    " ORDER BY occurred_at DESC, event = 'registered', event_id DESC LIMIT 2000"
)

NEWEST_TRAINING = statement(
    "SELECT event, reason, occurred_at FROM model_events WHERE event IN ('training', 'failed', 'registered')"
    " ORDER BY occurred_at DESC, event LIMIT 1"
)

_COLUMNS = (
    "exchange", "symbol", "horizon_minutes", "model_name", "model_version", "span", "hour", "forecasts", "rmse", "mae",
    "bias", "directional_accuracy", "pinball", "coverage", "skill", "interval_skill",
)  # fmt: skip
_HOURS = (("hour", "timestamptz"), ("model_name", "varchar"), ("model_version", "varchar"))

_NEWEST = SQL(
    "SELECT {0} FROM (SELECT {0}, row_number() OVER (PARTITION BY exchange, symbol, horizon_minutes,"
    " model_name, model_version, span ORDER BY hour DESC) AS place FROM model_error"
    " WHERE hour >= (SELECT closed_until - INTERVAL '8 days' FROM furthest_clock)) AS ranked WHERE place = 1"
).format(columns(_COLUMNS))


def _with_amended_share(rows: Composable) -> Composed:
    """Return a query of model errors with the share of amended forecasts.

    It is joined when read: model_error does not depend on features, which decide what is amended.
    """
    return SQL(
        "SELECT {0}, coalesce(sum(CASE WHEN a.hour <= e.hour AND a.hour > e.hour - CASE e.span"
        " WHEN '1h' THEN INTERVAL '1 hour' WHEN '24h' THEN INTERVAL '24 hours' ELSE INTERVAL '168 hours' END"
        " THEN a.forecasts END), 0)::double precision / nullif(e.forecasts, 0) AS amended_share"
        " FROM ({1}) AS e LEFT JOIN amended_hours AS a ON {2} GROUP BY {0}"
    ).format(
        columns(_COLUMNS, "e"),
        rows,
        SQL(" AND ").join([SQL("a.{0} = e.{0}").format(SQL(name)) for name in _COLUMNS[:5]]),
    )


STANDING = statement(
    SQL("{} ORDER BY e.exchange, e.symbol, e.horizon_minutes, e.model_name, e.model_version, e.span").format(
        _with_amended_share(_NEWEST)
    )
)
"""Newest hour of each model version, market, horizon and window of the last eight days."""

routes = router("models")
_SILENT_AFTER = timedelta(minutes=3)
_TRAINING_FOR = timedelta(minutes=15)
"""A training that has said nothing for this long was interrupted."""

_ROLES = ("champion", "challenger", "baseline")
_Span = Annotated[Literal["1h", "24h", "7d"], Field(description="Window of the figures", examples=["24h"])]


class PerformanceQuery(Parameters):
    """Newest performance."""

    symbol: AnySymbol = None
    exchange: Exchange = None
    horizon_minutes: Horizon | None = None
    span: _Span | None = None
    model_name: ModelName = None
    model_version: ModelVersion = None


class PerformanceHistoryQuery(MarketQuery, PageQuery):
    """Performance over time."""

    horizon_minutes: Horizon
    span: _Span
    model_name: ModelName = None
    model_version: ModelVersion = None


def performance_of(exchange: str, symbol: str, wanted: PerformanceHistoryQuery, position: Position) -> Statement:
    """Return the statement of a page of hours."""
    where = Where().equal(
        exchange=exchange,
        symbol=symbol,
        horizon_minutes=wanted.horizon_minutes,
        span=wanted.span,
        model_name=wanted.model_name,
        model_version=wanted.model_version,
    )
    where.within("hour", wanted).before(_HOURS, position)
    page = SQL("SELECT {} FROM model_error{} ORDER BY hour DESC, model_name DESC, model_version DESC LIMIT {}").format(
        columns(_COLUMNS), where.text, one_more(wanted)
    )
    text = SQL("{} ORDER BY e.hour DESC, e.model_name DESC, e.model_version DESC").format(_with_amended_share(page))
    return Statement(text, where.values)


@routes.get("/performance", responses=answers(Performances))
async def performance(ctx: Ctx, wanted: Annotated[PerformanceQuery, Query()]) -> Answer:
    """How good each model version was, up to the newest hour of each window."""
    rows = await ctx.of_market(await ctx.rows(STANDING, 1.0), wanted.symbol, wanted.exchange)
    for name in ("horizon_minutes", "span", "model_name", "model_version"):
        value = getattr(wanted, name)
        if value is not None:
            rows = [row for row in rows if row[name] == value]
    return ctx.answer({"data": rows})


@routes.get("/performance/history", responses=answers(PerformanceHistory))
async def performance_history(ctx: Ctx, wanted: Annotated[PerformanceHistoryQuery, Query()]) -> Answer:
    """How good model versions were, hour by hour, newest first."""
    exchange, symbol = await ctx.market(wanted.symbol, wanted.exchange)
    selection = (
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
    page = await ctx.page(
        wanted, selection, _HOURS, lambda position: performance_of(exchange, symbol, wanted, position)
    )
    return ctx.answer({"exchange": exchange, "symbol": symbol, **page})


@routes.get("/models", responses=answers(Models))
async def models(ctx: Ctx, _: Annotated[NoQuery, Query()]) -> Answer:
    """Every model version that forecasts or was heard of."""
    roles, served, events = [await ctx.rows(which) for which in (ROLES, SERVED, EVENTS)]
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
                "is_silent": False,
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
    promoted = next((row for row in events if row["event"] in ("promoted", "rolled_back")), None)
    if promoted is not None and newest is not None:
        champion = entry(promoted)
        last = max(filter(None, (champion["newest_forecast"], promoted["occurred_at"])))
        champion["is_silent"] = newest - last > _SILENT_AFTER
    for model in found.values():
        model["roles"] = sorted(set(model["roles"]), key=_ROLES.index)
        model["horizons_minutes"] = sorted(set(model["horizons_minutes"]))
    data = sorted(found.values(), key=lambda m: (m["model_name"], _number(m["model_version"])), reverse=True)
    newest_training = next(iter(await ctx.rows(NEWEST_TRAINING)), None)
    return ctx.answer({"data": data, "training": _training(newest_training, ctx.clock())})


def _training(event: dict[str, Any] | None, now: datetime) -> dict[str, object] | None:
    """Return the training that runs, or that failed last."""
    if event is None or event["event"] == "registered":
        return None
    told = {"state": "failed", "reason": event["reason"], "updated_at": event["occurred_at"]}
    if event["event"] == "failed":
        return {**told, "since": None, "fitted": None, "total": None}
    running = parse_training(event["reason"])
    if running is None or now - event["occurred_at"] > _TRAINING_FOR:
        return None
    return {**told, **asdict(running), "state": "running"}


def _number(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdecimal() else (-1, version)
