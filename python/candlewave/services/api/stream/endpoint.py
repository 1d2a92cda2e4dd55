"""Live events."""

from datetime import UTC, datetime
from typing import Annotated, Any, cast

from fastapi import Header, Query, Request
from pydantic import Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from candlewave.contracts.api import Problem
from candlewave.services.api.context import Ctx
from candlewave.services.api.parameters import AnySymbol, Exchange, Parameters
from candlewave.services.api.problems import ProblemError
from candlewave.services.api.routes.common import answers, router
from candlewave.services.api.stream.feed import Feed
from candlewave.services.api.stream.hub import Wish

_EVENT = {
    "type": "object",
    "description": "One event; a stream is many, one after the other",
    "properties": {
        "event": {"type": "string", "enum": ["candle", "prediction", "alert", "freshness"]},
        "id": {"type": "string", "description": "For Last-Event-ID"},
        "data": {"type": "string", "description": "A JSON document"},
    },
    "required": ["event", "id", "data"],
}

routes = router("live")
_DESCRIBED: dict[int | str, dict[str, Any]] = {
    **{code: words for code, words in answers(Problem).items() if code not in (200, 304)},
    200: {"description": "Server-sent events", "content": {"text/event-stream": {"schema": _EVENT}}},
}


class StreamQuery(Parameters):
    """Live events."""

    symbol: AnySymbol = None
    exchange: Exchange = None
    timeframe: Annotated[
        str | None, Field(max_length=8, description="Every timeframe if left out", examples=["1m"])
    ] = None
    kinds: Annotated[
        str | None,
        Field(
            pattern=r"^(candle|prediction|alert|freshness)(,(candle|prediction|alert|freshness)){0,3}$",
            description="Comma-separated: candle, prediction, alert, freshness; all if left out",
            examples=["candle,freshness"],
        ),
    ] = None
    limit: Annotated[int | None, Field(ge=1, le=100_000, description="End after so many events", examples=[1])] = None


@routes.get("/stream", responses=_DESCRIBED, response_class=EventSourceResponse)
async def stream(
    request: Request,
    ctx: Ctx,
    wanted: Annotated[StreamQuery, Query()],
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> EventSourceResponse:
    """Candles, forecasts, alerts and freshness as they change."""
    feed = cast(Feed, request.app.state.feed)
    hub = feed.hub
    if hub.is_full:
        raise ProblemError(
            503,
            "streams-full",
            "Too many streams",
            f"There are {ctx.settings.stream_clients} live streams already.",
            headers={"Retry-After": "30"},
            retry_after_seconds=30,
        )
    exchange, symbol = "", ""
    if wanted.symbol is not None:
        exchange, symbol = await ctx.market(wanted.symbol, wanted.exchange)
    elif wanted.exchange is not None:
        exchange = await ctx.exchange(wanted.exchange)
    timeframe = "" if wanted.timeframe is None else ctx.timeframe(wanted.timeframe)
    wish = Wish(frozenset((wanted.kinds or "").split(",")) - {""}, exchange, symbol, timeframe)
    first = await feed.join(last_event_id, _moment(last_event_id))

    async def events() -> Any:
        count = 0
        async for text in hub.listen(wish, first):
            yield text
            count += 1
            if wanted.limit is not None and count >= wanted.limit:
                return

    return EventSourceResponse(
        events(),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        ping=cast(int, ctx.settings.heartbeat_seconds),
        ping_message_factory=lambda: ServerSentEvent(comment="still here"),
        sep="\n",
    )


def _moment(identity: str | None) -> datetime | None:
    """Return when an event was made, according to its id; None when it is not one of our ids."""
    milliseconds, _, number = (identity or "").partition("-")
    if not (milliseconds.isdecimal() and number.isdecimal() and len(milliseconds) <= 14):
        return None
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
