"""One exchange: its markets' names, live trades, past trades, candles and clock."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import aiohttp
import ccxt
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from candlewave.core.errors import one_line
from candlewave.core.times import from_us, to_us
from candlewave.services.ingest import metrics
from candlewave.services.ingest.exchanges import kraken
from candlewave.services.ingest.exchanges.client import make_client
from candlewave.services.ingest.exchanges.profiles import profile_of
from candlewave.services.ingest.exchanges.reception import Reception, is_passing
from candlewave.services.ingest.exchanges.trade_pages import TradePages
from candlewave.services.ingest.records import Garbage, HistoryUnavailableError, RawTrade
from candlewave.services.ingest.settings import IngestSettings
from candlewave.telemetry import get_logger

_log = get_logger(__name__)
_SAY_EVERY_SECONDS = 30.0
"""Between two warnings that an exchange cannot be reached."""

CONNECTION_ERRORS = (ccxt.BaseError, aiohttp.ClientError, OSError, TimeoutError)
"""What ends a connection, as ccxt raises it."""

_RETRIED = (ccxt.NetworkError, ccxt.BadResponse)
_PAGE = 1_000
_FEW_CANDLES = 300
"""What an exchange is asked for at once when ccxt does not know how many candles it gives."""
_TRADE_KEYS = ("trade@", "trade::", "trade:", "matches:")
"""What ccxt's keys of subscriptions to trades begin with; the symbol follows."""
_UNSUBSCRIBE: dict[str, Callable[[str], dict[str, Any]]] = {
    "kraken": lambda own: {"method": "unsubscribe", "params": {"channel": "trade", "symbol": [own]}},
    "coinbaseexchange": lambda own: {"type": "unsubscribe", "product_ids": [own], "channels": ["matches"]},
    "binance": lambda own: {"method": "UNSUBSCRIBE", "params": [f"{own.lower()}@aggTrade"], "id": 0},
    "bybit": lambda own: {"op": "unsubscribe", "args": [f"publicTrade.{own}"]},
}
"""The message that ends the subscription to a market's trades, by its own name."""

T = TypeVar("T")


