"""What an entry costs is measured on the queries that its views would have."""

import psycopg
import pytest
from tests.worlds import candles as support

from candlewave.core.config import Config, OwnIndicator
from candlewave.engine.entry_cost import entry_cost, measured, whole_query

KEY = ("sim", "A/USD", "1m")
ENTRIES = [OwnIndicator(kind="hma"), OwnIndicator.model_validate({"kind": "ppo", "fast": 3, "slow": 5})]


@pytest.fixture
def layer(conn: psycopg.Connection) -> support.Layer:
    config = Config.model_validate({"indicators": {"own": [entry.model_dump() for entry in ENTRIES]}})
    return support.Layer.make(conn, config, {KEY: support.simulated(1, 700)}, only_own=True)


def test_what_is_measured_gives_what_the_views_hold(layer: support.Layer) -> None:
    stored = support.read(layer.conn, KEY, "own_indicators")
    for entry, column in zip(ENTRIES, ("hma_16", "ppo_3_5"), strict=True):
        query = whole_query(layer.config, entry, KEY, 1000)
        rows = {row[3]: row[4] for row in layer.conn.execute(query)}

        kept = zip(stored["open_time"], stored[column], strict=True)
        assert {time: value for time, value in rows.items() if value is not None} == pytest.approx(
            {time: value for time, value in kept if value == value}, rel=1e-12
        )
        cost = measured(layer.conn, layer.config, entry, 500)
        assert cost.bars == 500
        assert cost.milliseconds > 0


def test_bytes_are_of_columns_and_running_sums() -> None:
    window, averages = (entry_cost(Config(), entry) for entry in ENTRIES)
    assert (window.columns, window.bytes_per_bar, window.bars_read) == (("hma_16",), 8, 22)
    # One column; for each of two averages the sum of closes and that of weights.
    assert (averages.columns, averages.bytes_per_bar, averages.bars_read) == (("ppo_3_5",), 8 + 4 * 8, 258)


def test_nothing_is_measured_without_candles(conn: psycopg.Connection) -> None:
    layer = support.Layer.make(conn, Config(), {}, only_own=True)
    assert measured(layer.conn, layer.config, ENTRIES[0], 100).bars == 0
