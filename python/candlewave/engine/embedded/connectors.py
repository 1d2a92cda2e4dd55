"""Connectors that RisingWave has built in: a topic's messages become rows of a table.

Decoding follows RisingWave: a value of the wrong type becomes NULL, a message that is not a JSON object or lacks a key
column is passed over and counted. So is one with a text that PostgreSQL cannot hold, such as one with NUL in it. Where
the topic has dead letters it goes there, which RisingWave cannot do.

One thing RisingWave cannot do: a trade whose id another trade used before is kept as a conflict, or under an id of its
own where the market counts anew, see :func:`candlewave.contracts.records.conflict` and ``renumbered``; there,
publishers must find it.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Message
from candlewave.contracts.records import RENUMBERED_AFTER, RENUMBERED_ID, USED_ID
from candlewave.contracts.topics import TRADES
from candlewave.engine.embedded.catalog import CatalogError, StoredObject, group_of
from candlewave.engine.embedded.letters import write_letters
from candlewave.sqlproject.ddl import Column
from candlewave.telemetry.logs import get_logger

_log = get_logger(__name__)
_UNUSABLE = "not a JSON object, without a key, or with a text that PostgreSQL cannot hold"
_ISO_TIME = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?\s*(Z|[+-]\d\d(:?\d\d)?)$"


@dataclass(frozen=True, slots=True)
class Pumped:
    """What one call moved.

    Attributes:
        topic: where from.
        messages: messages read from the topic.
        rows: rows added or changed; a redelivered message of an append-only table adds none.
        skipped: messages without a usable key, not JSON objects, or with a text that PostgreSQL cannot hold.
    """

    topic: str
    messages: int
    rows: int
    skipped: int


def pump(
    conn: psycopg.Connection,
    table: StoredObject,
    schema: str,
    limit: int,
    only: int | None = None,
    bus: PostgresBus | None = None,
) -> Pumped:
    """Move new messages of a table's topic into it, up to ``limit`` a partition, in the caller's transaction.

    Args:
        only: the one partition to read; all when None.
        bus: where dead letters go.
    """
    connector = table.statement.connector
    assert connector is not None
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("SELECT relation FROM bus.topics WHERE topic = %s", [connector.topic])
        found = cursor.fetchone()
    if found is None:
        return Pumped(connector.topic, 0, 0, 0)
    (relation,) = found
    messages = rows = skipped = 0
    group = group_of(table.name, schema)
    for partition, start, last in spans(conn, group, connector.topic, relation, limit):
        if only is not None and partition != only:
            continue
        count, usable, changed, known = _move(conn, table, schema, relation, (partition, start, last))
        if known and connector.topic == TRADES.name:
            conflicts = _keep_conflicts(conn, table, schema, relation, (partition, known))
            changed += conflicts
            if conflicts:
                _log.warning("ids used before by other trades", table=table.name, trades=conflicts, partition=partition)
        conn.execute(
            "INSERT INTO bus.offsets (group_id, topic, partition, next_offset) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (group_id, topic, partition)"
            " DO UPDATE SET next_offset = excluded.next_offset, unattended = '0'",
            [group, connector.topic, partition, last + 1],
        )
        messages, rows, skipped = messages + count, rows + changed, skipped + count - usable
        if usable < count:
            unusable = _unusable(conn, table, relation, (partition, start, last))
            write_letters(conn, bus, connector.topic, partition, unusable, _UNUSABLE)
            _log.warning(
                f"messages skipped: {_UNUSABLE}",
                topic=connector.topic,
                table=table.name,
                messages=count - usable,
                partition=partition,
                offsets=f"{start} to {last}",
            )
    return Pumped(connector.topic, messages, rows, skipped)


def spans(conn: psycopg.Connection, group: str, topic: str, relation: str, limit: int) -> list[tuple[int, int, int]]:
    """Return (partition, first offset, last offset) of what to read next.

    Of a backlog all partitions are read up to the same append time: if one symbol ran ahead of the others, the market
    clock would close minutes that the others still fill.
    """
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            _query(
                "WITH reader AS ("
                " SELECT p.partition, coalesce(o.next_offset, 0) AS start"
                " FROM (SELECT generate_series(0, t.partitions - 1) AS partition FROM bus.topics AS t"
                "       WHERE t.topic = %s) AS p"
                " LEFT JOIN bus.offsets AS o ON o.group_id = %s AND o.topic = %s AND o.partition = p.partition),"
                " ahead AS MATERIALIZED ("
                ' SELECT r.partition, r.start, m."offset", m.append_ts,'
                " count(*) OVER (PARTITION BY r.partition) AS waiting"
                " FROM reader AS r CROSS JOIN LATERAL ("
                f'  SELECT b."offset", b.append_ts FROM {relation} AS b'
                '  WHERE b.partition = r.partition AND b."offset" >= r.start ORDER BY b."offset" LIMIT %s) AS m),'
                " horizon AS ("
                " SELECT min(newest) AS until FROM ("
                "  SELECT max(append_ts) AS newest FROM ahead WHERE waiting = %s GROUP BY partition) AS full_ones)"
                ' SELECT a.partition, a.start, max(a."offset") FROM ahead AS a CROSS JOIN horizon AS h'
                " WHERE h.until IS NULL OR a.append_ts <= h.until GROUP BY a.partition, a.start ORDER BY a.partition"
            ),
            [topic, group, topic, limit, limit],
        )
        return cursor.fetchall()


def _move(
    conn: psycopg.Connection, table: StoredObject, schema: str, relation: str, span: tuple[int, int, int]
) -> tuple[int, int, int, list[int] | None]:
    """Move one span of messages: all at once when every value is of its type, else value by value.

    Returns:
        Messages read, messages with a usable key, rows added or changed, and of a table where the first row of a key
        wins the offsets of messages whose key was used before.
    """
    with conn.cursor(row_factory=tuple_row) as cursor:
        try:
            with conn.transaction():
                cursor.execute(_query(_load(table, schema, relation, checked=False)), span)
                return cursor.fetchone() or (0, 0, 0, None)
        except psycopg.DataError:
            cursor.execute(_query(_load(table, schema, relation, checked=True)), span)
            return cursor.fetchone() or (0, 0, 0, None)


def _unusable(
    conn: psycopg.Connection, table: StoredObject, relation: str, span: tuple[int, int, int]
) -> list[tuple[int, bytes | None]]:
    """Return offset and bytes of the messages of a span that give no row."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            _query(
                f"{_decode(table, relation, _SPAN, checked=True)}"
                " SELECT d._offset, coalesce(m.raw, convert_to(m.value, 'UTF8'))"
                f' FROM decoded AS d JOIN {relation} AS m ON m.partition = %s AND m."offset" = d._offset'
                f" WHERE NOT ({_usable(table)}) ORDER BY d._offset"
            ),
            [*span, span[0]],
        )
        return [(offset, None if payload is None else bytes(payload)) for offset, payload in cursor]


