"""No look-ahead, from trades and news to what a model is trained on and forecasts from."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TypeVar

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.worlds import layers
from tests.worlds.engine import install
from tests.worlds.layers import (
    CONFIG,
    GRACE,
    MINUTE,
    MINUTES,
    START,
    Facts,
    Score,
    features_only,
    histories,
    state,
    with_candles,
)
from tests.worlds.trades import Made, arrive

from candlewave.core.config import Config
from candlewave.engine.embedded.refresh import Refresher, differences
from candlewave.ml.dataset import Dataset, read_dataset
from candlewave.ml.model import TooLittleDataError
from candlewave.ml.settings import TrainSettings
from candlewave.ml.train import read_training_data
from candlewave.services.predictor.schedule import Task

PROPERTY = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
STEP_BY_STEP = settings(PROPERTY, max_examples=4)
Fact = TypeVar("Fact", Made, Score)
STEP = 3 * MINUTE
END = START + timedelta(minutes=MINUTES)
moments = st.integers(60, MINUTES * 60).map(lambda second: START + timedelta(seconds=second))

HEADER = """-- leaky: {what}
-- grain: one row per exchange, symbol, closed minute
-- keys: exchange, symbol, open_time
-- event time: open_time
-- late data: follows its inputs
-- footprint:
--   candles: full
{inputs}-- readers: test
CREATE MATERIALIZED VIEW leaky AS
"""
LEAKS = {
    "the bar that the minute lies in, whose end is still to come": HEADER.format(what="a bar too new.", inputs="")
    + """SELECT m.exchange, m.symbol, m.open_time, m.close_time, b.close / nullif(m.close, 0) AS value
FROM candles AS m
LEFT JOIN candles AS b
    ON m.exchange = b.exchange AND m.symbol = b.symbol AND b.timeframe = '5m'
    AND date_bin(INTERVAL '5 minutes', m.open_time, '1970-01-01 00:00:00+00'::timestamptz) = b.open_time
WHERE m.timeframe = '1m'
""",
    "the candle that is loaded of the next minute": HEADER.format(
        what="history that was loaded.", inputs="--   loaded_candles: full\n"
    )
    + """SELECT m.exchange, m.symbol, m.open_time, m.close_time, max(l.close) / nullif(max(m.close), 0) AS value
FROM candles AS m
LEFT JOIN loaded_candles AS l
    ON m.exchange = l.exchange AND m.symbol = l.symbol AND m.open_time + INTERVAL '1 minute' = l.open_time
WHERE m.timeframe = '1m'
GROUP BY m.exchange, m.symbol, m.open_time, m.close_time
""",
    "the next minute's return": HEADER.format(what="a label as a feature.", inputs="--   labels: full\n")
    + """SELECT m.exchange, m.symbol, m.open_time, m.close_time, l.realised_return AS value
FROM candles AS m
LEFT JOIN labels AS l
    ON m.exchange = l.exchange AND m.symbol = l.symbol AND m.open_time = l.open_time AND l.horizon_minutes = 1
WHERE m.timeframe = '1m'
""",
    "a peer's bar of the next minute": HEADER.format(what="a peer from the future.", inputs="")
    + """SELECT m.exchange, m.symbol, m.open_time, m.close_time, p.close / nullif(p.open, 0) AS value
FROM candles AS m
LEFT JOIN candles AS p
    ON m.exchange = p.exchange AND p.symbol = 'A/B' AND p.timeframe = m.timeframe
    AND m.open_time + INTERVAL '1 minute' = p.open_time
WHERE m.timeframe = '1m'
""",
    "news by the time they were published, not scored": HEADER.format(
        what="news before they are known.", inputs="--   news_sentiment: full\n--   symbols: full\n"
    )
    + """SELECT m.exchange, m.symbol, m.open_time, m.close_time, count(n.article_id) AS value
