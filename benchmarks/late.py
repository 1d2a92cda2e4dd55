"""What a trade costs that arrives late: rows that it changes in each view, and the time of the refresh."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg.rows import tuple_row

from benchmarks.embedded import FAULTS, START, drain, open_engine, publish
from benchmarks.processor import Processor
from benchmarks.report import Row
from candlewave.engine.embedded.refresh import Refresher, differences
from candlewave.services.ingest.simulator import Simulator, make_symbols

AGES = (
    ("10 minutes", timedelta(minutes=10)),
    ("1 hour", timedelta(hours=1)),
    ("1 day", timedelta(days=1)),
    ("20 days", timedelta(days=20)),
)
KINDS = (("inside its bar", None), ("1 % above its bar", 1.01))
_TRIES = 3
"""Trades of each age and kind, each a fifth older: one alone may fall on a bar where little or much depends on it."""
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Cost:
    """What one late trade changed, by view, and how long the refresh took."""

    rows: Counter[str]
    seconds: float
    cpu_seconds: float


def late(days: int) -> list[Row]:
    """Measure late trades of several ages in one market's history, through every view up to features and labels."""
    rows = []
    with open_engine(()) as (conn, bus, server_pid):
        simulator = Simulator(make_symbols(1, rate=5 / 60), start=START, disturbances=FAULTS)
        publish(bus, simulator, START + timedelta(days=days), f"{days} days of history, one market", finish=False)
        refresher = Refresher(conn)
        drain(refresher, 0, "history through all layers")
        costs = {
            (age, kind): list(_costs(conn, refresher, server_pid, back, above))
            for age, back in AGES
            if back < timedelta(days=days)
            for kind, above in KINDS
        }
        right = not differences(conn)
    for (age, kind), found in costs.items():
        middle = sorted(found, key=lambda cost: cost.rows.total())[len(found) // 2]
        rows.append(
            Row(
                f"rows changed by a trade {kind}, {age} late, {days} days of history",
                f"{middle.rows.total():,}: "
                + ", ".join(f"{view} {count}" for view, count in middle.rows.most_common(_SHOWN)),
                "≤ 200, ≤ 100 ms",
                f"{middle.seconds * 1000:.0f} ms, {middle.cpu_seconds * 1000:.0f} ms of processor",
                right,
                middle.rows.total(),
            )
        )
    return rows


def _costs(
    conn: psycopg.Connection, refresher: Refresher, server_pid: int, back: timedelta, above: float | None
) -> Iterator[Cost]:
    for attempt in range(_TRIES):
        minute = _traded_minute(conn, back * (1 + attempt / 5))
        conn.execute(
            "INSERT INTO trades (exchange, symbol, trade_id, kind, seq, ts, side, price, quantity, origin, ingest_ts)"
            " SELECT exchange, symbol, concat('late ', random()), 'trade', 0, %s + INTERVAL '30 seconds', 'buy',"
            " CASE WHEN %s::float8 IS NULL THEN low ELSE high * %s END, 0.01, 'live', c.closed_until"
            " FROM candles_1m, furthest_clock AS c WHERE open_time = %s",
            [minute, above, above, minute],
        )
        with Processor(server_pid) as spent:
            stats = refresher.run_until_idle()
        yield Cost(Counter({k: v for k, v in stats.written.items() if v}), spent.seconds, spent.cpu_seconds)


def _traded_minute(conn: psycopg.Connection, back: timedelta) -> datetime:
    """Return the first minute that old whose open and close a trade in its middle leaves as they are."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            "SELECT date_trunc('minute', ts) AS minute FROM trades, furthest_clock AS c WHERE kind = 'trade'"
            " AND ts BETWEEN c.closed_until - %s - INTERVAL '1 hour' AND c.closed_until - %s GROUP BY minute"
            " HAVING min(ts) < date_trunc('minute', min(ts)) + INTERVAL '29 seconds'"
            " AND max(ts) > date_trunc('minute', min(ts)) + INTERVAL '31 seconds'"
            " AND max(ts) <= max(c.closed_until) - %s ORDER BY minute DESC LIMIT 1",
            [back] * 3,
        )
        found = cursor.fetchone()
        assert found is not None
        return found[0]  # type: ignore[no-any-return]
