"""Every column of ``indicators`` against an independent computation, on real and on difficult simulated candles."""

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import psycopg
import pytest
from tests.worlds import candles as support

from candlewave.core.config import Config, load_config
from candlewave.core.paths import project_root
from candlewave.engine.embedded.refresh import Refresher
from candlewave.engine.embedded.server import EmbeddedServer
from candlewave.services.indicators.compare import Comparison, compare
from candlewave.services.indicators.oracle import Candles, compute
from candlewave.sqlproject.catalog.constants import CHUNK_BARS
from candlewave.sqlproject.catalog.constants import Layer as Constants
from candlewave.sqlproject.catalog.indicators import Kind, catalog

REAL = project_root().parent / "shared/data/candles-btcperp-1m-2022-01.csv.gz"

BIG = ("sim", "BIG/USD", "1m")
TINY = ("sim", "TINY/BTC", "1m")
HOLES = ("sim", "HOLES/USD", "5m")
HOURS = ("sim", "BIG/USD", "1h")
SILENT = ("sim", "SILENT/USD", "1m")
FLAT = ("sim", "FLAT/USD", "1m")


@contextmanager
def empty_database(server: EmbeddedServer, name: str) -> Iterator[psycopg.Connection]:
    """Make a database, and drop it afterwards."""
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            with psycopg.connect(server.url, dbname=name, autocommit=True) as conn:
                yield conn
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(project_root() / "candlewave.toml")


def simulated_market() -> dict[support.Key, Candles]:
    """Several symbols and timeframes, each difficult in its own way."""
    holes = support.simulated(3, 4200, seconds=300, price=2000)
    for start, stop in ((3500, 3900), (2900, 2901), (2880, 2890), (800, 1100), (255, 258)):
        holes = support.without(holes, start, stop)
    silent = support.quiet(support.simulated(5, 2500), [*range(700, 940), *range(1500, 1530), *range(1531, 1600)])
    flat = support.quiet(support.simulated(6, 3000), range(600, 2900))
    return {
        BIG: support.simulated(1, 3200, price=46_000, digits=1),
        TINY: support.simulated(2, 3200, price=1.2e-8, digits=12),
        HOLES: holes,
        HOURS: support.simulated(4, 800, seconds=3600, price=3000, start_index=460_000),
        SILENT: silent,
        FLAT: flat,
    }


@pytest.fixture(scope="module")
def market() -> dict[support.Key, Candles]:
    return simulated_market()


@pytest.fixture(scope="module")
def layer(server: EmbeddedServer, config: Config, market: dict[support.Key, Candles]) -> Iterator[support.Layer]:
    with empty_database(server, "parity_simulated") as conn:
        yield support.Layer.make(conn, config, market)


def judge(layer: support.Layer, key: support.Key, candles: Candles) -> list[Comparison]:
    expected = compute(candles, layer.config.indicators)
    return compare(
        candles,
        expected,
        support.indicator_columns(layer, key),
        catalog(layer.config.indicators),
        quiet_limit=layer.config.candles.max_fill_minutes,
    )


