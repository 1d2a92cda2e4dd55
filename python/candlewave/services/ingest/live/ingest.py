"""The feeds of all exchanges of one replica."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from candlewave.bus.protocol import Bus
from candlewave.core.times import utc_now
from candlewave.services.ingest import metrics
from candlewave.services.ingest.exchanges.exchange import Exchange
from candlewave.services.ingest.holes import Hole
from candlewave.services.ingest.live.feed import ExchangeFeed
from candlewave.services.ingest.live.publish_queue import PublishQueue
from candlewave.services.ingest.records import NoSymbolLeftError
from candlewave.services.ingest.settings import IngestSettings
from candlewave.services.ingest.store import TradeStore
from candlewave.telemetry import get_logger

_log = get_logger(__name__)


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
            self._feeds[hole.exchange][0].refill.begin(hole)
