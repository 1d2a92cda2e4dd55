"""The rendered layer: columns, catalog, and periods other than the shipped ones."""

import json

import numpy as np
import psycopg
import pytest
from tests.worlds import candles as support

from candlewave.core.config import Config, IndicatorsConfig
from candlewave.core.paths import project_root
from candlewave.services.indicators.audit import objects_of
from candlewave.services.indicators.compare import compare
from candlewave.services.indicators.oracle import compute
from candlewave.sqlproject.catalog.constants import Layer
from candlewave.sqlproject.catalog.indicators import catalog

KEY = ("sim", "BTC/USD", "1m")

UNUSUAL = {
    "short": {
        "sma": [2], "ema": [2, 3], "wma": [2], "dema": [2], "tema": [2],
        "macd": {"fast": 3, "slow": 7, "signal": 3}, "rsi": 2, "stoch_rsi": {"period": 2, "k": 1, "d": 1},
        "stochastic": {"k": 2, "smooth": 1, "d": 1}, "cci": 2, "roc": 2, "mom": 2, "williams_r": 2, "adx": 2,
        "bollinger": {"period": 2, "deviations": 0.5}, "atr": 3, "keltner": {"ema": 2, "atr": 2, "multiplier": 1.5},
        "donchian": 2, "vwap": 2, "mfi": 2, "cmf": 2, "realised_volatility": 2, "return_zscore": 3, "order_flow": 2,
        "amihud": 2,
    },
    "long": {
        "sma": [100, 300], "ema": [40, 90], "wma": [120], "dema": [60, 20], "tema": [45],
        "macd": {"fast": 20, "slow": 50, "signal": 50}, "rsi": 30, "stoch_rsi": {"period": 40, "k": 5, "d": 4},
        "stochastic": {"k": 50, "smooth": 7, "d": 5}, "cci": 70, "roc": 150, "mom": 90, "williams_r": 80, "adx": 25,
        "bollinger": {"period": 110, "deviations": 3.0}, "atr": 40,
        "keltner": {"ema": 33, "atr": 21, "multiplier": 2.5}, "donchian": 130, "vwap": 200, "mfi": 60, "cmf": 90,
        "realised_volatility": 70, "return_zscore": 140, "order_flow": 45, "amihud": 99,
    },
    "nothing optional": {"sma": [], "ema": [], "wma": [], "dema": [], "tema": []},
    "repeated": {"sma": [20, 20], "ema": [12, 12], "wma": [5, 5], "dema": [9, 9], "tema": [9, 9]},
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSUAL)
def test_periods_other_than_the_shipped_ones_agree_with_the_oracle(conn: psycopg.Connection, name: str) -> None:
    config = Config(indicators=IndicatorsConfig.model_validate(UNUSUAL[name]))
    candles = support.without(support.simulated(11, 3600, price=300), 400, 403)
    layer = support.Layer.make(conn, config, {KEY: candles})

    comparisons = compare(
        candles,
        compute(candles, config.indicators),
        support.indicator_columns(layer, KEY),
        catalog(config.indicators),
        quiet_limit=config.candles.max_fill_minutes,
    )

    assert [c for c in comparisons if not c.equal] == []
    assert min(c.judged for c in comparisons) > 100


def test_the_view_has_the_columns_of_the_catalog(conn: psycopg.Connection) -> None:
    config = Config()
    layer = support.Layer.make(conn, config, {})

    row = conn.execute("SELECT * FROM indicators")
    assert row.description is not None
    columns = [column.name for column in row.description]
    assert columns[10:] == [indicator.name for indicator in catalog(config.indicators)]
    found = layer.conn.execute("SELECT name, unit, parameters, needs, warm_up, talib FROM indicator_catalog").fetchall()
    assert {name: (unit, json.loads(parameters), *rest) for name, unit, parameters, *rest in found} == {
        i.name: (i.unit, i.parameters, i.needs, i.warm_up, i.talib) for i in catalog(config.indicators)
    }


def test_the_audit_knows_every_object_of_the_layer() -> None:
    for own in ([], [{"kind": "stddev"}], [{"kind": "ppo"}]):
        config = Config.model_validate({"indicators": {"own": own}})
        assert set(objects_of(config)) == {o.name for o in support.layer_objects(config)}


def test_no_frame_reaches_over_a_hole(conn: psycopg.Connection) -> None:
    """A single missing bar is enough: a window with it in is NULL, and nothing before it shines through."""
    config = Config()
    whole = support.simulated(12, 200, price=50)
    layer = support.Layer.make(conn, config, {KEY: support.without(whole, 100, 101)})

    columns = support.indicator_columns(layer, KEY)

    for indicator in catalog(config.indicators):
        if indicator.kind == "window" and indicator.needs < 90:
            values = columns[indicator.name]
            assert np.isnan(values[100 : 100 + indicator.needs - 1]).all(), indicator.name
            assert not np.isnan(values[[99, 100 + indicator.needs + 5]]).any(), indicator.name


def test_the_page_about_indicators_agrees_with_the_catalog() -> None:
    page = (project_root() / "docs/indicators.md").read_text(encoding="utf-8")
    table = [line.replace(r"\|", "").strip("|").split("|") for line in page.splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in line] for line in table if len(line) == 7]

    assert [(name.strip("`"), unit, int(needs), int(warm)) for name, _, _, unit, needs, warm, _ in rows] == [
        (i.name, i.unit, i.needs, i.warm_up) for i in catalog(Config().indicators)
    ]
    assert f"({Layer(Config()).warm_cap} with the shipped periods)" in page
