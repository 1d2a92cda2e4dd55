"""The engines a migration is applied to: what exists there, and how objects are made, dropped and recorded.

RisingWave rolls nothing back, so what both engines share relies on no transaction.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import astuple, dataclass, fields, replace
from graphlib import TopologicalSorter
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from candlewave.core.markets import Market
from candlewave.engine.embedded import beside, catalog
from candlewave.engine.embedded.beside import Exchange
from candlewave.engine.migrate.plan import UNRECORDED, Recorded
from candlewave.sqlproject.ddl import Column, Kind, parse_statement
from candlewave.sqlproject.header import split_header
from candlewave.sqlproject.quoting import trusted
from candlewave.sqlproject.render import SqlObject

RECORDS = """\
CREATE TABLE candlewave_objects (
    name VARCHAR,
    sha256 VARCHAR,
    revision VARCHAR,
    state VARCHAR,
    kind VARCHAR,
    definition VARCHAR,
    seconds DOUBLE PRECISION,
    row_count BIGINT,
    object_id BIGINT,
    PRIMARY KEY (name)
)"""

CREATING = "creating"
"""A table or view is being made under its own name."""
BUILDING = "building"
"""A view is being filled beside the one that serves, or before there is one."""
BUILT = "built"
"""It is filled, and waits for all others."""
AT_WORK = frozenset({BUILDING, BUILT})

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
    """What is noted of an object.

    Attributes:
        sha256: fingerprint it was made with.
        revision: for a table, the revision of tables it was last in; for others, candlewave's version that made it.
        state: ``ready``, or what a migration that has not ended was doing.
        definition: rendered text, with deploy-time parameters left in; None on engines migrated by 0.1.0.
        seconds: how long it took to fill.
        row_count: rows that it was filled with.
        object_id: the engine's own number of the relation, by which a swap that broke off is told apart.
    """

    name: str
    sha256: str
    revision: str
    state: str
    kind: str | None = None
    definition: str | None = None
    seconds: float | None = None
    row_count: int | None = None
    object_id: int | None = None


_RECORD_COLUMNS = tuple(field.name for field in fields(Record))


@dataclass(frozen=True, slots=True)
class Size:
    """How large a relation is: number of rows (an estimate) and bytes on disk, None when unknown."""

    rows: int | None = None
    bytes: int | None = None


class Target(ABC):
    """An engine, reached by one connection in autocommit mode.

    Attributes:
        pause: waits for the given seconds.
    """

    pause: Callable[[float], None] = staticmethod(time.sleep)

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

    @abstractmethod
    def build(self, text: str, report: Callable[[str], None]) -> int | None:
        """Make an object and fill it while everything else goes on; return its rows, None when they are not known.

        Args:
            report: receives how far it is.
        """

    @abstractmethod
    def exchange(self, plan: Exchange, made: Mapping[str, Record]) -> None:
        """Put what was built into its place, drop what was there, and write the records.

        Args:
            made: the final record of everything that was built, by name.
        """

    @abstractmethod
    def outside_readers(self, replaced: Collection[str], planned: Collection[str]) -> list[str]:
        """Return what would keep a replaced relation from being dropped, as ``reader reads relation``.

        Args:
            planned: objects that the plan makes again or drops.
        """

    def resume(self) -> bool:
        """Finish an exchange that broke off; return whether there was one."""
        return False

    def revert(self) -> bool:
        """Undo an exchange that broke off; return whether there was one.

        Raises:
            MigrationError: it has gone too far.
        """
        return False

    def object_id(self, name: str) -> int | None:  # noqa: ARG002 (only RisingWave exchanges step by step)
        """Return the engine's own number of an object."""
        return None

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
        found = self.columns("candlewave_objects")
        if not found:
            return {}
        listed = ", ".join(name if name in found else "NULL" for name in _RECORD_COLUMNS)
        rows = self._rows(f"SELECT {listed} FROM candlewave_objects")
        return {row[0]: Record(*row) for row in rows}

    def recorded(self, wanted: Mapping[str, SqlObject]) -> dict[str, Recorded]:
        """Return what the engine has of the objects that migrations made, and of those that ``wanted`` names."""
        existing, records, sizes = self.existing(), self.records(), self.sizes()
        found = {}
        for name in existing.keys() & wanted.keys() - records.keys():
            found[name] = Recorded(name, existing[name], "", state=UNRECORDED, rows=sizes.get(name, Size()).rows)
        for name, record in records.items():
            if record.state in AT_WORK:
                continue
            kind = existing.get(name) or (Kind(record.kind) if record.kind else None)
            if kind is None and name in wanted:
                kind = wanted[name].kind
            if kind is None:  # noted by 0.1.0 and gone since
                continue
            size = sizes.get(name, Size())
            found[name] = Recorded(
                name,
                kind,
                record.sha256,
                self._text(record),
                record.state,
                name in existing,
                record.row_count if size.rows is None else size.rows,
                record.seconds,
                size.bytes,
            )
        return found

    def _text(self, record: Record) -> str | None:
        return record.definition

    @abstractmethod
    def sizes(self) -> dict[str, Size]:
        """Return how large the relations are, by name."""

    @abstractmethod
    def inputs(self) -> dict[str, frozenset[str]]:
        """Return for each object what it reads, by name."""

    def readers_first(self, names: Iterable[str]) -> list[str]:
        """Sort objects so that each comes before what it reads: the order in which they can be dropped."""
        inputs = self.inputs()
        wanted = set(names)
        sorter = TopologicalSorter({name: sorted(inputs.get(name, frozenset())) for name in sorted(inputs)})
        ordered = [name for name in sorter.static_order() if name in wanted]
        return [*sorted(wanted - set(ordered)), *reversed(ordered)]

    def note(self, record: Record) -> None:
        """Write a record over the one of the same name."""
        self.conn.execute(
            f"INSERT INTO candlewave_objects ({', '.join(_RECORD_COLUMNS)})"
            " VALUES (%s, %s, %s, %s, %s, %s, %s::float8, %s::bigint, %s::bigint)",
            astuple(record),
        )

    def forget(self, name: str) -> None:
        """Remove a record."""
        self.conn.execute("DELETE FROM candlewave_objects WHERE name = %s", [name])

    def _note_built(self, filled: Collection[str]) -> None:
        """Note as built what was filled just before an earlier run broke off."""
        for record in self.records().values():
            if record.state == BUILDING and record.name in filled:
                self.note(replace(record, state=BUILT))

    def _complete_records(self) -> None:
        """Add the columns that a table of records made by 0.1.0 lacks."""
        found = self.columns("candlewave_objects")
        for column in parse_statement(RECORDS).columns:
            if column.name not in found:
                self.add_column("candlewave_objects", column)

    def earliest(self, relation: str, column: str) -> object:
        """Return the smallest value of a column, None for an empty relation."""
        query = sql.SQL("SELECT min({}) FROM {}").format(sql.Identifier(column), sql.Identifier(relation))
        with self.conn.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(query).fetchone()
        return row[0] if row else None

    def put_symbols(self, markets: list[Market]) -> int:
        """Write the markets that the table ``symbols`` does not have as given; return how many."""
        known = set(self._rows("SELECT exchange, symbol, base, quote, kind FROM symbols"))
        wanted = [(s.exchange, s.symbol, s.base, s.quote, s.kind) for s in markets]
        missing = [row for row in wanted if row not in known]
        for row in missing:
            self.conn.execute(
                "INSERT INTO symbols (exchange, symbol, base, quote, kind) VALUES (%s, %s, %s, %s, %s)", row
            )
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
        # The statement of a migrator that was killed ends, and with it the session and its lease.
        self.conn.execute("SET client_connection_check_interval = '1s'")
        catalog.install(self.conn)
        if "candlewave_objects" not in self.existing():
            catalog.apply(self.conn, RECORDS, self.schema)
        self._complete_records()
        self.describe(RECORDS)
        rows = self._rows("SELECT name FROM embedded.objects WHERE schema_name = %s AND NOT building", [self.schema])
        self._note_built({name for (name,) in rows})

    def _text(self, record: Record) -> str | None:
        """Return the record's text, or that of the catalog: 0.1.0 kept it there alone."""
        if record.definition is None and record.kind is None:
            stored = self._definitions().get(record.name)
            return stored if stored is not None and split_header(stored)[0] else None
        return record.definition

    def _definitions(self) -> dict[str, str]:
        """Return texts of views as the catalog has them; a table's or sink's has its parameters filled in."""
        rows = self._rows(
            "SELECT name, definition FROM embedded.objects WHERE schema_name = %s AND kind LIKE '%%view'", [self.schema]
        )
        return dict(rows)

    def sizes(self) -> dict[str, Size]:
        """See :meth:`Target.sizes`."""
        rows = self._rows(
            "SELECT c.relname, CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END, pg_total_relation_size(c.oid)"
            " FROM pg_class AS c WHERE c.relnamespace = %s::regnamespace AND c.relkind = 'r'",
            [self.schema],
        )
        return {name: Size(rows, size) for name, rows, size in rows}

    def inputs(self) -> dict[str, frozenset[str]]:
        """See :meth:`Target.inputs`."""
        return {o.name: o.inputs for o in catalog.load(self.conn, self.schema)}

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

    def build(self, text: str, report: Callable[[str], None]) -> int | None:  # noqa: ARG002
        """See :meth:`Target.build`; PostgreSQL does not say how far an INSERT is."""
        return beside.build(self.conn, text, self.schema)

    def exchange(self, plan: Exchange, made: Mapping[str, Record]) -> None:
        """See :meth:`Target.exchange`: all in one transaction."""

        def write_records() -> None:
            for name in {*plan.places, *plan.gone}:
                self.forget(name)
            for record in made.values():
                self.note(record)

        beside.await_older_readers(self.conn, time.time(), self.pause)
        beside.exchange(self.conn, plan, self.schema, also=write_records, pause=self.pause)

    def outside_readers(self, replaced: Collection[str], planned: Collection[str]) -> list[str]:  # noqa: ARG002
        """See :meth:`Target.outside_readers`; what the catalog knows follows by name."""
        return beside.outside_readers(self.conn, replaced, self.schema)

    def add_column(self, name: str, column: Column) -> None:
        """See :meth:`Target.add_column`."""
        beside.add_column(self.conn, name, column, self.schema, self.pause)

    def describe(self, text: str) -> None:
        """Replace the definition by which the engine reads the table's topic."""
        name = parse_statement(split_header(text)[1]).name
        with self.conn.transaction():
            catalog.lock(self.conn, self.schema)
            self.conn.execute(
                "UPDATE embedded.objects SET definition = %s WHERE schema_name = %s AND name = %s AND definition <> %s",
                [text, self.schema, name, text],
            )


def alter_add(schema: str, name: str, column: Column) -> sql.SQL:
    return trusted(f'ALTER TABLE {schema}.{name} ADD COLUMN "{column.name}" {column.type}')