def _usable(table: StoredObject) -> str:
    """Return the condition that a message gives a row."""
    return " AND ".join(f'd."{key}" IS NOT NULL' for key in table.statement.primary_key) or "true"


def _keep_conflicts(
    conn: psycopg.Connection, table: StoredObject, schema: str, relation: str, known: tuple[int, list[int]]
) -> int:
    """Keep those trades whose id belongs to another trade, as conflicts or renumbered; return how many.

    Args:
        known: partition and offsets of messages whose key was used before. Most are the same trade once more.
    """
    names = [c.name for c in table.statement.columns]
    listed = ", ".join(f'"{name}"' for name in names)
    anew = f"d.kind = 'trade' AND k.kind = 'trade' AND greatest(d.ts - k.ts, k.ts - d.ts) >= {_RENUMBERED_AFTER}"
    replaced = {
        "trade_id": f"CASE WHEN {anew} THEN {_RENUMBERED_ID} ELSE {_CONFLICT_ID} END",
        "kind": f"CASE WHEN {anew} THEN d.kind ELSE 'conflict' END",
    }
    values = ", ".join(replaced.get(name, f'd."{name}"') for name in names)
    query = (
        f"{_decode(table, relation, _SOME, checked=True)} INSERT INTO "
        f'"{schema}"."{table.name}" ({listed}) SELECT {values} FROM decoded AS d CROSS JOIN LATERAL ('
        # One by one through the primary key: a join would read every trade there is, for a few messages.
        f'SELECT * FROM "{schema}"."{table.name}" AS s WHERE s.exchange = d.exchange AND s.symbol = d.symbol'
        " AND s.trade_id = d.trade_id OFFSET 0) AS k"
        " WHERE coalesce(d.kind, '') NOT IN ('heartbeat', 'conflict')"
        " AND (d.kind, d.ts, d.price, d.quantity, d.side) IS DISTINCT FROM (k.kind, k.ts, k.price, k.quantity, k.side)"
        ' ORDER BY d."_offset" ON CONFLICT DO NOTHING'
    )
    return conn.execute(_query(query), known).rowcount


