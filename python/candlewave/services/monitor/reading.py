"""What the monitor reads from the evaluation views, the clocks, and its own records."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg.rows import tuple_row

from candlewave.core.config import Config
from candlewave.core.markets import Market
from candlewave.engine.clocks import due_candles
from candlewave.rules import monitor_config
from candlewave.rules.readings import (
    DriftRow,
    ErrorRow,
    EvidenceRow,
    MarketAge,
    MarketPace,
    Readings,
    Standing,
    Subject,
)
from candlewave.rules.silent_markets import MIN_PAUSES
from candlewave.services.monitor.alerts import Alert

_DAY = timedelta(days=1)
_REMEMBERED = timedelta(hours=1)
_SPARE_HOURS = 4
_MIN_DRIFT_ROWS = 240  # the index of fewer rows is noise


def read(conn: psycopg.Connection, config: Config, now: datetime) -> Readings | None:
    """Return the readings of now; None when there is no trade yet.

    Windows of data end at the markets' clock, so that an outage of the feed does not empty them; ages end at the wall
    clock.

    Args:
        conn: to the engine.
        config: thresholds say how far back to read.
        now: wall clock, UTC.

    Raises:
        psycopg.Error: the engine is down, or a view is missing.
    """
    # By then every exchange has closed its candles: one that is dead follows the others.
    closed_until: datetime | None = _all(conn, "SELECT min(closed_until) FROM market_clock")[0][0]
    if closed_until is None:
        return None
    limits = monitor_config(config)
    served, champion = _served(conn, closed_until)
    hours = max(limits.error_windows, limits.psi_windows) + _SPARE_HOURS
    since = closed_until - timedelta(hours=hours)
    judged, amended = _amended(conn, closed_until - _DAY)
    return Readings(
        now=now,
        closed_until=closed_until,
        champion=champion,
        champion_since=None if champion is None else _confirmed_at(conn, *champion),
        served=served,
        errors=_errors(conn, since),
        evidence=_evidence(conn, closed_until - timedelta(hours=limits.evidence_hours), served),
        drift=_drift(conn, since),
        judged=judged,
        amended=amended,
        markets=_markets(conn, config, now),
        standing=_standing(conn),
        paces=_paces(conn, config, now - timedelta(days=limits.silence_days)),
    )


def firing_alerts(conn: psycopg.Connection) -> list[Alert]:
    """Return the alerts that fired when the last record was written."""
    rows = _all(
        conn,
        "SELECT fingerprint, rule, severity, labels, value, status, occurred_at FROM ("
        " SELECT fingerprint, rule, severity, labels, value, status, occurred_at,"
        " row_number() OVER (PARTITION BY fingerprint ORDER BY occurred_at DESC, status DESC) AS age"
        " FROM alerts) AS numbered WHERE age = 1 AND status = 'firing'",
    )
    return [
        Alert(identity, rule, severity, _json(labels), value, status, occurred_at, occurred_at)
        for identity, rule, severity, labels, value, status, occurred_at in rows
    ]


def last_training_request(conn: psycopg.Connection, model_name: str) -> datetime | None:
    """Return the time of the last request for a training of a model."""
    rows = _all(conn, "SELECT max(requested_at) FROM training_requests WHERE model_name = %s", [model_name])
    when: datetime | None = rows[0][0]
    return when


def _served(conn: psycopg.Connection, closed_until: datetime) -> tuple[frozenset[Subject], tuple[str, str] | None]:
    rows = _all(
        conn,
        "SELECT model_name, model_version, horizon_minutes, role, max(made_at) FROM served_predictions"
        " WHERE feature_time > %s GROUP BY model_name, model_version, horizon_minutes, role",
        [closed_until - _DAY],
    )
    champions = [(made_at, (name, version)) for name, version, _, role, made_at in rows if role == "champion"]
    return (
        frozenset(Subject(name, version, horizon) for name, version, horizon, _, _ in rows),
        max(champions)[1] if champions else None,
    )


def _confirmed_at(conn: psycopg.Connection, name: str, version: str) -> datetime | None:
    rows = _all(
        conn,
        "SELECT max(occurred_at) FROM model_events WHERE event IN ('promoted', 'rolled_back', 'confirmed')"
        " AND model_name = %s AND model_version = %s",
        [name, version],
    )
    when: datetime | None = rows[0][0]
    return when


def _standing(conn: psycopg.Connection) -> Standing | None:
    """Return the newest champion that was promoted or put back."""
    rows = _all(
        conn,
        "SELECT model_name, model_version, occurred_at FROM model_events WHERE event IN ('promoted', 'rolled_back')"
        " ORDER BY occurred_at DESC LIMIT 1",
    )
    if not rows:
        return None
    name, version, since = rows[0]
    newest = {
        (role, made_by): when
        for role, made_by, when in _all(
            conn,
            "SELECT role, model_version, max(feature_time) FROM latest_predictions"
            " WHERE role IN ('champion', 'baseline') GROUP BY role, model_version",
        )
    }
    baseline = max((when for (role, _), when in newest.items() if role == "baseline"), default=None)
    return Standing(name, version, since, newest.get(("champion", version)), baseline)


def _errors(conn: psycopg.Connection, since: datetime) -> list[ErrorRow]:
    rows = _all(
        conn,
        "SELECT exchange, symbol, model_name, model_version, horizon_minutes, span, hour, forecasts, mae,"
        " scaled_error, bias, coverage, skill, interval_skill FROM model_error WHERE hour >= %s AND forecasts > 0",
        [since],
    )
    return [
        ErrorRow(exchange, symbol, Subject(name, version, horizon), *figures)
        for exchange, symbol, name, version, horizon, *figures in rows
    ]


def _evidence(conn: psycopg.Connection, since: datetime, served: frozenset[Subject]) -> list[EvidenceRow]:
    rows = _all(
        conn,
        "SELECT exchange, symbol, model_name, model_version, horizon_minutes, hour, units, units_covered,"
        " point_units, point_evidence, point_evidence_squares,"
        " interval_units, interval_evidence, interval_evidence_squares"
        " FROM outcome_hours WHERE hour >= %s AND units > 0",
        [since],
    )
    return [
        EvidenceRow(exchange, symbol, subject, *figures)
        for exchange, symbol, name, version, horizon, *figures in rows
        if (subject := Subject(name, version, horizon)) in served
    ]


def _amended(conn: psycopg.Connection, since: datetime) -> tuple[int, int]:
    """Return how many forecasts were judged, and how many of them had inputs that were amended later.

    Forecasts made at their target time or later, when a predictor catches up, are not judged.
    """
    rows = _all(
        conn,
        "SELECT count(*), coalesce(sum(CASE WHEN a.inputs_amended THEN 1 ELSE 0 END), 0)"
        " FROM prediction_outcomes AS o LEFT JOIN input_amendments AS a"
        " ON o.exchange = a.exchange AND o.symbol = a.symbol AND o.feature_time = a.feature_time"
        " WHERE o.feature_time >= %s AND o.made_at < o.target_time AND o.is_covered IS NOT NULL",
        [since],
    )
    judged, amended = rows[0]
    return int(judged), int(amended)


def _drift(conn: psycopg.Connection, since: datetime) -> list[DriftRow]:
    rows = _all(
        conn,
        "SELECT model_version, feature, hour, avg(psi), max(psi) FROM feature_drift"
        " WHERE hour >= %s AND rows >= %s AND psi IS NOT NULL GROUP BY model_version, feature, hour",
        [since, _MIN_DRIFT_ROWS],
    )
    return [DriftRow(*row) for row in rows]


def _markets(conn: psycopg.Connection, config: Config, now: datetime) -> list[MarketAge]:
    """Return the markets that should be forecast: those configured, and others until an hour after their last one."""
    newest = {
        Market(exchange, symbol): (feature_time, made_at)
        for exchange, symbol, feature_time, made_at in _all(
            conn,
            "SELECT exchange, symbol, max(feature_time), max(made_at) FROM latest_predictions"
            " WHERE role = 'baseline' GROUP BY exchange, symbol",
        )
    }
    wanted = set(config.markets)
    wanted |= {market for market, (_, made_at) in newest.items() if now - made_at < _REMEMBERED}
    due = due_candles(conn, timedelta(seconds=config.candles.grace_seconds))
    return [
        MarketAge(*market, due[market], newest[market][0] if market in newest else None)
        for market in sorted(wanted & set(due))
    ]


def _paces(conn: psycopg.Connection, config: Config, since: datetime) -> list[MarketPace]:
    """Return the pauses of the configured markets that are usual at the time of day at which the present one began.

    An hour has one pause: the longest that began in it. That since the last trade is still open, so it does not count.
    """
    rows = _all(
        conn,
        "WITH pauses AS ("
        " SELECT exchange, symbol, extract(hour FROM hour AT TIME ZONE 'UTC')::int AS at_hour,"
        " greatest(longest_pause, extract(epoch FROM lead(first_minute)"
        " OVER (PARTITION BY exchange, symbol ORDER BY hour) - last_minute)::double precision) AS pause"
        " FROM trading_hours WHERE hour >= %s),"
        " near AS ("
        " SELECT c.exchange, c.symbol, c.last_trade_ts, p.pause, CASE WHEN"
        " (p.at_hour - extract(hour FROM c.last_trade_ts AT TIME ZONE 'UTC')::int + 25) %% 24 <= 2"
        " THEN p.pause END AS near_pause"
        " FROM feed_clock AS c JOIN pauses AS p ON p.exchange = c.exchange AND p.symbol = c.symbol"
        " WHERE c.last_trade_ts IS NOT NULL)"
        " SELECT exchange, symbol, max(last_trade_ts), count(near_pause), count(pause),"
        " percentile_cont(0.95) WITHIN GROUP (ORDER BY near_pause), percentile_cont(0.95) WITHIN GROUP (ORDER BY pause)"
        " FROM near GROUP BY exchange, symbol",
        [since],
    )
    wanted = set(config.markets)
    return [
        MarketPace(exchange, symbol, last_trade, *((usual_now, now) if now >= MIN_PAUSES else (usual, ever)))
        for exchange, symbol, last_trade, now, ever, usual_now, usual in rows
        if Market(exchange, symbol) in wanted
    ]


def _all(conn: psycopg.Connection, query: LiteralString, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    with conn.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(query, parameters or None).fetchall()


def _json(value: Any) -> dict[str, str]:
    """Return a JSON object, which drivers give as text or as a dictionary."""
    found = msgspec.json.decode(value) if isinstance(value, str | bytes) else value
    return {str(name): str(text) for name, text in dict(found).items()}
