"""Alerts."""

from collections.abc import Sequence

from psycopg.sql import SQL, Literal

from candlewave.services.api.parameters import AlertQuery
from candlewave.services.api.queries.common import Query, Where, columns

POSITION = (("occurred_at", "timestamptz"), ("fingerprint", "varchar"), ("status", "varchar"))
COLUMNS = ("fingerprint", "rule", "severity", "labels", "value", "status", "occurred_at")


def alerts(wanted: AlertQuery, position: Sequence[str] | None) -> Query:
    """Return the query of a page of alerts: of those that fire now, or of every change."""
    where = Where().within("occurred_at", wanted).before(POSITION, position)
    changes = SQL("alerts")
    if wanted.status == "firing":
        # An alert's end and its next begin never share a moment; the end comes first in the alphabet reversed.
        changes = SQL(
            "(SELECT {0} FROM (SELECT {0}, row_number() OVER (PARTITION BY fingerprint ORDER BY occurred_at DESC,"
            " status DESC) AS place FROM alerts) AS numbered WHERE place = 1 AND status = 'firing') AS firing"
        ).format(columns(COLUMNS))  # type: ignore[assignment]
    text = SQL("SELECT {} FROM {}{} ORDER BY occurred_at DESC, fingerprint DESC, status DESC LIMIT {}").format(
        columns(COLUMNS), changes, where.text, Literal(wanted.limit + 1)
    )
    return Query(text, where.values)
