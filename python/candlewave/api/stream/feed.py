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
_AT_ONCE = 64
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
        self._told_at: dict[tuple[object, ...], float] = {}
        self._alerts: set[tuple[object, ...]] = set()
        self._alerts_after: datetime | None = None
        self._closed_until: datetime | None = None
        self._freshness_at = 0.0
        self._is_primed = False

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
            if not self.hub.has_clients:
                if self._is_primed:
                    self.hub.forget()  # from now on something is missing in it
                self._is_primed = False
            else:
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
        if not self._is_primed:
            self._closed_until, self._alerts_after = closed_until, self._context.clock()
        async for row in self._paced(await rows(live.OPEN_BARS)):
            self._open_bar(row, now)
        if closed_until is not None and closed_until != self._closed_until:
            since = max(self._closed_until or closed_until, closed_until - LONGEST_MEMORY)
            bars = await rows(live.CLOSED_BARS, [since, closed_until, since - self._longest_bar])
            async for row in self._paced(bars):
                self.hub.publish("candle", dict(row), **_about(row), timeframe=row["timeframe"])
            self._closed_until = closed_until
        for row in await self._context.served():
            self._prediction(row)
        await self._look_for_alerts()
        if now - self._freshness_at >= FRESHNESS_SECONDS:
            self._freshness_at = now
            self.hub.publish("freshness", freshness_document(self._context, await self._context.freshness()))
        self._is_primed = True

    async def missed(self, since: datetime) -> list[Event]:
        """Return what a client may have missed, from the engine: closed bars, forecasts and alerts after a moment."""
        since = max(since, self._context.clock() - LONGEST_MEMORY)
        rows = self._context.reader.rows
        events = []
        clock = await rows(live.CLOCK)
        if clock and clock[0]["closed_until"] is not None:
            begin = since - timedelta(minutes=1)
            for row in await rows(live.CLOSED_BARS, [begin, clock[0]["closed_until"], begin - self._longest_bar]):
                events.append(self.hub.make("candle", dict(row), **_about(row), timeframe=row["timeframe"]))
        for row in await self._context.served():
            if row["made_at"] > since:
                events.append(self.hub.make("prediction", _forecast(row), **_about(row)))
        for row in await rows(live.ALERTS, [since]):
            events.append(self.hub.make("alert", document(row)))
        return events

    @property
    def _longest_bar(self) -> timedelta:
        return timedelta(seconds=max(TIMEFRAME_SECONDS[name] for name in self._context.config.candles.timeframes))

    async def _paced(self, rows: list[Row]) -> AsyncIterator[Row]:
        """Yield rows, and let clients read in between: many at once would look like clients that read slowly."""
        for number, row in enumerate(rows, 1):
            yield row
            if not number % _AT_ONCE:
                await asyncio.sleep(0)

    def _open_bar(self, row: Row, now: float) -> None:
        """Publish a bar that changed, unless it was told of a moment ago; the next look sees it then."""
        key = ("candle", row["exchange"], row["symbol"], row["timeframe"])
        state = (row["open_time"], row["close"], row["trades"])
        if self._seen.get(key) != state and now - self._told_at.get(key, -1.0) >= OPEN_BAR_SECONDS:
            self._seen[key], self._told_at[key] = state, now
            self.hub.publish("candle", dict(row), **_about(row), timeframe=row["timeframe"])

    def _prediction(self, row: Row) -> None:
        key = ("prediction", row["exchange"], row["symbol"], row["horizon_minutes"])
        state = (row["feature_time"], row["model_name"], row["model_version"])
        if self._seen.get(key) != state:
            self._seen[key] = state
            if self._is_primed:
                self.hub.publish("prediction", _forecast(row), **_about(row))

    async def _look_for_alerts(self) -> None:
        """Publish alerts that arrived since the last look; some arrive a little after they occurred."""
        assert self._alerts_after is not None
        rows = await self._context.reader.rows(live.ALERTS, [self._alerts_after - LONGEST_MEMORY])
        found = {(row["fingerprint"], row["occurred_at"], row["status"]): row for row in rows}
        if self._is_primed:
            for key, row in found.items():
                if key not in self._alerts:
                    self.hub.publish("alert", document(row))
        self._alerts = set(found)
        self._alerts_after = max((row["occurred_at"] for row in rows), default=self._alerts_after)


def _about(row: Row) -> dict[str, str]:
    return {"exchange": row["exchange"], "symbol": row["symbol"]}


def _forecast(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in FORECAST}
