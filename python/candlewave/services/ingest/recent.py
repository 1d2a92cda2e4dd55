"""The last days of some markets from their exchanges: as candles, and as trades where these do not reach back."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

import ccxt
import psycopg

from candlewave.bus.protocol import Bus
from candlewave.core.errors import one_line
from candlewave.core.markets import Market
from candlewave.core.times import MINUTE, utc_now
from candlewave.services.ingest.backfill import Loaded, Loader
from candlewave.services.ingest.candle_load import CandleLoader, CandlesLoaded, oldest_candle, whole_minutes
from candlewave.services.ingest.candle_verify import StoredCandles
from candlewave.services.ingest.exchanges.exchange import Exchange
from candlewave.services.ingest.ledger import AlreadyLoadedError, Ledger
from candlewave.services.ingest.records import HistoryUnavailableError, UnknownExchangeError
from candlewave.services.ingest.settings import IngestSettings
from candlewave.services.ingest.store import register_symbols
from candlewave.services.ingest.validate import BadRecord

_MARGIN = 5 * MINUTE
"""By how much trades go on into the candles: the exchange drops its oldest ones while the trades are loaded."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far the load of one market has come.

    Attributes:
        market: which.
        kind: what is being loaded.
        done, total: minutes of market time.
        records: candles or trades published so far.
    """

    market: Market
    kind: Literal["candles", "trades"]
    done: float
    total: float
    records: int


@dataclass(frozen=True, slots=True)
class Recent:
    """What was loaded of one market.

    Attributes:
        market: which.
        begin, end: the range that was asked for, in whole minutes.
        candles, trades: how many were published now; both 0 when everything had been loaded before.
        first: the first minute that there was as a candle; None when there was none, or all was loaded before.
        problem: why the load is not complete, or what is not stored as published, in one line; None when all is well.
    """

    market: Market
    begin: datetime
    end: datetime
    candles: int = 0
    trades: int = 0
    first: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True)
class RecentHistory:
    """Loads the newest history of markets; a second call goes on where the first ended and loads nothing twice.

    Attributes:
        bus, conn: where records and notes of progress go; topics and tables must exist.
        grace: how long after a minute's end its candle closes, ``[candles] grace_seconds``.
        retention: how long raw trades stay; None for no limit.
        on_step: called after each page.
        on_reject: called for each bad record.
        settings: where exchanges are reached; the environment's when None.
        clock: the present time.
    """

    bus: Bus
    conn: psycopg.Connection
    grace: timedelta
    retention: timedelta | None = None
    on_step: Callable[[Step], None] = lambda _: None
    on_reject: Callable[[BadRecord], None] | None = None
    settings: IngestSettings | None = None
    clock: Callable[[], datetime] = field(default=utc_now)

    def load(self, markets: Sequence[Market], back: timedelta) -> list[Recent]:
        """Load the last ``back`` of each market, up to its last minute that is over.

        Promises: markets are registered in ``symbols`` once their exchange is known to have them; each is loaded in
        order of time, exchanges side by side; one that fails is reported in its :class:`Recent` and leaves the others
        alone; what was published is compared with what is stored, so that all of it has reached the engine's tables on
        return (the views may still be catching up); an interrupted load is resumed. Kraken keeps 720 candles over REST:
        what is older is loaded as trades, about a minute of work for each thousand pages.

        Raises:
            BusError, psycopg.Error: the bus or the engine takes no more; call it again to go on.
        """
        now = self.clock()
        by_exchange: dict[str, list[Market]] = {}
        for market in markets:
            by_exchange.setdefault(market.exchange, []).append(market)

        stored = {market: StoredCandles(self.conn) for market in markets}

        async def all_exchanges() -> list[list[Recent]]:
            loads = (self._exchange(name, stored, of, now - back, now) for name, of in by_exchange.items())
            return await asyncio.gather(*loads)

        found = {recent.market: recent for part in asyncio.run(all_exchanges()) for recent in part}
        for published in stored.values():
            published.check()
        return [replace(found[m], problem=found[m].problem or stored[m].problem()) for m in markets]

    async def _exchange(
        self,
        name: str,
        stored: Mapping[Market, StoredCandles],
        markets: list[Market],
        begin: datetime,
        end: datetime,
    ) -> list[Recent]:
        begin, end = whole_minutes(begin, end)
        try:
            exchange = Exchange(name, self.settings, candles_only=True)
        except UnknownExchangeError as error:
            return [Recent(market, begin, end, problem=str(error)) for market in markets]
        try:
            return [await self._market(exchange, market, stored[market], begin, end) for market in markets]
        finally:
            await exchange.close()

    async def _market(
        self, exchange: Exchange, market: Market, stored: StoredCandles, begin: datetime, end: datetime
    ) -> Recent:
        recent = Recent(market, begin, end)

        def note(loaded: Loaded | CandlesLoaded) -> None:
            nonlocal recent
            if isinstance(loaded, Loaded):
                recent = replace(recent, trades=recent.trades + loaded.trades)
            else:
                recent = replace(recent, candles=loaded.candles, first=loaded.first)

        candles, trades = self._loaders(market, stored, begin, end)
        try:
            await load_with_older_trades(candles, trades, exchange, market.symbol, begin, end, note)
        except (AlreadyLoadedError, HistoryUnavailableError, ccxt.BaseError) as error:
            recent = replace(recent, problem=one_line(error))
        return recent

    def _loaders(
        self, market: Market, stored: StoredCandles, begin: datetime, end: datetime
    ) -> tuple[CandleLoader, Loader]:
        total = (end - begin) / MINUTE

        def step(kind: Literal["candles", "trades"], records: int, reached: datetime) -> None:
            done = min(max((reached - begin) / MINUTE, 0.0), total)
            self.on_step(Step(market, kind, done, total, records))

        def accept() -> None:
            register_symbols(self.conn, market.exchange, [market.symbol])

        candles = CandleLoader(
            self.bus,
            Ledger(self.conn),
            self.grace,
            on_reject=self.on_reject,
            on_progress=lambda count, reached: step("candles", count, reached),
            on_accepted=accept,
            on_published=stored.note,
            clock=self.clock,
        )
        trades = Loader(
            self.bus,
            Ledger(self.conn),
            self.grace,
            self.retention,
            on_reject=self.on_reject,
            on_progress=lambda count, reached: step("trades", count, reached),
            on_accepted=accept,
            clock=self.clock,
        )
        return candles, trades


async def load_with_older_trades(
    candles: CandleLoader,
    trades: Loader,
    exchange: Exchange,
    symbol: str,
    begin: datetime,
    end: datetime,
    on_loaded: Callable[[Loaded | CandlesLoaded], None],
) -> None:
    """Load a range in order of time: as trades what is older than the exchange's candles, the rest as candles.

    Args:
        candles, trades: the loaders.
        exchange, symbol, begin, end: what to load.
        on_loaded: called with each part.

    Raises:
        AlreadyLoadedError, HistoryUnavailableError, ccxt.BaseError, BusError: as the loaders do.
    """
    while (oldest := oldest_candle(exchange, candles.clock())) is not None and begin <= oldest and begin < end:
        until = min(oldest + _MARGIN, end)
        on_loaded(await trades.load_api(exchange, symbol, begin, until))
        begin = until
    if begin < end:
        on_loaded(await candles.load_api(exchange, symbol, begin, end))
