"""The engines a migration is applied to: what exists there, and how objects are made, dropped and recorded.

Every statement is on its own: RisingWave rolls nothing back, so nothing here relies on a transaction.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from graphlib import TopologicalSorter
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from candlewave.core.markets import Market
from candlewave.engine.embedded import catalog
from candlewave.engine.migrate.plan import UNRECORDED, Recorded
from candlewave.sqlproject.ddl import Column, Kind, parse_statement
from candlewave.sqlproject.header import split_header
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
        known = set(self._rows("SELECT exchange, symbol, base, quote FROM symbols"))
        wanted = [(s.exchange, s.symbol, s.base, s.quote) for s in markets]
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
        self._complete_records()
        self.describe(RECORDS)

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
        self._complete_records()

    def existing(self) -> dict[str, Kind]:
        """See :meth:`Target.existing`."""
        rows = self._rows(
            "SELECT r.name, r.relation_type FROM rw_catalog.rw_relations AS r"
            " JOIN rw_catalog.rw_schemas AS s ON r.schema_id = s.id WHERE s.name = %s",
            [self.schema],
        )
        kinds = {str(kind) for kind in Kind}
        return {name: Kind(kind) for name, kind in rows if kind in kinds}

    def sizes(self) -> dict[str, Size]:
        """See :meth:`Target.sizes`."""
        rows = self._rows(
            "SELECT r.name, s.total_key_count, s.total_key_size + s.total_value_size"
            " FROM rw_catalog.rw_table_stats AS s JOIN rw_catalog.rw_relations AS r ON r.id = s.id"
            " JOIN rw_catalog.rw_schemas AS n ON r.schema_id = n.id WHERE n.name = %s",
            [self.schema],
        )
        return {name: Size(rows, size) for name, rows, size in rows}

    def inputs(self) -> dict[str, frozenset[str]]:
        """See :meth:`Target.inputs`."""
        rows = self._rows(
            "SELECT r.name, i.name FROM rw_catalog.rw_relations AS r"
            " JOIN rw_catalog.rw_schemas AS n ON r.schema_id = n.id"
            " LEFT JOIN rw_catalog.rw_depend AS d ON d.objid = r.id"
            " LEFT JOIN rw_catalog.rw_relations AS i ON i.id = d.refobjid WHERE n.name = %s",
            [self.schema],
        )
        found: dict[str, set[str]] = {}
        for name, source in rows:
            found.setdefault(name, set()).update({source} if source else ())
        return {name: frozenset(sources) for name, sources in found.items()}

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
