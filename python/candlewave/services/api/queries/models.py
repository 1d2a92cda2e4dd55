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
    "bias", "directional_accuracy", "pinball", "coverage", "skill", "interval_skill",
)  # fmt: skip
POSITION = (("hour", "timestamptz"), ("model_name", "varchar"), ("model_version", "varchar"))

# Joined when read: model_error does not depend on features, which decide what is amended.
_AMENDED_SHARE = SQL(
    "coalesce((SELECT sum(a.forecasts) FROM amended_hours AS a WHERE {} AND a.hour <= e.hour"
    " AND a.hour > e.hour - CASE e.span WHEN '1h' THEN INTERVAL '1 hour' WHEN '24h' THEN INTERVAL '24 hours'"
    " ELSE INTERVAL '168 hours' END), 0)::double precision / nullif(e.forecasts, 0) AS amended_share"
).format(SQL(" AND ").join([SQL("a.{0} = e.{0}").format(SQL(name)) for name in _COLUMNS[:5]]))

STANDING = SQL(
    "SELECT {1}, {2} FROM (SELECT {0}, row_number() OVER (PARTITION BY exchange, symbol, horizon_minutes, model_name,"
    " model_version, span ORDER BY hour DESC) AS place FROM model_error"
    " WHERE hour >= (SELECT closed_until - INTERVAL '8 days' FROM market_clock)) AS e WHERE e.place = 1"
    " ORDER BY e.exchange, e.symbol, e.horizon_minutes, e.model_name, e.model_version, e.span"
).format(columns(_COLUMNS), columns(_COLUMNS, "e"), _AMENDED_SHARE)
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
    text = SQL(
        "SELECT {}, {} FROM (SELECT {} FROM model_error{} ORDER BY hour DESC, model_name DESC, model_version DESC"
        " LIMIT {}) AS e ORDER BY e.hour DESC, e.model_name DESC, e.model_version DESC"
    ).format(columns(_COLUMNS, "e"), _AMENDED_SHARE, columns(_COLUMNS), where.text, Literal(wanted.limit + 1))
    return Query(text, where.values)
