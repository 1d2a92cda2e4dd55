"""The engines a migration is applied to: what exists there, and how objects are made, dropped and recorded.

Every statement is on its own: RisingWave rolls nothing back, so nothing here relies on a transaction.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from candlewave.core.config import Symbol
from candlewave.engine.embedded import catalog
from candlewave.sqlproject.ddl import Column, Kind, parse_statement
from candlewave.sqlproject.header import split_header

RECORDS = """\
CREATE TABLE candlewave_objects (
    name VARCHAR,
    sha256 VARCHAR,
    revision VARCHAR,
    state VARCHAR,
    PRIMARY KEY (name)
)"""

CREATING = "creating"
READY = "ready"

_TYPE_NAMES = {
    "VARCHAR": "character varying",
    "TIMESTAMPTZ": "timestamp with time zone",
    "TIMESTAMP": "timestamp without time zone",
    "INT": "integer",
    "FLOAT": "double precision",
    "BOOL": "boolean",
    "DECIMAL": "numeric",
    "TEXT": "character varying",
}


@dataclass(frozen=True, slots=True)
class Record:
    """What is noted of an object: the fingerprint it was made with, the revision that made it, and its state."""

    name: str
    sha256: str
    revision: str
    state: str


class Target(ABC):
    """An engine, reached by one connection in autocommit mode."""

    def __init__(self, conn: psycopg.Connection, schema: str = "public") -> None:
        self.conn = conn
        self.schema = schema

    @abstractmethod
    def prepare(self) -> None:
        """Make the table of records, and let unfinished work of an earlier run come to its end."""

    @abstractmethod
    def existing(self) -> dict[str, Kind]:
        """Return what is there, by name."""

    @abstractmethod
    def create(self, text: str) -> None:
        """Make an object from RisingWave text with its parameters filled in."""

    @abstractmethod
    def drop(self, kind: Kind, name: str) -> None:
        """Drop an object that nothing reads."""

    @abstractmethod
    def add_column(self, name: str, column: Column) -> None:
        """Add a column to a table."""

    def describe(self, text: str) -> None:  # noqa: B027 (only the embedded engine keeps texts)
        """Note the text that now describes a table."""

    def columns(self, name: str) -> dict[str, str]:
        """Return the columns of a table and their types as the engine writes them."""
        return dict(
            self._rows(
                "SELECT column_name, data_type FROM information_schema.columns"
                " WHERE table_schema = %s AND table_name = %s",
                [self.schema, name],
            )
        )

    def records(self) -> dict[str, Record]:
        """Return all records by name; none before the first migration."""
        if "candlewave_objects" not in self.existing():
            return {}
        rows = self._rows("SELECT name, sha256, revision, state FROM candlewave_objects")
        return {row[0]: Record(*row) for row in rows}

    def note(self, record: Record) -> None:
        """Write a record over the one of the same name."""
        self.conn.execute(
            "INSERT INTO candlewave_objects (name, sha256, revision, state) VALUES (%s, %s, %s, %s)",
            [record.name, record.sha256, record.revision, record.state],
        )

    def forget(self, name: str) -> None:
        """Remove a record."""
        self.conn.execute("DELETE FROM candlewave_objects WHERE name = %s", [name])

    def earliest(self, relation: str, column: str) -> object:
        """Return the smallest value of a column, None for an empty relation."""
        query = sql.SQL("SELECT min({}) FROM {}").format(sql.Identifier(column), sql.Identifier(relation))
        with self.conn.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(query).fetchone()
        return row[0] if row else None

    def put_symbols(self, symbols: list[Symbol]) -> int:
        """Write the markets that are not in ``symbols`` as given; return how many."""
        known = set(self._rows("SELECT exchange, symbol, base, quote FROM symbols"))
        wanted = [(s.exchange, s.symbol, s.base, s.quote) for s in symbols]
        missing = [row for row in wanted if row not in known]
        for row in missing:
            self.conn.execute("INSERT INTO symbols (exchange, symbol, base, quote) VALUES (%s, %s, %s, %s)", row)
        return len(missing)

    def same_type(self, column: Column, found: str) -> bool:
        """Tell whether a column's declared type is the one found in the engine; any array matches any array."""
        if column.type.endswith("[]"):
            return found.endswith("[]") or found == "ARRAY"
        declared = _TYPE_NAMES.get(column.type, column.type.lower())
        return declared == ("character varying" if found in ("text", "varchar") else found)

    def _rows(self, query: str, parameters: list[object] | None = None) -> list[tuple[Any, ...]]:
        with self.conn.cursor(row_factory=tuple_row) as cursor:
            return cursor.execute(query, parameters).fetchall()


