"""Forecasts and their outcomes."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.sql import SQL, Literal

from candlewave.services.api.parameters import HistoryQuery
from candlewave.services.api.queries.common import Query, Where, columns

FORECAST = (
    "exchange", "symbol", "horizon_minutes", "feature_time", "target_time", "made_at", "model_name", "model_version",
    "role", "q10", "q50", "q90", "price_q10", "price_q50", "price_q90", "reference_price",
)  # fmt: skip
OUTCOME = (
    "realised_price", "realised_return", "error", "absolute_error", "last_price_absolute_error", "pinball",
    "is_covered", "is_direction_right",
)  # fmt: skip
POSITION = (("feature_time", "timestamptz"), ("model_name", "varchar"), ("model_version", "varchar"))
_KEY = ("exchange", "symbol", "horizon_minutes", "feature_time", "model_name", "model_version")


def served(exchange: str | None, symbol: str | None) -> Query:
    """Return the query of the forecasts that are served, with the newest price of their markets."""
    where = Where().equal(exchange=exchange, symbol=symbol)
    text = SQL(
        "SELECT {}, c.close AS latest_price FROM (SELECT * FROM served_predictions{}) AS p"
        " LEFT JOIN feed_clock AS f ON f.exchange = p.exchange AND f.symbol = p.symbol"
        " LEFT JOIN candles_1m_live AS c ON c.exchange = f.exchange AND c.symbol = f.symbol"
        "  AND c.open_time = date_trunc('minute', f.last_trade_ts, 'UTC')"
        " ORDER BY p.exchange, p.symbol, p.horizon_minutes"
    ).format(columns(FORECAST, "p"), where.text)
    return Query(text, where.values)


def history(
    exchange: str, symbol: str, wanted: HistoryQuery, roles: Sequence[str], position: Sequence[str] | None, rows: int
) -> Query:
    """Return the query of past forecasts with what came, newest first."""
    where = Where().equal(
        exchange=exchange,
        symbol=symbol,
        horizon_minutes=wanted.horizon_minutes,
        model_name=wanted.model_name,
        model_version=wanted.model_version,
    )
    where.within("feature_time", wanted).before(POSITION, position)
    if roles:
        where.also(f"role IN ({', '.join(['%s'] * len(roles))})", *roles)
    # The page first, then its outcomes: each is found by its whole key.
    text = SQL(
        "SELECT {}, {} FROM (SELECT {} FROM predictions{} ORDER BY feature_time DESC, model_name DESC,"
        " model_version DESC LIMIT {}) AS p LEFT JOIN prediction_outcomes AS o ON {}"
        " ORDER BY p.feature_time DESC, p.model_name DESC, p.model_version DESC"
    ).format(
        columns(FORECAST, "p"),
        columns(OUTCOME, "o"),
        columns(FORECAST),
        where.text,
        Literal(rows),
        SQL(" AND ").join([SQL("o.{0} = p.{0}").format(SQL(name)) for name in _KEY]),
    )
    return Query(text, where.values)


def amended(exchange: str, symbol: str, first: datetime, last: datetime) -> Query:
    """Return the query of the candles from ``first`` to ``last`` whose features have moved since they were used."""
    text = SQL(
        "SELECT feature_time FROM input_amendments WHERE exchange = %s AND symbol = %s"
        " AND feature_time >= %s AND feature_time <= %s AND inputs_amended"
    ).format()
    return Query(text, [exchange, symbol, first, last])
