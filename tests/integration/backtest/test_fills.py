"""Fills are read from the engine as ``fill_prices`` has them, in pages that lose and double nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
from tests.worlds.trades import INSERT

from candlewave.backtest.fills import read_fills
from candlewave.core.config import Config
from candlewave.core.markets import Market

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_each_market_has_its_own_in_order_over_months(make_engine: Callable[[Config], str]) -> None:
    # The first trade of a minute, and the first later than two seconds; the third is none of the two.
    seconds = [1, 10, 20, 30 * 86_400 - 5, 30 * 86_400, 65 * 86_400]
    with psycopg.connect(make_engine(Config()), autocommit=True) as conn:
        conn.execute("SET timezone = 'Asia/Tokyo'")
        for symbol, price in (("A/USD", 100), ("B/USD", 7)):
            for number, second in enumerate(seconds):
                ts = BEGIN + second * SECOND
                conn.execute(INSERT, [symbol, f"{symbol}{number}", number, ts, "buy", price + number, 1, ts])
        markets = [Market("x", name) for name in ("A/USD", "B/USD", "C/USD")]
        found = read_fills(conn, markets, BEGIN, BEGIN + timedelta(days=66))
        for market, price in zip(markets, (100, 7), strict=False):
            assert found[market].price.tolist() == [price + number for number in (0, 1, 3, 4, 5)]
            kept = [BEGIN.replace(tzinfo=None) + seconds[number] * SECOND for number in (0, 1, 3, 4, 5)]
            assert found[market].time.tolist() == kept
        assert len(found[markets[2]].time) == 0
        later = read_fills(conn, markets[:1], BEGIN + timedelta(days=30), BEGIN + timedelta(days=65))
        assert later[markets[0]].price.tolist() == [104]
        assert later[markets[0]].after(np.array([BEGIN.replace(tzinfo=None)], "datetime64[us]")).tolist() == [0]
