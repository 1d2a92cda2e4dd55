"""What the predictor reads: clocks, how far it has come, and the feature rows of given candles."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import LiteralString

import numpy as np
import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from candlewave.core.markets import Market, market_key
from candlewave.ml.baseline import LastPriceBaseline
from candlewave.ml.forecaster import FeatureMatrix
from candlewave.ml.online import stretch
from candlewave.services.predictor.models import Identity, ModelStretches
from candlewave.services.predictor.schedule import Task

_LAST: LiteralString = (
    "SELECT exchange, symbol, max(feature_time) FROM latest_predictions"
    " WHERE role = 'baseline' AND horizon_minutes = %s GROUP BY exchange, symbol"
)


_POOL = Market("", "").key
_SPREADS: LiteralString = (
    "SELECT baseline_version, exchange, symbol, horizon_minutes, low, high FROM baseline_spreads"
    " WHERE volatility = %s ORDER BY trained_until DESC, baseline_version DESC"
)


@dataclass(frozen=True)
class Rows:
    """Feature rows of tasks.

    Attributes:
        matrix: those to forecast from.
        usable: their tasks, in the matrix's order.
        found: every task whose row exists.
        silent: tasks during which the feed was away; their close is only the last one known.
    """

    matrix: FeatureMatrix
    usable: list[Task]
    found: list[Task]
    silent: list[Task]


def last_forecasts(conn: psycopg.Connection, horizon: int) -> dict[Market, datetime]:
    """Return the newest candle that each market was forecast from.

    The baseline's forecast over the longest horizon is published last: where it is, all others of the candle are.
    """
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(_LAST, [horizon])
        return {Market(exchange, symbol): when for exchange, symbol, when in cursor}


def read_baseline(conn: psycopg.Connection, baseline: LastPriceBaseline) -> LastPriceBaseline:
    """Return the baseline with the spreads of the newest training; as it is when none has published them.

    A version counts when the spreads of all markets together are there for each horizon; they are published last.
    """
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(_SPREADS, [baseline.volatility])
        for version, rows in groupby(cursor, key=itemgetter(0)):
            by_market: dict[str, dict[int, tuple[float, float]]] = {}
            for _, exchange, symbol, horizon, low, high in rows:
                by_market.setdefault(Market(exchange, symbol).key, {})[horizon] = (low, high)
            pooled = by_market.pop(_POOL, {})
            if pooled.keys() >= set(baseline.horizons_minutes):
                return replace(baseline, spreads=pooled, market_spreads=by_market, model_version=version)
    return baseline


def read_stretches(conn: psycopg.Connection, models: Sequence[Identity]) -> ModelStretches:
    """Return how far intervals are stretched by what came of the models' forecasts: :mod:`candlewave.ml.online`."""
    chosen = sql.SQL(" OR ").join(
        sql.SQL("(model_name = {} AND model_version = {})").format(*map(sql.Literal, model)) for model in models
    )
    query = sql.SQL(
        "SELECT exchange, symbol, horizon_minutes, model_name, model_version, sum(forecasts)::double precision,"
        " sum(covered)::double precision FROM outcome_hours WHERE {}"
        " GROUP BY exchange, symbol, horizon_minutes, model_name, model_version"
    ).format(chosen)
    found: dict[Identity, dict[int, dict[str, float]]] = {}
    with conn.cursor(row_factory=tuple_row) as cursor:
        for exchange, symbol, horizon, name, version, forecasts, inside in cursor.execute(query):
            markets = found.setdefault((name, version), {}).setdefault(horizon, {})
            markets[market_key(exchange, symbol)] = stretch(forecasts, inside)
    return found


def newest_spreads(conn: psycopg.Connection) -> datetime | None:
    """Return up to when the data reached that the newest spreads of the baseline were fitted on; None without any."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute("SELECT max(trained_until) FROM baseline_spreads").fetchone()
    return row[0] if row else None


def read_features(conn: psycopg.Connection, names: tuple[str, ...], tasks: Sequence[Task]) -> Rows:
    """Read the feature rows of candles, by key: both engines look each up without reading any other row.

    RisingWave does so only when every column of the key is compared with one of the candles' list, timeframe included.

    Args:
        conn: to the engine.
        names: the columns to read, in order.
        tasks: at least one.
    """
    candles = sql.SQL(", ").join(
        sql.SQL("({}::varchar, {}::varchar, '1m'::varchar, {}::timestamptz)").format(*map(sql.Literal, task))
        for task in tasks
    )
    query = sql.SQL(
        "SELECT f.exchange, f.symbol, f.open_time, c.close, c.feed_state, {columns}"
        " FROM (VALUES {candles}) AS due (exchange, symbol, timeframe, open_time)"
        " JOIN features AS f ON f.exchange = due.exchange AND f.symbol = due.symbol AND f.open_time = due.open_time"
        " JOIN candles AS c ON c.exchange = due.exchange AND c.symbol = due.symbol"
        " AND c.timeframe = due.timeframe AND c.open_time = due.open_time"
        " ORDER BY f.open_time, f.exchange, f.symbol"
    ).format(columns=sql.SQL(", ").join(sql.Identifier("f", name) for name in names), candles=candles)
    with conn.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(query).fetchall()
    found = [Task(row[0], row[1], row[2]) for row in rows]
    silent = [task for task, row in zip(found, rows, strict=True) if row[4] == "no_feed" or row[3] is None]
    left_out = set(silent)
    kept = [(task, row) for task, row in zip(found, rows, strict=True) if task not in left_out]
    return Rows(to_matrix([row for _, row in kept], names), [task for task, _ in kept], found, silent)


def to_matrix(rows: Sequence[Sequence[object]], names: tuple[str, ...]) -> FeatureMatrix:
    """Return rows of (exchange, symbol, open_time, close, feed_state, features …) as a matrix; None becomes NaN."""
    return FeatureMatrix(
        exchange=np.array([row[0] for row in rows], dtype=object),
        symbol=np.array([row[1] for row in rows], dtype=object),
        open_time=np.array([_naive(row[2]) for row in rows], dtype="datetime64[us]"),
        close=np.array([row[3] for row in rows], dtype=np.float64),
        names=names,
        values=np.array([row[5:] for row in rows], dtype=np.float64).reshape(len(rows), len(names)),
    )


def _naive(moment: object) -> datetime:
    assert isinstance(moment, datetime)
    return moment.replace(tzinfo=None)