class EmbeddedTarget(Target):
    """PostgreSQL with the embedded engine's catalog."""

    def prepare(self) -> None:
        """See :meth:`Target.prepare`."""
        catalog.install(self.conn)
        if "candlewave_objects" not in self.existing():
            catalog.apply(self.conn, RECORDS, self.schema)

    def existing(self) -> dict[str, Kind]:
        """See :meth:`Target.existing`."""
        if not self._rows("SELECT 1 FROM pg_tables WHERE schemaname = 'embedded' AND tablename = 'objects'"):
            return {}
        rows = self._rows("SELECT name, kind FROM embedded.objects WHERE schema_name = %s", [self.schema])
        return {name: Kind(kind) for name, kind in rows}

    def create(self, text: str) -> None:
        """See :meth:`Target.create`."""
        catalog.apply(self.conn, text, self.schema)

    def drop(self, kind: Kind, name: str) -> None:
        """See :meth:`Target.drop`."""
        catalog.drop(self.conn, kind, name, self.schema)

    def add_column(self, name: str, column: Column) -> None:
        """See :meth:`Target.add_column`."""
        with self.conn.transaction():
            self._hold_refresh()
            self.conn.execute(_alter_add(self.schema, name, column))

    def describe(self, text: str) -> None:
        """Replace the definition by which the engine reads the table's topic."""
        name = parse_statement(split_header(text)[1]).name
        with self.conn.transaction():
            self._hold_refresh()
            self.conn.execute(
                "UPDATE embedded.objects SET definition = %s WHERE schema_name = %s AND name = %s",
                [text, self.schema, name],
            )
            # A running engine reads the catalog again when its newest ordinal moves.
            self.conn.execute(
                "UPDATE embedded.objects SET ordinal = DEFAULT WHERE schema_name = %s"
                " AND ordinal = (SELECT max(ordinal) FROM embedded.objects WHERE schema_name = %s)",
                [self.schema, self.schema],
            )

    def _hold_refresh(self) -> None:
        self.conn.execute("SELECT pg_advisory_xact_lock(hashtext('embedded.refresh'))")


class RisingWaveTarget(Target):
    """RisingWave."""

    def prepare(self) -> None:
        """See :meth:`Target.prepare`. A view whose client went away may still be filling: WAIT ends when it is done."""
        self.conn.execute("WAIT")
        self.conn.execute(_literal(RECORDS.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1)))

    def existing(self) -> dict[str, Kind]:
        """See :meth:`Target.existing`."""
        rows = self._rows(
            "SELECT r.name, r.relation_type FROM rw_catalog.rw_relations AS r"
            " JOIN rw_catalog.rw_schemas AS s ON r.schema_id = s.id WHERE s.name = %s",
            [self.schema],
        )
        kinds = {str(kind) for kind in Kind}
        return {name: Kind(kind) for name, kind in rows if kind in kinds}

    def create(self, text: str) -> None:
        """See :meth:`Target.create`."""
        self.conn.execute(_literal(text))

    def drop(self, kind: Kind, name: str) -> None:
        """See :meth:`Target.drop`; never CASCADE, so that nothing goes that the plan did not name."""
        self.conn.execute(_literal(f"DROP {kind.upper()} {self.schema}.{name}"))

    def add_column(self, name: str, column: Column) -> None:
        """See :meth:`Target.add_column`."""
        self.conn.execute(_alter_add(self.schema, name, column))


def _alter_add(schema: str, name: str, column: Column) -> sql.SQL:
    return _literal(f'ALTER TABLE {schema}.{name} ADD COLUMN "{column.name}" {column.type}')


def _literal(text: str) -> sql.SQL:
    """Mark frozen text as SQL; nothing from outside reaches it."""
    return sql.SQL(text)