class Exchange:
    """One exchange: ``watch`` gives live trades, ``history`` past ones.

    Args:
        name: a key of :data:`PROFILES`.
        settings: addresses and patience.
        candles_only: accept any exchange that ccxt knows; of those without a profile only candles can be asked for.

    Raises:
        UnknownExchangeError: there is no profile of that name, or for candles no such exchange in ccxt.
    """

    def __init__(self, name: str, settings: IngestSettings | None = None, *, candles_only: bool = False) -> None:
        settings = settings or IngestSettings.load()
        self.name = name
        self.profile = profile_of(name, candles_only=candles_only)
        self._settings = settings
        self.page = _PAGE
        """The most trades that the exchange gives at once."""
        self._reception = Reception()
        self._said_at = -_SAY_EVERY_SECONDS
        self.client = make_client(name, self.profile, self._reception, settings)

    @property
    def running_ids(self) -> bool:
        """True when a jump in a market's trade ids is a hole."""
        return self.profile.running_ids

    async def close(self) -> None:
        """Close all connections."""
        await self.client.close()

    async def load_markets(self, *, again: bool = False) -> None:
        """Fetch what is traded, once, or ``again``; retried through outages."""
        await self.call(self.client.load_markets, again)

    def unknown_symbols(self, symbols: Sequence[str]) -> list[str]:
        """Return the symbols that the exchange does not trade; markets must be loaded."""
        return [s for s in symbols if s not in self.client.markets]

    def own_name(self, symbol: str) -> str:
        """Return what the exchange's websocket calls a market, which may be another coin's symbol here."""
        market = self.client.markets[symbol]
        return kraken.own_name(symbol, market) if self.profile.ccxt_id == "kraken" else str(market["id"])

    def misleading_names(self, symbols: Sequence[str]) -> list[str]:
        """Say of which symbols the exchange uses the name for another market, or another name, in its websocket."""
        if self.profile.ccxt_id != "kraken":
            return []  # ids such as BTCUSDT are never taken for symbols
        owners = {self.own_name(symbol): symbol for symbol, market in self.client.markets.items() if market["spot"]}
        found = []
        for symbol in symbols:
            own, owner = self.own_name(symbol), owners.get(symbol, symbol)
            if own != symbol:
                text = f"{symbol} is what {self.name} itself calls {own}"
                found.append(text if owner == symbol else f"{text}; its own {symbol} is {owner} here")
        return found

    async def watch(
        self,
        symbols: Sequence[str],
        on_record: Callable[[RawTrade | Garbage], None],
        on_refused: Callable[[str, str], None],
        on_served: Callable[[str], None] = lambda _symbol: None,
    ) -> None:
        """Subscribe to trades and hand over each as it arrives; ends by an error, or when no symbol is left.

        Args:
            symbols: the markets; they must be known.
            on_record: takes what arrives.
            on_refused: takes a symbol whose subscription was refused, and why; the others go on undisturbed.
            on_served: takes a symbol whose subscription was confirmed.

        Raises:
            ccxt.BaseError: the connection is lost, or the exchange refuses and names no symbol.
        """
        self._reception.begin(symbols, self.own_name, on_record, on_refused, on_served)
        groups = [asyncio.ensure_future(self._watch_group(group)) for group in self._groups(symbols)]
        try:
            await asyncio.gather(*groups)
        finally:
            for group in groups:
                group.cancel()
            await asyncio.gather(*groups, return_exceptions=True)

    def _groups(self, symbols: Sequence[str]) -> list[set[str]]:
        """Return the symbols that share a connection: spot, linear and inverse contracts have one each."""
        groups: dict[tuple[object, ...], set[str]] = {}
        for symbol in symbols:
            market = self.client.markets[symbol]
            groups.setdefault(tuple(map(market.get, ("type", "linear", "inverse"))), set()).add(symbol)
        return list(groups.values())

    async def _watch_group(self, group: set[str]) -> None:
        while wanted := [symbol for symbol in self._reception.wanted if symbol in group]:
            try:
                await self._hear(wanted)
            except kraken.SymbolRefusedError:
                continue
            except ccxt.NetworkError:
                raise
            except ccxt.BaseError as error:
                self._refuse_named(error)
                for connection in self.client.clients.values():
                    connection.subscriptions.clear()  # they were in the refused request: ask for them once more

    async def watch_again(self, symbol: str, *, served: bool = False) -> None:
        """Ask for a symbol once more, beside the others on their connection; return with its first trade.

        Args:
            symbol: one that was refused.
            served: it was not refused, but gives nothing: end its subscription first.

        Raises:
            ccxt.NetworkError: the connection is lost.
        """
        own = self.own_name(symbol)
        self._reception.own_names[own] = symbol
        for connection in list(self.client.clients.values()):
            subscribed = [connection.subscriptions.pop(f"{key}{symbol}", None) for key in _TRADE_KEYS]
            if served and any(subscribed):
                await connection.send(_UNSUBSCRIBE[self.profile.ccxt_id](own))
        try:
            await self._hear([symbol])
        except (kraken.SymbolRefusedError, ccxt.NetworkError) as error:
            if isinstance(error, ccxt.NetworkError):
                raise
        except ccxt.BaseError as error:
            self._reception.refused(symbol, str(error))

    def give_up(self, symbol: str) -> None:
        """Ask for a symbol no more on the next connection of this :meth:`watch`."""
        self._reception.give_up(symbol)

    async def _hear(self, symbols: list[str]) -> None:
        """Subscribe to what is not yet subscribed to, and return with the next trade."""
        if self.profile.ccxt_id == "kraken":
            names = {"symbol": [self.own_name(symbol) for symbol in symbols]}
            await self.client.watch_multi_helper("trade", "trade", symbols, None, names)
        else:
            await self.client.watch_trades_for_symbols(symbols)

    def _refuse_named(self, error: ccxt.BaseError) -> None:
        """Drop the symbols that a refusal names; raise it when it names none or will pass."""
        text = str(error)
        named = [] if is_passing(text) else self._reception.named_in(text)
        if not named:
            raise error
        for symbol in named:
            self._reception.refuse(symbol, text)

    async def disconnect(self) -> None:
        """Drop the websocket connections, so that the next :meth:`watch` makes new ones."""
        self._reception.end()
        if self.client.clients:
            await self.client.close_ws_clients()

    def seconds_since_message(self) -> float | None:
        """Return how long ago anything was heard on a websocket; None when none is connected."""
        heard = [c.last_message_at for c in (self.client.clients or {}).values() if c.last_message_at]
        return (self.client.milliseconds() - max(heard)) / 1000 if heard else None

    async def call(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Call the exchange, again and again with growing, random pauses while it is unreachable or says "too many".

        Raises:
            ccxt.BaseError: it refuses, or was unreachable for too long.
        """
        s = self._settings
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(_RETRIED),
            wait=wait_random_exponential(multiplier=s.retry_first_seconds, max=s.retry_max_seconds),
            stop=stop_after_delay(s.request_give_up_seconds),
            before_sleep=self._count_refusal,
            reraise=True,
        ):
            with attempt:
                return await function(*args)
        raise AssertionError("tenacity ends by a result or an exception")

    def history(
        self,
        symbol: str,
        begin: datetime,
        end: datetime,
        *,
        after_id: int | None = None,
        before_id: int | None = None,
    ) -> AsyncIterator[list[RawTrade | Garbage]]:
        """Yield pages of the trades with ``begin <= ts < end``, by id, each once, and possibly some around them.

        A row that cannot be read comes as garbage among its neighbours, from the pages around the range too: nothing
        says when it happened.

        Args:
            symbol: the market; markets must be loaded.
            begin, end: the range in event time.
            after_id, before_id: where the trade ids are known, those just around the range; they then say where it
            begins and ends, and save requests.

        Raises:
            HistoryUnavailableError: the exchange does not reach back to ``begin``.
            ccxt.BaseError: it refuses, or was unreachable for too long.
        """
        return self._pages().between(symbol, begin, end, after_id, before_id)

    async def candles(self, symbol: str, timeframe: str, begin: datetime, count: int) -> list[list[Any]]:
        """Return candles of the exchange's own, by time: [time in ms, open, high, low, close, volume, what it sent].

        Numbers are texts. The answer may hold candles of other times as well. What cannot be read at all comes last,
        with None for its time.

        Args:
            symbol: the market; markets must be loaded.
            timeframe: such as 1m.
            begin: opening time of the first.
            count: how many to ask for.

        Raises:
            HistoryUnavailableError: the exchange has no such candles.
            ccxt.BaseError: it refuses, or was unreachable for too long.
        """
        if not self.client.has.get("fetchOHLCV") or timeframe not in (self.client.timeframes or {}):
            raise HistoryUnavailableError(f"{self.name} gives no {timeframe} candles")

        async def ask() -> list[list[Any]]:
            try:
                rows = await self.client.fetch_ohlcv(symbol, timeframe, to_us(begin) // 1000, count)
                return sorted(map(list, rows), key=lambda row: (row[0] is None, row[0]))
            except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
                raise ccxt.BadResponse(f"{self.name} candles of {symbol} cannot be read: {error!r}") from error

        return await self.call(ask)

    def candles_at_once(self, symbol: str) -> int:
        """Return how many candles of a market to ask for at once; markets must be loaded."""
        known = self.client.feature_value(symbol, "fetchOHLCV", "limit")
        return min(int(known or _FEW_CANDLES), _PAGE)

    async def now(self, ours: datetime) -> datetime:
        """Return the exchange's clock, or ``ours`` if that is behind, or if it does not show its own."""
        if not self.client.has.get("fetchTime"):
            return ours
        theirs = await self.call(self.client.fetch_time)
        return min(ours, from_us(int(theirs) * 1_000)) if theirs else ours

    async def server_time(self) -> tuple[datetime, timedelta] | None:
        """Return the exchange's clock and the unit that it is cut to; None when it does not show one. Asks once.

        Raises:
            ccxt.BaseError: the exchange refuses or cannot be reached.
        """
        if not self.client.has.get("fetchTime"):
            return None
        theirs = await self.client.fetch_time()
        if not isinstance(theirs, int):
            raise ccxt.BadResponse(f"{self.name} time: {theirs!r} is not a number of milliseconds")
        unit = timedelta(seconds=1) if theirs % 1_000 == 0 else timedelta(milliseconds=1)
        return from_us(theirs * 1_000), unit

    async def newest(self, symbol: str) -> list[RawTrade | Garbage]:
        """Return a page of a market's newest trades, oldest first. Asks once; markets must be loaded.

        Raises:
            ccxt.BadSymbol: the market is not traded any more.
            ccxt.BaseError: the exchange refuses or cannot be reached.
        """
        try:
            return await self._pages().newest(symbol)
        except (ccxt.NetworkError, ccxt.BadSymbol, ccxt.BadResponse):
            raise
        except ccxt.BaseError as error:
            # Few exchanges say which refusals are the symbol's: their list of markets does.
            await self.client.load_markets(True)
            if self.unknown_symbols([symbol]):
                raise ccxt.BadSymbol(str(error)) from error
            raise

    def _pages(self) -> TradePages:
        return TradePages(self.name, self.profile, self.client, self.call, self.page)

    def _count_refusal(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection):
            metrics.RATE_LIMITED.labels(self.name).inc()
        elif error is not None and time.monotonic() - self._said_at >= _SAY_EVERY_SECONDS:
            self._said_at = time.monotonic()
            _log.warning("exchange cannot be reached, trying again", exchange=self.name, error=one_line(error)[:300])