FROM candles AS m
INNER JOIN symbols AS s ON m.exchange = s.exchange AND m.symbol = s.symbol
LEFT JOIN news_sentiment AS n ON s.base = n.asset AND n.published_at <= m.close_time
WHERE m.timeframe = '1m'
GROUP BY m.exchange, m.symbol, m.open_time, m.close_time
""",
}


@pytest.fixture
def conn(make_engine: Callable[[Config], str]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(make_engine(CONFIG), autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        yield connection


def plain_history() -> Facts:
    """Eighty-one minutes of two markets that move all the time, and an article scored at half time."""
    made = [
        Made(
            symbol,
            4 * minute + 2 * place + half,
            START + timedelta(minutes=minute, seconds=30 * half),
            price,
            1.0,
            side,
        )
        for minute in range(MINUTES)
        for place, symbol in enumerate(layers.SYMBOLS)
        for half, side in enumerate(["buy", "sell"])
        for price in [100.0 + (minute * (5 + place) + 3 * half) % 17]
    ]
    return Facts(tuple(made), (Score("a", "A", "v1", 0.5, START + timedelta(minutes=MINUTES / 2)),))


def prefix_violations(conn: psycopg.Connection, facts: Facts, until: datetime, views: tuple[str, ...]) -> list[str]:
    """Compare what was there at a time with what is there at the end, of the past.

    A row is of the past when its minute has closed; if it has a target, when that has.
    """
    run(conn, facts.before(until))
    closed_until = layers.closed_until(conn)
    early = {view: state(conn, view) for view in views}
    run(conn, facts)
    wrong = []
    for view in views:
        full = state(conn, view)
        settled = {key for key, row in full.items() if is_settled(row, closed_until)}
        wrong += [f"{view} {key}: missing at that time" for key in settled - early[view].keys()]
        for key, row in early[view].items():
            if not is_settled(row, closed_until) and row.get("realised_return", ...) is None:
                row = {**row, "realised_return": full[key]["realised_return"]}  # not known yet, and nobody said it was
            if full.get(key) != row:
                wrong.append(f"{view} {key}: changed later")
    return wrong


def is_settled(row: dict, closed_until: datetime | None) -> bool:
    settled: datetime = row.get("target_time") or row["close_time"]
    return closed_until is not None and settled <= closed_until


def run(conn: psycopg.Connection, facts: Facts) -> None:
    """Let everything happen, with a forecast of every minute over every horizon."""
    layers.empty(conn)
    conn.execute(
        "INSERT INTO predictions"
        " SELECT 'x', s, h, t, t + (h + 1) * interval '1 minute', 'm', '1', 'champion', -0.01, 0.001, 0.01,"
        " 99, 100, 101, 100, t + interval '62 seconds'"
        " FROM unnest(%s::text[]) AS s, unnest(%s::int[]) AS h, generate_series(%s::timestamptz, %s, '1 minute') AS t",
        [list(layers.SYMBOLS), CONFIG.predictions.horizons_minutes, START, END],
    )
    layers.happen(conn, facts)
    Refresher(conn).run_until_idle()


@PROPERTY
@given(histories | with_candles, moments)
def test_the_past_does_not_depend_on_the_future(conn: psycopg.Connection, facts: Facts, until: datetime) -> None:
    assert prefix_violations(conn, facts, until, ("bar_features", "features", "labels", "prediction_outcomes")) == []


@pytest.mark.parametrize("leak", LEAKS)
def test_a_view_that_looks_ahead_is_caught(database: str, leak: str) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        install(conn, CONFIG, extra=[LEAKS[leak]])
        facts = plain_history().with_candles([("A/B", 20, 30, False), ("C/D", 40, 20, True)])
        wrong = prefix_violations(conn, facts, START + timedelta(minutes=33), ("features", "labels", "leaky"))
        assert wrong
        assert {line.split()[0] for line in wrong} == {"leaky"}


@PROPERTY
@given(histories, st.randoms(use_true_random=False), st.lists(st.integers(0, 900), min_size=1, max_size=40))
def test_the_order_of_arrival_does_not_matter(
    conn: psycopg.Connection, facts: Facts, shuffle: random.Random, delays: list[int]
) -> None:
    run(conn, facts)
    views = ("features", "labels", "prediction_outcomes")
    expected = {view: state(conn, view) for view in views}

    delayed = [arrives(fact, delays[n % len(delays)]) for n, fact in enumerate([*facts.trades, *facts.scores])]
    shuffle.shuffle(delayed)
    run(conn, Facts(()))
    refresher = Refresher(conn)
    for n, fact in enumerate(delayed):
        deliver(conn, fact)
        if n % 40 == 0:
            refresher.run_once()
    refresher.run_until_idle()

    assert differences(conn) == []
    for view in views:
        found = state(conn, view)
        assert found.keys() == expected[view].keys()
        for key, row in expected[view].items():
            for column, value in row.items():
                same = pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value
                assert found[key][column] == same, (view, key, column)


@PROPERTY
@given(histories, st.lists(moments, min_size=1, max_size=6, unique=True).map(sorted))
def test_a_row_is_there_exactly_when_it_says(conn: psycopg.Connection, facts: Facts, cuts: list[datetime]) -> None:
    """``available_at`` is when the row can first be read, on the clock of event times."""
    layers.empty(conn)
    refresher = Refresher(conn)
    there: list[tuple[datetime, set[tuple]]] = []
    for earlier, later in pairwise([START, *cuts, END]):
        layers.happen(conn, facts.since(earlier).before(later))
        refresher.run_until_idle()
        newest = max((t.ts for t in facts.before(later).trades), default=START)
        there.append((newest, set(state(conn, "features"))))
    final = state(conn, "features")
    for newest, keys in there:
        assert keys == {key for key, row in final.items() if row["available_at"] <= newest}
    assert all(row["available_at"] == row["close_time"] + GRACE for row in final.values())


@STEP_BY_STEP
@given(histories, st.lists(st.sampled_from([0, 0, 0, 240, 600]), min_size=1, max_size=30))
def test_forecasts_are_kept_with_what_was_known(conn: psycopg.Connection, facts: Facts, delays: list[int]) -> None:
    """The inputs of a forecast stay as they were; how far the past was amended since is what SQL says it is."""
    arrivals = sorted(
        (arrives(fact, delays[n % len(delays)]) for n, fact in enumerate([*facts.trades, *facts.scores])),
        key=lambda fact: fact.ts + fact.delay,
    )
    known = forecast_as_minutes_close(conn, arrivals)
    final = state(conn, "features")

    kept = {
        (r["exchange"], r["symbol"], r["feature_time"]): r["values"] for r in state(conn, "prediction_inputs").values()
    }
    assert kept == known
    said = {
        key: (row["amended_features"], row["largest_change"]) for key, row in state(conn, "input_amendments").items()
    }
    assert said.keys() == known.keys()
    for key, values in known.items():
        changes = [amendment(name, values[name], now) for name, now in features_only(final[key]).items()]
        assert said[key] == (sum(c > 1e-9 for c in changes), pytest.approx(max(changes)))
    if not any(fact.delay for fact in arrivals):
        assert {amended for amended, _ in said.values()} <= {0}


@pytest.mark.parametrize("delay", [0, 600])
def test_a_model_can_be_trained_on_what_was_known(conn: psycopg.Connection, delay: int) -> None:
    """With late trades, ``inputs`` are what the predictor had, ``features`` what is known since."""
    facts = plain_history()
    arrivals = [arrives(trade, delay if n % 20 == 0 else 0) for n, trade in enumerate(facts.trades)]
    known = forecast_as_minutes_close(conn, sorted(arrivals, key=lambda trade: trade.ts + trade.delay))
    final = {key: features_only(row) for key, row in state(conn, "features").items()}
    horizons = CONFIG.predictions.horizons_minutes

    trained = {
        source: as_rows(read_dataset(conn, horizons, START, END, source=source))  # type: ignore[arg-type]
        for source in ("inputs", "features")
    }

    assert len(known) == len(trained["inputs"]) > 100
    for key, values in trained["inputs"].items():
        np.testing.assert_array_equal(values, as_vector(known[key]))
    for key, values in trained["features"].items():
        np.testing.assert_array_equal(values, as_vector(final[key]))
    assert (known == final) == (delay == 0)


@PROPERTY
@given(histories, moments)
def test_what_a_training_sees_is_the_same_then_and_later(
    conn: psycopg.Connection, facts: Facts, until: datetime
) -> None:
    """``candlewave train --end`` of a past moment is the training of that moment: rows, values and labels."""
    past = facts.before(until)
    assume(past.trades)
    now = max(trade.ts for trade in past.trades)
    run(conn, past)
    then = training_data(conn, now)
    run(conn, facts)
    later = training_data(conn, now)
    if then is None or later is None:
        assert then is later, "there was nothing to learn from"
    else:
        assert later.open_time.tolist() == then.open_time.tolist()
        assert later.fingerprint() == then.fingerprint()


def test_a_training_sees_all_that_is_known(conn: psycopg.Connection) -> None:
    """Features whose minute closed a grace ago, and labels whose target's did; not one second earlier."""
    run(conn, plain_history())
    closed = START.replace(second=0) + timedelta(minutes=60)
    last = np.datetime64((closed - MINUTE).replace(tzinfo=None), "us")
    for early, newest in ((timedelta(), last), (timedelta(seconds=1), last - np.timedelta64(1, "m"))):
        data = training_data(conn, closed + GRACE - early)
        assert data is not None
        assert data.open_time.max() == newest
        for horizon, label in data.labels.items():
            assert data.open_time[np.isfinite(label)].max() == newest - np.timedelta64(horizon, "m")


