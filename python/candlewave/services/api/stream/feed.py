"""Asks the engine what is new, once for all clients, and only while there are any."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from candlewave.core.config import TIMEFRAME_SECONDS
from candlewave.services.api.context import Context
from candlewave.services.api.history import FORECAST
from candlewave.services.api.problems import ProblemError
from candlewave.services.api.reader import Row
from candlewave.services.api.routes.alerts import alert_document
from candlewave.services.api.routes.forecasts import SERVED
from candlewave.services.api.routes.overview import FRESHNESS, freshness_document
from candlewave.services.api.stream.hub import Event, Hub
from candlewave.telemetry import tracing
from candlewave.telemetry.logs import get_logger

CLOCK = "SELECT exchange, closed_until FROM market_clock"

_BAR = (
    "exchange, symbol, timeframe, open_time, close_time, open, high, low, close, volume, turnover, trades, buy_volume"
)

OPEN_BARS = (
    f"SELECT {_BAR}, true AS is_open, NULL::boolean AS is_filled, NULL::varchar AS feed_state,"
    " NULL::timestamptz AS amended_at, NULL::int AS minutes_present, NULL::boolean AS is_whole"
    " FROM candles_live WHERE is_open ORDER BY exchange, symbol, timeframe"
)

CLOSED_BARS = (
    f"SELECT {', '.join(f'c.{name}' for name in _BAR.split(', '))}, false AS is_open, c.is_filled, c.feed_state,"
    " c.amended_at, c.minutes_present, c.is_whole"
    " FROM feed_clock AS f INNER JOIN candles AS c ON c.exchange = f.exchange AND c.symbol = f.symbol"
    " WHERE f.exchange = %s AND c.close_time > %s AND c.close_time <= %s AND c.open_time >= %s"
    " ORDER BY c.close_time, c.exchange, c.symbol, c.timeframe"
)
"""Bars of an exchange that closed after one moment and by another; the last bounds their open times, for the index."""

ALERTS = (
    "SELECT fingerprint, rule, severity, labels, value, status, occurred_at FROM alerts WHERE occurred_at > %s"
    " ORDER BY occurred_at, fingerprint"
)

FRESHNESS_SECONDS = 5.0
OPEN_BAR_SECONDS = 0.25
LONGEST_MEMORY = timedelta(minutes=15)
LINGER_SECONDS = 15.0
"""So long the engine is watched on after the last client has gone: most come back at once, for what they missed."""

_LATE = timedelta(minutes=1)
"""So much earlier than its event something may have happened: a bar closes before the engine has it."""

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
        self._closed_until: dict[str, datetime] = {}
        self._freshness_at = 0.0
        self._is_primed = False
        self._awake_until = 0.0
        self._looking = asyncio.Lock()

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
                self._stay_awake()
            if asyncio.get_running_loop().time() >= self._awake_until:
                if self._is_primed:
                    self.hub.forget()  # from now on something is missing in it
                self._is_primed = False
            else:
                try:
                    async with self._looking:
                        await self.look()
                except ProblemError:  # the engine is down, which the reader has logged; clients keep their connection
                    pass
                except Exception:  # noqa: BLE001 (one look that fails must not be the last)
                    _log.exception("looking for news failed")
            await asyncio.sleep(self._context.settings.stream_poll_seconds)

    async def look(self) -> None:
        """Publish what changed since the last look; the first one only learns what there is."""
        rows = self._context.reader.rows
        now = asyncio.get_running_loop().time()
        closed_until: dict[str, datetime] = {row["exchange"]: row["closed_until"] for row in await rows(CLOCK)}
        if not self._is_primed:
            self._closed_until, self._alerts_after = closed_until, self._context.clock()
        async for row in self._paced(await rows(OPEN_BARS)):
            self._open_bar(row, now)
        for exchange, until in closed_until.items():
            since = max(self._closed_until.get(exchange, until), until - LONGEST_MEMORY)
            if until > since:
                bars = await rows(CLOSED_BARS, [exchange, since, until, since - self._longest_bar])
                async for row in self._paced(bars):
                    self.hub.publish("candle", dict(row), **_about(row), timeframe=row["timeframe"])
            self._closed_until[exchange] = until
        for row in await self._context.rows(SERVED):
            self._prediction(row)
        await self._look_for_alerts()
        if now - self._freshness_at >= FRESHNESS_SECONDS:
            self._freshness_at = now
            self.hub.publish("freshness", freshness_document(self._context, await self._context.rows(FRESHNESS)))
        self._is_primed = True

    def _stay_awake(self) -> None:
        self._awake_until = asyncio.get_running_loop().time() + LINGER_SECONDS

    async def join(self, last_id: str | None, since: datetime | None) -> Callable[[], list[Event]]:
        """Return what a client hears first, to be called at the moment from which the hub hands it events.

        Nothing falls between, and nothing comes twice, while the event ``last_id`` is remembered. If it is not, as
        after a restart, what happened after ``since`` is asked of the engine; of the minute around it a part may come
        again.

        Raises:
            ProblemError: 503, the engine cannot be used now.
        """
        async with self._looking:  # between two looks: all that the feed knows of is published
            self._stay_awake()
            if not self._is_primed:
                await self.look()
            before = self.hub.newest
            remembered = [] if last_id is None else self.hub.after(last_id)
            closed_until, seen, alerts = dict(self._closed_until), dict(self._seen), self._alerts
        if remembered is None:
            remembered = [] if since is None else await self._missed(since, closed_until, seen, alerts)
        missed = remembered
        return lambda: missed + self.hub.since(before)

    async def _missed(
        self,
        after: datetime,
        closed_until: dict[str, datetime],
        seen: dict[tuple[object, ...], object],
        alerts: set[tuple[object, ...]],
    ) -> list[Event]:
        """Return closed bars, forecasts and alerts after a moment, as far as they are published already.

        Their ids have the times at which they happened, so that a client that breaks off among them gets the others.
        """
        since = max(after, self._context.clock() - LONGEST_MEMORY) - _LATE
        rows = self._context.reader.rows
        found: list[tuple[datetime, str, object, dict[str, str]]] = []
        furthest = max(closed_until.values(), default=since)
        for exchange, until in closed_until.items():
            begin = since - (furthest - until)  # its bars are published so much later
            for row in await rows(CLOSED_BARS, [exchange, begin, until, begin - self._longest_bar]):
                about = {**_about(row), "timeframe": row["timeframe"]}
                found.append((row["close_time"], "candle", dict(row), about))
        for row in await self._context.rows(SERVED):
            if row["made_at"] > since and seen.get(_forecast_key(row)) == _forecast_state(row):
                found.append((row["made_at"], "prediction", _forecast(row), _about(row)))
        for row in await rows(ALERTS, [since]):
            if _alert_key(row) in alerts:
                found.append((row["occurred_at"], "alert", alert_document(row), {}))
        found.sort(key=lambda entry: entry[0])
        return [
            self.hub.make(kind, content, **about, at=int(max(when, after).timestamp() * 1000))
            for when, kind, content, about in found
        ]

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
        """Publish a bar that changed, unless it was published a moment ago; the next poll sees it then."""
        key = ("candle", row["exchange"], row["symbol"], row["timeframe"])
        state = (row["open_time"], row["close"], row["trades"])
        if self._seen.get(key) != state and now - self._told_at.get(key, -1.0) >= OPEN_BAR_SECONDS:
            self._seen[key], self._told_at[key] = state, now
            self.hub.publish("candle", dict(row), **_about(row), timeframe=row["timeframe"])

    def _prediction(self, row: Row) -> None:
        key, state = _forecast_key(row), _forecast_state(row)
        if self._seen.get(key) != state:
            self._seen[key] = state
            if self._is_primed:
                self.hub.publish("prediction", _forecast(row), **_about(row))
                minute = (row["exchange"], row["symbol"], row["feature_time"])
                tracing.record(
                    "serve", minute, row["made_at"], self._context.clock(), horizon_minutes=row["horizon_minutes"]
                )

    async def _look_for_alerts(self) -> None:
        """Publish alerts that arrived since the last look; some arrive a little after they occurred."""
        assert self._alerts_after is not None
        rows = await self._context.reader.rows(ALERTS, [self._alerts_after - LONGEST_MEMORY])
        found = {_alert_key(row): row for row in rows}
        if self._is_primed:
            for key, row in found.items():
                if key not in self._alerts:
                    self.hub.publish("alert", alert_document(row))
        self._alerts = set(found)
        self._alerts_after = max((row["occurred_at"] for row in rows), default=self._alerts_after)


def _about(row: Row) -> dict[str, str]:
    return {"exchange": row["exchange"], "symbol": row["symbol"]}


def _forecast_key(row: Row) -> tuple[object, ...]:
    return ("prediction", row["exchange"], row["symbol"], row["horizon_minutes"])


def _forecast_state(row: Row) -> tuple[object, ...]:
    return (row["feature_time"], row["model_name"], row["model_version"])


def _alert_key(row: Row) -> tuple[object, ...]:
    return (row["fingerprint"], row["occurred_at"], row["status"])


def _forecast(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in FORECAST}
