"""Asks the engine what is new, once for all clients, and only while there are any."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from candlewave.api.context import Context
from candlewave.api.problems import ProblemError
from candlewave.api.queries import live
from candlewave.api.queries.forecasts import FORECAST
from candlewave.api.reader import Row
from candlewave.api.routes.alerts import document
from candlewave.api.routes.overview import freshness_document
from candlewave.api.stream.hub import Event, Hub
from candlewave.config import TIMEFRAME_SECONDS
from candlewave.telemetry.logs import get_logger

FRESHNESS_SECONDS = 5.0
OPEN_BAR_SECONDS = 0.25
LONGEST_MEMORY = timedelta(minutes=15)
_log = get_logger(__name__)


class Feed:
    """Turns changes of the engine's views into events.

    Args:
        context: reads the engine.
        hub: gets the events.
    """

    def __init__(self, context: Context, hub: Hub) -> None:
        self._context, self.hub = context, hub
        self._seen: dict[tuple[object, ...], object] = {}
        self._closed_until: datetime | None = None
        self._alerts_after: datetime | None = None
        self._freshness_at = self._bars_at = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look for news while the block runs."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            if self.hub.has_clients:
                try:
                    await self.look()
                except ProblemError:  # the engine is away, which the reader has logged; clients keep their connection
                    pass
                except Exception:  # noqa: BLE001 (one look that fails must not be the last)
                    _log.exception("looking for news failed")
            await asyncio.sleep(self._context.own.stream_poll_seconds)

    async def look(self) -> None:
        """Publish what changed since the last look; the first one only learns what there is."""
        rows = self._context.reader.rows
        now = asyncio.get_running_loop().time()
        clock = await rows(live.CLOCK)
        closed_until = clock[0]["closed_until"] if clock else None
        if now - self._bars_at >= OPEN_BAR_SECONDS:
            self._bars_at = now
            for row in await rows(live.OPEN_BARS):
                self._candle(row)
        if closed_until is not None and closed_until != self._closed_until:
            since = max(self._closed_until or closed_until, closed_until - LONGEST_MEMORY)
            for row in await rows(live.CLOSED_BARS, [since, closed_until, since - self._longest_bar]):
                self._candle(row)
            self._closed_until = closed_until
        for row in await self._context.served():
            self._prediction(row)
        self._alerts_after = self._alerts_after or self._context.clock()
        for row in await rows(live.ALERTS, [self._alerts_after - timedelta(minutes=1)]):
            self._alert(row)
        if now - self._freshness_at >= FRESHNESS_SECONDS:
            self._freshness_at = now
            self.hub.publish("freshness", freshness_document(self._context, await self._context.freshness()))

    async def missed(self, since: datetime) -> list[Event]:
        """Return what a client may have missed, from the engine: closed bars, forecasts and alerts after a moment."""
        since = max(since, self._context.clock() - LONGEST_MEMORY)
        rows = self._context.reader.rows
        events = []
        clock = await rows(live.CLOCK)
        if clock and clock[0]["closed_until"] is not None:
            begin = since - timedelta(minutes=1)
            for row in await rows(live.CLOSED_BARS, [begin, clock[0]["closed_until"], begin - self._longest_bar]):
                events.append(self.hub.make("candle", _bar(row), **_about(row), timeframe=row["timeframe"]))
        for row in await self._context.served():
            if row["made_at"] > since:
                events.append(self.hub.make("prediction", _forecast(row), **_about(row)))
        for row in await rows(live.ALERTS, [since]):
            events.append(self.hub.make("alert", document(row)))
        return events

    @property
    def _longest_bar(self) -> timedelta:
        return timedelta(seconds=max(TIMEFRAME_SECONDS[name] for name in self._context.config.candles.timeframes))

    def _candle(self, row: Row) -> None:
        key = ("candle", row["exchange"], row["symbol"], row["timeframe"])
        state = (row["open_time"], row["is_open"], row["close"], row["trades"], row["amended_at"])
        if row["is_open"] and not self._is_new(key, state):
            return
        self.hub.publish("candle", _bar(row), **_about(row), timeframe=row["timeframe"])

    def _prediction(self, row: Row) -> None:
        key = ("prediction", row["exchange"], row["symbol"], row["horizon_minutes"])
        if self._is_new(key, (row["feature_time"], row["model_name"], row["model_version"]), learn=True):
            self.hub.publish("prediction", _forecast(row), **_about(row))

    def _alert(self, row: Row) -> None:
        key = ("alert", row["fingerprint"], row["occurred_at"], row["status"])
        if self._is_new(key, True, learn=row["occurred_at"] <= self._context.clock() - timedelta(seconds=30)):
            self.hub.publish("alert", document(row))

    def _is_new(self, key: tuple[object, ...], state: object, *, learn: bool = False) -> bool:
        """Remember a state, and tell whether it differs from the last; ``learn``: the very first is no news."""
        before = self._seen.get(key, state if learn else None)
        self._seen[key] = state
        return before != state


def _about(row: Row) -> dict[str, str]:
    return {"exchange": row["exchange"], "symbol": row["symbol"]}


def _bar(row: Row) -> dict[str, Any]:
    return dict(row)


def _forecast(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in FORECAST}