def test_the_histories_have_features_to_speak_of(conn: psycopg.Connection) -> None:
    """Nothing above would be worth much if all values were NULL."""
    run(conn, plain_history())
    rows = [features_only(row) for row in state(conn, "features").values()]
    never = {name for name in rows[0] if all(row[name] is None for row in rows)}
    assert all(name.endswith("_15m") or name == "log_variance_24_5m" for name in never), never
    assert len(never) < len(rows[0]) / 8
    assert sum(row["realised_return"] is not None for row in state(conn, "labels").values()) > 400
    assert len(state(conn, "prediction_outcomes")) > 400


def forecast_as_minutes_close(conn: psycopg.Connection, arrivals: list[Made | Score]) -> dict[tuple, dict]:
    """Let facts arrive, and every few minutes read and keep the inputs of forecasts of what has closed since."""
    layers.empty(conn)
    refresher = Refresher(conn)
    known: dict[tuple, dict] = {}
    waiting = iter(arrivals)
    fact = next(waiting, None)
    now = START
    while fact is not None:
        now += STEP
        while fact is not None and fact.ts + fact.delay < now:
            deliver(conn, fact)
            fact = next(waiting, None)
        refresher.run_until_idle()
        due = [Task(*key) for key in state(conn, "features") if key not in known]
        known |= layers.remember_inputs(conn, due, now)
    refresher.run_until_idle()
    return known


