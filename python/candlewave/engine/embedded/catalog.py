"""Tables and views of the embedded engine: RisingWave statements applied to PostgreSQL.

A table becomes a table with RisingWave's conflict rule; a materialized view becomes a table that
:mod:`candlewave.engine.embedded.refresh` keeps equal to its query, and so does a plain view with a footprint: the sink
that reads it has to be told what changed. A sink is remembered and fed by the refresh.
Statement triggers on tables note which keys and times were touched, in ``embedded.dirty``.

While a view is *building* it is filled from a snapshot, and what the refresh would compute again is noted in
``embedded.pending`` (no key: all of it); the first refresh after that catches up. See
:mod:`candlewave.engine.embedded.beside`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row
from sqlglot import exp, parse_one

from candlewave.core.errors import CandlewaveError
from candlewave.engine.embedded.ranges import EVER
from candlewave.engine.embedded.translate import translate_query
from candlewave.sqlproject.ddl import Kind, Statement, parse_statement
from candlewave.sqlproject.header import Footprint, Header, Reach, parse_header, split_header
from candlewave.sqlproject.quoting import quote_name, quote_string, trusted
from candlewave.sqlproject.render import relations

_INSTALL = """
CREATE SCHEMA IF NOT EXISTS embedded;
CREATE TABLE IF NOT EXISTS embedded.objects (
    schema_name text NOT NULL,
    name text NOT NULL,
    ordinal bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    definition text NOT NULL,
    full_recompute boolean NOT NULL,
    snapshot_due boolean NOT NULL DEFAULT false,
    building boolean NOT NULL DEFAULT false,
    PRIMARY KEY (schema_name, name)
);
ALTER TABLE embedded.objects ADD COLUMN IF NOT EXISTS building boolean NOT NULL DEFAULT false;
CREATE TABLE IF NOT EXISTS embedded.dirty (
    schema_name text NOT NULL,
    relation text NOT NULL,
    axis text NOT NULL,
    key text[] NOT NULL,
    lo bigint NOT NULL,
    hi bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS dirty_schema ON embedded.dirty (schema_name);
DO $$ BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('embedded.clocks') AND attname = 'key'
    ) THEN
        -- Without the values that were seen a clock counts as new, and all that it closes is computed again.
        DROP TABLE IF EXISTS embedded.clocks;
    END IF;
END $$;
CREATE TABLE IF NOT EXISTS embedded.clocks (
    schema_name text NOT NULL,
    relation text NOT NULL,
    key text[] NOT NULL,
    value timestamptz,
    PRIMARY KEY (schema_name, relation, key)
);
CREATE TABLE IF NOT EXISTS embedded.pending (
    schema_name text NOT NULL,
    relation text NOT NULL,
    key text[],
    lo bigint,
    hi bigint
);
"""

_MINUTE = 60_000_000
_EPOCH = "'1970-01-01 00:00:00+00'::timestamptz"
_TRANSITION = {
    "insert": ("SELECT * FROM new_rows", "NEW TABLE AS new_rows"),
    "update": (
        "SELECT * FROM old_rows UNION ALL SELECT * FROM new_rows",
        "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    ),
    "delete": ("SELECT * FROM old_rows", "OLD TABLE AS old_rows"),
}


class CatalogError(CandlewaveError):
    """A statement cannot be applied to the embedded engine; the text says why."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What readers watch on a table: keys and time of a footprint, and the only rows that matter (None: all)."""

    footprint: Footprint
    filter: str | None


