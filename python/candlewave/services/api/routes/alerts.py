"""Alerts of the model error monitor, and wishes for a training."""

import asyncio
import hashlib
from typing import Annotated
from uuid import uuid4

from fastapi import Body, Header, Query, Request
from fastapi.responses import JSONResponse

from candlewave.bus import BusError
from candlewave.contracts import records
from candlewave.contracts.api import Alerts, TrainingRequest, TrainingRequestBody
from candlewave.services.api.answers import Answer
from candlewave.services.api.context import Ctx, check_range, listed
from candlewave.services.api.documents import alert_document
from candlewave.services.api.parameters import AlertQuery, NoQuery
from candlewave.services.api.problems import ProblemError
from candlewave.services.api.queries import alerts as sql
from candlewave.services.api.routes.common import answers, router

routes = router("alerts")


@routes.get("/alerts", responses=answers(Alerts))
async def alerts(ctx: Ctx, wanted: Annotated[AlertQuery, Query()]) -> Answer:
    """Alerts that fire now, or every change of an alert; newest first."""
    check_range(wanted)
    selection = listed("alerts", wanted.status, wanted.since, wanted.until)
    position = ctx.cursors.read(selection, wanted.cursor)
    rows = await ctx.shared_rows(sql.alerts(wanted, position))
    page = ctx.page(rows, wanted, selection, [name for name, _ in sql.POSITION])
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
