"""Every kind that an entry may name against an independent computation, on difficult and on real candles."""

from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
from tests.property.test_indicator_parity import REAL, empty_database, recorded, report
from tests.worlds import candles as support

from candlewave.core.config import Config, IndicatorsConfig, OwnIndicator
from candlewave.core.paths import project_root, sql_folders
from candlewave.engine.embedded.server import EmbeddedServer
from candlewave.services.indicators.compare import Comparison, compare
from candlewave.services.indicators.oracle import Candles, compute
from candlewave.services.indicators.oracles import ORACLES
from candlewave.sqlproject.catalog.indicators import Kind
from candlewave.sqlproject.catalog.kinds import read_kinds
from candlewave.sqlproject.catalog.own_indicators import VIEW, Entry, OwnIndicators

KINDS = read_kinds([project_root() / "sql"])
TINY = ("sim", "TINY/BTC", "1m")
HUGE = ("sim", "HUGE/USD", "1m")
HOLES = ("sim", "HOLES/USD", "5m")
FLAT = ("sim", "FLAT/USD", "1m")


def short_form() -> IndicatorsConfig:
    """Return a short form whose columns have other names than those of the kinds' usual parameters."""
    return IndicatorsConfig.model_validate({
        "sma": [], "ema": [], "wma": [], "dema": [], "tema": [], "macd": {"fast": 5, "slow": 6, "signal": 3}, "rsi": 5,
        "stochastic": {"k": 5, "smooth": 2, "d": 2}, "roc": 5, "mom": 5, "williams_r": 5, "atr": 5, "donchian": 5,
        "keltner": {"ema": 5, "atr": 5}, "bollinger": {"period": 5}, "mfi": 5, "cmf": 5, "vwap": 5, "order_flow": 5,
        "realised_volatility": 5,
    })  # fmt: skip


def config_of(*own: OwnIndicator) -> Config:
    return Config(indicators=short_form().model_copy(update={"own": list(own)}))


def every_kind() -> Config:
    """Return a configuration with each kind once as it is, and those that can of another price, with other periods."""
    usual = [OwnIndicator(kind=kind) for kind in KINDS]
    others = [
        OwnIndicator.model_validate(
            {"kind": kind.name, "source": "hlc3"} | {p.name: _other(p.default) for p in kind.parameters}
        )
        for kind in KINDS.values()
        if kind.price
    ]
    return config_of(*usual, *others)


def _other(default: float) -> float:
    return default + 7 if isinstance(default, int) else default + 0.5


def simulated_market() -> dict[support.Key, Candles]:
    holes = support.simulated(3, 2600, seconds=300, price=2000)
    for start, stop in ((2300, 2400), (1800, 1801), (1780, 1790), (255, 258)):
        holes = support.without(holes, start, stop)
    return {
        TINY: support.simulated(2, 1800, price=1.2e-8, digits=12),
        HUGE: support.simulated(1, 1800, price=4.6e11, digits=1),
        HOLES: holes,
        FLAT: support.quiet(support.simulated(6, 2700), [*range(700, 940), *range(1200, 2600)]),
    }


@pytest.fixture(scope="module")
def market() -> dict[support.Key, Candles]:
    return simulated_market()


@pytest.fixture(scope="module")
def layer(server: EmbeddedServer, market: dict[support.Key, Candles]) -> Iterator[support.Layer]:
    with empty_database(server, "own_parity") as conn:
        yield support.Layer.make(conn, every_kind(), market, only_own=True)


def judge(layer: support.Layer, key: support.Key, candles: Candles) -> list[Comparison]:
    entries = entries_of(layer.config)
    return compare(
        candles,
        compute(candles, layer.config.indicators, entries),
        support.read(layer.conn, key, VIEW),
        [indicator for entry in entries for indicator in entry.indicators],
        quiet_limit=layer.config.candles.max_fill_minutes,
    )


def entries_of(config: Config) -> tuple[Entry, ...]:
    return OwnIndicators(config, sql_folders()).entries


def test_every_kind_has_an_oracle() -> None:
    assert set(KINDS) == set(ORACLES)