_RENUMBERED_AFTER = f"INTERVAL '{RENUMBERED_AFTER.total_seconds():.0f} seconds'"
_RENUMBERED_ID = (
    f"'{RENUMBERED_ID}' || to_char(d.ts AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') || ':' || d.trade_id"
)
"""As :func:`candlewave.contracts.records.renumbered` makes it."""

_CONFLICT_ID = (
    f"'{USED_ID}' || d.trade_id || ':' || left(encode(sha256("
    "coalesce(int8send((extract(epoch FROM d.ts) * 1000000)::bigint), '')"
    " || coalesce(float8send(d.price), '') || coalesce(float8send(d.quantity), '')"
    " || convert_to(coalesce(d.side, ''), 'UTF8')), 'hex'), 16)"
)
"""As :func:`candlewave.contracts.records.conflict` makes it, from what the engine can read of a message."""


_SPAN = 'm."offset" BETWEEN %s AND %s'
_SOME = 'm."offset" = ANY (%s)'


def _decode(table: StoredObject, relation: str, which: str, *, checked: bool) -> str:
    """Return the beginning of a query in which ``decoded`` has messages as rows, with their ``_offset``.

    Args:
        which: the condition on offsets; its parameters come after the partition.
    """
    statement = table.statement
    included = {name: what for what, name in statement.includes.items()}
    columns = [c for c in statement.columns if c.name not in included]
    record = ", ".join(f'"{c.name}" {_record_type(c, checked)}' for c in columns)
    values = [f'{_decoded(c, checked)} AS "{c.name}"' for c in columns]
    # JSON may escape what no text of PostgreSQL holds: NUL, half a surrogate pair. Reading that as jsonb tells.
    readable = "m.value IS JSON OBJECT AND pg_input_is_valid(m.value, 'jsonb')"
    message = f"CASE WHEN {readable} THEN m.value::json END" if checked else "m.value::json"
    values += [f'{_included(what)} AS "{name}"' for name, what in included.items()]
    return (
        f'WITH decoded AS MATERIALIZED (SELECT {", ".join(values)}, m."offset" AS _offset'
        f" FROM {relation} AS m, json_to_record({message})"
        f" AS j({record}) WHERE m.partition = %s AND {which})"
    )


def _load(table: StoredObject, schema: str, relation: str, *, checked: bool) -> str:
    statement = table.statement
    names = [c.name for c in statement.columns]
    listed = ", ".join(f'"{n}"' for n in names)
    key = statement.primary_key
    by_key = ", ".join(f'"{k}"' for k in key)
    usable = _usable(table)
    known = "NULL::bigint[]"
    returned = "1"
    if statement.append_only or not key or statement.on_conflict == "DO NOTHING":
        source = f'SELECT {listed} FROM decoded AS d WHERE {usable} ORDER BY "_offset"'
        conflict = "ON CONFLICT DO NOTHING"
        if key:
            # Asked for only when rows are missing: keys that the table has, and all but the first of a key in the span.
            returned = by_key
            known = (
                f"CASE WHEN (SELECT count(*) FROM put) < count(*) FILTER (WHERE {usable}) THEN ("
                f'SELECT array_agg(u."_offset") FROM (SELECT {by_key}, "_offset", row_number() OVER ('
                f'PARTITION BY {by_key} ORDER BY "_offset") AS _n FROM decoded AS d WHERE {usable}) AS u'
                f' LEFT JOIN put AS p USING ({by_key}) WHERE p."{key[0]}" IS NULL OR u._n > 1) END'
            )
    else:
        source = (
            f'SELECT DISTINCT ON ({by_key}) {listed} FROM decoded AS d WHERE {usable} ORDER BY {by_key}, "_offset" DESC'
        )
        assign = ", ".join(f'"{n}" = excluded."{n}"' for n in names if n not in key)
        conflict = f"ON CONFLICT ({by_key}) " + (f"DO UPDATE SET {assign}" if assign else "DO NOTHING")
    return (
        f"{_decode(table, relation, _SPAN, checked=checked)},"
        f' put AS (INSERT INTO "{schema}"."{table.name}" ({listed}) {source} {conflict} RETURNING {returned})'
        f" SELECT count(*), count(*) FILTER (WHERE {usable}), (SELECT count(*) FROM put), {known} FROM decoded AS d"
    )


