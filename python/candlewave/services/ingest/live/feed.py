"""One exchange's symbols: watched, connected again, polled when quiet, left out when refused."""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import ccxt
import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from candlewave.contracts.records import Trade, heartbeat
from candlewave.core.backoff import doubled
from candlewave.core.times import utc_now
from candlewave.services.ingest import metrics
from candlewave.services.ingest.exchanges.exchange import CONNECTION_ERRORS, Exchange
from candlewave.services.ingest.heartbeats import LiveFeed
from candlewave.services.ingest.holes import Hole
from candlewave.services.ingest.ledger import LoadedRange
from candlewave.services.ingest.live.doubts import Doubts
from candlewave.services.ingest.live.publish_queue import AWAY, PublishQueue
from candlewave.services.ingest.live.refill import Refill
from candlewave.services.ingest.live.sequence import TradeSequence
from candlewave.services.ingest.live.silence import Silence
from candlewave.services.ingest.live.skew import ExchangeClock
from candlewave.services.ingest.records import Garbage, RawTrade
from candlewave.services.ingest.settings import IngestSettings
from candlewave.services.ingest.store import TradeStore
from candlewave.services.ingest.validate import BadRecord, Reject, TradeChecker, Validator, check_raw
from candlewave.telemetry import get_logger

_log = get_logger(__name__)
T = TypeVar("T")
_ALIVE_SECONDS = 15.0
_MAX_EARLY = 1_000
_TIME_SECONDS = 300.0
"""How often an exchange is asked for its time."""
_DELIVERY_SECONDS = 5.0
"""How long a trade may be on its way before its subscription is said to have missed it."""
_HEARTBEAT_CHECK = 0.5
_NOT_A_NUMBER = Reject("bad_trade_id", "trade id is not a number")


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
        self._heartbeats: LiveFeed | None = None
        self._silence = Silence(
            timedelta(seconds=settings.silence_seconds),
            timedelta(seconds=min(_DELIVERY_SECONDS, settings.silence_seconds)),
            timedelta(seconds=settings.symbol_retry_first_seconds),
        )
        self._reported: set[str] = set()
        self._bad_rows: dict[str, set[bytes]] = {}
        self._on_dropped = on_dropped
        self.refill = Refill(exchange, queue, self._record, settings, self._clock)
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
            for task in self._retries:
                task.cancel()
            await asyncio.gather(self.refill.stop(), *self._retries, return_exceptions=True)
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

    async def _load_markets_state(self) -> None:
        name, running = self._exchange.name, self._exchange.running_ids
        for symbol in self.symbols:
            last = await self._ask_engine(self._store.last, name, symbol, numeric=running)
            holes = await self._ask_engine(self._store.holes, name, symbol)
            self._markets[symbol] = TradeSequence(name, symbol, last, running_ids=running)
            for hole in holes:
                self.refill.begin(hole)

    async def _register(self, symbols: Collection[str]) -> None:
        await self._ask_engine(self._store.register, self._exchange.name, sorted(symbols))

    async def _record(self, entry: LoadedRange) -> None:
        await self._ask_engine(self._store.record, entry)

    async def _stored_contents(self, symbol: str, ids: Collection[str]) -> Mapping[str, tuple[object, ...]]:
        return await self._ask_engine(self._store.contents, self._exchange.name, symbol, ids)

    async def _ask_engine(self, question: Callable[..., T], *args: object, **named: object) -> T:
        """Ask in a thread, again while the engine is away."""
        s = self._settings
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(AWAY),
            wait=wait_random_exponential(multiplier=s.retry_first_seconds, max=s.retry_max_seconds),
            before_sleep=self._say_away,
        ):
            with attempt:
                return await asyncio.to_thread(question, *args, **named)
        raise AssertionError("tenacity ends by a result or an exception")

    def _say_away(self, state: RetryCallState) -> None:
        _log.warning("waiting for the engine", exchange=self._exchange.name, attempt=state.attempt_number)

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
            self._queue.reject(
                BadRecord(f"{name} websocket", position, record.payload, Reject("unreadable", record.reason))
            )
            return
        checked = check_raw(self._validator, record, now)
        if isinstance(checked, Reject):
            if checked.code == "future_time" and self.time.skew is None and len(self._early) < _MAX_EARLY:
                self._early.append(record)  # perhaps it is the host's clock that is wrong
                return
            self._queue.reject(BadRecord(f"{name} websocket", position, record.payload, checked))
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
            self._queue.reject(bad)
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
            self._queue.reject(refused[payload])
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


def _moment(ts: object) -> datetime | None:
    """Return an event time that can be read, None for any other."""
    try:
        moment = datetime.fromisoformat(ts) if isinstance(ts, str) else ts
    except ValueError:
        return None
    return moment if isinstance(moment, datetime) and moment.tzinfo is not None else None
