"""Training data: features, closes and labels of every market, read in pages into NumPy arrays."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.rows import tuple_row

from candlewave.ml.feature_set import feature_names, feature_set
from candlewave.ml.forecaster import FeatureMatrix

FeatureSource = Literal["features", "inputs"]

_PAGE_ROWS = 5_000
_NO_TIMES = np.array([], "datetime64[us]")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Dataset:
    """n rows, ascending by time, exchange, symbol.

    Attributes:
        exchange, symbol: (n,) text.
        open_time: (n,) datetime64[us], UTC: start of the candle a forecast is made from.
        close: (n,) close of that candle.
        names: features in the order of ``values``' columns.
        values: (n, len(names)) float32; NaN where a feature is missing.
        labels: per horizon in minutes (n,) log return that came; NaN where unknown.
        source: ``features`` as they are now, or ``inputs`` as forecasts knew them.
        feature_set: identity of the features and their meanings, see :func:`candlewave.ml.feature_set.feature_set`.
    """

    exchange: NDArray[Any]
    symbol: NDArray[Any]
    open_time: NDArray[np.datetime64]
    close: NDArray[np.float64]
    names: tuple[str, ...]
    values: NDArray[np.float32]
    labels: dict[int, NDArray[np.float64]]
    source: FeatureSource = "features"
    feature_set: str = ""

    def __len__(self) -> int:
        return len(self.open_time)

    @cached_property
    def markets(self) -> NDArray[Any]:
        """(n,) exchange and symbol as one text."""
        return np.char.add(np.char.add(self.exchange.astype(str), "|"), self.symbol.astype(str))

    def rows(self, chosen: NDArray[Any]) -> "Dataset":
        """Return some of the rows, by index or mask."""
        return replace(
            self,
            exchange=self.exchange[chosen],
            symbol=self.symbol[chosen],
            open_time=self.open_time[chosen],
            close=self.close[chosen],
            values=self.values[chosen],
            labels={horizon: label[chosen] for horizon, label in self.labels.items()},
        )

    def joined(self, later: "Dataset") -> "Dataset":
        """Return these rows and those of a later time, which has the same features and labels."""
        return replace(
            self,
            exchange=np.concatenate((self.exchange, later.exchange)),
            symbol=np.concatenate((self.symbol, later.symbol)),
            open_time=np.concatenate((self.open_time, later.open_time)),
            close=np.concatenate((self.close, later.close)),
            values=np.concatenate((self.values, later.values)),
            labels={h: np.concatenate((label, later.labels[h])) for h, label in self.labels.items()},
        )

    def matrix(self) -> FeatureMatrix:
        """Return the features as a forecaster takes them."""
        return FeatureMatrix(
            self.exchange, self.symbol, self.open_time, self.close, self.names, self.values.astype(np.float64)
        )

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that identify a dataset, the same on every machine."""
        digest = hashlib.sha256("\n".join((self.source, *self.names)).encode())
        for text in (self.exchange, self.symbol):
            digest.update("\n".join(text.tolist()).encode())
        for numbers in (self.open_time.astype(np.int64), self.close, self.values, *self.labels.values()):
            digest.update(np.ascontiguousarray(numbers).tobytes())
        return digest.hexdigest()[:16]


def read_dataset(
    conn: psycopg.Connection,
    horizons: Sequence[int],
    begin: datetime,
    end: datetime,
    *,
    source: FeatureSource = "features",
    on_rows: Callable[[int], None] = lambda _: None,
) -> Dataset:
    """Read every market's rows with ``begin`` ≤ open_time < ``end``.

    Memory: the arrays (4 bytes a value), once, and one page of rows: times are read first, so that each page goes where
    it belongs. Labels are as the engine knows them now, so the caller leaves out those whose target lies after what it
    may know.

    Args:
        conn: to the engine.
        horizons: minutes.
        begin, end: UTC.
        source: which vectors.
        on_rows: called with the number of rows of each page.

    Raises:
        NoFeaturesError: the engine is not migrated.
        psycopg.Error: the engine is down.
    """
    names = feature_names(conn)
    span = (begin, end)
    markets = _markets(conn, source, begin, end)
    times, closes = (
        zip(*(_keys(conn, market, span, source) for market in markets), strict=True) if markets else ((), ())
    )
    lengths = [len(of_market) for of_market in times]
    of_row = np.repeat(np.arange(len(markets)), lengths)
    moments = np.concatenate((_NO_TIMES, *times))
    order = np.lexsort((of_row, moments))
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    values = np.full((len(order), len(names)), np.nan, np.float32)
    labels = {horizon: np.full(len(order), np.nan) for horizon in horizons}
    is_read = np.zeros(len(order), bool)
    parts = np.split(places, np.cumsum(lengths)[:-1]) if markets else []
    for market, open_time, place in zip(markets, times, parts, strict=True):
        for found, page in _vectors(conn, market, names, span, source, open_time):
            values[place[found]] = page
            is_read[place[found]] = True
            on_rows(len(page))
        for horizon in horizons:
            labels[horizon][place] = _labels(conn, market, horizon, span, open_time)
    exchange, symbol = (np.array([market[n] for market in markets], dtype=object) for n in (0, 1))
    whole = Dataset(
        exchange[of_row[order]],
        symbol[of_row[order]],
        moments[order],
        np.concatenate((np.empty(0), *closes))[order],
        names,
        values,
        labels,
        source,
        feature_set(conn),
    )
    # Rows that went while the others were read; a copy, so only if there are any.
    return whole if is_read.all() else whole.rows(is_read)