_SIMPLE = ("BIGINT", "INTEGER", "INT", "SMALLINT", "DOUBLE PRECISION", "REAL", "NUMERIC")


def _record_type(column: Column, checked: bool) -> str:
    if column.type == "JSONB" or column.type.endswith("[]") or column.type == "BOOLEAN":
        return "json"
    return column.type if column.type in _SIMPLE and not checked else "text"


def _decoded(column: Column, checked: bool) -> str:
    value = f'j."{column.name}"'
    match column.type:
        case "VARCHAR" | "TEXT":
            return value
        case "TIMESTAMPTZ":
            with_zone = f"{value} LIKE '____-__-__T__:__:__%%Z' OR {value} ~ '{_ISO_TIME}'"
            valid = f"pg_input_is_valid({value}, 'timestamptz')" if checked else "true"
            return f"CASE WHEN {with_zone} THEN CASE WHEN {valid} THEN {value}::timestamptz END END"
        case "JSONB":
            return f"{value}::jsonb"
        case "BOOLEAN":
            return f"CASE WHEN json_typeof({value}) = 'boolean' THEN {value}::text::boolean END"
        case type_ if type_.endswith("[]"):
            return (
                f"CASE WHEN json_typeof({value}) = 'array' THEN"
                f" ARRAY(SELECT CASE WHEN pg_input_is_valid(e, '{type_[:-2]}') THEN e::{type_[:-2]} END"
                f" FROM json_array_elements_text({value}) AS e) END"
            )
        case type_ if type_ in _SIMPLE:
            if not checked:
                return value
            return f"CASE WHEN pg_input_is_valid({value}, '{column.type}') THEN {value}::{column.type} END"
        case _:
            raise CatalogError(f"column {column.name}: cannot decode JSON into {column.type}")


def _included(what: str) -> str:
    return {
        "timestamp": "m.append_ts",
        "partition": "m.partition::text",
        "offset": 'm."offset"::text',
        "key": "convert_to(m.key, 'UTF8')",
    }[what]


def sink_row(columns: Sequence[str], types: dict[str, str], alias: str) -> str:
    """Return the SQL of a row as JSON text in the form of RisingWave's Kafka sink (times with microseconds and Z)."""
    values = []
    for column in columns:
        value = f'{alias}."{column}"'
        if types[column] == "timestamp with time zone":
            value = f"to_char({value} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        values.append(f'{value} AS "{column}"')
    return f"(SELECT row_to_json(r)::text FROM (SELECT {', '.join(values)}) AS r)"


def _query(text: str) -> sql.SQL:
    return sql.SQL(text)


def document_message(keys: Sequence[str], times: Collection[str], delimiter: str, row: str) -> Message:
    """Return the message of a changed row; its key is the document's ``_id``, spelt as RisingWave spells it.

    Args:
        keys: the sink's primary key, in its order.
        times: those of them that are times.
        delimiter: between the parts of the ``_id``.
        row: JSON with times in ISO-8601 with ``Z``.
    """
    values = json.loads(row)
    parts = (_spelt(values[key]) if key in times else str(values[key]) for key in keys)
    return Message(row.encode(), delimiter.join(parts))


def _spelt(time: str) -> str:
    moment = datetime.fromisoformat(time)
    digits = "seconds" if not moment.microsecond else "milliseconds" if not moment.microsecond % 1000 else "auto"
    return moment.isoformat(" ", digits)