def report(comparisons: list[Comparison]) -> str:
    lines = [
        f"{c.name:32} {c.judged:6} bars, largest difference {c.worst:.1e} of the tolerance at bar {c.worst_at}"
        + (f", NULL on one side at {c.nulls[:5]}" if c.nulls else "")
        for c in comparisons
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("key", list(simulated_market()), ids=lambda key: " ".join(key))
def test_simulated_candles_agree_with_the_oracle(
    layer: support.Layer, market: dict[support.Key, Candles], key: support.Key
) -> None:
    comparisons = judge(layer, key, market[key])

    print(report(comparisons))  # noqa: T201
    assert [c for c in comparisons if not c.equal] == []
    judged = {c.name for c in comparisons if c.judged}
    assert judged >= {i.name for i in catalog(layer.config.indicators) if i.warm_up < 700}


def test_every_indicator_is_judged_somewhere(layer: support.Layer, market: dict[support.Key, Candles]) -> None:
    assert [c.name for c in judge(layer, BIG, market[BIG]) if c.judged < 500] == []


def test_real_candles_agree_with_the_oracle(server: EmbeddedServer, config: Config) -> None:
    if not REAL.exists():
        pytest.skip(f"no recorded candles at {REAL}")
    key, candles = ("x", "BTC/USD", "1m"), recorded()
    with empty_database(server, "parity_real") as conn:
        layer = support.Layer.make(conn, config, {key: candles})
        comparisons = judge(layer, key, candles)

    print(report(comparisons))  # noqa: T201
    assert [c for c in comparisons if not c.equal] == []
    assert min(c.judged for c in comparisons) > 40_000


def recorded() -> Candles:
    """A month of recorded one-minute candles; turnover and sides are made up, the record has none."""
    with gzip.open(REAL, "rt") as file:
        rows = list(csv.DictReader(file))
    open_, high, low, close, volume = (
        np.array([float(row[name]) for row in rows]) for name in ("open", "high", "low", "close", "volume")
    )
    times = [datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC) for row in rows]
    return Candles(
        bar_index=np.array([int(time.timestamp()) // 60 for time in times]),
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        turnover=volume * (high + low + close) / 3,
        buy_volume=volume * np.where(high > low, (close - low) / np.where(high > low, high - low, 1), 0.5),
        timeframe_seconds=60,
    )


def test_windows_are_null_until_they_have_their_bars(layer: support.Layer, market: dict[support.Key, Candles]) -> None:
    for key, candles in market.items():
        run_bars = compute(candles, layer.config.indicators).run_bars
        columns = support.indicator_columns(layer, key)
        indicators = catalog(layer.config.indicators)
        early = [i.name for i in indicators if not np.isnan(columns[i.name][: min(i.needs, 2) - 1]).all()]
        windows = [i for i in indicators if i.kind is Kind.WINDOW]
        early += [i.name for i in windows if not np.isnan(columns[i.name][run_bars < i.needs]).all()]
        assert early == [], key


def test_warm_bars_count_from_the_last_hole_up_to_the_cap(
    layer: support.Layer, market: dict[support.Key, Candles]
) -> None:
    cap = Constants(layer.config).warm_cap
    for key, candles in market.items():
        run_bars = compute(candles, layer.config.indicators).run_bars
        warm_bars = support.indicator_columns(layer, key)["warm_bars"]
        assert np.array_equal(warm_bars, np.minimum(run_bars, cap)), key


def test_a_market_flat_for_longer_than_memory_gives_null_not_noise(
    layer: support.Layer, market: dict[support.Key, Candles]
) -> None:
    """After 2,200 bars without a change nothing is left to divide: 0/0 is NULL, and what is a price stays a price."""
    columns = support.indicator_columns(layer, FLAT)
    row = {name: values[2800] for name, values in columns.items()}
    price = market[FLAT].close[2800]

    null = {name for name, value in row.items() if np.isnan(value)}
    assert {name.rsplit("_1", 1)[0].rsplit("_2", 1)[0].rsplit("_6", 1)[0] for name in null} == {
        "rsi", "stoch_rsi_k", "stoch_rsi_d", "stochastic_k", "stochastic_d", "cci", "williams_r", "adx", "plus_di",
        "minus_di", "bollinger_percent_b", "vwap", "mfi", "cmf", "order_flow", "return_zscore", "amihud",
    }  # fmt: skip
    for name in ("sma_20", "ema_12", "ema_26", "bollinger_upper_20", "bollinger_lower_20", "donchian_upper_20"):
        assert row[name] == pytest.approx(price, rel=1e-12), name
    assert row["bollinger_upper_20"] == row["bollinger_lower_20"] == price
    assert row["realised_volatility_60"] == 0


def test_refreshed_layer_equals_a_full_recomputation(server: EmbeddedServer, config: Config) -> None:
    """Bars that arrive, are amended, vanish and come back, over chunk edges: footprints reach far enough."""
    rng = np.random.default_rng(7)
    key, other = ("sim", "A/USD", "1m"), ("sim", "B/USD", "1h")
    bars = {key: support.simulated(8, 2000), other: support.simulated(9, 900, seconds=3600, start_index=460_000)}
    rows = {key: support.rows_of(key, bars[key]), other: support.rows_of(other, bars[other])}
    given = {key: 1200, other: 500}
    with empty_database(server, "parity_refreshed") as conn:
        layer = support.Layer.make(conn, config, {k: bars[k].part(slice(0, given[k])) for k in bars})
        refresher = Refresher(conn)
        refresher.run_once()
        for step in range(13):
            for k in bars:
                change(conn, rng, step, k, rows, given)
            refresher.run_once()
            if step % 6 == 0:
                assert_equal_to_recomputation(layer)


def change(
    conn: psycopg.Connection,
    rng: np.random.Generator,
    step: int,
    key: support.Key,
    rows: dict[support.Key, list[tuple[object, ...]]],
    given: dict[support.Key, int],
) -> None:
    """Append some bars, and amend, delete or restore one in the past."""
    fresh = int(rng.integers(0, 12 if key[2] == "1h" else 40))
    support.fill(conn, rows[key][given[key] : given[key] + fresh])
    given[key] += fresh
    row = rows[key][int(rng.integers(max(0, given[key] - 3 * CHUNK_BARS), given[key]))]
    where = "WHERE exchange = %s AND symbol = %s AND timeframe = %s AND open_time = %s"
    if step % 3 == 0:
        factor = float(rng.uniform(0.99, 1.01))
        conn.execute(
            f"UPDATE candles SET close = close * {factor}, high = high * 1.01, low = low / 1.01 {where}", row[:4]
        )
    elif step % 3 == 1:
        conn.execute(f"DELETE FROM candles {where}", row[:4])
    else:
        conn.execute(f"DELETE FROM candles {where}", row[:4])
        support.fill(conn, [row])


def assert_equal_to_recomputation(layer: support.Layer) -> None:
    """Compare each object with what its query gives over all its input now, but for the last digits of sums."""
    for sql_object in support.layer_objects(layer.config):
        if sql_object.kind != "materialized view":
            continue
        assert sql_object.statement.query is not None
        keys = sql_object.header.keys
        layer.conn.execute(f"CREATE TEMP TABLE fresh AS {sql_object.statement.query}")
        kept, fresh = columns(layer.conn, sql_object.name, keys), columns(layer.conn, "fresh", keys)
        layer.conn.execute("DROP TABLE fresh")
        for name, values in fresh.items():
            where = f"{sql_object.name}.{name}"
            if values.dtype == np.float64:
                np.testing.assert_allclose(kept[name], values, rtol=1e-9, atol=1e-12, err_msg=where)
            else:
                np.testing.assert_array_equal(kept[name], values, err_msg=where)


def columns(conn: psycopg.Connection, relation: str, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return a relation's columns in order of its key; exact and floating numbers as float64, NaN for NULL."""
    cursor = conn.execute(f"SELECT * FROM {relation} ORDER BY {', '.join(keys)}", prepare=False)
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    return {
        name: np.array([np.nan if v is None else float(v) for v in values])
        if any(isinstance(v, float | Decimal) for v in values)
        else np.array(values, dtype=object)
        for name, values in zip(names, zip(*cursor, strict=True), strict=True)
    }
