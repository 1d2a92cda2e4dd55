"""Exchanges through ccxt: live trades over websockets, past trades over REST, in one shape for all of them.

ccxt turns trades into its own form; this module takes prices and times from as near to the wire as possible,
keeps garbage from breaking a connection, and knows how each exchange's history is paged.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import ccxt
import ccxt.async_support
import ccxt.pro
from aiohttp import WSMsgType
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
from candlewave.services.ingest.records import Garbage, HistoryUnavailableError, RawTrade, UnknownExchangeError
from candlewave.services.ingest.settings import IngestSettings, Mirror
from candlewave.services.ingest.validate import RejectedTradeError, epoch_us
from candlewave.telemetry import get_logger

_log = get_logger(__name__)
_SAY_EVERY_SECONDS = 30.0
"""Between two warnings that an exchange cannot be reached."""

CONNECTION_ERRORS = (ccxt.BaseError, aiohttp.ClientError, OSError, TimeoutError)
"""What ends a connection, as ccxt raises it."""

RETRIED = (ccxt.NetworkError, ccxt.BadResponse)
_PASSING = re.compile("rate|limit|already|busy|unavailable|internal|timeout|maintenance", re.IGNORECASE)
"""Refusals that are about the moment, not about the symbol they name."""
_KRAKEN_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
"""Assets that Kraken's websocket v2 calls otherwise than its REST API."""
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
_NO_TRADE: dict[str, Any] = {"symbol": None, "id": None, "timestamp": None}
"""What ccxt goes on with when a trade of a frame cannot be read."""
_garbage: ContextVar[list[Garbage] | None] = ContextVar("garbage", default=None)
"""Rows of the page now being asked for that ccxt cannot read."""


@dataclass(frozen=True)
class Profile:
    """What must be known of an exchange beyond ccxt.

    Attributes:
        ccxt_id: its class in ccxt.
        running_ids: True when trade ids of a market count 1, 2, 3, … so that a jump is a hole.
        options: ccxt options that make ids of websocket and REST the same.
        history: how past trades are paged, see :class:`Exchange`.
        maker_side: True when the exchange states the maker's side, which ccxt turns round over REST only.
        candles_kept: how many of the newest minutes its REST candles reach back; None where that is not limited.
    """

    ccxt_id: str
    running_ids: bool
    history: str
    options: dict[str, Any] = field(default_factory=dict)
    maker_side: bool = False
    candles_kept: int | None = None


_AGGREGATE_TRADES = {
    "defaultType": "spot",
    "watchTrades": {"name": "aggTrade"},
    "watchTradesForSymbols": {"name": "aggTrade"},
}
"""Binance's single trades cannot be paged without an API key; aggregate trades can: ccxt asks for them over REST."""

PROFILES = {
    "kraken": Profile("kraken", running_ids=True, history="kraken", candles_kept=720),
    "coinbase": Profile("coinbaseexchange", running_ids=True, history="older_ids", maker_side=True),
    "binance": Profile("binance", running_ids=True, history="newer_ids", options=_AGGREGATE_TRADES),
    "binanceus": Profile("binanceus", running_ids=True, history="newer_ids", options=_AGGREGATE_TRADES),
    "bybit": Profile("bybit", running_ids=False, history="recent", options={"defaultType": "spot"}),
}


