"""Reading training data: pages, markets, missing values, labels not known yet, vectors that forecasts used."""

import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from candlewave.core.config import Config
from candlewave.ml import dataset
from candlewave.ml.dataset import known_labels, read_dataset
from candlewave.ml.feature_set import NoFeaturesError
from candlewave.ml.model import TooLittleDataError
from candlewave.ml.settings import TrainSettings
from candlewave.ml.train import read_training_data

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COUNT = 23
END = BEGIN + COUNT * MINUTE
GAP = 7
"""This minute of the first market had no feed."""

_TABLES = """
CREATE TABLE features (
    exchange text, symbol text, open_time timestamptz, close_time timestamptz, available_at timestamptz,
    a float8, b float8
);
CREATE TABLE feature_catalog (feature_set text);
INSERT INTO feature_catalog VALUES ('these');
CREATE TABLE candles (
    exchange text, symbol text, timeframe text, open_time timestamptz, close float8, feed_state text
);
CREATE TABLE labels (
    exchange text, symbol text, horizon_minutes int, open_time timestamptz, realised_return float8
);
CREATE TABLE prediction_inputs (exchange text, symbol text, feature_time timestamptz, "values" jsonb);
"""


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as opened:
        opened.execute("SET timezone = 'UTC'")
        opened.execute(_TABLES)
        for symbol, base in (("B/USD", 200.0), ("A/USD", 100.0)):
            for n in range(COUNT):
                when, market = BEGIN + n * MINUTE, ("sim", symbol)
                state = "no_feed" if symbol == "A/USD" and n == GAP else "traded"
                vector = [base + n, None if n == 3 else 1.0]
                opened.execute("INSERT INTO features VALUES (%s, %s, %s, %s, %s, %s, %s)",
                               (*market, when, when + MINUTE, when + MINUTE, *vector))  # fmt: skip
                for timeframe, close in (("1m", base + n), ("5m", -1.0)):
                    opened.execute(
                        "INSERT INTO candles VALUES (%s, %s, %s, %s, %s, %s)", (*market, timeframe, when, close, state)
                    )
                opened.execute("INSERT INTO labels VALUES (%s, %s, 5, %s, %s)", (*market, when, base / 1000 + n))
                if n % 2:
                    opened.execute(
                        "INSERT INTO prediction_inputs VALUES (%s, %s, %s, %s)",
                        (*market, when, json.dumps({"b": vector[1], "a": -1.0})),
                    )
        yield opened