@dataclass(frozen=True)
class StoredObject:
    """An object as the embedded engine knows it: the definition it was made with, read again."""

    name: str
    definition: str

    @cached_property
    def statement(self) -> Statement:
        """The parsed statement."""
        return parse_statement(split_header(self.definition)[1])

    @cached_property
    def header(self) -> Header | None:
        """The parsed header; None for a table made without one."""
        comment, _ = split_header(self.definition)
        return parse_header(comment, self.name) if comment else None

    @property
    def keeps_rows(self) -> bool:
        """Whether it is a table here that the refresh keeps equal to a query."""
        kind = self.statement.kind
        return kind is Kind.MATERIALIZED_VIEW or (kind is Kind.VIEW and bool(self.header and self.header.footprints))

    @cached_property
    def inputs(self) -> frozenset[str]:
        """Relations that the object reads."""
        if self.statement.relation:
            return frozenset({self.statement.relation})
        return relations(self.statement.query) if self.statement.query else frozenset()

    @cached_property
    def row_filter(self) -> str | None:
        """The WHERE condition of a view that only filters the rows of one relation, in PostgreSQL's words.

        A row that fails it is in no version of such a view, so its arrival need not be noted.
        """
        tree = parse_one(translate_query(self.statement.query or ""), dialect="postgres")
        where = tree.args.get("where")
        plain = (
            isinstance(tree, exp.Select)
            and where is not None
            and not any(tree.args.get(part) for part in ("joins", "group", "having", "distinct", "with_"))
            and not tree.find(exp.AggFunc, exp.Window, exp.Subquery)
            and len(list(tree.find_all(exp.Select))) == 1
        )
        return str(where.this.sql(dialect="postgres")) if plain and where is not None else None

    @cached_property
    def footprints(self) -> tuple[Footprint, ...]:
        """Declared footprints; one ``full`` per input when the header declares none."""
        declared = self.header.footprints if self.header else ()
        covered = {f.input for f in declared}
        return (*declared, *(Footprint(name, Reach.FULL) for name in sorted(self.inputs - covered)))


def install(conn: psycopg.Connection) -> None:
    """Create the catalog's own tables, if they are not there."""
    conn.execute(_INSTALL)


@lru_cache(maxsize=1024)
def _stored(name: str, definition: str) -> StoredObject:
    """Return one object per definition, so that each is parsed once in a process."""
    return StoredObject(name, definition)


def load(conn: psycopg.Connection, schema: str = "public") -> list[StoredObject]:
    """Return the objects of a schema in the order in which they were made, so that each follows its inputs."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            "SELECT name, definition FROM embedded.objects WHERE schema_name = %s ORDER BY ordinal", [schema]
        )
        return [_stored(name, definition) for name, definition in cursor]


def apply(conn: psycopg.Connection, text: str, schema: str = "public") -> None:
    """Apply one RisingWave CREATE statement, header included, in one transaction.

    Args:
        text: the statement with deploy-time parameters filled in.
        schema: PostgreSQL schema of the object and of all it reads.

    Raises:
        CatalogError: an input is missing or the object exists already.
        DdlError, HeaderError, TranslationError: the text cannot be read or translated.
        psycopg.Error: PostgreSQL refuses the translated statement.
    """
    with conn.transaction():
        lock(conn, schema)
        register(conn, text, schema)
        fill(conn, text, schema)


def lock(conn: psycopg.Connection, schema: str) -> None:
    """Keep refreshes and other changes of the catalog away until the transaction ends; names are those of a schema."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('embedded.refresh'))")
    conn.execute(sql.SQL("SET LOCAL search_path TO {}, public").format(sql.Identifier(schema)))