class _SymbolRefusedError(ccxt.BadSymbol):  # type: ignore[misc]
    """Wakes whoever waits for a symbol that was refused; the refusal itself was handed over already."""


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
        self.profile = _profile(name, candles_only)
        self._settings = settings
        self.page = _PAGE
        """The most trades that the exchange gives at once."""
        self._on_record: Callable[[RawTrade | Garbage], None] = lambda _: None
        self._on_refused: Callable[[str, str], None] = lambda _symbol, _reason: None
        self._on_served: Callable[[str], None] = lambda _symbol: None
        self._wanted: list[str] = []
        self._own_names: dict[str, str] = {}
        self.last_message_at: float | None = None
        self._said_at = -_SAY_EVERY_SECONDS
        self.client = self._make_client(settings.exchange_urls.get(name))

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
        """Return what the exchange's websocket calls a market, which may be another coin's symbol here.

        Kraken's LUNA is the coin that everyone else, and its own REST API through ccxt, calls LUNC.
        """
        market = self.client.markets[symbol]
        if self.profile.ccxt_id != "kraken":
            return str(market["id"])
        name = market["info"].get("wsname") or symbol
        return "/".join(_KRAKEN_NAMES.get(part, part) for part in name.split("/"))

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
        self._on_record, self._on_refused, self._on_served = on_record, on_refused, on_served
        self._wanted = list(symbols)
        self._own_names = {}
        for symbol in symbols:
            own = self.own_name(symbol)  # a coin and its contract may share one
            self._own_names[symbol if own in self._own_names else own] = symbol
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
        while wanted := [symbol for symbol in self._wanted if symbol in group]:
            try:
                await self._hear(wanted)
            except _SymbolRefusedError:
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
        self._own_names[own] = symbol
        for connection in list(self.client.clients.values()):
            subscribed = [connection.subscriptions.pop(f"{key}{symbol}", None) for key in _TRADE_KEYS]
            if served and any(subscribed):
                await connection.send(_UNSUBSCRIBE[self.profile.ccxt_id](own))
        try:
            await self._hear([symbol])
        except (_SymbolRefusedError, ccxt.NetworkError) as error:
            if isinstance(error, ccxt.NetworkError):
                raise
        except ccxt.BaseError as error:
            self._on_refused(symbol, str(error))

    def give_up(self, symbol: str) -> None:
        """Ask for a symbol no more on the next connection of this :meth:`watch`."""
        if symbol in self._wanted:
            self._wanted.remove(symbol)

    async def _hear(self, symbols: list[str]) -> None:
        """Subscribe to what is not yet subscribed to, and return with the next trade."""
        if self.profile.ccxt_id == "kraken":
            names = {"symbol": [self.own_name(symbol) for symbol in symbols]}
            await self.client.watch_multi_helper("trade", "trade", symbols, None, names)
        else:
            await self.client.watch_trades_for_symbols(symbols)

    def _refuse_named(self, error: ccxt.BaseError) -> None:
        """Drop the symbols that a refusal names; raise it when it names none or will pass."""
        named = [] if _PASSING.search(str(error)) else self._named_in(str(error))
        if not named:
            raise error
        for symbol in named:
            self._refuse(symbol, str(error))

    def _named_in(self, text: str) -> list[str]:
        return [
            symbol
            for own, symbol in self._own_names.items()
            if any(re.search(rf"(?<![\w/-]){re.escape(name)}(?![\w/-])", text) for name in {own, symbol})
        ]

    def _refuse(self, symbol: str, reason: str) -> None:
        self.give_up(symbol)
        self._on_refused(symbol, reason)

    async def disconnect(self) -> None:
        """Drop the websocket connections, so that the next :meth:`watch` makes new ones."""
        self._on_record = lambda _: None
        self._on_refused = lambda _symbol, _reason: None
        self._on_served = lambda _symbol: None
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
            retry=retry_if_exception_type(RETRIED),
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
        pages = {
            "kraken": self._kraken_pages,
            "newer_ids": self._newer_id_pages,
            "older_ids": self._older_id_pages,
            "recent": self._recent_page,
        }.get(self.profile.history)
        if pages is None:
            raise HistoryUnavailableError(f"how {self.name} pages its past trades is not known here, only its candles")
        return pages(symbol, begin, end, after_id, before_id)

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
            return await self._newest(symbol)
        except (ccxt.NetworkError, ccxt.BadSymbol, ccxt.BadResponse):
            raise
        except ccxt.BaseError as error:
            # Few exchanges say which refusals are the symbol's: their list of markets does.
            await self.client.load_markets(True)
            if self.unknown_symbols([symbol]):
                raise ccxt.BadSymbol(str(error)) from error
            raise

    async def _newest(self, symbol: str) -> list[RawTrade | Garbage]:
        if self.profile.history == "kraken":
            page, _ = await self._kraken_trades(self.client.market(symbol)["id"], None)
            return sorted((self._kraken_row(symbol, row) for row in page), key=_place)
        rows, aside = await self._ask_trades(symbol, None, {}, self.page)
        return [*aside, *map(self._raw, rows)]

    # -- history, by the ways exchanges page it ------------------------------------------------------------

    async def _kraken_pages(
        self, symbol: str, begin: datetime, end: datetime, after_id: int | None, before_id: int | None
    ) -> AsyncIterator[list[RawTrade | Garbage]]:
        """Kraken gives trades after ``since``, an exclusive time in ns.

        A page may end among trades of one time, so the next is asked for from that time on, and what is known is left
        out. A jump in the running ids is a trade whose time is before its page: it is asked for by itself.
        """
        market = self.client.market(symbol)["id"]
        since, until = to_us(begin) * 1_000 - 1, to_us(end) * 1_000
        order = _IdOrder(after_id)
        largest = 0
        while True:
            page, last = await self.call(self._kraken_trades, market, since)
            rows = [self._kraken_row(symbol, row) for row in page]
            ready = order.take(rows)
            readable = [row for row in rows if isinstance(row, RawTrade)]
            if order.missing:
                ready += await self._kraken_missing(market, symbol, order, since)
            if ready:
                yield ready
            if before_id is not None and order.reached >= before_id - 1:
                return
            largest = max(largest, len(rows))
            stuck = last <= since + 1
            past = bool(readable) and all(_is_past(row, until) for row in readable)
            if not rows or (stuck and len(rows) < largest) or past:
                return
            order.forget(3 * self.page)
            since = last if stuck else last - 1

    async def _kraken_missing(
        self, market: str, symbol: str, order: "_IdOrder", since: int
    ) -> list[RawTrade | Garbage]:
        """Return what is held back and what is missing before it, asked for from further and further back."""
        ready: list[RawTrade | Garbage] = []
        while order.missing:
            reached = order.reached
            for begin in order.times_before(self.page) or [since - second for second in (10**9, 60 * 10**9)]:
                page, _ = await self.call(self._kraken_trades, market, begin)
                ready += order.take([self._kraken_row(symbol, row) for row in page])
                if order.reached > reached:
                    break
            else:
                gap = order.give_up()
                _log.warning("exchange does not give trades", exchange=self.name, symbol=symbol, ids=gap)
                ready += order.take([])
        return ready

    async def _kraken_trades(self, market: str, since: int | None) -> tuple[list[Any], int]:
        """Return rows after ``since``, the newest ones without, and the time of the last."""
        begin = {} if since is None else {"since": str(since)}
        response = await self.client.publicGetTrades({"pair": market, **begin, "count": self.page})
        try:
            result = response["result"]
            rows = next(value for key, value in result.items() if key != "last")
            return list(rows), int(result["last"])
        except (TypeError, KeyError, StopIteration, ValueError, AttributeError) as error:
            raise ccxt.BadResponse(f"kraken Trades: {str(response)[:200]!r} is not the documented answer") from error

    @staticmethod
    def _kraken_row(symbol: str, row: Any) -> RawTrade | Garbage:
        payload = _payload(row)
        if not isinstance(row, list) or len(row) < 7:
            return Garbage(payload, "trade is not a list of price, quantity, time, side, kind, notes and id")
        side = {"b": "buy", "s": "sell"}.get(str(row[3]), row[3])
        return RawTrade(symbol, row[6], _kraken_time(row[2]), row[0], row[1], side, payload)

    async def _newer_id_pages(
        self, symbol: str, begin: datetime, end: datetime, after_id: int | None, before_id: int | None
    ) -> AsyncIterator[list[RawTrade | Garbage]]:
        """Binance gives the trades from an id on; only the first one is looked for by time."""
        bad = _Unreadable()
        first = await self._first_newer_id(symbol, begin, end, bad) if after_id is None else after_id + 1
        while first is not None and (before_id is None or first < before_id):
            before = bad.met
            page = await self._fetch_trades(symbol, None, {"fromId": first}, bad)
            rows = [t for t in page if before_id is None or int(t["id"]) < before_id]
            if found := [*bad.take(), *map(self._raw, rows)]:
                yield found
            if not page and bad.met == before:
                return
            if before_id is None and page and all(t["timestamp"] >= _ms(end) for t in page):
                return
            first = int(page[-1]["id"]) + 1 if page else first + bad.met - before
        if found := bad.take():
            yield found

    async def _first_newer_id(self, symbol: str, begin: datetime, end: datetime, bad: "_Unreadable") -> int | None:
        """Return an id before which a whole page lies before ``begin``; None when the range is empty."""
        since, until = to_us(begin) // 1_000, _ms(end)
        page: list[Any] = []
        while not page and since < until:
            page = await self._fetch_trades(symbol, since, {}, bad)
            since += 3_600_000
        if not page:
            return None
        first = int(page[0]["id"])
        while first > 0:
            earlier = await self._fetch_trades(symbol, None, {"fromId": max(first - self.page, 0)}, bad)
            earlier = [t for t in earlier if int(t["id"]) < first]
            if all(t["timestamp"] < to_us(begin) // 1_000 for t in earlier):
                break
            first = int(earlier[0]["id"])
        return first

    async def _older_id_pages(
        self, symbol: str, begin: datetime, end: datetime, after_id: int | None, before_id: int | None
    ) -> AsyncIterator[list[RawTrade | Garbage]]:
        """Coinbase gives the trades before an id. Find the first id of the range by halving, then step forward."""
        bad = _Unreadable()
        above = before_id
        if above is None:
            newest = await self._fetch_trades(symbol, None, {}, bad)
            above = int(newest[-1]["id"]) + 1 if newest else 0
        first = await self._first_older_id(symbol, begin, above, bad) if after_id is None else after_id + 1
        while first < above:
            upto = min(first + self.page, above)
            page = await self._fetch_trades(symbol, None, {"after": upto}, bad)
            rows = [t for t in page if first <= int(t["id"]) < upto]
            if found := [*bad.take(), *map(self._raw, rows)]:
                yield found
            if rows and before_id is None and all(t["timestamp"] >= _ms(end) for t in rows):
                return
            first = upto
        if found := bad.take():
            yield found

    async def _first_older_id(self, symbol: str, begin: datetime, above: int, bad: "_Unreadable") -> int:
        """Return an id before which a whole page lies before ``begin``: times do not quite follow ids."""
        first = await self._first_id(symbol, begin, above, bad)
        while first > 1:
            page = await self._fetch_trades(symbol, None, {"after": first}, bad)
            if all(t["timestamp"] < to_us(begin) // 1_000 for t in page):
                break
            first = int(page[0]["id"])
        return first

    async def _first_id(self, symbol: str, moment: datetime, above: int, bad: "_Unreadable") -> int:
        """Return the smallest id whose trade is not before ``moment``, at most ``above``."""
        low, high = 1, above
        while low < high:
            middle = (low + high) // 2
            page = await self._fetch_trades(symbol, None, {"after": middle + 1}, bad, limit=1)
            if not page:  # the one in the middle cannot be read, perhaps: one shortly before it stands for it
                page = await self._fetch_trades(symbol, None, {"after": middle + 1}, bad)
            if not page or page[-1]["timestamp"] < _ms(moment):
                low = middle + 1
            else:
                high = middle
        return low

    async def _recent_page(
        self, symbol: str, begin: datetime, end: datetime, _after_id: int | None, _before_id: int | None
    ) -> AsyncIterator[list[RawTrade | Garbage]]:
        """Bybit gives only its newest trades."""
        bad = _Unreadable()
        page = await self._fetch_trades(symbol, None, {}, bad)
        if page and page[0]["timestamp"] >= _ms(begin):  # others of the oldest time may be missing
            raise HistoryUnavailableError(
                f"{self.name} hands out only its newest trades of {symbol}, the oldest of them at "
                f"{page[0]['datetime']}; load the time before from an archive"
            )
        if found := [*bad.take(), *(self._raw(t) for t in page if t["timestamp"] < _ms(end))]:
            yield found

    async def _fetch_trades(
        self, symbol: str, since: int | None, params: dict[str, Any], bad: "_Unreadable", limit: int | None = None
    ) -> list[Any]:
        """Return the readable trades of a page in order, and put the others aside; patient."""
        rows, aside = await self.call(self._ask_trades, symbol, since, params, limit or self.page)
        bad.add(aside)
        return rows

    async def _ask_trades(
        self, symbol: str, since: int | None, params: dict[str, Any], limit: int
    ) -> tuple[list[Any], list[RawTrade | Garbage]]:
        """Ask for a page once; return its readable trades in order, and the others."""
        garbage: list[Garbage] = []
        _garbage.set(garbage)
        try:
            page = await self.client.fetch_trades(symbol, since, limit, dict(params))
            rows = [t for t in page if self._has_place(t)]
            aside: list[RawTrade | Garbage] = [*garbage, *(self._raw(t) for t in page if not self._has_place(t))]
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
            raise ccxt.BadResponse(f"{self.name} trades of {symbol} cannot be read: {error!r}") from error
        if not rows and len(aside) >= self.page:
            raise ccxt.BadResponse(f"{self.name} trades of {symbol}: not one of {len(aside)} can be read")
        return sorted(rows, key=_by_id if self.running_ids else _by_time), aside

    def _has_place(self, trade: dict[str, Any]) -> bool:
        """Return whether a trade has what pages are ordered by."""
        identity = trade.get("id")
        known = _running_id(identity) is not None if self.running_ids else isinstance(identity, str)
        return known and isinstance(trade.get("timestamp"), int)

    # -- live ----------------------------------------------------------------------------------------------

    def _make_client(self, mirror: Mirror | None) -> Any:
        outer = self
        base = getattr(ccxt.pro, self.profile.ccxt_id, None) or getattr(ccxt.async_support, self.profile.ccxt_id)

        class Client(base):  # type: ignore[misc, valid-type]
            """The exchange's class of ccxt with guards: one item that it cannot read leaves the others alone."""

            def client(self, url: str) -> Any:
                known = url in (self.clients or {})
                made = super().client(url)
                if not known:
                    outer._guard(made)
                return made

            def parse_ohlcvs(self, ohlcvs: Any, market: Any = None, *_filters: Any) -> list[list[Any]]:
                """Keep every row, with what was sent for it: ccxt drops those it cannot read, and further columns."""
                return [_candle_row(super(Client, self).parse_ohlcv, row, market) for row in ohlcvs or []]

            def parse_ws_trade(self, trade: Any, market: Any = None) -> Any:
                # Heard here: what ccxt resolves its waiters with would miss trades of other symbols.
                parsed = _NO_TRADE

                def read() -> RawTrade:
                    nonlocal parsed
                    parsed = super(Client, self).parse_ws_trade(trade, market)
                    return outer._raw(parsed)

                outer._hand_over(read, trade)
                return parsed

            def parse_trades(self, trades: Any, market: Any = None, *_others: Any, **_named: Any) -> list[Any]:
                if not isinstance(trades, list):
                    raise ccxt.BadResponse(f"{outer.name} trades: {str(trades)[:200]!r} is not a list")
                found = []
                for row in trades:
                    try:
                        found.append(self.parse_trade(row, market))
                    except Exception as error:
                        garbage = _garbage.get()
                        if garbage is None:
                            raise
                        garbage.append(_unreadable(row, error))
                return found

        if self.profile.ccxt_id == "bybit":
            Client.handle_trades = lambda client, socket, message: (
                base.handle_trades(client, socket, message)
                if isinstance(message.get("data"), list)
                else outer._on_record(Garbage(_payload(message), "trade frame without a list of trades"))
            )
        if self.profile.ccxt_id == "kraken":
            Client.handle_trades = lambda _self, client, message: outer._kraken_frame(client, message)
            Client.handle_error_message = lambda _self, client, message: outer._kraken_error(client, message)
        config: dict[str, Any] = {"enableRateLimit": True, "options": dict(self.profile.options)}
        if self._settings.request_interval_ms is not None:
            config["rateLimit"] = self._settings.request_interval_ms
        client = Client(config)
        client.number = str
        if mirror is not None:
            client.urls["api"] = _mirrored(client.urls["api"], mirror, ws=False)
        return client

    def _guard(self, client: Any) -> None:
        """Keep a frame that cannot be read from silently ending the connection's receive loop."""
        handle = client.handle_message

        def guarded(message: Any) -> None:
            if message.type == WSMsgType.TEXT and message.data[:1] not in ("{", "[") and message.data != "pong":
                self._on_record(Garbage(message.data.encode("utf-8", "surrogatepass"), "frame is not JSON"))
                return
            try:
                handle(message)
            except Exception as error:  # noqa: BLE001 (whatever the library raises, it is this frame's)
                data = message.data if isinstance(message.data, str | bytes) else repr(message.data)
                payload = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
                self._on_record(Garbage(payload, f"frame cannot be read: {type(error).__name__}: {error}"))

        client.handle_message = guarded

    def _hand_over(self, read: Callable[[], RawTrade | Garbage], source: object) -> None:
        """Hand a record over; what cannot be read is garbage by itself and leaves its neighbours alone."""
        try:
            record = read()
        except Exception as error:  # noqa: BLE001 (foreign data in a foreign library)
            record = _unreadable(source, error)
        self._on_record(record)

    def _kraken_frame(self, client: Any, message: Any) -> None:
        """Read a frame of Kraken's trade channel, each trade by itself and under its own symbol."""
        data = message.get("data")
        if not isinstance(data, list):
            self._on_record(Garbage(_payload(message), "trade frame without a list of trades"))
            return
        snapshot = message.get("type") == "snapshot"
        for trade in sorted(data, key=_kraken_order):
            self._hand_over(lambda trade=trade: self._kraken_trade(trade, snapshot), trade)  # type: ignore[misc]
        for symbol in self._own_names.values():
            client.resolve(None, f"trade@{symbol}")

    def _kraken_trade(self, trade: Any, snapshot: bool) -> RawTrade | Garbage:
        payload = _payload(trade)
        if not isinstance(trade, dict):
            return Garbage(payload, "trade is not an object")
        own, identity, ts, price, quantity, side = map(
            trade.get, ("symbol", "trade_id", "timestamp", "price", "qty", "side")
        )
        symbol = self._own_names.get(own, own) if isinstance(own, str) else own
        return RawTrade(symbol, identity, ts, price, quantity, side, payload, snapshot)

    def _kraken_error(self, client: Any, message: Any) -> bool:
        """Drop a symbol that is refused; any other ends the watch, which ccxt would let wait indefinitely."""
        error = message.get("error")
        if error is None:
            if message.get("method") == "subscribe" and message.get("success") is True:
                own = (message.get("result") or {}).get("symbol")
                if own in self._own_names:
                    self._on_served(self._own_names[own])
            return True
        if message.get("method") == "unsubscribe":
            return False  # it was not subscribed to any more
        text = f"kraken refused {message.get('method')}: {error}"
        named = [self._own_names[own] for own in [message.get("symbol")] if own in self._own_names]
        named = named or self._named_in(str(error))
        if not named or _PASSING.search(str(error)):
            client.reject(ccxt.ExchangeError(text))
            return False
        for symbol in named:
            self._refuse(symbol, text)
            client.reject(_SymbolRefusedError(text), f"trade@{symbol}")
        return False

    def _raw(self, trade: dict[str, Any]) -> RawTrade:
        info = trade.get("info")
        ts: object = None
        text = trade.get("datetime")
        if isinstance(text, str) and text.endswith("Z"):
            ts = text
        elif isinstance(trade.get("timestamp"), int):
            ts = from_us(trade["timestamp"] * 1_000)
        fine = info.get("time") if isinstance(info, dict) else None
        if isinstance(fine, str) and fine.endswith("Z") and "T" in fine:
            ts = fine
        side = trade.get("side")
        if self.profile.maker_side and isinstance(info, dict):
            side = {"buy": "sell", "sell": "buy"}.get(str(info.get("side")), info.get("side"))
        return RawTrade(
            trade.get("symbol"),
            trade.get("id"),
            ts,
            trade.get("price"),
            trade.get("amount"),
            side,
            _payload(info if info is not None else trade),
        )

    def _count_refusal(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection):
            metrics.RATE_LIMITED.labels(self.name).inc()
        elif error is not None and time.monotonic() - self._said_at >= _SAY_EVERY_SECONDS:
            self._said_at = time.monotonic()
            _log.warning("exchange cannot be reached, trying again", exchange=self.name, error=one_line(error)[:300])


class _Unreadable:
    """What cannot be read in the pages of a range: each once, though pages overlap."""

    def __init__(self) -> None:
        self.met = 0
        self._seen: set[bytes] = set()
        self._new: list[RawTrade | Garbage] = []

    def add(self, records: Sequence[RawTrade | Garbage]) -> None:
        self.met += len(records)
        for record in records:
            if record.payload not in self._seen:
                self._seen.add(record.payload)
                self._new.append(record)

    def take(self) -> list[RawTrade | Garbage]:
        """Return what has been added since the last call."""
        new, self._new = self._new, []
        return new


def _unreadable(source: object, error: Exception) -> Garbage:
    return Garbage(_payload(source), f"trade cannot be read: {type(error).__name__}: {error}")


def _profile(name: str, candles_only: bool) -> Profile:
    if name in PROFILES:
        return PROFILES[name]
    if not candles_only:
        raise UnknownExchangeError(f"exchange {name!r} is not supported; known are {', '.join(PROFILES)}")
    if name not in ccxt.exchanges:
        near = ", ".join(get_close_matches(name, ccxt.exchanges)) or "see the list of ccxt"
        raise UnknownExchangeError(f"exchange {name!r} is not known; did you mean one of these: {near}")
    return Profile(name, running_ids=False, history="")


def _candle_row(parse: Callable[[Any, Any], Sequence[Any]], row: Any, market: Any) -> list[Any]:
    """Return a candle in ccxt's form, and behind it what was sent; None throughout where ccxt cannot read it."""
    try:
        moment, *values = parse(row, market)
    except Exception:  # noqa: BLE001 (foreign data in a foreign library; it is reported with the row)
        moment, values = None, [None] * 5
    return [moment if isinstance(moment, int) else None, *values[:5], row]


def _by_id(trade: dict[str, Any]) -> int:
    return int(trade["id"])


def _by_time(trade: dict[str, Any]) -> tuple[int, int, str]:
    return trade["timestamp"], len(trade["id"]), trade["id"]


def _is_past(trade: RawTrade, until_ns: int) -> bool:
    return isinstance(trade.ts, datetime) and to_us(trade.ts) * 1_000 >= until_ns


class _IdOrder:
    """Hand on trades in the order of their running ids, each once; hold back those after a jump.

    Args:
        reached: the id before the first wanted one; None takes the lowest of the first page.
    """

    _TRUST = 5

    def __init__(self, reached: int | None) -> None:
        self._reached = reached
        self._held: dict[int, RawTrade] = {}
        self._times: dict[int, int] = {}
        self._unreadable: set[bytes] = set()
        self._gaps = 0

    @property
    def reached(self) -> int:
        """The id up to which every trade was handed on; -1 before the first."""
        return -1 if self._reached is None else self._reached

    @property
    def missing(self) -> bool:
        """True while trades are held back because others are missing before them."""
        return bool(self._held)

    def take(self, rows: Sequence[RawTrade | Garbage]) -> list[RawTrade | Garbage]:
        """Take a page; return what can be handed on now."""
        ready: list[RawTrade | Garbage] = []
        for row in rows:
            number = None if isinstance(row, Garbage) else _running_id(row.trade_id)
            if number is None or isinstance(row, Garbage):
                if row.payload not in self._unreadable:
                    ready.append(row)
                    self._unreadable.add(row.payload)
                continue
            if isinstance(row.ts, datetime):
                self._times[number] = to_us(row.ts) * 1_000
            if self._reached is None or number > self._reached:
                self._held.setdefault(number, row)
        if self._reached is None and self._held:
            self._reached = min(self._held) - 1
        while self._held:
            number = min(self._held) if self._gaps >= self._TRUST else self.reached + 1
            if number not in self._held:
                break
            ready.append(self._held.pop(number))
            self._reached = number
        return ready

    def times_before(self, page: int) -> list[int]:
        """Return times in ns, ever earlier, just before the newest eighth of a page, and more, ahead of a jump."""
        known = sorted(number for number in self._times if number <= self.reached)
        counts = sorted({max(page * eighths // 8, 1) for eighths in (1, 2, 4, 6)})
        return [min(self._times[n] for n in known[-count:]) - 1_000 for count in counts] if known else []

    def forget(self, keep: int) -> None:
        """Forget the times of all but the newest trades."""
        for number in sorted(self._times)[:-keep]:
            del self._times[number]

    def give_up(self) -> list[int]:
        """Go on behind a jump; return the first and last id that are missing. After some, jumps are taken as usual."""
        gap = [self.reached + 1, min(self._held) - 1]
        self._reached = gap[1]
        self._gaps += 1
        return gap


def _running_id(value: object) -> int | None:
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _place(record: RawTrade | Garbage) -> int:
    number = _running_id(record.trade_id) if isinstance(record, RawTrade) else None
    return -1 if number is None else number


def _kraken_order(trade: Any) -> int:
    identity = trade.get("trade_id") if isinstance(trade, dict) else None
    return identity if isinstance(identity, int) else 0


def _kraken_time(value: Any) -> object:
    try:
        return from_us(epoch_us(str(value), 1_000_000))
    except RejectedTradeError:
        return str(value)


def _ms(moment: datetime) -> int:
    return to_us(moment + timedelta(microseconds=999)) // 1_000


def _payload(value: Any) -> bytes:
    return json.dumps(value, default=repr, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _mirrored(urls: Any, mirror: Mirror, *, ws: bool) -> Any:
    """Return ccxt's addresses with scheme and host of the mirror's."""
    if isinstance(urls, dict):
        return {k: _mirrored(v, mirror, ws=ws or k == "ws") for k, v in urls.items()}
    target = mirror.ws if ws else mirror.rest
    if not isinstance(urls, str) or target is None:
        return urls
    there, path = urlsplit(target), urlsplit(urls)
    return urlunsplit((there.scheme, there.netloc, path.path, path.query, ""))
