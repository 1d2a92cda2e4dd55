"""Paged history gives every trade of a range exactly once, whatever times trades share and however these go back."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.binance import FakeBinance
from tests.fakes.coinbase import FakeCoinbaseTrades
from tests.fakes.kraken import FakeKraken

from candlewave.services.ingest.exchanges.exchange import Exchange
from candlewave.services.ingest.records import RawTrade
from candlewave.services.ingest.settings import IngestSettings, Mirror

T0 = datetime(2026, 6, 1, tzinfo=UTC)
MS0 = int(T0.timestamp() * 1000)
FAST = {"retry_first_seconds": 0.001, "retry_max_seconds": 0.002, "request_interval_ms": 0.01}

# Steps in milliseconds from trade to trade: many of none, seldom a quiet hour.
steps = st.lists(st.sampled_from([0] * 9 + [1, 2, 5, 900] * 3 + [4_000_000]), min_size=1, max_size=60)


@st.composite
def markets(draw: st.DrawFn) -> tuple[list[int], int]:
    """Draw times by id, in milliseconds, and the size of a page: a trade is late by at most a quarter of a page."""
    ordered = list(accumulate(draw(steps)))
    page = max(draw(st.integers(2, 24)), 1 + max(Counter(ordered).values()))
    late = draw(st.lists(st.integers(0, page // 4), min_size=len(ordered), max_size=len(ordered)))
    return [ordered[i] for i in sorted(range(len(ordered)), key=lambda i: i + late[i])], page


def edges(data: st.DataObject, times: list[int]) -> tuple[int, int]:
    """Draw a range that begins and ends at or just beside trades."""
    first, last = sorted(data.draw(st.tuples(st.sampled_from(times), st.sampled_from(times))))
    return max(first + data.draw(st.integers(-2, 1)), 0), last + data.draw(st.integers(2, 4))


def wanted(times: list[int], begin: int, end: int, first_id: int) -> Counter[int]:
    return Counter(first_id + i for i, ms in enumerate(times) if begin <= ms < end)


async def ids(exchange: Exchange, symbol: str, begin: int, end: int, **known: int) -> Counter[int]:
    first, last = T0 + timedelta(milliseconds=begin), T0 + timedelta(milliseconds=end)
    found: Counter[int] = Counter()
    async for page in exchange.history(symbol, first, last, **known):
        for trade in page:
            assert isinstance(trade, RawTrade), trade
            moment = trade.ts if isinstance(trade.ts, datetime) else datetime.fromisoformat(str(trade.ts))
            if known or first <= moment < last:
                found[int(str(trade.trade_id))] += 1
    return found


@settings(max_examples=150, deadline=None)
@given(market=markets(), data=st.data())
def test_binance_gives_each_trade_once(market: tuple[list[int], int], data: st.DataObject) -> None:
    times, page = market
    begin, end = edges(data, times)

    async def load() -> Counter[int]:
        exchange = Exchange("binance", IngestSettings(**FAST))  # type: ignore[arg-type]
        FakeBinance([MS0 + ms for ms in times], page, first_id=17).attach(exchange.client)
        exchange.page = page
        try:
            return await ids(exchange, "BTC/USDT", begin, end)
        finally:
            await exchange.close()

    assert asyncio.run(load()) == wanted(times, begin, end, 17)


@settings(max_examples=60, deadline=None)
@given(market=markets(), data=st.data())
def test_binance_fills_a_hole_between_two_ids(market: tuple[list[int], int], data: st.DataObject) -> None:
    times, page = market
    after = data.draw(st.integers(0, len(times) - 1))
    before = data.draw(st.integers(after + 1, len(times)))

    async def load() -> Counter[int]:
        exchange = Exchange("binance", IngestSettings(**FAST))  # type: ignore[arg-type]
        FakeBinance([MS0 + ms for ms in times], page).attach(exchange.client)
        exchange.page = page
        try:
            return await ids(exchange, "BTC/USDT", times[after], times[after] + 1, after_id=after, before_id=before)
        finally:
            await exchange.close()

    assert asyncio.run(load()) == Counter(range(after + 1, before))


@settings(max_examples=150, deadline=None)
@given(market=markets(), data=st.data())
def test_coinbase_gives_each_trade_once(market: tuple[list[int], int], data: st.DataObject) -> None:
    times, page = market
    begin, end = edges(data, times)

    async def load() -> Counter[int]:
        exchange = Exchange("coinbase", IngestSettings(**FAST))  # type: ignore[arg-type]
        FakeCoinbaseTrades([MS0 + ms for ms in times], page, first_id=17).attach(exchange.client)
        exchange.page = page
        try:
            return await ids(exchange, "BTC/USD", begin, end)
        finally:
            await exchange.close()

    assert asyncio.run(load()) == wanted(times, begin, end, 17)


@settings(max_examples=60, deadline=None)
@given(market=markets(), data=st.data())
def test_coinbase_fills_a_hole_between_two_ids(market: tuple[list[int], int], data: st.DataObject) -> None:
    times, page = market
    after = data.draw(st.integers(1, len(times)))
    before = data.draw(st.integers(after + 1, len(times) + 1))

    async def load() -> Counter[int]:
        exchange = Exchange("coinbase", IngestSettings(**FAST))  # type: ignore[arg-type]
        FakeCoinbaseTrades([MS0 + ms for ms in times], page).attach(exchange.client)
        exchange.page = page
        try:
            return await ids(exchange, "BTC/USD", 0, 1, after_id=after, before_id=before)
        finally:
            await exchange.close()

    assert asyncio.run(load()) == Counter(range(after + 1, before))


def broken_row(number: int, how: int) -> object:
    """Return a row that cannot be a trade, each different from every other."""
    return [
        f"<{number}>",
        [number],
        {"a": number, "p": "1", "q": "1"},
        {"a": f"x{number}", "p": "1", "q": "1", "T": MS0, "m": False},
        {"T": MS0 + number, "p": "1", "q": "1"},
        {"a": number, "p": {"of": number}, "q": [], "T": {}, "m": False},
    ][how]


@settings(max_examples=150, deadline=None)
@given(market=markets(), data=st.data())
def test_rows_that_cannot_be_read_leave_their_neighbours_whole(
    market: tuple[list[int], int], data: st.DataObject
) -> None:
    times, page = market
    page = max(page, 8)  # a whole page without one readable trade is a bad answer, not bad rows
    fake = FakeBinance([MS0 + ms for ms in times], page, first_id=17)
    some = data.draw(st.dictionaries(st.integers(17, 16 + len(times)), st.integers(0, 5), max_size=page - 1))
    fake.broken = {number: broken_row(number, how) for number, how in some.items()}

    async def load() -> tuple[Counter[int], Counter[bytes]]:
        exchange = Exchange("binance", IngestSettings(**FAST))  # type: ignore[arg-type]
        fake.attach(exchange.client)
        exchange.page = page
        good: Counter[int] = Counter()
        bad: Counter[bytes] = Counter()
        try:
            begin, end = T0 + timedelta(milliseconds=times[0] - 1), T0 + timedelta(milliseconds=max(times) + 1)
            async for rows in exchange.history("BTC/USDT", begin, end, after_id=16, before_id=17 + len(times)):
                for row in rows:
                    if isinstance(row, RawTrade) and isinstance(row.ts, str) and str(row.trade_id).isdigit():
                        good[int(str(row.trade_id))] += 1
                    else:
                        bad[row.payload] += 1
                        assert isinstance(row, RawTrade) or "Error" in row.reason
        finally:
            await exchange.close()
        return good, bad

    good, bad = asyncio.run(load())
    assert good == Counter(n for n in range(17, 17 + len(times)) if n not in fake.broken)
    assert bad == Counter(json.dumps(row).encode() for row in fake.broken.values())


@pytest.fixture(scope="module")
def kraken() -> Iterator[FakeKraken]:
    with FakeKraken(["BTC/USD"]) as fake:
        yield fake


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(market=markets(), data=st.data())
def test_kraken_gives_each_trade_once(kraken: FakeKraken, market: tuple[list[int], int], data: st.DataObject) -> None:
    """A page holds any number of trades of one time but one: more of them than a page takes, Kraken does not give."""
    times, page = market
    begin, end = edges(data, times)
    kraken.page = page
    kraken.trades["BTC/USD"].clear()
    for ms in times:
        kraken.trade("BTC/USD", T0 + timedelta(milliseconds=ms), send=False)

    async def load() -> Counter[int]:
        mirror = Mirror(rest=kraken.rest, ws=kraken.ws)
        exchange = Exchange("kraken", IngestSettings(exchange_urls={"kraken": mirror}, **FAST))  # type: ignore[arg-type]
        try:
            await exchange.load_markets()
            exchange.page = page
            return await ids(exchange, "BTC/USD", begin, end)
        finally:
            await exchange.close()

    assert asyncio.run(load()) == wanted(times, begin, end, 1)