def test_pages_lose_nothing_and_repeat_nothing(conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_dataset(conn, (5,), BEGIN, END)
    monkeypatch.setattr(dataset, "_PAGE_ROWS", 4)
    pages: list[int] = []
    paged = read_dataset(conn, (5,), BEGIN, END, on_rows=pages.append)
    assert paged.fingerprint() == whole.fingerprint()
    assert max(pages) == 4
    assert sum(pages) == len(whole) == 2 * COUNT - 1


def test_rows_are_in_memory_once(conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"f{n}" for n in range(200)]
    conn.execute("ALTER TABLE features " + ", ".join(f"ADD {name} float8 DEFAULT 1" for name in names))
    begin = BEGIN + timedelta(days=1)
    conn.execute(
        "INSERT INTO features SELECT 'sim', market, at, at, at FROM unnest(ARRAY['C', 'D', 'E']) AS market,"
        " generate_series(%s::timestamptz, %s, '1 minute') AS at",
        [begin, begin + timedelta(days=1)],
    )
    conn.execute("INSERT INTO candles SELECT exchange, symbol, '1m', open_time, 1, 'traded' FROM features")
    for relation in ("features", "candles"):
        conn.execute(f"CREATE INDEX ON {relation} (exchange, symbol, open_time)")
    monkeypatch.setattr(dataset, "_PAGE_ROWS", 100)
    read_dataset(conn, (5,), BEGIN, BEGIN + MINUTE)  # what is loaded once
    tracemalloc.start()
    try:
        data = read_dataset(conn, (5,), begin, begin + timedelta(days=1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(data) == 3 * 1440
    assert peak < 1.6 * data.values.nbytes  # with keys, times and a page of Python's numbers


def test_rows_ascend_by_time_and_market_and_leave_out_minutes_without_feed(conn: psycopg.Connection) -> None:
    data = read_dataset(conn, (5,), BEGIN, END)
    keys = list(zip(data.open_time.tolist(), data.symbol.tolist(), strict=True))
    assert keys == sorted(keys)
    assert ((BEGIN + GAP * MINUTE).replace(tzinfo=None), "A/USD") not in keys
    assert data.names == ("a", "b")
    np.testing.assert_array_equal(data.values[:, 0], data.close)
    minute = (data.open_time - data.open_time[0]) / np.timedelta64(1, "m")
    np.testing.assert_array_equal(np.isnan(data.values[:, 1]), minute == 3)
    np.testing.assert_allclose(data.labels[5], np.where(data.symbol == "A/USD", 0.1, 0.2) + minute)


def test_the_range_begins_with_its_begin_and_ends_before_its_end(conn: psycopg.Connection) -> None:
    data = read_dataset(conn, (5,), BEGIN + 2 * MINUTE, BEGIN + 5 * MINUTE)
    assert sorted({t.minute for t in data.open_time.tolist()}) == [2, 3, 4]


def test_labels_whose_outcome_lies_after_the_end_are_unknown(conn: psycopg.Connection) -> None:
    data = known_labels(read_dataset(conn, (5,), BEGIN, END), END)
    minute = (data.open_time - data.open_time[0]) / np.timedelta64(1, "m")
    np.testing.assert_array_equal(np.isfinite(data.labels[5]), minute + 1 + 5 <= COUNT)


def test_inputs_are_the_vectors_that_forecasts_used(conn: psycopg.Connection) -> None:
    data = read_dataset(conn, (5,), BEGIN, END, source="inputs")
    assert {t.minute % 2 for t in data.open_time.tolist()} == {1}
    assert set(data.values[:, 0].tolist()) == {-1.0}
    assert np.isnan(data.values[:, 1]).sum() == 2
    assert data.fingerprint() != read_dataset(conn, (5,), BEGIN, END).fingerprint()


@pytest.mark.parametrize(("source", "words"), [("features", ""), ("inputs", " of forecasts' inputs")])
def test_too_short_a_history_is_said_with_numbers(
    conn: psycopg.Connection, source: dataset.FeatureSource, words: str
) -> None:
    conn.execute("ALTER TABLE features ADD volatility_60_1m float8")
    most = {"features": COUNT - 1, "inputs": COUNT // 2}[source]  # the last minute closes a grace after the end
    with pytest.raises(
        TooLittleDataError, match=rf"the longest history{words} between .* has {most} minutes, 1500 are needed"
    ):
        read_training_data(conn, Config(), TrainSettings.load(), END, source=source)


def test_a_view_without_the_configured_volatility_is_refused(conn: psycopg.Connection) -> None:
    config = Config.model_validate({"indicators": {"realised_volatility": 30}})
    with pytest.raises(NoFeaturesError, match=r"lacks volatility_30_1m, which `indicators.realised_volatility`"):
        read_training_data(conn, config, TrainSettings.load(), END)


def test_nothing_is_an_empty_dataset_and_no_view_is_an_error(conn: psycopg.Connection) -> None:
    later = END + timedelta(days=1)
    empty = read_dataset(conn, (5,), later, later + MINUTE)
    assert (len(empty), empty.names) == (0, ("a", "b"))
    conn.execute("DROP TABLE features")
    with pytest.raises(NoFeaturesError, match="candlewave migrate"):
        read_dataset(conn, (5,), BEGIN, END)
