"""Views built beside those that serve, and the exchange of both in one transaction.

A view under another name is an object like any other: the refresh keeps it as fresh as the one whose place it takes.
Only its first rows are special. They are computed from a snapshot, while the refresh goes on and notes what changed
meanwhile. The exchange renames; whatever reads by name, in SQL or as an object of the catalog, follows.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

import psycopg
from psycopg import errors, sql
from psycopg.rows import tuple_row

from candlewave.engine.embedded.catalog import (
    CatalogError,
    StoredObject,
    fill,
    forget,
    load,
    lock,
    register,
    watch,
)
from candlewave.engine.embedded.refresh import Refresher
from candlewave.engine.embedded.translate import translate_query
from candlewave.sqlproject.ddl import Column, Kind, parse_statement
from candlewave.sqlproject.header import split_header

_LOCK_MILLISECONDS = 150
"""Longest wait for a relation's lock: whoever reads meanwhile queues behind it."""
_PATIENCE_SECONDS = 300.0
_SNAPSHOT_SECONDS = 60.0


@dataclass(frozen=True)
class Exchange:
    """What takes whose place.

    Attributes:
        places: final name by the name that an object was built under.
        texts: final definition of everything that was built, by final name, parameters filled in.
        gone: objects that are dropped without another in their place.
        sinks: sinks that are made, and whether they send the rows that exist.
    """

    places: Mapping[str, str]
    texts: Mapping[str, str]
    gone: frozenset[str] = frozenset()
    sinks: tuple[tuple[str, bool], ...] = ()


def build(conn: psycopg.Connection, text: str, schema: str = "public") -> int:
    """Make an object and fill it from a snapshot, without keeping refreshes away meanwhile; return its rows.

    Raises:
        CatalogError, DdlError, HeaderError, TranslationError, psycopg.Error: see :func:`catalog.apply`.
    """
    statement = parse_statement(split_header(text)[1])
    has_rows = StoredObject(statement.name, text).keeps_rows
    with conn.transaction():
        lock(conn, schema)
        register(conn, text, schema, building=has_rows)
    if not has_rows:
        return 0
    with conn.transaction():
        conn.execute(sql.SQL("SET LOCAL search_path TO {}, public").format(sql.Identifier(schema)))
        rows = fill(conn, text, schema)
        lock(conn, schema)
        conn.execute(
            "UPDATE embedded.objects SET building = false WHERE schema_name = %s AND name = %s",
            [schema, statement.name],
        )
    return rows


def outside_readers(conn: psycopg.Connection, names: Iterable[str], schema: str = "public") -> list[str]:
    """Return views that read one of the relations and that the catalog does not know, as ``view reads relation``."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            "SELECT DISTINCT format('%%s reads %%s', v.oid::regclass, t.relname)"
            " FROM pg_class AS t JOIN pg_depend AS d ON d.refobjid = t.oid AND d.refclassid = 'pg_class'::regclass"
            " JOIN pg_rewrite AS r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass"
            " JOIN pg_class AS v ON v.oid = r.ev_class AND v.oid <> t.oid"
            " WHERE t.relnamespace = %s::regnamespace AND t.relname = ANY (%s) AND NOT EXISTS ("
            " SELECT 1 FROM embedded.objects AS o WHERE o.name = v.relname"
            " AND o.schema_name::regnamespace = v.relnamespace) ORDER BY 1",
            [schema, list(names)],
        )
        return [line for (line,) in cursor]


def await_older_readers(
    conn: psycopg.Connection,
    since: float,
    pause: Callable[[float], None] = time.sleep,
    limit: float = _SNAPSHOT_SECONDS,
) -> None:
    """Wait until transactions have ended that began before ``since`` (seconds since 1970), at most ``limit`` seconds.

    A transaction that keeps one snapshot for several statements would find relations empty that were filled after it.
    """
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        with conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend' AND state <> 'idle' AND xact_start < to_timestamp(%s)",
                [since],
            )
            if cursor.fetchone() == (0,):
                return
        pause(0.1)


def exchange(
    conn: psycopg.Connection,
    plan: Exchange,
    schema: str = "public",
    *,
    also: Callable[[], None],
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Put everything that was built into its place and drop what was there, in one transaction.

    Locks of relations are asked for only for moments, and all is tried again until nothing else holds one of them: a
    reader neither fails nor waits for another reader.

    Args:
        also: called within the transaction, before it is committed.

    Raises:
        CatalogError: somebody held a lock for minutes.
        psycopg.Error: PostgreSQL refuses a statement.
    """

    def work() -> None:
        lock(conn, schema)
        Refresher(conn, schema).settle()
        conn.execute(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}")
        _exchange(conn, plan, schema)
        also()

    _patiently(conn, work, pause)


