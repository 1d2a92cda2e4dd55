"""Holes in live trades, filled over REST."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from candlewave.contracts.records import Trade, heartbeat
from candlewave.services.ingest import metrics
from candlewave.services.ingest.exchanges.exchange import Exchange
from candlewave.services.ingest.heartbeats import CompleteRange
from candlewave.services.ingest.holes import Hole, Last
from candlewave.services.ingest.ledger import LoadedRange, State
from candlewave.services.ingest.live.publish_queue import PublishQueue
from candlewave.services.ingest.records import HistoryUnavailableError
from candlewave.services.ingest.settings import IngestSettings
from candlewave.services.ingest.validate import BadRecord, TradeChecker
from candlewave.telemetry import get_logger

_log = get_logger(__name__)


class Refill:
    """Fill the holes of one exchange, each in a task of its own.

    Args:
        exchange: gives the trades.
        queue: takes them.
        record: writes a row of the ledger, however long the engine is away.
        settings: pauses between attempts.
        clock: the exchange's time.
    """

    def __init__(
        self,
        exchange: Exchange,
        queue: PublishQueue,
        record: Callable[[LoadedRange], Awaitable[None]],
        settings: IngestSettings,
        clock: Callable[[], datetime],
    ) -> None:
        self._exchange = exchange
        self._queue = queue
        self._record = record
        self._settings = settings
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, hole: Hole) -> None:
        """Begin to fill a hole."""
        metrics.HOLES.labels(hole.exchange, hole.symbol).inc()
        task = asyncio.create_task(self._fill(hole))
        self._tasks.add(task)
        metrics.OPEN_HOLES.labels(hole.exchange).set(len(self._tasks))
        task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Leave what is not filled to the next start; it is on record."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        metrics.OPEN_HOLES.labels(self._exchange.name).set(len(self._tasks))

    async def _fill(self, hole: Hole) -> None:
        """Publish the trades of a hole and heartbeats for its empty minutes; keep trying, ever more rarely."""
        s = self._settings
        pause = s.retry_max_seconds
        while True:
            try:
                count = await self._fill_once(hole)
                break
            except HistoryUnavailableError as error:
                _log.warning("hole cannot be filled", symbol=hole.symbol, error=str(error))
                return
            except Exception as error:  # noqa: BLE001 (whatever the library raises, other holes are filled)
                _log.warning("hole waits for the exchange", symbol=hole.symbol, error=repr(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, max(s.symbol_retry_first_seconds, s.retry_max_seconds))
        await self._queue.drain()
        entry = replace(hole.entry(State.DONE), trades=count)
        await self._record(entry)
        _log.info("hole filled", exchange=hole.exchange, symbol=hole.symbol, trades=count)

    async def _fill_once(self, hole: Hole) -> int:
        after, before = hole.after, hole.before
        checker = TradeChecker(hole.exchange, {hole.symbol}, self._clock)
        minutes = CompleteRange([hole.symbol], after.ts)
        minutes.advance(hole.symbol, after.ts)
        seen: set[str] = {after.trade_id, before.trade_id}
        end = before.ts + timedelta(milliseconds=1)
        begin = after.ts - timedelta(milliseconds=1)
        pages = self._exchange.history(hole.symbol, begin, end, after_id=after.number, before_id=before.number)
        async for page in pages:
            for raw in page:
                record = checker.check(raw)
                if isinstance(record, BadRecord):
                    self._queue.reject(record)
                    continue
                if record.trade_id in seen or not _inside(record, after, before):
                    continue
                seen.add(record.trade_id)
                for symbol, minute in minutes.advance(hole.symbol, record.ts):
                    await self._queue.put_waiting(heartbeat(hole.exchange, symbol, minute, "backfill"))
                await self._queue.put_waiting(record)
        for symbol, minute in minutes.finish(before.ts):
            await self._queue.put_waiting(heartbeat(hole.exchange, symbol, minute, "backfill"))
        filled = len(seen) - 2
        metrics.FILLED.labels(hole.exchange, hole.symbol).inc(filled)
        return filled


def _inside(trade: Trade, after: Last, before: Last) -> bool:
    if after.number is not None and before.number is not None:
        return after.number < int(trade.trade_id) < before.number
    return after.ts <= trade.ts <= before.ts
