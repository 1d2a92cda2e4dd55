"""Paged candles give every one of a range exactly once, whatever minutes are left out and however pages are cut."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.binance import FakeKlines, kline
from tests.fakes.coinbase import FakeCoinbaseCandles

from candlewave.services.ingest.candle_pages import candle_pages
from candlewave.services.ingest.candles import RawCandle
from candlewave.services.ingest.exchanges.exchange import Exchange
from candlewave.services.ingest.settings import IngestSettings

T0 = datetime(2026, 6, 1, tzinfo=UTC)
SECONDS0 = int(T0.timestamp())
FAST = IngestSettings(retry_first_seconds=0.001, retry_max_seconds=0.002, request_interval_ms=0.01)

# Steps in minutes from candle to candle: mostly the next, seldom a gap longer than a page.
steps = st.lists(st.sampled_from([1] * 8 + [2, 3, 5, 40]), min_size=1, max_size=60)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[list[int], int, int, int]:
    """Draw the minutes of candles, the edges of a range at or beside them or beyond all, and the size of a page."""
    minutes = [0]
    for step in draw(steps):
        minutes.append(minutes[-1] + step)
    places = st.sampled_from(minutes).flatmap(lambda m: st.sampled_from([m - 1, m, m + 1, m + 90]))
    begin, end = sorted((draw(places), draw(places)))
    return minutes, begin, end, draw(st.integers(1, 12))


async def minutes_of(exchange: Exchange, symbol: str, begin: int, end: int, page: int) -> tuple[list[int], list[int]]:
    """Return the minutes that pages gave, and those that they said to have reached."""
    exchange.candles_at_once = lambda _symbol: page  # type: ignore[method-assign]
    found, reached = [], []
    try:
        async for part in candle_pages(exchange, symbol, T0 + timedelta(minutes=begin), T0 + timedelta(minutes=end)):
            for row in part.rows:
                assert isinstance(row, RawCandle)
                found.append((row.open_us // 1_000_000 - SECONDS0) // 60)
            reached.append(int((part.reached - T0).total_seconds() // 60))
    finally:
        await exchange.close()
    return found, reached


@settings(max_examples=200, deadline=None)
@given(drawn=ranges(), fewer=st.integers(0, 3))
def test_so_many_candles_from_a_moment_on(drawn: tuple[list[int], int, int, int], fewer: int) -> None:
    """An exchange may give fewer than asked for, as long as it gives the oldest."""
    minutes, begin, end, page = drawn

    async def load() -> tuple[list[int], list[int]]:
        exchange = Exchange("binance", FAST)
        rows = [kline((SECONDS0 + 60 * m) * 1_000) for m in minutes]
        FakeKlines(rows, max(page - fewer, 1)).attach(exchange.client)
        return await minutes_of(exchange, "BTC/USDT", begin, end, page)

    found, reached = asyncio.run(load())
    assert Counter(found) == Counter(m for m in minutes if begin <= m < end)
    assert reached == sorted(set(reached))
    assert reached[-1:] == ([end] if begin < end else [])


@settings(max_examples=200, deadline=None)
@given(drawn=ranges())
def test_the_candles_of_a_span(drawn: tuple[list[int], int, int, int]) -> None:
    minutes, begin, end, page = drawn

    async def load() -> tuple[list[int], list[int]]:
        exchange = Exchange("coinbase", FAST)
        FakeCoinbaseCandles([SECONDS0 + 60 * m for m in minutes], page).attach(exchange.client)
        return await minutes_of(exchange, "BTC/USD", begin, end, page)

    found, reached = asyncio.run(load())
    assert Counter(found) == Counter(m for m in minutes if begin <= m < end)
    assert reached[-1:] == ([end] if begin < end else [])
