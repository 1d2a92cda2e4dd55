"""Rows of a table or view as Arrow record batches, read through a cursor: no more than a batch is in memory.

Named cursors of psycopg send FETCH FORWARD, which RisingWave refuses; plain statements work on both engines.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.rows import tuple_row

from candlewave.core.errors import CandlewaveError
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.render import SqlObject

BATCH_ROWS = 10_000
_TYPES = {
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "numeric": pa.float64(),
    "date": pa.date32(),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
}
"""Arrow's types of the engine's; all others are read as text."""
_CASTS = {"numeric": "double precision"}
LABELLED = "features"
"""The view whose rows labels belong to."""


class ExtractError(CandlewaveError, ValueError):
    """Rows cannot be selected as asked; the text says what there is."""


@dataclass(frozen=True)
class Selection:
    """Which rows and columns.

    Attributes:
        sql_object: the table or view.
        exchange, symbol, timeframe: only these, where it has such a column.
        since, until: only rows of this event time or later, and before that one; UTC.
        columns: only these; all when empty.
        labels: horizons in minutes whose label is joined to features, as ``label_5``; NULL while unknown.
    """

    sql_object: SqlObject
    exchange: str | None = None
    symbol: str | None = None
    timeframe: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    columns: Sequence[str] = ()
    labels: Sequence[int] = ()

    def __post_init__(self) -> None:
        name = self.sql_object.name
        if self.sql_object.kind is Kind.SINK:
            raise ExtractError(f"{name} is a sink and has no rows")
        if self.labels and name != LABELLED:
            raise ExtractError(f"labels belong to {LABELLED}, not to {name}")
        if (self.since or self.until) and self.sql_object.header.event_time is None:
            raise ExtractError(f"{name} has no event time to select by")


class Rows:
    """The rows of a selection on an engine.

    Attributes:
        schema: names and Arrow types of the columns.

    Args:
        conn: in autocommit mode, in UTC.

    Raises:
        ExtractError: the selection names a column that is not there, or the engine lacks the relation.
    """

    def __init__(self, conn: psycopg.Connection, wanted: Selection) -> None:
        self._conn = conn
        name = wanted.sql_object.name
        types = _types(conn, name)
        for column in (*wanted.columns, *(c for c in ("exchange", "symbol", "timeframe") if getattr(wanted, c))):
            if column not in types:
                raise ExtractError(f"{name} has no column {column}; it has {', '.join(types)}")
        chosen = list(wanted.columns or types)
        fields = [pa.field(column, _TYPES.get(types[column], pa.string())) for column in chosen]
        self.schema = pa.schema([*fields, *(pa.field(f"label_{h}", pa.float64()) for h in wanted.labels)])
        self._from = self._source(wanted)
        labels = [sql.SQL("{}.realised_return").format(sql.Identifier(f"label_{h}")) for h in wanted.labels]
        self._query = sql.SQL("SELECT {} {} ORDER BY {}").format(
            sql.SQL(", ").join([*(_read(column, types[column]) for column in chosen), *labels]),
            self._from,
            sql.SQL(", ").join(sql.Identifier("t", key) for key in wanted.sql_object.header.keys),
        )

    @cached_property
    def count(self) -> int:
        """Number of rows; the engine counts when it is first asked for."""
        row = self._conn.execute(sql.SQL("SELECT count(*) {}").format(self._from)).fetchone()
        return int(row[0]) if row else 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in the order of their keys, as of one moment."""
        fetch = sql.SQL("FETCH {} FROM rows_of_selection").format(sql.Literal(BATCH_ROWS))
        with _transaction(self._conn), self._conn.cursor(row_factory=tuple_row, binary=True) as cursor:
            cursor.execute(sql.SQL("DECLARE rows_of_selection CURSOR FOR {}").format(self._query))
            while rows := cursor.execute(fetch).fetchall():
                columns = zip(*rows, strict=True)
                arrays = [pa.array(values, field.type) for values, field in zip(columns, self.schema, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def table(self, on_rows: Callable[[int], None] = lambda _: None) -> pa.Table:
        """Return all rows.

        Args:
            on_rows: called with the number of rows of each batch.
        """
        found = []
        for batch in self.batches():
            found.append(batch)
            on_rows(batch.num_rows)
        return pa.Table.from_batches(found, self.schema)

    @staticmethod
    def _source(wanted: Selection) -> sql.Composed:
        """Return FROM and WHERE."""
        parts: list[sql.Composable] = [sql.SQL("FROM {} AS t").format(sql.Identifier(wanted.sql_object.name))]
        for horizon in wanted.labels:
            parts.append(
                sql.SQL(
                    "LEFT JOIN labels AS {0} ON {0}.exchange = t.exchange AND {0}.symbol = t.symbol"
                    " AND {0}.open_time = t.open_time AND {0}.horizon_minutes = {1}"
                ).format(sql.Identifier(f"label_{horizon}"), sql.Literal(horizon))
            )
        conditions: list[sql.Composable] = []
        for column in ("exchange", "symbol", "timeframe"):
            if (value := getattr(wanted, column)) is not None:
                conditions.append(sql.SQL("{} = {}").format(sql.Identifier("t", column), sql.Literal(value)))
        for operator, moment in ((">=", wanted.since), ("<", wanted.until)):
            if moment is not None:
                time = sql.Identifier("t", str(wanted.sql_object.header.event_time))
                value = sql.SQL("{}::timestamptz").format(sql.Literal(moment.isoformat()))
                conditions.append(sql.SQL("{} " + operator + " {}").format(time, value))
        if conditions:
            parts.append(sql.SQL("WHERE {}").format(sql.SQL(" AND ").join(conditions)))
        return sql.SQL(" ").join(parts)


@contextmanager
def _transaction(conn: psycopg.Connection) -> Iterator[None]:
    """Keep a cursor's transaction open; RisingWave needs BEGIN for a cursor, too."""
    conn.execute("BEGIN")
    try:
        yield
    finally:
        conn.execute("ROLLBACK")


def _types(conn: psycopg.Connection, name: str) -> dict[str, str]:
    found: list[tuple[Any, ...]] = conn.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name = %s ORDER BY ordinal_position",
        [name],
    ).fetchall()
    if not found:
        raise ExtractError(f"the engine has no {name} yet: run `candlewave migrate`")
    return {str(column): str(type_) for column, type_ in found}


def _read(column: str, type_: str) -> sql.Composed:
    """Return a column as it is read: what Arrow has no plain type for as text."""
    name = sql.Identifier("t", column)
    if type_ in _TYPES and type_ not in _CASTS:
        return sql.SQL("{}").format(name)
    return sql.SQL("{}::" + _CASTS.get(type_, "varchar")).format(name)