def training_data(conn: psycopg.Connection, end: datetime) -> Dataset | None:
    """Return what a training would learn from, of however short a history; None without any."""
    own = TrainSettings.load().model_copy(update={"min_history_minutes": 1})
    try:
        return read_training_data(conn, CONFIG, own, end)[0]
    except TooLittleDataError:
        return None


def arrives(fact: Fact, seconds: int) -> Fact:
    """Return the fact as it would be if it arrived that much later."""
    return replace(fact, delay=timedelta(seconds=seconds))


def deliver(conn: psycopg.Connection, fact: Made | Score) -> None:
    if isinstance(fact, Made):
        arrive(conn, [fact])
    else:
        layers.score(conn, [fact])


def as_vector(values: dict[str, float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values.values()], dtype=np.float32)


def as_rows(data: Dataset) -> dict[tuple, np.ndarray]:
    keys = zip(data.exchange.tolist(), data.symbol.tolist(), data.open_time.tolist(), strict=True)
    return {
        (exchange, symbol, when.replace(tzinfo=UTC)): values
        for (exchange, symbol, when), values in zip(keys, data.values, strict=True)
    }


def amendment(name: str, before: float | None, after: float | None) -> float:
    if (name.startswith("peer_") and before is None) or name == "peers_missing":
        return 0.0  # a peer's bar that was not closed yet was missing, not amended
    if before is None or after is None:
        return float((before is None) != (after is None))
    return abs(after - before) / max(1.0, abs(after), abs(before))
