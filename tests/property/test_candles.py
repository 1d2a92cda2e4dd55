"""What holds for candles and indicators whatever the trades are."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.worlds.engine import install
from tests.worlds.trades import CONFIG, LAYERS, MAX_FILL, START, Made, arrive, late, markets, run

from candlewave.core.config import TIMEFRAME_SECONDS
from candlewave.engine.embedded.refresh import Refresher, differences

PROPERTY = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
MINUTE = timedelta(minutes=1)

# Looks one bar ahead: the value at 12:00 is the close of 12:01, which nobody knows then. A hole between two bars is at
# most as long as the half hour that trades are made up for; hence sixty.
LEAKY = """-- leaky: the next bar's close beside each bar.
-- grain: one row per exchange, symbol, timeframe, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: follows candles
-- footprint:
--   candles by exchange, symbol, timeframe: open_time -> open_time [-60 bars, 0]
-- readers: test
CREATE MATERIALIZED VIEW leaky AS
SELECT exchange, symbol, timeframe, open_time, close_time,
    lead(close) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS next_close
FROM candles
"""


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        install(connection, CONFIG, layers=LAYERS, extra=[LEAKY])
        yield connection


def state(conn: psycopg.Connection, view: str, leave_out: tuple[str, ...] = ()) -> dict[tuple, dict]:
    """Return a view's rows by key."""
    with conn.cursor() as cursor:
        cursor.execute(f'SELECT * FROM "{view}"')
        names = [c.name for c in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
    return {
        (r["exchange"], r["symbol"], r["timeframe"], r["open_time"]): {k: v for k, v in r.items() if k not in leave_out}
        for r in rows
    }


@PROPERTY
@given(markets())
def test_an_hour_rolled_up_equals_an_hour_aggregated_directly(conn: psycopg.Connection, made: list[Made]) -> None:
    run(conn, made)
    direct: dict[tuple, list[Made]] = defaultdict(list)
    for m in made:
        direct[m.symbol, m.ts.replace(minute=0, second=0, microsecond=0)].append(m)
    hours = {k: r for k, r in state(conn, "candles").items() if k[2] == "1h" and not r["is_filled"]}
    for (_, symbol, _, open_time), row in hours.items():
        inside = direct[symbol, open_time]
        assert row["high"] == max(m.price for m in inside)
        assert row["low"] == min(m.price for m in inside)
        assert row["close"] == inside[-1].price
        assert row["trades"] == len(inside)
        assert row["volume"] == pytest.approx(sum(m.quantity for m in inside), rel=1e-12)
        assert row["turnover"] == pytest.approx(sum(m.quantity * m.price for m in inside), rel=1e-12)
        assert row["buy_volume"] == pytest.approx(sum(m.quantity for m in inside if m.side == "buy"), rel=1e-12)


@PROPERTY
@given(markets(), st.sets(st.integers(0, 29), max_size=12))
def test_bars_know_their_minutes_and_only_whole_ones_have_indicators(
    conn: psycopg.Connection, made: list[Made], loaded: set[int]
) -> None:
    run(conn, made)
    later = START + timedelta(days=1)
    for minute in loaded:
        values = ["A/B", START + minute * MINUTE, *[7] * 4, 2, later, later]
        conn.execute(
            "INSERT INTO loaded_candles (exchange, symbol, open_time, open, high, low, close, volume, loaded_at,"
            " ingest_ts) VALUES ('x', %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            values,
        )
    Refresher(conn).run_until_idle()
    candles = state(conn, "candles")
    minutes = {(symbol, open_time) for _, symbol, timeframe, open_time in candles if timeframe == "1m"}
    traded = {(m.symbol, m.ts.replace(second=0, microsecond=0)) for m in made}
    wanted = {("A/B", START + minute * MINUTE) for minute in loaded} - traded
    for (_, symbol, timeframe, open_time), row in candles.items():
        inside = [open_time + n * MINUTE for n in range(TIMEFRAME_SECONDS[timeframe] // 60)]
        present = sum((symbol, minute) in minutes for minute in inside)
        assert (row["minutes_present"], row["is_whole"]) == (present, present == len(inside))
        if timeframe == "1m":
            key = (symbol, open_time)
            assert row["feed_state"] == ("traded" if key in traded else "loaded" if key in wanted else "no_feed")
    assert set(state(conn, "indicators")) == {key for key, row in candles.items() if row["is_whole"]}
    assert differences(conn) == []


@PROPERTY
@given(markets(), st.data())
def test_redelivery_changes_nothing(conn: psycopg.Connection, made: list[Made], data: st.DataObject) -> None:
    run(conn, made)
    before = {view: state(conn, view) for view in ("candles", "indicators")}
    again = data.draw(st.lists(st.sampled_from(made), max_size=20))
    arrive(conn, [late(m, 3600) for m in again])
    stats = Refresher(conn).run_until_idle()
    assert sum(stats.written.values()) == 0
    assert {view: state(conn, view) for view in ("candles", "indicators")} == before


@PROPERTY
@given(markets())
def test_no_hole_is_shorter_than_the_longest_fill(conn: psycopg.Connection, made: list[Made]) -> None:
    run(conn, made)
    minutes: dict[str, list] = defaultdict(list)
    for (_, symbol, timeframe, open_time), row in sorted(state(conn, "candles").items()):
        if timeframe == "1m":
            minutes[symbol].append((open_time, row["is_filled"]))
    for bars in minutes.values():
        filled = 0
        for (earlier, _), (later, is_filled) in pairwise(bars):
            if later - earlier > MINUTE:
                assert not is_filled
                assert filled == MAX_FILL, f"hole after {earlier} although only {filled} minutes were filled"
            filled = filled + 1 if is_filled else 0
            assert filled <= MAX_FILL


@PROPERTY
@given(markets(min_size=2), st.integers(60, 1800))
def test_the_past_does_not_depend_on_the_future(conn: psycopg.Connection, made: list[Made], second: int) -> None:
    """Event-time prefix: rows known at T are the rows of the full run, and none is missing that was closed by T."""
    wrong = prefix_violations(conn, made, second, ("candles", "indicators", "signals"))
    assert wrong == []


def test_a_view_that_looks_ahead_is_caught(conn: psycopg.Connection) -> None:
    made = [Made("A/B", n, START + n * timedelta(seconds=30), 10.0 + n, 1.0, "buy") for n in range(20)]
    assert prefix_violations(conn, made, 300, ("candles",)) == []
    assert prefix_violations(conn, made, 300, ("leaky",)) != []


def prefix_violations(conn: psycopg.Connection, made: list[Made], second: int, views: tuple[str, ...]) -> list[str]:
    until = START + timedelta(seconds=second)
    run(conn, [m for m in made if m.ts < until])
    (closed_until,) = conn.execute("SELECT closed_until FROM furthest_clock").fetchone() or (None,)
    early = {view: state(conn, view) for view in views}
    run(conn, made)
    wrong = []
    for view in views:
        full = state(conn, view)
        closed = {k for k, r in full.items() if closed_until is not None and r["close_time"] <= closed_until}
        wrong += [f"{view} {key}: missing at that time" for key in closed - early[view].keys()]
        wrong += [f"{view} {key}: changed later" for key, row in early[view].items() if full.get(key) != row]
    return wrong


@PROPERTY
@given(markets(), st.randoms(use_true_random=False), st.lists(st.integers(0, 900), min_size=1, max_size=40))
def test_the_order_of_arrival_does_not_matter(
    conn: psycopg.Connection, made: list[Made], random: object, delays: list[int]
) -> None:
    """Except in columns made from arrival times. Equal sums may differ in the last digit."""
    run(conn, made)
    arrival = ("amended_at",)
    expected = {view: state(conn, view, arrival) for view in ("candles", "indicators")}
    delayed = [late(m, delays[n % len(delays)]) for n, m in enumerate(made)]
    random.shuffle(delayed)  # type: ignore[attr-defined]
    # The clock follows event times that have arrived; a late arrival may not have moved it, so compare the final state.
    run(conn, [])
    refresher = Refresher(conn)
    for n, m in enumerate(delayed):
        arrive(conn, [m])
        if n % 7 == 0:
            refresher.run_once()
    refresher.run_until_idle()
    assert differences(conn) == []
    for view, rows in expected.items():
        found = state(conn, view, arrival)
        assert found.keys() == rows.keys()
        for key, row in rows.items():
            for column, value in row.items():
                if isinstance(value, float):
                    assert found[key][column] == pytest.approx(value, rel=1e-9, abs=1e-9), (view, key, column)
                else:
                    assert found[key][column] == value, (view, key, column)


def test_the_last_open_bar_is_not_closed(conn: psycopg.Connection) -> None:
    run(conn, [Made("A/B", 1, START, 1.0, 1.0, "buy"), Made("A/B", 2, START + MINUTE, 2.0, 1.0, "buy")])
    assert state(conn, "candles") == {}
