"""Messages whose rows a view cannot compute with: they are set aside, so that the views go on without them.

PostgreSQL ends a statement at an overflow or an impossible cast, where RisingWave takes NULL or infinity. Publishers
check before; this is the last resort against other writers of a topic.
"""

from dataclasses import dataclass

import psycopg
from psycopg import errors, sql
from psycopg.rows import tuple_row

from candlewave.bus.metrics import REFUSED
from candlewave.bus.postgres import PostgresBus
from candlewave.engine.embedded.catalog import StoredObject, group_of
from candlewave.engine.embedded.connectors import spans
from candlewave.engine.embedded.letters import write_letters
from candlewave.telemetry.logs import get_logger

BREAKAGE = (
    psycopg.DataError,
    psycopg.IntegrityError,
    errors.CardinalityViolation,
    errors.ProgramLimitExceeded,
    errors.StatementTooComplex,
)
"""What PostgreSQL raises about values that a query cannot compute with, are too long for a key or nested too deep."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """A message in its topic, and the table of the bus that holds it."""

    relation: str
    topic: str
    partition: int
    offset: int


def waiting(conn: psycopg.Connection, table: StoredObject, schema: str) -> list[Place]:
    """Return the messages that a table would read next, one of each partition."""
    connector = table.statement.connector
    assert connector is not None
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("SELECT relation FROM bus.topics WHERE topic = %s", [connector.topic])
        found = cursor.fetchone()
    if found is None:
        return []
    group = group_of(table.name, schema)
    return [
        Place(found[0], connector.topic, partition, start)
        for partition, start, _ in spans(conn, group, connector.topic, found[0], 1)
    ]


def reject(
    conn: psycopg.Connection,
    bus: PostgresBus | None,
    table: StoredObject,
    schema: str,
    place: Place,
    error: psycopg.Error,
) -> None:
    """Pass a message over, in the caller's transaction; it goes to its topic's dead letters if there is such a topic.

    Args:
        bus: where dead letters go; without one the log alone has the message's place.
        error: what its row led to.
    """
    reason = f"no view can compute with it: {type(error).__name__}: {str(error).strip().splitlines()[0]}"
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            sql.SQL(
                "SELECT coalesce(raw, convert_to(value, 'UTF8')) FROM {} WHERE partition = %s AND \"offset\" = %s"
            ).format(sql.SQL(place.relation)),
            [place.partition, place.offset],
        )
        found = cursor.fetchone()
    conn.execute(
        "INSERT INTO bus.offsets (group_id, topic, partition, next_offset) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (group_id, topic, partition)"
        " DO UPDATE SET next_offset = excluded.next_offset, unattended = '0'",
        [group_of(table.name, schema), place.topic, place.partition, place.offset + 1],
    )
    payload = bytes(found[0]) if found and found[0] is not None else None
    write_letters(conn, bus, place.topic, place.partition, [(place.offset, payload)], reason)
    REFUSED.labels(place.topic).inc()
    _log.error("message rejected", topic=place.topic, partition=place.partition, offset=place.offset, reason=reason)
