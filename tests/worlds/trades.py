"""A small engine with all layers that property tests fill with made-up trades, and empty again."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg
from hypothesis import strategies as st

from candlewave.core.config import CandlesConfig, Config, ExchangeConfig
from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.refresh import Refresher
from candlewave.sqlproject.ddl import Kind

START = datetime(2024, 1, 1, 23, 50, tzinfo=UTC)  # a run crosses midnight, where days and hours begin
MAX_FILL = 4
CONFIG = Config(
    exchanges={"x": ExchangeConfig(symbols=["A/B"])},
    candles=CandlesConfig(timeframes=["1m", "5m", "15m", "1h"], max_fill_minutes=MAX_FILL, idle_after_seconds=120),
)
LAYERS = ("sources", "views/ohlc", "views/indicators")
INSERT = (
    "INSERT INTO trades (exchange, symbol, trade_id, kind, seq, ts, side, price, quantity, origin, ingest_ts)"
    " VALUES ('x', %s, %s, 'trade', %s, %s, %s, %s, %s, 'live', %s)"
)


@dataclass(frozen=True)
class Made:
    """A made-up trade; ``delay`` is the time from the event to its arrival."""

    symbol: str
    number: int
    ts: datetime
    price: float
    quantity: float
    side: str
    delay: timedelta = timedelta()


trades = st.builds(
    lambda symbol, second, price, quantity, side: (symbol, second, price, quantity, side),
    st.sampled_from(["A/B", "C/D"]),
    st.integers(0, 1800).map(float) | st.floats(0, 1800).map(lambda s: round(s, 3)),
    st.integers(1, 50).map(float),
    st.integers(1, 9).map(float),
    st.sampled_from(["buy", "sell"]),
)


@st.composite
def markets(draw: st.DrawFn, min_size: int = 1) -> list[Made]:
    """Trades in order of arrival, which here is the order of their times."""
    drawn = sorted(draw(st.lists(trades, min_size=min_size, max_size=40)), key=lambda t: t[1])
    return [
        Made(symbol, n, START + timedelta(seconds=second), price, quantity, side)
        for n, (symbol, second, price, quantity, side) in enumerate(drawn)
    ]


def reset(conn: psycopg.Connection) -> None:
    """Empty every table and view, as if nothing had ever been inserted."""
    stored = [o.name for o in catalog.load(conn) if o.statement.kind is Kind.TABLE or o.keeps_rows]
    names = ", ".join(f'"{name}"' for name in stored)
    conn.execute(f"TRUNCATE embedded.dirty, embedded.clocks, {names}")
    conn.execute("INSERT INTO furthest_clock VALUES (1, NULL)")  # an aggregate over nothing is one row


def arrive(conn: psycopg.Connection, made: Iterable[Made]) -> None:
    """Insert trades in the given order."""
    rows = [[m.symbol, str(m.number), m.number, m.ts, m.side, m.price, m.quantity, m.ts + m.delay] for m in made]
    if rows:
        with conn.cursor() as cursor:
            cursor.executemany(INSERT, rows)


def run(conn: psycopg.Connection, made: Iterable[Made]) -> None:
    """Start empty, let trades arrive, and bring every view up to date."""
    reset(conn)
    arrive(conn, made)
    Refresher(conn).run_until_idle()


def late(made: Made, seconds: int) -> Made:
    """Return the trade as it would be if it arrived that much later."""
    return replace(made, delay=timedelta(seconds=seconds))
