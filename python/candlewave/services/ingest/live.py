"""Live trades: what exchanges send becomes an unbroken, validated sequence on the bus.

Per exchange one connection is watched; when it breaks, another is made, after pauses that grow. A symbol that the
exchange refuses is left out alone and tried again ever more rarely. A jump in a market's running trade ids, or a
reconnect of an exchange without them, is a *hole*: it is written to the ledger before the first trade after it is
published, and filled over REST. So nothing is lost by a crash at any moment, and what comes twice has the same id.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import ccxt
import msgspec
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from candlewave.bus.messages import to_message
from candlewave.bus.protocol import Bus, BusError
from candlewave.contracts.records import Conflict, Heartbeat, Trade, heartbeat
from candlewave.contracts.topics import TRADES, TRADES_DLQ
from candlewave.core.backoff import doubled
from candlewave.core.times import utc_now
from candlewave.services.ingest import metrics
from candlewave.services.ingest.doubts import Doubts
from candlewave.services.ingest.exchange import CONNECTION_ERRORS, Exchange
from candlewave.services.ingest.heartbeats import CompleteRange, LiveFeed
from candlewave.services.ingest.holes import Hole, Last
from candlewave.services.ingest.ledger import LoadedRange, State
from candlewave.services.ingest.publish import count_published, to_dead_letter
from candlewave.services.ingest.records import Garbage, HistoryUnavailableError, NoSymbolLeftError, RawTrade
from candlewave.services.ingest.settings import IngestSettings
from candlewave.services.ingest.silence import Silence
from candlewave.services.ingest.skew import ExchangeClock
from candlewave.services.ingest.store import StoreUnavailableError
from candlewave.services.ingest.traces import MinuteTraces
from candlewave.services.ingest.validate import BadRecord, Reject, TradeChecker, Validator, check_raw
from candlewave.services.ingest.verify import content
from candlewave.telemetry import get_logger, tracing

_log = get_logger(__name__)
_AWAY = (BusError, StoreUnavailableError, OSError)
_RESET = timedelta(minutes=1)
_ALIVE_SECONDS = 15.0
_MAX_EARLY = 1_000
_TIME_SECONDS = 300.0
"""How often an exchange is asked for its time."""
_DELIVERY_SECONDS = 5.0
"""How long a trade may be on its way before its subscription is said to have missed it."""
_HEARTBEAT_CHECK = 0.5
_BATCH = 500
_LIMIT = 20_000
_NOT_A_NUMBER = Reject("bad_trade_id", "trade id is not a number")
_REMEMBERED = 2_000


class TradeStore(Protocol):
    """What live ingest asks of the engine; called from worker threads."""

    def last(self, exchange: str, symbol: str, *, numeric: bool) -> Last | None:
        """Return the newest stored trade of a market: highest running number, or latest time."""

    def holes(self, exchange: str, symbol: str) -> list[Hole]:
        """Return the holes of a market that are not filled yet."""

    def record(self, entry: LoadedRange) -> None:
        """Write a row of the ledger."""

    def register(self, exchange: str, symbols: Collection[str]) -> None:
        """Add markets that the exchange trades to table ``symbols``."""

    def contents(self, exchange: str, symbol: str, ids: Collection[str]) -> Mapping[str, tuple[object, ...]]:
        """Return what is stored under trade ids of a market."""


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
            retry=retry_if_exception_type(_AWAY),
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


class TradeSequence:
    """The order of one market's trades: what is new, what was seen, where something is missing."""

    def __init__(self, exchange: str, symbol: str, last: Last | None, *, running_ids: bool) -> None:
        self.exchange = exchange
        self.symbol = symbol
        self.last = last
        self._running_ids = running_ids
        self._recent: dict[str, tuple[object, ...]] = {}
        self._highest = -1 if last is None or last.number is None else last.number
        self.doubtful = False
        """Whether the id of the trade just taken may belong to another one: only the engine knows."""
        # What was stored before this process may have been followed by trades that were missed.
        self.broken = last is not None

    def take(self, trade: Trade) -> tuple[bool, Hole | None]:
        """Return whether a trade is new, and what is missing right before it."""
        here = Last(int(trade.trade_id) if self._running_ids else None, trade.trade_id, trade.ts)
        previous = self.last
        known = self._recent.get(trade.trade_id)
        seen = self._seen(here)
        if here.number is not None:
            self.doubtful = known != content(trade) and here.number <= self._highest
            self._highest = max(self._highest, here.number)
        else:
            self.doubtful = seen and known != content(trade)
        if seen:
            return False, None
        self._remember(trade)
        hole = None
        if previous is not None:
            if previous.number is not None and here.number is not None:
                if here.number > previous.number + 1:
                    hole = Hole(self.exchange, self.symbol, previous, here)
            elif self.broken and here.ts > previous.ts:
                hole = Hole(self.exchange, self.symbol, previous, here)
        self.broken = False
        self.last = here
        return True, hole

    def is_reached_by(self, trades: Collection[Trade]) -> bool:
        """Return whether a page of the newest trades goes up to what is known, so that it is not out of date."""
        last = self.last
        return last is None or any(t.trade_id == last.trade_id or t.ts > last.ts for t in trades)

    def is_joined_by(self, trades: Collection[Trade]) -> bool:
        """Return whether nothing is missing between what is known and such a page."""
        last = self.last
        return last is None or any(t.trade_id == last.trade_id for t in trades)

    def is_unknown(self, trade: Trade, since: datetime) -> bool:
        """Return whether a trade of such a page comes after what is known; of an unknown market, after ``since``."""
        last = self.last
        if last is None:
            return trade.ts >= since
        if last.number is not None and trade.trade_id.isdigit():
            return int(trade.trade_id) > last.number or trade.ts > last.ts + _RESET
        return trade.trade_id != last.trade_id and trade.trade_id not in self._recent and trade.ts >= last.ts

    def _seen(self, here: Last) -> bool:
        last = self.last
        if here.number is not None:
            if last is None or last.number is None or here.number > last.number:
                return False
            # Ids that go back while time advances mean the exchange began to count again; these are not old trades.
            return here.ts <= last.ts + _RESET
        if here.trade_id in self._recent or (last is not None and here.trade_id == last.trade_id):
            return True
        # Before this process's first trade only the time shows what is stored already.
        return self.broken and last is not None and here.ts < last.ts

    def _remember(self, trade: Trade) -> None:
        self._recent[trade.trade_id] = content(trade)
        if len(self._recent) > _REMEMBERED:
            del self._recent[next(iter(self._recent))]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A symbol that its exchange does not know or refuses.

    Attributes:
        reason: in the exchange's words where it gave any.
        times: how often in a row.
        again_at: when it is tried next.
    """

    reason: str
    times: int
    again_at: datetime


class ExchangeFeed:
    """Keep one exchange's symbols flowing into the queue: watch, reconnect, fill holes, send heartbeats.

    Args:
        exchange: the connection; closed at the end of :meth:`run`.
        symbols: the markets to watch.
        queue: takes everything.
        store: knows what is stored.
        grace: how long after a minute's end its candle closes.
        settings: patience between attempts.
        clock: this host's wall clock; times are then the exchange's, as well as these are known.
        on_dropped: called when a symbol is left out.
        monotonic: seconds that nobody sets.
    """

    def __init__(
        self,
        exchange: Exchange,
        symbols: Collection[str],
        queue: PublishQueue,
        store: TradeStore,
        grace: timedelta,
        settings: IngestSettings,
        clock: Callable[[], datetime] = utc_now,
        on_dropped: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exchange = exchange
        self.time = ExchangeClock(clock, monotonic)
        self._clock_problem: str | None = None
        self._early: list[RawTrade | Garbage] = []
        self.symbols = sorted(symbols)
        self._queue = queue
        self._store = store
        self._grace = grace
        self._settings = settings
        self._clock = self.time.now
        self._validator = Validator(exchange.name, set(symbols), "live")
        self._markets: dict[str, TradeSequence] = {}
        self._fills: set[asyncio.Task[None]] = set()
        self._heartbeats: LiveFeed | None = None
        self._silence = Silence(
            timedelta(seconds=settings.silence_seconds),
            timedelta(seconds=min(_DELIVERY_SECONDS, settings.silence_seconds)),
            timedelta(seconds=settings.symbol_retry_first_seconds),
        )
        self._reported: set[str] = set()
        self._bad_rows: dict[str, set[bytes]] = {}
        self._on_dropped = on_dropped
        self._doubts = Doubts(self._stored_contents, queue.put_waiting)
        self.dropped: dict[str, Dropped] = {}
        self._active = set(self.symbols)
        self._activated = asyncio.Event()
        self._retries: set[asyncio.Task[None]] = set()
        self._watching = False
        self._frames = 0
        self._started = clock()

    @property
    def alive(self) -> bool:
        """True while something has been heard from the exchange lately."""
        silent = self._exchange.seconds_since_message()
        return silent is not None and silent < _ALIVE_SECONDS

    @property
    def heard(self) -> bool:
        """True while the connection lives and at least one symbol is known to be served."""
        return self.alive and bool(self._active - self._silence.unheard(self._clock()))

    @property
    def silent(self) -> dict[str, str]:
        """The symbols of which nothing shows that they are served, or whose subscription misses trades, and why."""
        return self._silence.silent(self._clock())

    async def run(self) -> None:
        """Run until cancelled."""
        try:
            await self._first_contact()
            await self._ask_time()
            await self._register(self._active)
            await self._load_markets_state()
            lasts = timedelta(seconds=_ALIVE_SECONDS)
            self._heartbeats = LiveFeed(sorted(self._active), self._grace, self._clock(), lasts)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch())
                tasks.create_task(self._beat())
                tasks.create_task(self._attend())
                tasks.create_task(self._compare_clocks())
                tasks.create_task(self._retry_dropped())
                tasks.create_task(self._doubts.run())
        finally:
            for task in self._fills | self._retries:
                task.cancel()
            await asyncio.gather(*self._fills, *self._retries, return_exceptions=True)
            metrics.CONNECTED.labels(self._exchange.name).set(0)
            for symbol in self.dropped:
                metrics.DROPPED.labels(self._exchange.name, symbol).set(0)
            for symbol in self._reported:
                metrics.SILENT.labels(self._exchange.name, symbol).set(0)
            await self._exchange.close()

    async def _first_contact(self) -> None:
        """Learn what the exchange trades, however long it is away; drop what it does not."""
        failures = 0
        while True:
            try:
                await self._exchange.load_markets()
                break
            except Exception as error:  # noqa: BLE001 (whatever the library raises, other exchanges go on)
                await self._pause(failures, error)
                failures += 1
        for symbol in self._exchange.unknown_symbols(self.symbols):
            self._drop(symbol, f"{self._exchange.name} does not trade {symbol}")
        for text in self._exchange.misleading_names(sorted(self._active)):
            _log.warning("name differs", exchange=self._exchange.name, names=text)

    async def _compare_clocks(self) -> None:
        """Ask for the exchange's time now and then, and name a difference that matters."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        while True:
            await asyncio.sleep(_HEARTBEAT_CHECK)
            if loop.time() - asked_at >= _TIME_SECONDS:
                asked_at = loop.time()
                await self._ask_time()
                self.time.settle()
                self._judge_early()
            self._report_clock()

    async def _ask_time(self) -> None:
        asked = self.time.asked()
        try:
            answer = await self._exchange.server_time()
        except Exception as error:  # noqa: BLE001 (whatever the library raises, trades show a slow clock too)
            _log.info("no answer about the time", exchange=self._exchange.name, error=str(error)[:200])
            return
        if answer is not None:
            self.time.answered(asked, *answer)
        self._report_clock()

    def _report_clock(self) -> None:
        name, skew = self._exchange.name, self.time.skew
        if skew is not None:
            metrics.CLOCK_SKEW.labels(name).set(skew.total_seconds())
        problem = self.time.problem(name)
        if problem is not None and self._clock_problem is None:
            _log.warning("clocks differ", exchange=name, reason=problem)
        elif problem is None and self._clock_problem is not None:
            _log.info("clocks agree again", exchange=name)
        self._clock_problem = problem

    def _drop(self, symbol: str, reason: str) -> None:
        """Leave a symbol out, and try it again ever more rarely."""
        name, s = self._exchange.name, self._settings
        times = self.dropped[symbol].times + 1 if symbol in self.dropped else 1
        wait = doubled(s.symbol_retry_first_seconds, times - 1, s.symbol_retry_max_seconds)
        again_at = self._clock() + timedelta(seconds=wait)
        self.dropped[symbol] = Dropped(reason, times, again_at)
        self._active.discard(symbol)
        if self._heartbeats is not None:
            self._heartbeats.remove(symbol)
        self._silence.remove(symbol)
        metrics.DROPPED.labels(name, symbol).set(1)
        metrics.REFUSED.labels(name, symbol).inc()
        _log.error("symbol dropped", exchange=name, symbol=symbol, reason=reason, again_at=again_at.isoformat())
        self._on_dropped()

    def _take_back(self, symbol: str) -> None:
        del self.dropped[symbol]
        metrics.DROPPED.labels(self._exchange.name, symbol).set(0)
        _log.info("symbol is back", exchange=self._exchange.name, symbol=symbol)

    async def _retry_dropped(self) -> None:
        while True:
            await asyncio.sleep(min(_HEARTBEAT_CHECK, self._settings.symbol_retry_first_seconds))
            now = self._clock()
            due = [s for s, d in self.dropped.items() if s not in self._active and d.again_at <= now]
            if due:
                await self._try_again(due)

    async def _try_again(self, symbols: Sequence[str]) -> None:
        """Ask for dropped symbols once more; they count as back with their first trade."""
        try:
            await self._exchange.load_markets(again=True)
        except Exception as error:  # noqa: BLE001 (whatever the library raises, the symbols can wait)
            for symbol in symbols:
                self._drop(symbol, f"markets cannot be read: {error}")
            return
        unknown = set(self._exchange.unknown_symbols(symbols))
        await self._register(set(symbols) - unknown)
        for symbol in symbols:
            if symbol in unknown:
                self._drop(symbol, f"{self._exchange.name} does not trade {symbol}")
                continue
            self._markets[symbol].broken = True
            self._active.add(symbol)
            self._activated.set()
            if self._watching:
                self._retry(self._watch_again(symbol))

    def _retry(self, watching: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(watching)
        self._retries.add(task)
        task.add_done_callback(self._retries.discard)

    async def _watch_again(self, symbol: str, *, served: bool = False) -> None:
        self._silence.subscribed(symbol, self._clock())
        try:
            await self._exchange.watch_again(symbol, served=served)
        except Exception as error:  # noqa: BLE001 (a lost connection ends the common watch too, which then takes it in)
            _log.info("symbol waits for the next connection", symbol=symbol, error=str(error))

    def fill(self, hole: Hole) -> None:
        """Begin to fill a hole."""
        metrics.HOLES.labels(hole.exchange, hole.symbol).inc()
        task = asyncio.create_task(self._fill(hole))
        self._fills.add(task)
        metrics.OPEN_HOLES.labels(hole.exchange).set(len(self._fills))
        task.add_done_callback(self._filled)

    def _filled(self, task: asyncio.Task[None]) -> None:
        self._fills.discard(task)
        metrics.OPEN_HOLES.labels(self._exchange.name).set(len(self._fills))

    async def _load_markets_state(self) -> None:
        name = self._exchange.name
        for symbol in self.symbols:
            async for attempt in self._attempts("waiting for the engine"):
                with attempt:
                    last = await asyncio.to_thread(self._store.last, name, symbol, numeric=self._exchange.running_ids)
                    holes = await asyncio.to_thread(self._store.holes, name, symbol)
            self._markets[symbol] = TradeSequence(name, symbol, last, running_ids=self._exchange.running_ids)
            for hole in holes:
                self.fill(hole)

    async def _register(self, symbols: Collection[str]) -> None:
        async for attempt in self._attempts("waiting for the engine"):
            with attempt:
                await asyncio.to_thread(self._store.register, self._exchange.name, sorted(symbols))

    async def _stored_contents(self, symbol: str, ids: Collection[str]) -> Mapping[str, tuple[object, ...]]:
        async for attempt in self._attempts("waiting for the engine"):
            with attempt:
                return await asyncio.to_thread(self._store.contents, self._exchange.name, symbol, ids)
        raise AssertionError("tenacity ends by a result or an exception")

    def _attempts(self, event: str) -> AsyncRetrying:
        s = self._settings
        return AsyncRetrying(
            retry=retry_if_exception_type(_AWAY),
            wait=wait_random_exponential(multiplier=s.retry_first_seconds, max=s.retry_max_seconds),
            before_sleep=lambda state: _log.warning(event, exchange=self._exchange.name, attempt=state.attempt_number),
        )

    async def _watch(self) -> None:
        """Watch, and connect again after random pauses, which grow until a connection has held for the longest."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            self._activated.clear()
            if not self._active:
                await self._activated.wait()
            began = loop.time()
            error = await self._watch_once()
            if not self._active:
                failures = 0
                continue
            if loop.time() - began >= self._settings.retry_max_seconds:
                failures = 0
            await self._pause(failures, error)
            failures += 1

    async def _watch_once(self) -> BaseException | None:
        """Watch until the connection breaks or no symbol is left; return what broke it."""
        self._watching = True
        for symbol in self._active:
            self._silence.connected(symbol, self._clock())
        try:
            await self._exchange.watch(sorted(self._active), self._receive, self._drop, self._served)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # ccxt cancels its waiters when it closes a broken connection.
        except Exception as error:  # noqa: BLE001 (whatever the library raises, it is this connection's)
            if not isinstance(error, CONNECTION_ERRORS):
                _log.error("the exchange's library failed", exchange=self._exchange.name, exc_info=True)
            return error
        finally:
            self._watching = False
            await self._broken()
        return None

    async def _pause(self, failures: int, error: BaseException | None) -> None:
        """Count and name a reconnection, and wait before it."""
        name, s = self._exchange.name, self._settings
        seconds = doubled(s.retry_first_seconds, failures, s.retry_max_seconds) * random.uniform(0.5, 1.0)
        metrics.RECONNECTS.labels(name).inc()
        _log.warning("reconnecting", exchange=name, error=str(error), in_seconds=round(seconds, 3))
        await asyncio.sleep(seconds)

    async def _broken(self) -> None:
        metrics.CONNECTED.labels(self._exchange.name).set(0)
        for market in self._markets.values():
            market.broken = True
        if self._heartbeats is not None:
            self._heartbeats.lost()
        await self._exchange.disconnect()

    def _receive(self, record: RawTrade | Garbage) -> None:
        """Take what the exchange sent; called by ccxt, must not wait."""
        if isinstance(record, RawTrade) and not record.snapshot and (happened := _moment(record.ts)) is not None:
            self.time.traded(happened)
        if self._early and self.time.skew is not None:
            self._judge_early()
        now = self._clock()
        name = self._exchange.name
        self._frames += 1
        position = f"{self._started.isoformat()} record {self._frames}"
        if isinstance(record, Garbage):
            self._reject(BadRecord(f"{name} websocket", position, record.payload, Reject("unreadable", record.reason)))
            return
        checked = check_raw(self._validator, record, now)
        if isinstance(checked, Reject):
            if checked.code == "future_time" and self.time.skew is None and len(self._early) < _MAX_EARLY:
                self._early.append(record)  # perhaps it is the host's clock that is wrong
                return
            self._reject(BadRecord(f"{name} websocket", position, record.payload, checked))
            return
        if record.snapshot:
            checked = msgspec.structs.replace(checked, origin="backfill")
        elif checked.symbol in self._active:
            self._served(checked.symbol)
            self._silence.heard(checked.symbol, now)
        new, _ = self._take(checked, BadRecord(name, position, record.payload, _NOT_A_NUMBER))
        if new:
            metrics.CONNECTED.labels(name).set(1)
            metrics.LAG.labels(name, checked.symbol).set((now - checked.ts).total_seconds())

    def _judge_early(self) -> None:
        """Take the trades that seemed to be of the future while nothing was known of the exchange's clock."""
        early, self._early = self._early, []
        for record in early:
            self._receive(record)

    def _served(self, symbol: str) -> None:
        """Note that a symbol is served now."""
        self._evidence(symbol, self._clock())

    def _evidence(self, symbol: str, at: datetime) -> None:
        self._silence.evidence(symbol, at)
        if self._heartbeats is not None:
            self._heartbeats.evidence(symbol, at)
        metrics.LAST_EVIDENCE.labels(self._exchange.name, symbol).set(at.timestamp())

    def _take(self, checked: Trade, bad: BadRecord) -> tuple[bool, Hole | None]:
        """Put a trade into the queue, behind the hole before it; return whether it is new, and the hole.

        Args:
            checked: the trade.
            bad: what it is if its id is not the number that it should be.
        """
        name = self._exchange.name
        market = self._markets[checked.symbol]
        if self._queue.full:
            # Drop it: the next trade that fits shows the hole, which REST fills when the bus has recovered.
            market.broken = True
            return False, None
        try:
            new, hole = market.take(checked)
        except ValueError:
            self._reject(bad)
            return False, None
        if checked.symbol in self.dropped:
            self._take_back(checked.symbol)
        if market.doubtful and not self._doubts.add(checked) and not new:
            self._queue.put(checked)  # too many to look up: as a repetition it changes nothing
        if not new:
            return False, None
        if hole is not None:
            _log.info("hole", exchange=name, symbol=hole.symbol, after=hole.after.trade_id, before=hole.before.trade_id)
            self._queue.put(hole)
        self._queue.put(checked)
        if self._heartbeats is not None:
            self._heartbeats.trade(checked.symbol, checked.ts, self._clock())
        metrics.LAST_TRADE.labels(name, checked.symbol).set(checked.ts.timestamp())
        return True, hole

    def _reject(self, bad: BadRecord) -> None:
        metrics.REJECTED.labels(bad.reject.code).inc()
        _log.info("rejected", source=bad.source, position=bad.position, reason=bad.reject.text)
        if not self._queue.full:
            self._queue.put(bad)

    async def _beat(self) -> None:
        """Send the heartbeats that are due while the feed is alive."""
        name = self._exchange.name
        while True:
            await asyncio.sleep(_HEARTBEAT_CHECK)
            alive = self.alive
            metrics.CONNECTED.labels(name).set(int(alive))
            if alive and self._heartbeats is not None:
                for symbol, ts in self._heartbeats.due(self._clock()):
                    await self._queue.put_waiting(heartbeat(name, symbol, ts))

    async def _attend(self) -> None:
        """Poll quiet symbols for evidence, one at a time; subscribe again to silent ones; name these."""
        while True:
            await asyncio.sleep(_HEARTBEAT_CHECK)
            if self.alive and self._heartbeats is not None:
                now = self._clock()
                for symbol in dict.fromkeys([*self._silence.missing(), *self._heartbeats.wanting(now)]):
                    if symbol in self._active and self._silence.may_poll(symbol, now):
                        await self._poll(symbol)
                for symbol in self._silence.to_subscribe(self._clock()):
                    metrics.RESUBSCRIBED.labels(self._exchange.name).inc()
                    self._retry(self._watch_again(symbol, served=True))
            self._report_silence()

    async def _poll(self, symbol: str) -> None:
        """Ask for a symbol's newest trades: evidence that it is served, and the trades its subscription missed."""
        name, asked_at = self._exchange.name, self._clock()
        try:
            page = await self._exchange.newest(symbol)
        except ccxt.BadSymbol as error:
            metrics.POLLS.labels(name, "refused").inc()
            self._exchange.give_up(symbol)
            self._drop(symbol, str(error))
        except Exception as error:  # noqa: BLE001 (whatever the library raises, other symbols go on)
            metrics.POLLS.labels(name, "failed").inc()
            self._silence.poll_failed(symbol, asked_at, f"{type(error).__name__}: {error}"[:200])
        else:
            self._merge(symbol, page, asked_at)

    def _merge(self, symbol: str, page: Sequence[RawTrade | Garbage], asked_at: datetime) -> None:
        """Take in what a page of a symbol's newest trades has beyond those known."""
        name, market = self._exchange.name, self._markets[symbol]
        checker = TradeChecker(name, {symbol}, self._clock)
        checked = [(raw, checker.check(raw)) for raw in page]
        refused = {raw.payload: bad for raw, bad in checked if isinstance(bad, BadRecord)}
        for payload in refused.keys() - self._bad_rows.get(symbol, set()):
            self._reject(refused[payload])
        self._bad_rows[symbol] = set(refused)
        trades = [(raw, trade) for raw, trade in checked if isinstance(trade, Trade)]
        if symbol not in self._active:
            return
        if not market.is_reached_by([trade for _, trade in trades]):
            metrics.POLLS.labels(name, "stale").inc()
            self._silence.poll_failed(symbol, asked_at, "its newest trades are older than those known")
            return
        joined = market.is_joined_by([trade for _, trade in trades])
        whole, missed = joined or self._exchange.running_ids, False
        if joined:
            market.broken = False
        for raw, trade in trades:
            if not market.is_unknown(trade, self._started):
                continue
            bad = BadRecord(f"{name} REST", f"trade {trade.trade_id}", raw.payload, _NOT_A_NUMBER)
            new, hole = self._take(trade, bad)
            whole = whole and hole is None
            late = trade.ts < asked_at - timedelta(seconds=_DELIVERY_SECONDS)
            missed = missed or (new and late and self._silence.should_have_come(symbol, trade.ts))
        metrics.POLLS.labels(name, "missed" if missed else "answered").inc()
        self._silence.polled(symbol, asked_at, missed=missed)
        self._evidence(symbol, asked_at)
        if whole and not self._queue.full and self._heartbeats is not None:
            self._heartbeats.proven(symbol, asked_at)

    def _report_silence(self) -> None:
        """Name symbols that fall silent, and those that are heard again."""
        name = self._exchange.name
        silent = self.silent
        for symbol in silent.keys() - self._reported:
            _log.warning("symbol is silent", exchange=name, symbol=symbol, reason=silent[symbol])
            metrics.SILENT.labels(name, symbol).set(1)
        for symbol in self._reported - silent.keys():
            _log.info("symbol is heard again", exchange=name, symbol=symbol)
            metrics.SILENT.labels(name, symbol).set(0)
        self._reported = set(silent)

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
        async for attempt in self._attempts("waiting for the engine"):
            with attempt:
                await asyncio.to_thread(self._store.record, entry)
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
                    self._reject(record)
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


def _moment(ts: object) -> datetime | None:
    """Return an event time that can be read, None for any other."""
    try:
        moment = datetime.fromisoformat(ts) if isinstance(ts, str) else ts
    except ValueError:
        return None
    return moment if isinstance(moment, datetime) and moment.tzinfo is not None else None


def _inside(trade: Trade, after: Last, before: Last) -> bool:
    if after.number is not None and before.number is not None:
        return after.number < int(trade.trade_id) < before.number
    return after.ts <= trade.ts <= before.ts


class LiveIngest:
    """Run the feeds of all exchanges for the symbols that this replica owns.

    Args:
        bus: where trades go.
        store: what is stored.
        markets: configured symbols by exchange.
        grace: how long after a minute's end its candle closes.
        settings: addresses and patience.
        clock, monotonic: this host's clocks.
    """

    def __init__(
        self,
        bus: Bus,
        store: TradeStore,
        markets: Mapping[str, Collection[str]],
        grace: timedelta,
        settings: IngestSettings,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._store = store
        self._markets = {exchange: frozenset(symbols) for exchange, symbols in markets.items()}
        self._grace = grace
        self._settings = settings
        self._clock = clock
        self._owned: dict[str, frozenset[str]] = {}
        self._feeds: dict[str, tuple[ExchangeFeed, asyncio.Task[None]]] = {}
        self._queue = PublishQueue(bus, store, settings, self._on_hole, clock=clock, stamp=self._stamp)
        self._changing = asyncio.Lock()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def problem(self) -> str | None:
        """What keeps this replica from doing its work; None when every owned exchange is heard and the bus keeps up."""
        silent = [e for e in self._owned if e not in self._feeds or not self._feeds[e][0].heard]
        if silent:
            return f"not heard: {', '.join(sorted(silent))}"
        if self._queue.failing or self._queue.full:
            return "the bus or the engine does not take what comes"
        return None

    @property
    def dropped(self) -> str | None:
        """The symbols that are left out, and why; None when all owned ones are watched."""
        found = [
            f"{exchange} {symbol}: {dropped.reason}"
            for exchange, (feed, _) in sorted(self._feeds.items())
            for symbol, dropped in sorted(feed.dropped.items())
        ]
        return "; ".join(found) or None

    @property
    def silent(self) -> str | None:
        """The symbols that are watched and not heard, and what is known about them; None when there are none."""
        found = [
            f"{exchange} {symbol}: {reason}"
            for exchange, (feed, _) in sorted(self._feeds.items())
            for symbol, reason in sorted(feed.silent.items())
        ]
        return "; ".join(found) or None

    @property
    def clocks(self) -> str | None:
        """How far this host's clock is from those of exchanges; None when all agree well enough."""
        found = [feed.time.problem(exchange) for exchange, (feed, _) in sorted(self._feeds.items())]
        return "; ".join(text for text in found if text) or None

    def _stamp(self, exchange: str) -> datetime | None:
        """Return the append time of an exchange's records by its own clock; None when the host's will do."""
        feed, _ = self._feeds.get(exchange, (None, None))
        return feed.time.now() if feed is not None and feed.time.correction else None

    def _end_when_none_is_left(self) -> None:
        """End the service when not one configured symbol, of any replica, can still be watched."""
        dropped = {(exchange, symbol) for exchange, (feed, _) in self._feeds.items() for symbol in feed.dropped}
        if all((exchange, s) in dropped for exchange, symbols in self._markets.items() for s in symbols):
            self._fail(NoSymbolLeftError(f"no symbol is left to watch; {self.dropped}"))

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    async def own(self, owns: Callable[[str, str], bool]) -> None:
        """Watch exactly the (exchange, symbol) for which ``owns`` holds; return when all others are silent."""
        async with self._changing:
            wanted = {e: frozenset(s for s in symbols if owns(e, s)) for e, symbols in self._markets.items()}
            for exchange, symbols in wanted.items():
                metrics.OWNED.labels(exchange).set(len(symbols))
                if symbols != self._owned.get(exchange, frozenset()):
                    await self._stop_feed(exchange)
                    if symbols:
                        self._start_feed(exchange, symbols)
            self._owned = {e: s for e, s in wanted.items() if s}

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until ``stop``, then stop the feeds and publish what they have given.

        Raises:
            NoSymbolLeftError: the exchanges trade none of the configured symbols.
        """
        publisher = asyncio.create_task(self._queue.run())
        stopping = asyncio.create_task(stop.wait())
        try:
            ends: set[asyncio.Future[Any]] = {stopping, publisher, self._failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if publisher.done():
                publisher.result()
            if self._failed.done():
                self._failed.result()
            await self.own(lambda _exchange, _symbol: False)
        finally:
            for exchange in list(self._feeds):
                await self._stop_feed(exchange)
            stopping.cancel()
            publisher.cancel()
            await asyncio.gather(stopping, publisher, return_exceptions=True)

    def _start_feed(self, exchange: str, symbols: frozenset[str]) -> None:
        connection = Exchange(exchange, self._settings)
        feed = ExchangeFeed(
            connection,
            symbols,
            self._queue,
            self._store,
            self._grace,
            self._settings,
            self._clock,
            self._end_when_none_is_left,
            self._monotonic,
        )
        task = asyncio.create_task(feed.run())
        task.add_done_callback(self._feed_ended)
        self._feeds[exchange] = (feed, task)
        _log.info("feed started", exchange=exchange, symbols=sorted(symbols))

    async def _stop_feed(self, exchange: str) -> None:
        """End a feed and publish what it has given, so that its next owner finds it stored."""
        feed, task = self._feeds.pop(exchange, (None, None))
        if feed is None or task is None:
            return
        task.cancel()
        await asyncio.wait([task])  # its exception, if any, has ended the service already
        await self._queue.drain()
        _log.info("feed stopped", exchange=exchange)

    def _feed_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._fail(error)

    def _on_hole(self, hole: Hole) -> None:
        if hole.exchange in self._feeds:
            self._feeds[hole.exchange][0].fill(hole)
