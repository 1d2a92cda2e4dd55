"""Each exchange closes its own candles: compared with a clock in plain Python that sees events as they arrive."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.worlds.engine import install
from tests.worlds.trades import CONFIG, START, reset

from candlewave.core.times import floor_to_minute
from candlewave.engine.embedded.refresh import Refresher, differences

MINUTE = timedelta(minutes=1)
GRACE = timedelta(seconds=CONFIG.candles.grace_seconds)
IDLE = timedelta(seconds=CONFIG.candles.idle_after_seconds)
INSERT = (
    "INSERT INTO trades (exchange, symbol, trade_id, kind, seq, ts, side, price, quantity, origin, ingest_ts)"
    " VALUES (%s, 'A/B', %s, %s, %s, %s, 'buy', 1, 1, 'live', %s)"
)


@dataclass(frozen=True)
class Event:
    exchange: str
    number: int
    kind: str
    ts: datetime
    arrival: datetime


@st.composite
def arriving(draw: st.DrawFn) -> list[Event]:
    """Events in order of arrival: of one exchange in time, one up to three minutes behind, and one that may die."""
    lag = {"fast": 0, "behind": draw(st.integers(0, 180)), "dead": draw(st.integers(0, 30))}
    death = draw(st.integers(0, 900))
    events = []
    second = 0
    for number in range(draw(st.integers(1, 50))):
        second += draw(st.integers(0, 40))
        exchange = draw(st.sampled_from([name for name in lag if name != "dead" or second <= death]))
        ts = START + timedelta(seconds=second - lag[exchange] - draw(st.integers(0, 90) | st.just(0)))
        # Microseconds keep two arrivals apart.
        arrival = START + timedelta(seconds=second, microseconds=number)
        events.append(Event(exchange, number, draw(st.sampled_from(["trade", "trade", "heartbeat"])), ts, arrival))
    return events


class Clocks:
    """What has arrived, and how far each exchange is closed by it."""

    def __init__(self) -> None:
        self.newest: dict[str, datetime] = {}
        self.seen: list[Event] = []
        self.late: set[int] = set()

    def see(self, event: Event) -> None:
        end = floor_to_minute(event.ts) + MINUTE
        own = self.newest.get(event.exchange)
        closed = own is not None and floor_to_minute(own - GRACE) >= end
        if event.kind == "trade" and (closed or event.arrival > end + GRACE + IDLE):
            self.late.add(event.number)
        self.newest[event.exchange] = max(own or event.ts, event.ts)
        self.seen.append(event)

    def closed_until(self, exchange: str) -> datetime:
        others = floor_to_minute(max(self.newest.values()) - GRACE) - IDLE
        return max(floor_to_minute(self.newest[exchange] - GRACE), others)

    def traded(self) -> set[tuple[str, datetime]]:
        """Return the closed minutes with a trade."""
        minutes = {(e.exchange, floor_to_minute(e.ts)) for e in self.seen if e.kind == "trade"}
        return {(exchange, minute) for exchange, minute in minutes if minute + MINUTE <= self.closed_until(exchange)}


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        install(connection, CONFIG, layers=("sources", "views/ohlc"))
        yield connection


def arrive(conn: psycopg.Connection, events: Sequence[Event]) -> None:
    for e in events:
        conn.execute(INSERT, [e.exchange, str(e.number), e.kind, e.number, e.ts, e.arrival])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arriving(), st.integers(1, 12))
def test_what_is_closed_and_what_is_late(conn: psycopg.Connection, events: list[Event], batch: int) -> None:
    reset(conn)
    clocks, refresher = Clocks(), Refresher(conn)
    for begin in range(0, len(events), batch):
        arrive(conn, events[begin : begin + batch])
        for event in events[begin : begin + batch]:
            clocks.see(event)
        refresher.run_once()
        rows = conn.execute("SELECT exchange, open_time, is_filled FROM candles_1m").fetchall()
        assert all(open_time + MINUTE <= clocks.closed_until(exchange) for exchange, open_time, _ in rows)
        assert {(exchange, open_time) for exchange, open_time, is_filled in rows if not is_filled} == clocks.traded()
        clock = conn.execute("SELECT exchange, closed_until FROM market_clock").fetchall()
        assert dict(clock) == {exchange: clocks.closed_until(exchange) for exchange in clocks.newest}
    assert differences(conn) == []
    late = conn.execute("SELECT trade_id::int, exchange, open_time FROM late_trades").fetchall()
    assert {number for number, _, _ in late} == clocks.late
    amended = conn.execute("SELECT exchange, open_time FROM candles_1m WHERE amended_at IS NOT NULL").fetchall()
    assert set(amended) == {(exchange, open_time) for _, exchange, open_time in late} & clocks.traded()


def test_one_exchange_is_five_minutes_behind_and_one_is_dead(database: str) -> None:
    """An hour of a trade every ten seconds, looked at once a minute: every candle is written once, and none waits."""
    config = CONFIG.model_copy(
        update={"candles": CONFIG.candles.model_copy(update={"idle_after_seconds": 600, "max_fill_minutes": 240})}
    )
    lags = {"fast": timedelta(), "behind": timedelta(minutes=5), "dead": timedelta()}
    events = sorted(
        (
            Event(exchange, second, "trade", ts, ts + lag)
            for exchange, lag in lags.items()
            for second in range(0, 3600, 10)
            if (ts := START + timedelta(seconds=second)) + lag < START + timedelta(hours=1)
            and (exchange != "dead" or second < 600)
        ),
        key=lambda event: event.arrival,
    )
    with psycopg.connect(database, autocommit=True) as conn:
        install(conn, config, layers=("sources", "views/ohlc"))
        refresher, written, deleted = Refresher(conn), 0, 0
        for minute in range(60):
            now = START + (minute + 1) * MINUTE
            arrive(conn, [e for e in events if now - MINUTE <= e.arrival < now])
            stats = refresher.run_until_idle()
            written += stats.written.get("candles_1m", 0)
            deleted += stats.deleted.get("candles_1m", 0)
            rows = conn.execute("SELECT exchange, max(open_time) FROM candles_1m GROUP BY exchange").fetchall()
            newest: dict[str, datetime] = dict(rows)
            # The last event of the minute is ten seconds before its end, so the minute before it is closed.
            assert newest.get("fast") == (now - 2 * MINUTE if minute >= 1 else None)
            assert newest.get("behind") == (now - 7 * MINUTE if minute >= 6 else None)
            dead = min(now - 2 * MINUTE, max(START + 8 * MINUTE, now - 12 * MINUTE))
            assert newest.get("dead") == (dead if minute >= 1 else None)
        counts = conn.execute(
            "SELECT exchange, feed_state, count(*), count(amended_at) FROM candles_1m GROUP BY 1, 2 ORDER BY 1, 2"
        ).fetchall()
        assert counts == [
            ("behind", "traded", 54, 0),
            ("dead", "no_feed", 39, 0),
            ("dead", "traded", 10, 0),
            ("fast", "traded", 59, 0),
        ]
        assert (written, deleted) == (54 + 49 + 59, 0)
        assert conn.execute("SELECT count(*) FROM late_trades").fetchone() == (0,)
        assert differences(conn) == []
