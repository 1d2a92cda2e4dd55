"""Models: what they do, what became of them, how good they are."""

from collections.abc import Sequence

from psycopg.sql import SQL, Literal

from candlewave.services.api.parameters import PerformanceHistoryQuery
from candlewave.services.api.queries.common import Query, Where, columns

ROLES = (
    "SELECT model_name, model_version, role, max(feature_time) AS newest FROM latest_predictions"
    " GROUP BY model_name, model_version, role"
)
SERVED = "SELECT DISTINCT model_name, model_version, horizon_minutes FROM served_predictions"
EVENTS = (
    "SELECT model_name, model_version, event, reason, occurred_at FROM model_events"
    " ORDER BY occurred_at DESC, event = 'registered', event_id DESC LIMIT 2000"
)

_COLUMNS = (
    "exchange", "symbol", "horizon_minutes", "model_name", "model_version", "span", "hour", "forecasts", "rmse", "mae",
    "bias", "directional_accuracy", "pinball", "coverage", "skill", "interval_skill", "amended_share",
)  # fmt: skip
POSITION = (("hour", "timestamptz"), ("model_name", "varchar"), ("model_version", "varchar"))

STANDING = SQL(
    "SELECT {0} FROM (SELECT {0}, row_number() OVER (PARTITION BY exchange, symbol, horizon_minutes, model_name,"
    " model_version, span ORDER BY hour DESC) AS place FROM model_error"
    " WHERE hour >= (SELECT closed_until - INTERVAL '8 days' FROM market_clock)) AS numbered WHERE place = 1"
    " ORDER BY exchange, symbol, horizon_minutes, model_name, model_version, span"
).format(columns(_COLUMNS))
"""Newest hour of each model version, market, horizon and window of the last eight days."""


def performance(exchange: str, symbol: str, wanted: PerformanceHistoryQuery, position: Sequence[str] | None) -> Query:
    """Return the query of a page of hours."""
    where = Where().equal(
        exchange=exchange,
        symbol=symbol,
        horizon_minutes=wanted.horizon_minutes,
        span=wanted.span,
        model_name=wanted.model_name,
        model_version=wanted.model_version,
    )
    where.within("hour", wanted).before(POSITION, position)
    text = SQL("SELECT {} FROM model_error{} ORDER BY hour DESC, model_name DESC, model_version DESC LIMIT {}").format(
        columns(_COLUMNS), where.text, Literal(wanted.limit + 1)
    )
    return Query(text, where.values)
