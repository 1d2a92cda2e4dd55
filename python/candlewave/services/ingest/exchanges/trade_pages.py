"""A market's past trades over REST, page by page, in the ways that exchanges page them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import ccxt

from candlewave.core.times import to_us
from candlewave.services.ingest.exchanges import kraken
from candlewave.services.ingest.exchanges.client import UNREADABLE_ROWS, read_trade
from candlewave.services.ingest.exchanges.id_order import IdOrder, running_id
from candlewave.services.ingest.exchanges.profiles import Profile
from candlewave.services.ingest.records import Garbage, HistoryUnavailableError, RawTrade
from candlewave.telemetry import get_logger

_log = get_logger(__name__)


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


class TradePages:
    """Ask an exchange for past trades.

    Args:
        name: the exchange.
        profile: how it pages.
        client: ccxt's; markets must be loaded.
        call: calls the exchange patiently.
        page: the most trades that it gives at once.
    """

    def __init__(
        self, name: str, profile: Profile, client: Any, call: Callable[..., Awaitable[Any]], page: int
    ) -> None:
        self._name = name
        self._profile = profile
        self._client = client
        self._call = call
        self._page = page

    def between(
        self, symbol: str, begin: datetime, end: datetime, after_id: int | None, before_id: int | None
    ) -> AsyncIterator[list[RawTrade | Garbage]]:
        """Yield pages of the trades of a range; see :meth:`Exchange.history`.

        Raises:
            HistoryUnavailableError: the exchange does not reach back to ``begin``, or its paging is not known.
            ccxt.BaseError: it refuses, or was unreachable for too long.
        """
        pages = {
            "kraken": self._kraken_pages,
            "newer_ids": self._newer_id_pages,
            "older_ids": self._older_id_pages,
            "recent": self._recent_page,
        }.get(self._profile.history)
        if pages is None:
            raise HistoryUnavailableError(f"past trades of {self._name} cannot be loaded, only its candles")
        return pages(symbol, begin, end, after_id, before_id)

    async def newest(self, symbol: str) -> list[RawTrade | Garbage]:
        """Return a page of a market's newest trades, oldest first. Asks once.

        Raises:
            ccxt.BaseError: the exchange refuses or cannot be reached.
        """
        if self._profile.history == "kraken":
            page, _ = await kraken.fetch_trades(self._client, self._client.market(symbol)["id"], None, self._page)
            return sorted((kraken.read_row(symbol, row) for row in page), key=kraken.place)
        rows, aside = await self._ask_trades(symbol, None, {}, self._page)
        return [*aside, *map(self._raw, rows)]

    async def _kraken_pages(
        self, symbol: str, begin: datetime, end: datetime, after_id: int | None, before_id: int | None
    ) -> AsyncIterator[list[RawTrade | Garbage]]:
        """Kraken gives trades after ``since``, an exclusive time in ns.

        A page may end among trades of one time, so the next is asked for from that time on, and what is known is left
        out. A jump in the running ids is a trade whose time is before its page: it is asked for by itself.
        """
        market = self._client.market(symbol)["id"]
        since, until = to_us(begin) * 1_000 - 1, to_us(end) * 1_000
        order = IdOrder(after_id)
        largest = 0
        while True:
            page, last = await self._call(kraken.fetch_trades, self._client, market, since, self._page)
            rows = [kraken.read_row(symbol, row) for row in page]
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
            order.forget(3 * self._page)
            since = last if stuck else last - 1

    async def _kraken_missing(self, market: str, symbol: str, order: IdOrder, since: int) -> list[RawTrade | Garbage]:
        """Return what is held back and what is missing before it, asked for from further and further back."""
        ready: list[RawTrade | Garbage] = []
        while order.missing:
            reached = order.reached
            for begin in order.times_before(self._page) or [since - second for second in (10**9, 60 * 10**9)]:
                page, _ = await self._call(kraken.fetch_trades, self._client, market, begin, self._page)
                ready += order.take([kraken.read_row(symbol, row) for row in page])
                if order.reached > reached:
                    break
            else:
                gap = order.give_up()
                _log.warning("exchange does not give trades", exchange=self._name, symbol=symbol, ids=gap)
                ready += order.take([])
        return ready

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

    async def _first_newer_id(self, symbol: str, begin: datetime, end: datetime, bad: _Unreadable) -> int | None:
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
            earlier = await self._fetch_trades(symbol, None, {"fromId": max(first - self._page, 0)}, bad)
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
            upto = min(first + self._page, above)
            page = await self._fetch_trades(symbol, None, {"after": upto}, bad)
            rows = [t for t in page if first <= int(t["id"]) < upto]
            if found := [*bad.take(), *map(self._raw, rows)]:
                yield found
            if rows and before_id is None and all(t["timestamp"] >= _ms(end) for t in rows):
                return
            first = upto
        if found := bad.take():
            yield found

    async def _first_older_id(self, symbol: str, begin: datetime, above: int, bad: _Unreadable) -> int:
        """Return an id before which a whole page lies before ``begin``: times do not quite follow ids."""
        first = await self._first_id(symbol, begin, above, bad)
        while first > 1:
            page = await self._fetch_trades(symbol, None, {"after": first}, bad)
            if all(t["timestamp"] < to_us(begin) // 1_000 for t in page):
                break
            first = int(page[0]["id"])
        return first

    async def _first_id(self, symbol: str, moment: datetime, above: int, bad: _Unreadable) -> int:
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
                f"{self._name} hands out only its newest trades of {symbol}, the oldest of them at "
                f"{page[0]['datetime']}; load the time before from an archive"
            )
        if found := [*bad.take(), *(self._raw(t) for t in page if t["timestamp"] < _ms(end))]:
            yield found

    async def _fetch_trades(
        self, symbol: str, since: int | None, params: dict[str, Any], bad: _Unreadable, limit: int | None = None
    ) -> list[Any]:
        """Return the readable trades of a page in order, and put the others aside; patient."""
        rows: list[Any]
        rows, aside = await self._call(self._ask_trades, symbol, since, params, limit or self._page)
        bad.add(aside)
        return rows

    async def _ask_trades(
        self, symbol: str, since: int | None, params: dict[str, Any], limit: int
    ) -> tuple[list[Any], list[RawTrade | Garbage]]:
        """Ask for a page once; return its readable trades in order, and the others."""
        garbage: list[Garbage] = []
        UNREADABLE_ROWS.set(garbage)
        try:
            page = await self._client.fetch_trades(symbol, since, limit, dict(params))
            rows = [t for t in page if self._has_place(t)]
            aside: list[RawTrade | Garbage] = [*garbage, *(self._raw(t) for t in page if not self._has_place(t))]
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
            raise ccxt.BadResponse(f"{self._name} trades of {symbol} cannot be read: {error!r}") from error
        if not rows and len(aside) >= self._page:
            raise ccxt.BadResponse(f"{self._name} trades of {symbol}: not one of {len(aside)} can be read")
        return sorted(rows, key=_by_id if self._profile.running_ids else _by_time), aside

    def _has_place(self, trade: dict[str, Any]) -> bool:
        """Return whether a trade has what pages are ordered by."""
        identity = trade.get("id")
        known = running_id(identity) is not None if self._profile.running_ids else isinstance(identity, str)
        return known and isinstance(trade.get("timestamp"), int)

    def _raw(self, trade: dict[str, Any]) -> RawTrade:
        return read_trade(trade, maker_side=self._profile.maker_side)


def _by_id(trade: dict[str, Any]) -> int:
    return int(trade["id"])


def _by_time(trade: dict[str, Any]) -> tuple[int, int, str]:
    return trade["timestamp"], len(trade["id"]), trade["id"]


def _is_past(trade: RawTrade, until_ns: int) -> bool:
    return isinstance(trade.ts, datetime) and to_us(trade.ts) * 1_000 >= until_ns


def _ms(moment: datetime) -> int:
    return to_us(moment + timedelta(microseconds=999)) // 1_000
