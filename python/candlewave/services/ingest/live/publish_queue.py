"""The bounded queue between the feeds of exchanges and the bus."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from candlewave.bus.messages import to_message
from candlewave.bus.protocol import Bus, BusError
from candlewave.contracts.records import Conflict, Heartbeat, Trade
from candlewave.contracts.topics import TRADES, TRADES_DLQ
from candlewave.core.times import utc_now
from candlewave.services.ingest import metrics
from candlewave.services.ingest.holes import Hole
from candlewave.services.ingest.publish import count_published, to_dead_letter
from candlewave.services.ingest.settings import IngestSettings
from candlewave.services.ingest.store import StoreUnavailableError, TradeStore
from candlewave.services.ingest.traces import MinuteTraces
from candlewave.services.ingest.validate import BadRecord
from candlewave.telemetry import get_logger, tracing

_log = get_logger(__name__)
AWAY = (BusError, StoreUnavailableError, OSError)
"""What a bus or an engine raises that is waited for."""
_BATCH = 500
_LIMIT = 20_000

Item = Trade | Heartbeat | Conflict | BadRecord | Hole


class PublishQueue:
    """The bounded queue between feeds and the bus, and the task that empties it.

    Args:
        bus: where to; called from a thread, so that a slow bus does not stop the feeds.
        store: takes holes before the trades after them go out.
        on_hole: called when a hole is on record.
        limit: maximum number of waiting items.
        stamp: gives the append time of an exchange's records where this host's clock is wrong, otherwise None.
    """

    def __init__(
        self,
        bus: Bus,
        store: TradeStore,
        settings: IngestSettings,
        on_hole: Callable[[Hole], None],
        *,
        limit: int = _LIMIT,
        clock: Callable[[], datetime] = utc_now,
        stamp: Callable[[str], datetime | None] = lambda _exchange: None,
    ) -> None:
        self._stamp = stamp
        self._bus = bus
        self._store = store
        self._settings = settings
        self._on_hole = on_hole
        self._limit = limit
        self._clock = clock
        self._items: deque[Item] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._traces = MinuteTraces()
        self.failing = False

    @property
    def full(self) -> bool:
        """True when the bus is too slow to take more."""
        return len(self._items) >= self._limit

    def put(self, item: Item) -> None:
        """Add an item; the caller looks at :attr:`full` first, holes are always taken."""
        self._items.append(item)
        metrics.QUEUED.set(len(self._items))
        self._filled.set()
        self._empty.clear()
        if self.full:
            self._room.clear()

    def reject(self, bad: BadRecord) -> None:
        """Count a record that is not a trade and send it to the dead letters, unless there is no room."""
        metrics.REJECTED.labels(bad.reject.code).inc()
        _log.info("rejected", source=bad.source, position=bad.position, reason=bad.reject.text)
        if not self.full:
            self.put(bad)

    async def put_waiting(self, item: Item) -> None:
        """Add an item when there is room."""
        while self.full:
            self._room.clear()
            await self._room.wait()
        self.put(item)

    async def drain(self) -> None:
        """Return when everything is published."""
        await self._empty.wait()

    async def run(self) -> None:
        """Publish batches until cancelled; a bus or engine that is away is waited for."""
        while True:
            await self._filled.wait()
            batch = [self._items.popleft() for _ in range(min(_BATCH, len(self._items)))]
            try:
                await self._persist(batch)
            except asyncio.CancelledError:
                self._items.extendleft(reversed(batch))
                raise
            metrics.QUEUED.set(len(self._items))
            if not self.full:
                self._room.set()
            if not self._items:
                self._filled.clear()
                self._empty.set()

    async def _persist(self, batch: Sequence[Item]) -> None:
        for hole in [item for item in batch if isinstance(item, Hole)]:
            await self._insist(lambda hole=hole: self._store.record(hole.entry()))  # type: ignore[misc]
            self._on_hole(hole)
        records = [item for item in batch if isinstance(item, Trade | Heartbeat | Conflict)]
        letters = [to_dead_letter(item, self._clock()) for item in batch if isinstance(item, BadRecord)]
        if letters:
            await self._insist(lambda: self._bus.publish(TRADES_DLQ.name, letters))
        if records:
            is_traced = tracing.is_on()
            stamps = {exchange: self._stamp(exchange) for exchange in {r.exchange for r in records}}
            messages = [
                to_message(
                    r,
                    tracing.minute_headers((r.exchange, r.symbol, r.ts)) if is_traced else None,
                    append_ts=stamps[r.exchange],
                )
                for r in records
            ]
            started = self._clock()
            await self._insist(lambda: self._bus.publish(TRADES.name, messages))
            self._traces.published(records, started, self._clock())
            count_published(records)

    async def _insist(self, action: Callable[[], None]) -> None:
        """Run in a thread, again until it works."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(AWAY),
            wait=wait_random_exponential(
                multiplier=self._settings.retry_first_seconds, max=self._settings.retry_max_seconds
            ),
            before_sleep=lambda _: self._set_failing(True),
        ):
            with attempt:
                await asyncio.to_thread(action)
        self._set_failing(False)

    def _set_failing(self, failing: bool) -> None:
        self.failing = failing
