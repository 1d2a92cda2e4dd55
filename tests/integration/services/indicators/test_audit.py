"""The audit finds what is wrong in the layer, and nothing where nothing is."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import psycopg
import pytest
from prometheus_client import REGISTRY
from tests.worlds import candles as support

from candlewave.core.config import Config
from candlewave.services.indicators.audit import IndicatorAudit
from candlewave.services.indicators.compare import compare
from candlewave.services.indicators.oracle import compute
from candlewave.sqlproject.catalog.indicators import catalog

KEY = ("kraken", "BTC/USD", "1m")
T = TypeVar("T")


@pytest.fixture
def layer(conn: psycopg.Connection) -> support.Layer:
    """Candles of which the last ones are the only ones ever sampled: the history is shorter than two hours."""
    made = support.Layer.make(conn, Config(), {KEY: support.simulated(21, 400, price=50)})
    conn.execute("CREATE TABLE symbols (exchange text, symbol text, base text, quote text)")
    conn.execute("INSERT INTO symbols VALUES ('kraken', 'BTC/USD', 'BTC', 'USD')")
    return made


def test_a_correct_layer_has_no_differences(layer: support.Layer) -> None:
    audit = IndicatorAudit(layer.conn, layer.config, rng=random.Random(1))

    results = [audit.sample() for _ in range(10)]

    assert [differences for _, differences in results if differences] == []
    assert all(bars > 0 for bars, _ in results)


@pytest.mark.parametrize(
    ("column", "change"), [("sma_20", "sma_20 * (1 + 1e-8)"), ("rsi_14", "rsi_14 + 1e-5"), ("cci_20", "NULL")]
)
def test_a_wrong_value_is_found_reported_and_counted(layer: support.Layer, column: str, change: str) -> None:
    layer.conn.execute(f"UPDATE indicators SET {column} = {change}")
    reported = []
    audit = IndicatorAudit(layer.conn, layer.config, rng=random.Random(1), bars=1000, on_difference=reported.append)
    counted = {"indicator": column}
    before = REGISTRY.get_sample_value("candlewave_indicators_audit_differences_total", counted) or 0.0

    differences = [d for _ in range(10) for d in audit.sample()[1]]

    assert differences
    assert {d.indicator for d in differences} == {column}
    assert reported == differences
    assert str(differences[0]).startswith(
        f"kraken BTC/USD 1m {differences[0].open_time:%Y-%m-%dT%H:%MZ} {column}: stored"
    )
    after = REGISTRY.get_sample_value("candlewave_indicators_audit_differences_total", counted)
    assert after == before + len(differences)


def test_columns_of_entries_are_audited_on_their_timeframes(conn: psycopg.Connection) -> None:
    own = [{"kind": "trima"}, {"kind": "ppo", "fast": 3, "slow": 5}, {"kind": "bop", "timeframes": ["5m"]}]
    config = Config.model_validate({"indicators": {"own": own}})
    support.Layer.make(conn, config, {KEY: support.simulated(21, 400, price=50)})
    conn.execute("CREATE TABLE symbols (exchange text, symbol text, base text, quote text)")
    conn.execute("INSERT INTO symbols VALUES ('kraken', 'BTC/USD', 'BTC', 'USD')")
    audit = IndicatorAudit(conn, config, rng=random.Random(1), bars=1000)
    assert audit.sample()[1] == []

    conn.execute("UPDATE own_indicators SET trima_20 = trima_20 * (1 + 1e-8), ppo_3_5 = NULL")

    differences = [d for _ in range(10) for d in audit.sample()[1]]
    assert {d.indicator for d in differences} == {"trima_20", "ppo_3_5"}


def test_a_missing_row_is_a_difference(layer: support.Layer) -> None:
    layer.conn.execute("DELETE FROM indicators WHERE open_time = (SELECT max(open_time) FROM indicators)")
    audit = IndicatorAudit(layer.conn, layer.config, rng=NewestOnly())

    _, differences = audit.sample()

    assert [d.indicator for d in differences] == ["row of indicators"]


def test_nothing_to_audit_is_no_difference(conn: psycopg.Connection) -> None:
    support.Layer.make(conn, Config(), {})
    conn.execute("CREATE TABLE symbols (exchange text, symbol text, base text, quote text)")
    conn.execute("INSERT INTO symbols VALUES ('kraken', 'BTC/USD', 'BTC', 'USD')")
    audit = IndicatorAudit(conn, Config())

    audit.measure()

    assert audit.sample() == (0, [])


def test_metrics_tell_how_far_indicators_are_behind_candles(layer: support.Layer) -> None:
    labels = {"exchange": "kraken", "symbol": "BTC/USD", "timeframe": "1m"}
    audit = IndicatorAudit(layer.conn, layer.config, structure=lambda _: ["signals: missing on the engine"])
    newest = "(SELECT max(open_time) FROM indicators)"
    layer.conn.execute(f"DELETE FROM indicators WHERE open_time > {newest} - INTERVAL '2 minutes'")

    audit.measure()

    assert REGISTRY.get_sample_value("candlewave_indicators_behind_candles_seconds", labels) == 120
    assert REGISTRY.get_sample_value("candlewave_indicators_warm_bars", labels) == 398
    assert audit.deviations() == ["signals: missing on the engine"]
    assert REGISTRY.get_sample_value("candlewave_indicators_deviating_objects") == 1


def test_a_comparison_sees_a_difference_of_twice_the_tolerance() -> None:
    candles = support.simulated(22, 300, price=50)
    config = Config().indicators
    expected = compute(candles, config)
    sma = next(i for i in catalog(config) if i.name == "sma_20")
    values = expected.values["sma_20"]

    def worst(factor: float) -> bool:
        actual = {"sma_20": values + factor * 1e-9 * np.maximum(values, candles.close)}
        return compare(candles, expected, actual, [sma], quiet_limit=240)[0].equal

    assert worst(0.9)
    assert not worst(2)
    unknown = replace(expected, values={"sma_20": np.where(np.arange(300) == 200, np.nan, values)})
    assert compare(candles, unknown, expected.values, [sma], quiet_limit=240)[0].nulls == (200,)


class NewestOnly(random.Random):
    """Always ends the stretch at the newest bar of the first market."""

    def random(self) -> float:
        return 1.0

    def choice(self, seq: Sequence[T]) -> T:
        return seq[0]
