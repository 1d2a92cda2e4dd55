"""Late trades, each taken in by itself, leave what a full computation gives, and rows alone that they hardly change."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from tests.worlds.trades import INSERT

from candlewave.core.config import Config, load_config
from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.equality import TOLERANCE
from candlewave.engine.embedded.refresh import Refresher
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.quoting import trusted

START = datetime(2024, 3, 1, tzinfo=UTC)
MINUTES = 600  # so that averages of the shipped periods cross several chunks of 256 bars
SECOND = timedelta(seconds=1)
Late = tuple[int, float, float]
"""Minute, price against the one of the time, quantity."""
Rows = dict[tuple, dict]

late_trades = st.lists(
    st.tuples(st.integers(0, MINUTES - 3), st.sampled_from([1.0, 1.01, 0.98]), st.sampled_from([1e-14, 0.01, 5.0])),
    min_size=1,
    max_size=4,
)


@pytest.fixture
def make(make_engine: Callable[[Config], str]) -> Callable[[], psycopg.Connection]:
    def connect() -> psycopg.Connection:
        conn = psycopg.connect(make_engine(load_config()), autocommit=True)
        conn.execute("SET timezone = 'UTC'")
        return conn

    return connect


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(late_trades)
def test_late_trades_give_what_a_full_computation_gives(
    make: Callable[[], psycopg.Connection], late: list[Late]
) -> None:
    with make() as conn, make() as whole:
        trade_every_minute(conn)
        refresher = Refresher(conn)
        refresher.run_until_idle()
        for number, trade in enumerate(late):
            arrive_late(conn, number, trade)
            refresher.run_until_idle()
        trade_every_minute(whole)
        for number, trade in enumerate(late):
            arrive_late(whole, number, trade)
        Refresher(whole).run_until_idle()
        for (view, have), (_, want) in zip(states(conn), states(whole), strict=True):
            assert have.keys() == want.keys(), view
            sizes = scales(want)
            for key, row in want.items():
                for column, value in row.items():
                    assert near(have[key][column], value, 1e-11 * sizes.get(column, 0)), (view, key, column)


def test_a_late_trade_leaves_rows_alone_that_it_hardly_changes(make: Callable[[], psycopg.Connection]) -> None:
    with make() as conn:
        trade_every_minute(conn)
        refresher = Refresher(conn)
        refresher.run_until_idle()
        before = dict(states(conn))
        arrive_late(conn, 0, (30, 1.01, 0.01))
        written = refresher.run_until_idle().written
        after = dict(states(conn))
    hardly = {
        view: [key for key, row in after[view].items() if row != rows.get(key) and nearly(row, rows.get(key, {}))]
        for view, rows in before.items()
    }
    assert {view: keys for view, keys in hardly.items() if keys} == {}
    assert 0 < written["indicators"] < len(after["indicators"])


def trade_every_minute(conn: psycopg.Connection) -> None:
    """Insert two trades a minute, its first and its last, at a price that goes up and down."""
    conn.execute(
        "INSERT INTO trades (exchange, symbol, trade_id, kind, seq, ts, side, price, quantity, origin, ingest_ts)"
        " SELECT 'x', 'A/B', ts::text, 'trade', 1, ts, 'buy', round((100 + 5 * sin(s / 2400.0))::numeric, 2), 2,"
        " 'live', ts FROM generate_series(0, %s - 1) AS minute, unnest(ARRAY[0, 59]) AS second,"
        " LATERAL (SELECT minute * 60 + second) AS a(s), LATERAL (SELECT %s + s * INTERVAL '1 s') AS t(ts)",
        [MINUTES, START],
    )


def arrive_late(conn: psycopg.Connection, number: int, late: Late) -> None:
    minute, factor, quantity = late
    ts = START + minute * timedelta(minutes=1) + 30 * SECOND
    values = ["A/B", f"late {number}", number, ts, "sell", 100.0 * factor, quantity]
    conn.execute(INSERT, [*values, START + timedelta(minutes=MINUTES)])


def states(conn: psycopg.Connection) -> Iterator[tuple[str, Rows]]:
    for stored in catalog.load(conn):
        if stored.statement.kind is Kind.MATERIALIZED_VIEW and stored.header:
            with conn.cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(trusted(f'SELECT * FROM "{stored.name}"')).fetchall()
            yield stored.name, {tuple(row[key] for key in stored.header.keys): row for row in rows}


def scales(rows: Rows) -> dict[str, float]:
    """Return the largest value of each column of numbers."""
    largest: dict[str, float] = {}
    for row in rows.values():
        for column, value in row.items():
            if isinstance(value, float):
                largest[column] = max(largest.get(column, 0.0), abs(value))
    return largest


def near(one: object, other: object, limit: float) -> bool:
    return abs(one - other) <= limit if isinstance(one, float) and isinstance(other, float) else one == other


def nearly(row: dict, other: dict) -> bool:
    """Tell whether rows differ by less than the tolerance in every column."""
    return row.keys() == other.keys() and all(
        near(value, other[column], 0.99 * TOLERANCE * abs(value) if isinstance(value, float) else 0)
        for column, value in row.items()
    )
