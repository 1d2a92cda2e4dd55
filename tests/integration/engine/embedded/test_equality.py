"""What counts as equal to a stored row: differences in the last digits stop, and never add up."""

from math import inf, nan

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.equality import TOLERANCE
from candlewave.engine.embedded.refresh import Refresher

CHANGES = """-- changes: what is added to a sum.
-- grain: one row per id
-- keys: id
-- event time: ts
-- late data: kept
-- readers: sums
CREATE TABLE changes (id BIGINT, name VARCHAR, ts TIMESTAMPTZ, value DOUBLE PRECISION, PRIMARY KEY (id))
"""
SUMS = """-- sums: what was added up in a minute.
-- grain: one row per name and minute
-- keys: name, minute
-- event time: minute
-- late data: amends
-- footprint:
--   changes by name: ts -> minute tumble 1 minute
-- readers: tests
CREATE MATERIALIZED VIEW sums AS
SELECT name, date_trunc('minute', ts, 'UTC') AS minute, sum(value) AS value
FROM changes
GROUP BY name, date_trunc('minute', ts, 'UTC')
"""


@pytest.fixture
def sums(conn: psycopg.Connection) -> psycopg.Connection:
    catalog.install(conn)
    catalog.apply(conn, CHANGES)
    catalog.apply(conn, SUMS)
    return conn


def add(conn: psycopg.Connection, value: float) -> tuple[float, float]:
    """Add to the sum; return what is stored of it, and what it is."""
    conn.execute("INSERT INTO changes SELECT count(*), 'a', '2024-03-01 00:00:00+00', %s FROM changes", [value])
    Refresher(conn).run_once()
    row = conn.execute("SELECT s.value, (SELECT sum(value) FROM changes) FROM sums AS s").fetchone()
    assert row is not None
    return row


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(-3 * TOLERANCE, 3 * TOLERANCE), min_size=1, max_size=30))
def test_many_small_changes_never_add_up(sums: psycopg.Connection, steps: list[float]) -> None:
    sums.execute("TRUNCATE changes, sums, embedded.dirty")
    add(sums, 1.0)
    for step in steps:
        stored, exact = add(sums, step)
        assert abs(stored - exact) <= TOLERANCE * max(abs(stored), abs(exact))


def test_changes_below_the_tolerance_are_written_once_together_they_are_above_it(sums: psycopg.Connection) -> None:
    add(sums, 1.0)
    assert [add(sums, 0.4 * TOLERANCE)[0] for _ in range(2)] == [1.0, 1.0]
    stored, exact = add(sums, 0.4 * TOLERANCE)
    assert stored == exact > 1.0


@pytest.mark.parametrize(("before", "change"), [(1.0, inf), (inf, -inf), (1.0, nan), (1.0, -1.0), (0.0, 1e-300)])
def test_what_is_not_near_is_written(sums: psycopg.Connection, before: float, change: float) -> None:
    add(sums, before)
    stored, exact = add(sums, change)
    assert str(stored) == str(exact) != str(before)