def known_labels(data: Dataset, now: datetime) -> Dataset:
    """Return the data without labels whose target time lies after ``now``."""
    limit = np.datetime64(now.astimezone(UTC).replace(tzinfo=None), "us")
    minute = np.timedelta64(1, "m")
    labels = {
        h: np.where(data.open_time + minute + np.timedelta64(h, "m") <= limit, label, np.nan)
        for h, label in data.labels.items()
    }
    return replace(data, labels=labels)


def _markets(conn: psycopg.Connection, source: FeatureSource, begin: datetime, end: datetime) -> list[tuple[str, str]]:
    relation, time = ("features", "open_time") if source == "features" else ("prediction_inputs", "feature_time")
    query = sql.SQL(
        "SELECT DISTINCT exchange, symbol FROM {relation} WHERE {time} >= {begin} AND {time} < {end}"
        " ORDER BY exchange, symbol"
    ).format(
        relation=sql.Identifier(relation), time=sql.Identifier(time), begin=sql.Literal(begin), end=sql.Literal(end)
    )
    with conn.cursor(row_factory=tuple_row) as cursor:
        return sorted(cursor.execute(query).fetchall())


def _keys(
    conn: psycopg.Connection, market: tuple[str, str], span: tuple[datetime, datetime], source: FeatureSource
) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """Return the times of a market's rows, ascending, and the closes."""
    times, closes = [_NO_TIMES], [np.empty(0)]
    for page in _pages(conn, _QUERIES[source], market, span, vector=sql.SQL("")):
        times.append(_times([row[0] for row in page]))
        closes.append(np.array([row[1] for row in page], np.float64))
    return np.concatenate(times), np.concatenate(closes)


def _vectors(
    conn: psycopg.Connection,
    market: tuple[str, str],
    names: tuple[str, ...],
    span: tuple[datetime, datetime],
    source: FeatureSource,
    open_time: NDArray[np.datetime64],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield pages of vectors, each with the places of its rows among those of the market; new rows are left out."""
    columns = [sql.Identifier("f", name) for name in names] if source == "features" else [sql.SQL('i."values"')]
    vector = sql.SQL("").join(sql.SQL(", {}").format(column) for column in columns)
    for page in _pages(conn, _QUERIES[source], market, span, vector=vector):
        rows = [row[2:] if source == "features" else [row[2].get(name) for name in names] for row in page]
        place, inside = _placed(open_time, _times([row[0] for row in page]))
        yield place[inside], np.array(rows, np.float64).astype(np.float32)[inside]


_FEATURES = sql.SQL(
    "SELECT f.open_time, c.close{vector} FROM features AS f JOIN candles AS c"
    " ON c.exchange = f.exchange AND c.symbol = f.symbol AND c.timeframe = '1m' AND c.open_time = f.open_time"
    " WHERE f.exchange = {exchange} AND f.symbol = {symbol} AND f.open_time >= {begin} AND f.open_time < {end}"
    " AND c.feed_state <> 'no_feed' ORDER BY f.open_time LIMIT {limit}"
)
_INPUTS = sql.SQL(
    "SELECT i.feature_time, c.close{vector} FROM prediction_inputs AS i JOIN candles AS c"
    " ON c.exchange = i.exchange AND c.symbol = i.symbol AND c.timeframe = '1m' AND c.open_time = i.feature_time"
    " WHERE i.exchange = {exchange} AND i.symbol = {symbol} AND i.feature_time >= {begin} AND i.feature_time < {end}"
    " AND c.feed_state <> 'no_feed' ORDER BY i.feature_time LIMIT {limit}"
)
_QUERIES = {"features": _FEATURES, "inputs": _INPUTS}
_LABELS = sql.SQL(
    "SELECT open_time, realised_return FROM labels WHERE exchange = {exchange} AND symbol = {symbol}"
    " AND horizon_minutes = {horizon} AND open_time >= {begin} AND open_time < {end}"
    " AND realised_return IS NOT NULL ORDER BY open_time LIMIT {limit}"
)


def _pages(
    conn: psycopg.Connection,
    query: sql.SQL,
    market: tuple[str, str],
    span: tuple[datetime, datetime],
    **more: sql.Composable,
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield pages of rows whose first column is the time; each begins after the last time of the one before."""
    begin, end = span
    while True:
        filled = query.format(
            exchange=sql.Literal(market[0]),
            symbol=sql.Literal(market[1]),
            begin=sql.Literal(begin),
            end=sql.Literal(end),
            limit=sql.Literal(_PAGE_ROWS),
            **more,
        )
        with conn.cursor(row_factory=tuple_row, binary=True) as cursor:
            page = cursor.execute(filled).fetchall()
        if page:
            yield page
        if len(page) < _PAGE_ROWS:
            return
        begin = page[-1][0] + _MICROSECOND


def _labels(
    conn: psycopg.Connection,
    market: tuple[str, str],
    horizon: int,
    span: tuple[datetime, datetime],
    open_time: NDArray[np.datetime64],
) -> NDArray[np.float64]:
    found = np.full(len(open_time), np.nan)
    for page in _pages(conn, _LABELS, market, span, horizon=sql.Literal(horizon)):
        place, inside = _placed(open_time, _times([row[0] for row in page]))
        found[place[inside]] = np.array([row[1] for row in page], np.float64)[inside]
    return found


def _placed(
    open_time: NDArray[np.datetime64], times: NDArray[np.datetime64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the places of times among ascending ones, and which of them are there at all."""
    place = np.searchsorted(open_time, times)
    inside = place < len(open_time)
    inside[inside] = open_time[place[inside]] == times[inside]
    return place, inside


def _times(moments: Sequence[datetime]) -> NDArray[np.datetime64]:
    return np.array([moment.astimezone(UTC).replace(tzinfo=None) for moment in moments], "datetime64[us]")