def register(conn: psycopg.Connection, text: str, schema: str, *, building: bool = False) -> None:
    """Make an object without rows, in a transaction that holds the lock.

    Args:
        building: whether it is filled later, from a snapshot.

    Raises:
        CatalogError, DdlError, HeaderError, TranslationError, psycopg.Error: see :func:`apply`.
    """
    statement = parse_statement(split_header(text)[1])
    stored = _stored(statement.name, text)
    known = {o.name: o for o in load(conn, schema)}
    if statement.name in known:
        raise CatalogError(f"{schema}.{statement.name} exists already")
    missing = sorted(stored.inputs - known.keys())
    if missing:
        raise CatalogError(f"{statement.name} reads {', '.join(missing)}, which does not exist in {schema}")
    match statement.kind:
        case Kind.TABLE:
            _create_table(conn, statement, schema)
        case Kind.MATERIALIZED_VIEW | Kind.VIEW if stored.keeps_rows:
            _create_materialized_view(conn, stored, schema, known)
        case Kind.VIEW:
            assert statement.query is not None
            conn.execute(
                trusted(f"CREATE VIEW {quote_name(schema, statement.name)} AS {translate_query(statement.query)}")
            )
        case Kind.SINK:
            pass
    conn.execute(
        "INSERT INTO embedded.objects"
        " (schema_name, name, kind, definition, full_recompute, snapshot_due, building)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [schema, statement.name, statement.kind, text, _is_full(stored), statement.kind is Kind.SINK, building],
    )
    for name in stored.inputs:
        if known[name].statement.kind is Kind.TABLE:
            watch(conn, known[name], schema)


def fill(conn: psycopg.Connection, text: str, schema: str) -> int:
    """Compute the rows of a view that keeps some and has none yet; return how many."""
    statement = parse_statement(split_header(text)[1])
    if not _stored(statement.name, text).keeps_rows:
        return 0
    assert statement.query is not None
    table = quote_name(schema, statement.name)
    rows = conn.execute(trusted(f"INSERT INTO {table} {translate_query(statement.query)}")).rowcount
    conn.execute(trusted(f"ANALYZE {table}"))
    return rows


def drop(conn: psycopg.Connection, kind: Kind | str, name: str, schema: str = "public") -> None:
    """Drop an object.

    Raises:
        CatalogError: it does not exist, is of another kind, or something still reads it.
    """
    kind = Kind(kind)
    with conn.transaction():
        lock(conn, schema)
        objects = {o.name: o for o in load(conn, schema)}
        if name not in objects or objects[name].statement.kind is not kind:
            found = objects[name].statement.kind if name in objects else "nothing"
            raise CatalogError(f"cannot drop {kind} {schema}.{name}: found {found} of that name")
        readers = sorted(o.name for o in objects.values() if name in o.inputs)
        if readers:
            raise CatalogError(f"cannot drop {schema}.{name}: {', '.join(readers)} reads it")
        if kind is not Kind.SINK:
            what = "VIEW" if kind is Kind.VIEW and not objects[name].keeps_rows else "TABLE"
            conn.execute(trusted(f"DROP {what} {quote_name(schema, name)}"))
        if kind is Kind.TABLE and objects[name].statement.connector and has_bus(conn):
            conn.execute("DELETE FROM bus.offsets WHERE group_id = %s", [group_of(name, schema)])
        forget(conn, name, schema)
        for source in objects[name].inputs:
            if objects[source].statement.kind is Kind.TABLE:
                watch(conn, objects[source], schema)


def forget(conn: psycopg.Connection, name: str, schema: str) -> None:
    """Remove what the catalog notes of an object."""
    for table, column in (("objects", "name"), ("dirty", "relation"), ("clocks", "relation"), ("pending", "relation")):
        conn.execute(trusted(f"DELETE FROM embedded.{table} WHERE schema_name = %s AND {column} = %s"), [schema, name])


def axis_of(reader: StoredObject, footprint: Footprint) -> str:
    """Name what a reader watches on an input: its key columns, the expression of its time, and which rows matter."""
    return f"{','.join(footprint.input_keys)}|{footprint.input_time or ''};{reader.row_filter or ''}"


def clock_keys(footprint: Footprint, clock: StoredObject) -> tuple[str, ...]:
    """Return those keys of a clock's footprint by which the clock has rows; none for a clock of one row."""
    own = clock.header.keys if clock.header else ()
    return tuple(key for key in footprint.keys if key in own)


def group_of(table: str, schema: str) -> str:
    """Name the consumer group by which a table reads its topic, as lag and retention see it."""
    return f"engine.{schema}.{table}"