def add_column(
    conn: psycopg.Connection,
    table: str,
    column: Column,
    schema: str = "public",
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Add a column to a table, as patiently as :func:`exchange`."""

    def work() -> None:
        lock(conn, schema)
        conn.execute(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}")
        conn.execute(
            sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                sql.Identifier(schema, table), sql.Identifier(column.name), sql.SQL(column.type)
            )
        )

    _patiently(conn, work, pause)


def _patiently(conn: psycopg.Connection, work: Callable[[], None], pause: Callable[[float], None]) -> None:
    """Do some work in a transaction; when another session holds a lock, try all of it again a little later."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with conn.transaction():
                work()
        except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
            if time.monotonic() > deadline:
                raise CatalogError(f"another session kept a lock for {_PATIENCE_SECONDS:g} s: {error}") from error
            pause(random.uniform(0.05, 0.3))
        else:
            return


def _exchange(conn: psycopg.Connection, plan: Exchange, schema: str) -> None:
    objects = {o.name: o for o in load(conn, schema)}
    old = {final: f"{final}__old" for final in plan.places.values() if final in objects}
    follow = _following_views(objects, plan, old)
    relations = [o for o in reversed(objects.values()) if o.statement.kind is not Kind.SINK]
    locked = {*follow, *old, *plan.gone, *plan.places}
    names = [sql.Identifier(schema, o.name) for o in relations if o.name in locked]
    if names:
        conn.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.SQL(", ").join(names)))
    for final, aside in old.items():
        _rename(conn, schema, objects[final], aside)
    for built, final in plan.places.items():
        _rename(conn, schema, objects[built], final)
    for view in follow:
        query = objects[view].statement.query
        assert query is not None
        conn.execute(
            sql.SQL("CREATE OR REPLACE VIEW {} AS {}").format(
                sql.Identifier(schema, view), sql.SQL(translate_query(query))
            )
        )
    for o in reversed(objects.values()):
        if o.name in old or o.name in plan.gone:
            _drop(conn, schema, o, old.get(o.name, o.name))
    for built, final in plan.places.items():
        _rename_indexes(conn, schema, built, final)
    _rewrite_catalog(conn, plan, schema, objects, old)


def _following_views(objects: Mapping[str, StoredObject], plan: Exchange, old: Mapping[str, str]) -> list[str]:
    """Return the plain views that stay, in order, and read what is exchanged: PostgreSQL binds a view to a relation."""
    reached = set(old)
    views = []
    for o in objects.values():
        stays = o.name not in old and o.name not in plan.gone and o.name not in plan.places
        if stays and o.statement.kind is Kind.VIEW and not o.keeps_rows and o.inputs & reached:
            reached.add(o.name)
            views.append(o.name)
    return views


def _rename(conn: psycopg.Connection, schema: str, stored: StoredObject, name: str) -> None:
    if stored.statement.kind is not Kind.SINK:
        conn.execute(
            sql.SQL("ALTER {} {} RENAME TO {}").format(
                _what(stored), sql.Identifier(schema, stored.name), sql.Identifier(name)
            )
        )


def _drop(conn: psycopg.Connection, schema: str, stored: StoredObject, name: str) -> None:
    if stored.statement.kind is not Kind.SINK:
        conn.execute(sql.SQL("DROP {} {}").format(_what(stored), sql.Identifier(schema, name)))


def _what(stored: StoredObject) -> sql.SQL:
    is_view = stored.statement.kind is Kind.VIEW and not stored.keeps_rows
    return sql.SQL("VIEW") if is_view else sql.SQL("TABLE")


def _rename_indexes(conn: psycopg.Connection, schema: str, built: str, final: str) -> None:
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            "SELECT i.relname FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid"
            " JOIN pg_class AS t ON t.oid = x.indrelid"
            " WHERE t.relnamespace = %s::regnamespace AND t.relname = %s AND starts_with(i.relname, %s)",
            [schema, final, built],
        )
        for (index,) in cursor.fetchall():
            conn.execute(
                sql.SQL("ALTER INDEX {} RENAME TO {}").format(
                    sql.Identifier(schema, index), sql.Identifier(final + index.removeprefix(built))
                )
            )


def _rewrite_catalog(
    conn: psycopg.Connection,
    plan: Exchange,
    schema: str,
    objects: Mapping[str, StoredObject],
    old: Mapping[str, str],
) -> None:
    tables = {
        source
        for name in {*old, *plan.gone, *plan.places, *plan.texts} & objects.keys()
        for source in objects[name].inputs
        if source in objects and objects[source].statement.kind is Kind.TABLE
    }
    for built, final in plan.places.items():
        conn.execute("DELETE FROM embedded.objects WHERE schema_name = %s AND name = %s", [schema, final])
        # Readers that stay saw the old clock at the same refresh as the new one.
        conn.execute(
            "DELETE FROM embedded.clocks AS c WHERE schema_name = %s AND relation = %s AND EXISTS ("
            " SELECT 1 FROM embedded.clocks AS n WHERE n.schema_name = c.schema_name AND n.relation = %s)",
            [schema, final, built],
        )
        conn.execute(
            "UPDATE embedded.clocks SET relation = %s WHERE schema_name = %s AND relation = %s",
            [final, schema, built],
        )
        conn.execute(
            "UPDATE embedded.objects SET name = %s WHERE schema_name = %s AND name = %s", [final, schema, built]
        )
    for final, text in plan.texts.items():
        conn.execute(
            "UPDATE embedded.objects SET definition = %s WHERE schema_name = %s AND name = %s", [text, schema, final]
        )
    for name in plan.gone:
        forget(conn, name, schema)
    for text, sends in plan.sinks:
        register(conn, text, schema)
        conn.execute(
            "UPDATE embedded.objects SET snapshot_due = %s WHERE schema_name = %s AND name = %s",
            [sends, schema, parse_statement(split_header(text)[1]).name],
        )
    _renumber(conn, schema)
    for o in load(conn, schema):
        if o.name in tables:
            watch(conn, o, schema)


def _renumber(conn: psycopg.Connection, schema: str) -> None:
    """Give the objects new ordinals, so that each follows what it reads again."""
    objects = {o.name: o for o in load(conn, schema)}
    order = TopologicalSorter({name: sorted(o.inputs & objects.keys()) for name, o in objects.items()}).static_order()
    for name in order:
        conn.execute(
            "UPDATE embedded.objects SET ordinal = DEFAULT WHERE schema_name = %s AND name = %s", [schema, name]
        )
