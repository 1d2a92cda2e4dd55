"""The incremental state of the embedded engine equals a full computation, whatever happened in whatever order."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.worlds.engine import install
from tests.worlds.trades import CONFIG, INSERT, LAYERS, START, reset

from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.recompute import PORTION_ROWS
from candlewave.engine.embedded.refresh import Refresher, differences
from candlewave.sqlproject.render import render_objects

seconds = st.integers(0, 1500)
symbols = st.sampled_from(["A/B", "C/D"])
trade = st.tuples(
    st.just("trade"),
    symbols,
    seconds,
    st.integers(1, 30),  # trade number: small, so that keys repeat
    st.one_of(st.none(), st.floats(1, 100, allow_nan=False)),
    st.integers(-5, 600),  # seconds from the event to its arrival
)
heartbeat = st.tuples(st.just("heartbeat"), symbols, seconds)
exclusion = st.tuples(st.sampled_from(["exclude", "include"]), symbols, seconds)
deletion = st.tuples(st.just("delete"), symbols, st.integers(1, 30))
refresh = st.tuples(st.sampled_from(["refresh", "restart"]))
steps = st.lists(st.one_of(trade, trade, trade, heartbeat, exclusion, deletion, refresh), max_size=60)


def apply_step(conn: psycopg.Connection, step: tuple) -> None:
    match step:
        case ("trade", symbol, second, number, price, delay):
            ts = START + timedelta(seconds=second)
            conn.execute(INSERT, [symbol, str(number), number, ts, "buy", price, 2, ts + timedelta(seconds=delay)])
        case ("heartbeat", symbol, second):
            ts = START + timedelta(seconds=second)
            conn.execute(
                "INSERT INTO trades (exchange, symbol, trade_id, kind, seq, ts, origin, ingest_ts)"
                " VALUES ('x', %s, %s, 'heartbeat', 0, %s, 'live', %s)",
                [symbol, f"hb:{ts.isoformat()}", ts, ts],
            )
        case ("exclude", symbol, second):
            minute = (START + timedelta(seconds=second)).replace(second=0)
            conn.execute("INSERT INTO clock_exclusions VALUES ('x', %s, %s, 'test')", [symbol, minute])
        case ("include", symbol, second):
            minute = (START + timedelta(seconds=second)).replace(second=0)
            conn.execute("DELETE FROM clock_exclusions WHERE symbol = %s AND minute = %s", [symbol, minute])
        case ("delete", symbol, number):
            conn.execute("DELETE FROM trades WHERE symbol = %s AND trade_id = %s", [symbol, str(number)])


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        install(connection, CONFIG, layers=LAYERS)
        yield connection


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.sampled_from([40, PORTION_ROWS]))
def test_incremental_state_equals_full_computation(conn: psycopg.Connection, steps: list[tuple], rows: int) -> None:
    reset(conn)
    refresher = Refresher(conn, portion_rows=rows)
    for step in steps:
        match step[0]:
            case "refresh":
                refresher.run_once()
            case "restart":
                refresher.run_once()
                refresher = Refresher(conn, portion_rows=rows)
            case _:
                apply_step(conn, step)
    refresher.run_until_idle()
    assert differences(conn) == []


def test_a_footprint_that_is_too_small_is_caught(database: str) -> None:
    """The comparison bites: with a fill that reaches further than the footprint says, the states differ."""
    with psycopg.connect(database, autocommit=True) as conn:
        catalog.install(conn)
        for sql_object in render_objects(CONFIG):
            if sql_object.layer in ("sources", "views/ohlc"):
                text = sql_object.text.replace("${topic_prefix}", "")
                catalog.apply(conn, text.replace("[0, +4 minutes]", "[0, 0]"))
        refresher = Refresher(conn)
        for number, (second, price) in enumerate([(0, 1.0), (290, 2.0), (10, 3.0)]):
            apply_step(conn, ("trade", "A/B", second, number, price, 0))
            refresher.run_once()
        assert [line.split()[0] for line in differences(conn)][:1] == ["candles_1m"]