def has_bus(conn: psycopg.Connection) -> bool:
    """Tell whether the database holds the bus's tables; golden tests run without."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("SELECT to_regclass('bus.topics') IS NOT NULL")
        return cursor.fetchone() == (True,)


def _is_full(stored: StoredObject) -> bool:
    """Tell whether a change of a large input makes the whole object be recomputed."""
    return stored.statement.kind is Kind.MATERIALIZED_VIEW and not (stored.header and stored.header.footprints)


def _create_table(conn: psycopg.Connection, statement: Statement, schema: str) -> None:
    columns = [f'"{column.name}" {column.type}' for column in statement.columns]
    if statement.primary_key:
        columns.append(f"PRIMARY KEY ({_columns(statement.primary_key)})")
    table = quote_name(schema, statement.name)
    conn.execute(trusted(f"CREATE TABLE {table} ({', '.join(columns)})"))
    if statement.primary_key:
        _install_conflict_rule(conn, statement, schema)


def _install_conflict_rule(conn: psycopg.Connection, statement: Statement, schema: str) -> None:
    """Give a plain INSERT RisingWave's meaning: the first row of a key wins (DO NOTHING) or the last one does.

    Connectors load in bulk with an ON CONFLICT clause of their own and switch the row trigger off.
    """
    table = quote_name(schema, statement.name)
    same_key = " AND ".join(f'kept."{column}" = NEW."{column}"' for column in statement.primary_key)
    if statement.append_only or statement.on_conflict == "DO NOTHING":
        body = f"IF EXISTS (SELECT 1 FROM {table} AS kept WHERE {same_key}) THEN RETURN NULL; END IF; RETURN NEW;"
    else:
        body = f"DELETE FROM {table} AS kept WHERE {same_key}; RETURN NEW;"
    function = quote_name("embedded", f"keep_{_digest(schema, statement.name)}")
    conn.execute(
        trusted(
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
            f"CREATE TRIGGER keep_one BEFORE INSERT ON {table} FOR EACH ROW"
            f" WHEN (current_setting('candlewave.bulk', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION {function}()"
        )
    )


def _create_materialized_view(
    conn: psycopg.Connection, stored: StoredObject, schema: str, known: Mapping[str, StoredObject]
) -> None:
    if stored.header is None:
        raise CatalogError(f"{stored.name}: a materialized view needs a header")
    assert stored.statement.query is not None
    header, query = stored.header, translate_query(stored.statement.query)
    table = quote_name(schema, stored.name)
    conn.execute(trusted(f"CREATE TABLE {table} AS {query} WITH NO DATA"))
    conn.execute(trusted(f"ALTER TABLE {table} ADD PRIMARY KEY ({_columns(header.keys)})"))
    ranged = next((f for f in header.footprints if f.reach in (Reach.RANGE, Reach.TUMBLE)), None)
    if ranged and ranged.output_time not in header.keys:
        conn.execute(trusted(f'CREATE INDEX ON {table} ({_columns(ranged.keys)}, "{ranged.output_time}")'))
    for footprint in header.footprints:
        if footprint.is_clock:
            keys = "".join(f'"{key}"::text, ' for key in clock_keys(footprint, known[footprint.input]))
            conn.execute(
                trusted(
                    "INSERT INTO embedded.clocks (schema_name, relation, key, value)"
                    f" SELECT %s, %s, ARRAY[{keys.rstrip(', ')}]::text[], {footprint.input_time}"
                    f" FROM {quote_name(schema, footprint.input)} ON CONFLICT DO NOTHING"
                ),
                [schema, footprint.input],
            )
        elif footprint.input_time and known[footprint.input].keeps_rows:
            _index_axis(conn, known[footprint.input], footprint, schema)


def watch(conn: psycopg.Connection, table: StoredObject, schema: str) -> None:
    """Make the triggers that note, for each of its readers, what a statement touched in a table."""
    axes: dict[str, Axis] = {}
    for reader in load(conn, schema):
        if reader.keeps_rows:
            for footprint in reader.footprints:
                if footprint.input == table.name and not footprint.is_clock:
                    axes.setdefault(axis_of(reader, footprint), Axis(footprint, reader.row_filter))
    digest = _digest(schema, table.name)
    relation = quote_name(schema, table.name)
    for event in ("insert", "update", "delete"):
        if not axes:
            conn.execute(trusted(f"DROP TRIGGER IF EXISTS touch_{event} ON {relation}"))
            continue
        rows, tables = _TRANSITION[event]
        notes = "".join(_notes(axes, rows, schema, table.name))
        function = quote_name("embedded", f"touch_{event}_{digest}")
        conn.execute(
            trusted(
                f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN\n{notes}"
                "PERFORM pg_notify('embedded_dirty', ''); RETURN NULL; END $$;"
                # Waits for writers, whose rows the old function noted; readers go on.
                f"CREATE OR REPLACE TRIGGER touch_{event} AFTER {event.upper()} ON {relation} REFERENCING {tables}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
            )
        )
    for axis in axes.values():
        _index_axis(conn, table, axis.footprint, schema)


def _notes(axes: dict[str, Axis], rows: str, schema: str, name: str) -> Iterator[str]:
    """Yield the INSERTs that note touched keys and minutes; one pass over the rows serves all axes without a filter."""
    groups: dict[tuple[tuple[str, ...], str | None], list[tuple[str, str | None]]] = {}
    for label, axis in sorted(axes.items()):
        groups.setdefault((axis.footprint.input_keys, axis.filter), []).append((label, axis.footprint.input_time))
    for (keys, row_filter_), members in groups.items():
        key = ", ".join(f'"{column}"::text AS k{k}' for k, column in enumerate(keys))
        minutes = [f"date_bin('1 minute', {time}, {_EPOCH}) AS t{n}" for n, (_, time) in enumerate(members) if time]
        where = f" WHERE {row_filter_}" if row_filter_ else ""
        picked = ", ".join(filter(None, [key, *minutes])) or "1 AS one"
        values = ", ".join(
            f"({quote_string(label)}, {f't{n}' if time else 'NULL::timestamptz'})"
            for n, (label, time) in enumerate(members)
        )
        key_array = f"ARRAY[{', '.join(f'k{k}' for k in range(len(keys)))}]::text[]"
        yield (
            "INSERT INTO embedded.dirty (schema_name, relation, axis, key, lo, hi)"
            f" SELECT DISTINCT '{schema}', '{name}', a.axis, {key_array},"
            f" coalesce((extract(epoch FROM a.minute) * 1000000)::bigint, {EVER[0]}),"
            f" coalesce((extract(epoch FROM a.minute) * 1000000)::bigint + {_MINUTE}, {EVER[1]})"
            f" FROM (SELECT DISTINCT {picked} FROM ({rows}) AS r{where}) AS d,"
            f" LATERAL (VALUES {values}) AS a(axis, minute)"
            f" WHERE a.minute IS NOT NULL OR a.axis LIKE '%|;%';\n"
        )


def _index_axis(conn: psycopg.Connection, table: StoredObject, footprint: Footprint, schema: str) -> None:
    """Index the keys and the time that a reader restricts by, unless the primary key does."""
    keys = (*footprint.input_keys, footprint.input_time)
    primary = table.statement.primary_key or (table.header.keys if table.header else ())
    if footprint.input_time is None or keys == primary[: len(keys)]:
        return
    name = f"{table.name}_{_digest(schema, *footprint.input_keys, footprint.input_time)}"
    conn.execute(
        trusted(
            f'CREATE INDEX IF NOT EXISTS "{name}" ON {quote_name(schema, table.name)}'
            f" ({_columns(footprint.input_keys)}, ({footprint.input_time}))"
        )
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:12]


def _columns(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names)
