"""What the newest event of a market says about it."""

from datetime import UTC, datetime, timedelta

import pytest

from candlewave.core.markets import Market
from candlewave.engine.clocks import feed_state

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
BTC = Market("kraken", "BTC/USD")


@pytest.mark.parametrize(
    ("followed", "age", "state"),
    [
        (True, None, "waiting"),
        (True, timedelta(seconds=150), "live"),
        (True, timedelta(seconds=151), "silent"),
        (True, timedelta(days=2_000), "silent"),
        (False, None, "waiting"),
        (False, timedelta(seconds=150), "live"),
        (False, timedelta(hours=1), "silent"),
        (False, timedelta(hours=1, seconds=1), "history"),
    ],
)
def test_a_market_is_live_only_while_data_arrive(followed: bool, age: timedelta | None, state: str) -> None:
    markets = {BTC} if followed else {Market("kraken", "ETH/USD")}
    assert feed_state(BTC, None if age is None else NOW - age, markets, NOW) == state