@pytest.mark.parametrize("key", list(simulated_market()), ids=lambda key: " ".join(key))
def test_simulated_candles_agree_with_the_oracle(
    layer: support.Layer, market: dict[support.Key, Candles], key: support.Key
) -> None:
    comparisons = judge(layer, key, market[key])

    print(report(comparisons))  # noqa: T201
    assert [c for c in comparisons if not c.equal] == []
    assert [c.name for c in comparisons if c.judged < 200] == []


def test_real_candles_agree_with_the_oracle(server: EmbeddedServer) -> None:
    if not REAL.exists():
        pytest.skip(f"no recorded candles at {REAL}")
    key, candles = ("x", "BTC/USD", "1m"), recorded().part(slice(0, 12_000))
    with empty_database(server, "own_parity_real") as conn:
        comparisons = judge(support.Layer.make(conn, every_kind(), {key: candles}, only_own=True), key, candles)

    print(report(comparisons))  # noqa: T201
    assert [c for c in comparisons if not c.equal] == []
    assert min(c.judged for c in comparisons) > 10_000


def test_windows_are_null_until_they_have_their_bars(layer: support.Layer, market: dict[support.Key, Candles]) -> None:
    for key, candles in market.items():
        run_bars = compute(candles, layer.config.indicators).run_bars
        columns = support.read(layer.conn, key, VIEW)
        windows = [i for e in entries_of(layer.config) for i in e.indicators if i.kind is Kind.WINDOW]
        early = [i.name for i in windows if not np.isnan(columns[i.name][run_bars < i.needs]).all()]
        assert early == [], key


def test_a_flat_market_has_no_noise(layer: support.Layer, market: dict[support.Key, Candles]) -> None:
    """After 1,200 bars without a change: what spreads is exactly 0, 0/0 is NULL, and what is a price stays a price."""
    columns = support.read(layer.conn, FLAT, VIEW)
    price = market[FLAT].close[2500]
    row = {name: values[2500] for name, values in columns.items() if values.dtype == np.float64}

    for name in ("stddev_20", "var_20", "parkinson_20", "garman_klass_20", "yang_zhang_20", "ulcer_14", "awesome_5_34"):
        assert row[name] == 0, name
    for name in ("rsi_14", "cmo_14", "bop", "choppiness_14", "vortex_plus_14", "ultimate_7_14_28", "mass_index_9_25"):
        assert np.isnan(row[name]), name
    for name in ("hma_16", "trima_20", "linearreg_14", "linearreg_forecast_14"):
        assert row[name] == pytest.approx(price, rel=1e-12), name


def test_an_entry_is_computed_of_its_timeframes_only(conn: psycopg.Connection) -> None:
    config = config_of(
        OwnIndicator(kind="stddev", timeframes=("5m",)), OwnIndicator.model_validate({"kind": "roc", "period": 3})
    )
    keys = [("sim", "A/USD", timeframe) for timeframe in ("1m", "5m")]
    market = {keys[0]: support.simulated(1, 40), keys[1]: support.simulated(2, 40, seconds=300)}
    layer = support.Layer.make(conn, config, market, only_own=True)

    minutes, five = (support.read(layer.conn, key, VIEW) for key in keys)
    assert np.isnan(minutes["stddev_20"]).all()
    assert not np.isnan(five["stddev_20"][19:]).any()
    assert not np.isnan(minutes["roc_3"][3:]).any()


def test_timeframes_that_no_entry_names_have_no_rows(conn: psycopg.Connection) -> None:
    keys = [("sim", "A/USD", timeframe) for timeframe in ("1m", "5m")]
    market = {keys[0]: support.simulated(1, 40), keys[1]: support.simulated(2, 40, seconds=300)}
    config = config_of(OwnIndicator(kind="ema", timeframes=("5m",)))
    layer = support.Layer.make(conn, config, market, only_own=True)

    counted = layer.conn.execute("SELECT timeframe, count(*) FROM own_indicators GROUP BY timeframe").fetchall()
    assert counted == [("5m", 40)]
