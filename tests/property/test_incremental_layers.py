"""Features and the evaluation of forecasts, brought up to date piece by piece, equal a full computation."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from tests.worlds import layers
from tests.worlds.layers import CONFIG, MINUTE, MINUTES, START, Facts, histories
from tests.worlds.trades import INSERT

from candlewave.core.config import Config
from candlewave.engine.embedded.recompute import PORTION_ROWS
from candlewave.engine.embedded.refresh import Refresher, differences
from candlewave.ml.feature_set import feature_names, feature_set

minutes = st.integers(0, MINUTES)
symbols = st.sampled_from(layers.SYMBOLS)
models = st.sampled_from([("m", "1", "champion"), ("m", "2", "challenger"), ("baseline", "0", "baseline")])
late_trade = st.tuples(st.just("trade"), symbols, st.integers(0, MINUTES * 60), st.integers(1, 60), st.integers(0, 900))
# Minutes with and without trades, loaded up to three times, not all of them usable, some without counts.
loaded = st.tuples(
    st.just("load"), symbols, minutes, st.integers(1, 60), st.integers(0, 3), st.integers(0, 2), st.booleans()
)
deletion = st.tuples(st.just("delete"), symbols, st.integers(0, 300))
forecast = st.tuples(
    st.just("forecast"),
    symbols,
    minutes,
    models,
    st.sampled_from(CONFIG.predictions.horizons_minutes),
    st.sampled_from([-0.01, 0.0, 0.02]),
    st.integers(1, 20),  # minutes from the candle to the forecast: some are made too late to be judged
)
inputs = st.tuples(st.just("inputs"), symbols, minutes, st.sampled_from(["true", "false", "missing"]))
reference = st.tuples(st.just("reference"), st.sampled_from(["1", "2"]))
score = st.tuples(st.just("score"), layers.scores)
watch = st.tuples(st.sampled_from(["watch", "forget"]), symbols)
refresh = st.tuples(st.sampled_from(["refresh", "restart"]))
steps = st.lists(
    st.one_of(late_trade, loaded, loaded, deletion, forecast, forecast, inputs, reference, score, watch, refresh),
    max_size=40,
)


@pytest.fixture
def conn(make_engine: Callable[[Config], str]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(make_engine(CONFIG), autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        yield connection


@pytest.mark.timeout(1200)  # fifteen histories through every view, twice
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories, steps, st.integers(1, MINUTES), st.sampled_from([100, PORTION_ROWS]))
def test_incremental_state_equals_full_computation(
    conn: psycopg.Connection, facts: Facts, steps: list[tuple], half: int, rows: int
) -> None:
    """Half a history, then anything, then the other half; in portions or at once."""
    layers.empty(conn)
    refresher = Refresher(conn, portion_rows=rows)
    middle = START + half * MINUTE
    layers.happen(conn, facts.before(middle))
    refresher.run_until_idle()
    for step in steps:
        match step:
            case ("refresh",):
                refresher.run_once()
            case ("restart",):
                refresher = Refresher(conn, portion_rows=rows)
            case _:
                apply_step(conn, step)
    refresher.run_once()
    layers.happen(conn, facts.since(middle))
    refresher.run_until_idle()
    assert differences(conn) == []


def test_all_layers_hold_something(conn: psycopg.Connection) -> None:
    """The steps reach every view, so that the comparison above is not of nothing with nothing."""
    facts = layers.history(1, [], [], [layers.Score("a", "A", "v1", 0.5, START)])
    layers.run(conn, facts)
    for step in every_kind_of_step():
        apply_step(conn, step)
    apply_step(conn, ("load", "C/D", 20, 7, 1, 0, False))
    Refresher(conn).run_until_idle()
    assert differences(conn) == []
    views = (
        *("input_amendments", "amended_hours", "forecast_hours", "drift_references", "drift_hours", "feature_drift"),
        *("outcome_hours", "challenger_hours", "model_error"),
    )
    assert {view for view in views if not layers.state(conn, view)} == set()
    assert {row["inputs_amended"] for row in layers.state(conn, "input_amendments").values()} == {False, True}


def every_kind_of_step() -> Iterator[tuple]:
    for model in (("m", "1", "champion"), ("baseline", "0", "baseline")):
        for minute in range(40):
            yield "forecast", "A/B", minute, model, 1, 0.01, 1
            yield "inputs", "A/B", minute, "false" if minute % 2 else "true"
    yield "reference", "1"


def apply_step(conn: psycopg.Connection, step: tuple) -> None:
    match step:
        case ("trade", symbol, second, price, delay):
            ts = START + timedelta(seconds=second)
            number = 10_000 + second
            conn.execute(
                INSERT + " ON CONFLICT DO NOTHING",
                [symbol, str(number), number, ts, "sell", price, 3, ts + timedelta(seconds=delay)],
            )
        case ("load", symbol, minute, price, volume, load, is_told):
            at = (START + minute * MINUTE).replace(second=0)
            told = (price * volume, volume, volume / 2) if is_told else (None, None, None)
            conn.execute(
                "INSERT INTO loaded_candles VALUES ('x', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'rest', %s, %s)"
                " ON CONFLICT DO NOTHING",
                [
                    *(symbol, at, price, price + 1, price - 1, price, volume, *told),
                    *(at + load * timedelta(days=1), at + MINUTE + load * timedelta(days=1)),
                ],
            )
        case ("delete", symbol, number):
            conn.execute("DELETE FROM trades WHERE symbol = %s AND trade_id = %s", [symbol, str(number)])
        case ("score", found):
            layers.score(conn, [found])
        case ("watch", symbol):
            base, quote = symbol.split("/")
            conn.execute("INSERT INTO symbols VALUES ('x', %s, %s, %s) ON CONFLICT DO NOTHING", [symbol, base, quote])
        case ("forget", symbol):
            conn.execute("DELETE FROM symbols WHERE symbol = %s", [symbol])
        case ("forecast", symbol, minute, (name, version, role), horizon, middle, delay):
            at = START + minute * MINUTE
            conn.execute(
                "INSERT INTO predictions VALUES ('x', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 99, 100, 101, 100, %s)"
                " ON CONFLICT DO NOTHING",
                [
                    *(symbol, horizon, at, at + (horizon + 1) * MINUTE, name, version, role),
                    *(middle - 0.02, middle, middle + 0.02, at + delay * MINUTE + layers.GRACE),
                ],
            )
        case ("inputs", symbol, minute, truth):
            remember(conn, symbol, minute, truth)
        case ("reference", version):
            conn.execute(
                "INSERT INTO feature_reference SELECT %s, name, %s, %s FROM unnest(%s::text[]) AS name"
                " ON CONFLICT DO NOTHING",
                [version, [float(n - 4) for n in range(9)], [0.0] + [0.1] * 10, list(feature_names(conn))[:4]],
            )


def remember(conn: psycopg.Connection, symbol: str, minute: int, truth: str) -> None:
    """Keep the inputs of a forecast: what features say now, something else, or nothing for the first feature."""
    at = START + minute * MINUTE
    names = feature_names(conn)
    row = layers.state(conn, "features").get(("x", symbol, at), {})
    values = {name: row.get(name, 0.5) for name in names}
    if truth != "true":
        values[names[0]] = -123.0 if truth == "false" else None
    conn.execute(
        "INSERT INTO prediction_inputs VALUES ('x', %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [symbol, at, feature_set(conn), Jsonb(values), at + MINUTE],
    )
