"""The incremental state of the embedded engine equals a full computation, whatever happened in whatever order."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.worlds.engine import install
from tests.worlds.trades import CONFIG, LAYERS, START, reset

from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.recompute import PORTION_ROWS
from candlewave.engine.embedded.refresh import Refresher, differences
from candlewave.sqlproject.render import render_objects

INSERT = (
    "INSERT INTO trades (exchange, symbol, trade_id, kind, seq, ts, side, price, quantity, origin, ingest_ts)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'live', %s)"
)
LOAD = (
    "INSERT INTO loaded_candles (exchange, symbol, open_time, open, high, low, close, volume, loaded_at, ingest_ts)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, 1, %s, %s)"
)
# Most within minutes of each other, some after a silence that is longer than any candle or bar.
seconds = st.integers(0, 1500) | st.integers(9000, 9600)
# x is in time, y lags or is dead, and z has one market.
markets = st.sampled_from([("x", "A/B"), ("x", "C/D"), ("y", "A/B"), ("z", "E/F")])
trade = st.tuples(
    st.just("trade"),
    markets,
    seconds,
    st.integers(1, 30),  # trade number: small, so that keys repeat
    st.one_of(st.none(), st.floats(1, 100, allow_nan=False)),
    st.integers(-5, 600),  # seconds from the event to its arrival
)
heartbeat = st.tuples(st.just("heartbeat"), markets, seconds, st.integers(0, 400))
loaded = st.tuples(st.just("load"), markets, seconds, st.integers(58, 1000))
exclusion = st.tuples(st.sampled_from(["exclude", "include"]), markets, seconds)
deletion = st.tuples(st.just("delete"), markets, st.integers(1, 30))
refresh = st.tuples(st.sampled_from(["refresh", "restart"]))
steps = st.lists(st.one_of(trade, trade, trade, heartbeat, loaded, exclusion, deletion, refresh), max_size=60)


def apply_step(conn: psycopg.Connection, step: tuple) -> None:
    match step:
        case ("trade", (exchange, symbol), second, number, price, delay):
            ts = START + timedelta(seconds=second)
            arrival = ts + timedelta(seconds=delay)
            conn.execute(INSERT, [exchange, symbol, str(number), "trade", number, ts, "buy", price, 2, arrival])
        case ("heartbeat", (exchange, symbol), second, delay):
            ts = START + timedelta(seconds=second)
            values = [exchange, symbol, f"hb:{ts.isoformat()}", "heartbeat", 0, ts, None, None, None]
            conn.execute(INSERT, [*values, ts + timedelta(seconds=delay)])
        case ("load", (exchange, symbol), second, delay):
            minute = minute_of(second)
            arrival = minute + timedelta(seconds=delay)
            conn.execute(LOAD, [exchange, symbol, minute, *[7] * 4, arrival, arrival])
        case ("exclude", (exchange, symbol), second):
            conn.execute(
                "INSERT INTO clock_exclusions VALUES (%s, %s, %s, 'test')", [exchange, symbol, minute_of(second)]
            )
        case ("include", (exchange, symbol), second):
            conn.execute(
                "DELETE FROM clock_exclusions WHERE exchange = %s AND symbol = %s AND minute = %s",
                [exchange, symbol, minute_of(second)],
            )
        case ("delete", (exchange, symbol), number):
            conn.execute(
                "DELETE FROM trades WHERE exchange = %s AND symbol = %s AND trade_id = %s",
                [exchange, symbol, str(number)],
            )


def minute_of(second: int) -> datetime:
    return (START + timedelta(seconds=second)).replace(second=0)


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
            apply_step(conn, ("trade", ("x", "A/B"), second, number, price, 0))
            refresher.run_once()
        assert [line.split()[0] for line in differences(conn)][:1] == ["candles_1m"]
