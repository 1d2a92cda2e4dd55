"""Alerts of the model error monitor, and requests for a training."""

import asyncio
import hashlib
from typing import Annotated, Literal
from uuid import uuid4

from fastapi import Body, Header, Query, Request
from fastapi.responses import JSONResponse
from psycopg.sql import SQL
from pydantic import Field

from candlewave.bus import BusError
from candlewave.contracts import records
from candlewave.contracts.api import Alerts, TrainingRequest, TrainingRequestBody
from candlewave.rules import summary
from candlewave.services.api.answers import Answer
from candlewave.services.api.context import Ctx
from candlewave.services.api.parameters import NoQuery, PageQuery
from candlewave.services.api.problems import ProblemError
from candlewave.services.api.reader import Row
from candlewave.services.api.routes.common import answers, router
from candlewave.services.api.sql import Position, Statement, Where, columns, one_more

routes = router("alerts")
_ORDER = (("occurred_at", "timestamptz"), ("fingerprint", "varchar"), ("status", "varchar"))
_COLUMNS = ("fingerprint", "rule", "severity", "labels", "value", "status", "occurred_at")


class AlertQuery(PageQuery):
    """Alerts."""

    status: Annotated[Literal["firing", "all"], Field(description="Those that fire now, or every change")] = "firing"


def alerts_of(wanted: AlertQuery, position: Position) -> Statement:
    """Return the statement of a page of alerts: of those that fire now, or of every change."""
    where = Where().within("occurred_at", wanted).before(_ORDER, position)
    changes = SQL("alerts").format()
    if wanted.status == "firing":
        # An alert's end and its next begin never share a moment; the end comes first in the alphabet reversed.
        changes = SQL(
            "(SELECT {0} FROM (SELECT {0}, row_number() OVER (PARTITION BY fingerprint ORDER BY occurred_at DESC,"
            " status DESC) AS place FROM alerts) AS numbered WHERE place = 1 AND status = 'firing') AS firing"
        ).format(columns(_COLUMNS))
    text = SQL("SELECT {} FROM {}{} ORDER BY occurred_at DESC, fingerprint DESC, status DESC LIMIT {}").format(
        columns(_COLUMNS), changes, where.text, one_more(wanted)
    )
    return Statement(text, where.values)


def alert_document(row: Row) -> Row:
    """Return an alert with its sentence."""
    labels = {str(name): str(value) for name, value in (row["labels"] or {}).items()}
    return {**row, "labels": labels, "summary": summary(row["rule"], labels, row["value"] or 0.0)}


@routes.get("/alerts", responses=answers(Alerts))
async def alerts(ctx: Ctx, wanted: Annotated[AlertQuery, Query()]) -> Answer:
    """Alerts that fire now, or every change of an alert; newest first."""
    selection = ("alerts", wanted.status, wanted.since, wanted.until)
    page = await ctx.page(wanted, selection, _ORDER, lambda position: alerts_of(wanted, position))
    page["data"] = [alert_document(row) for row in page["data"]]
    return ctx.answer(page)


@routes.post("/training-requests", status_code=202, responses=answers(TrainingRequest, 202))
async def training_request(
    request: Request,
    ctx: Ctx,
    _: Annotated[NoQuery, Query()],
    body: Annotated[TrainingRequestBody, Body()],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> JSONResponse:
    """Ask the model trainer for a training; it trains when its schedule permits."""
    if idempotency_key is None:
        identity = f"api-{uuid4().hex[:16]}"
    else:
        whose = f"{request.scope['api_key']}|{idempotency_key}"
        identity = f"api-{hashlib.sha256(whose.encode()).hexdigest()[:16]}"
    wanted = records.TrainingRequest(identity, ctx.model_name, body.reason, body.evidence, ctx.clock())
    try:
        await asyncio.to_thread(ctx.ask_training, wanted)
    except BusError:
        raise ProblemError(
            503,
            "bus-not-available",
            "Bus not available",
            "The request could not be stored; try again.",
            headers={"Retry-After": "5"},
            retry_after_seconds=5,
        ) from None
    answer = {
        "request_id": wanted.request_id,
        "model_name": wanted.model_name,
        "reason": wanted.reason,
        "requested_at": wanted.requested_at.isoformat().replace("+00:00", "Z"),
    }
    return JSONResponse(answer, 202)
