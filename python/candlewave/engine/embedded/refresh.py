"""Keep the embedded engine's views equal to their queries, without recomputing history.

One call of :meth:`Refresher.run_once` is one transaction: new messages of all topics become rows, the touched keys and
times travel through the views by their footprints, and each view's touched part is replaced. Readers of any layer see
all layers move at once.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from candlewave.bus.metrics import REFUSED
from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Message
from candlewave.contracts.topics import DOCUMENTS
from candlewave.engine.embedded.catalog import CatalogError, StoredObject, axis_of, clock_keys, has_bus, load, lock
from candlewave.engine.embedded.connectors import document_message, pump, sink_row
from candlewave.engine.embedded.equality import differs
from candlewave.engine.embedded.quarantine import BREAKAGE, reject, waiting
from candlewave.engine.embedded.ranges import EVER, Key, Range, Ranges, outputs_of, project, spread, union
from candlewave.engine.embedded.recompute import PORTION_ROWS, View, recompute
from candlewave.engine.embedded.translate import translate_query
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.header import Footprint, Reach
from candlewave.telemetry.logs import get_logger

_log = get_logger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SNAPSHOT_ROWS = 5_000
_RETAIN_SECONDS = 600.0
_ANALYZE_ROWS = 1_000


@dataclass(slots=True)
class Stats:
    """What one refresh did.

    Attributes:
        messages: messages read from topics.
        rows: rows that they added or changed in tables.
        skipped: messages without a usable key.
        written, deleted: changed rows by view.
        computed: by view, how many portions of it were computed.
        seconds: wall time by view, sinks included, and of reading topics as ``topics``.
    """

    messages: int = 0
    rows: int = 0
    skipped: int = 0
    written: dict[str, int] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)
    computed: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        """True when there was nothing to do."""
        return not self.messages and not self.seconds


@dataclass(frozen=True)
class _Graph:
    """The catalog's objects, read once and kept until the catalog changes."""

    version: str
    objects: dict[str, StoredObject]
    views: list[View]
    sources: list[StoredObject]
    sinks: dict[str, list[StoredObject]]
    building: frozenset[str]
    """Views that are filled at this moment."""


class Refresher:
    """Bring the views of one schema up to date.

    Args:
        conn: connection in autocommit mode, used by nothing else.
        schema: schema of tables and views.
        bus: where sinks publish, within the refresh's transaction; without one sinks rest.
        batch: most messages taken from a topic's partition in one transaction.
        portion_rows: about how many rows of a view one statement computes.
    """

    def __init__(
        self,
        conn: psycopg.Connection,
        schema: str = "public",
        *,
        bus: PostgresBus | None = None,
        batch: int = 25_000,
        portion_rows: int = PORTION_ROWS,
    ) -> None:
        self._conn = conn
        self._bus = bus
        self._schema = schema
        self._batch = batch
        self._portion_rows = portion_rows
        self._limit = batch
        """Messages to take now: fewer after one of them broke a view, until it is found."""
        self._graph: _Graph | None = None

    def run_once(self) -> Stats:
        """Take what is pending, up to a batch, and bring every view up to date in one transaction.

        A message whose row a view cannot compute with is found in ever smaller batches, and rejected alone.
        """
        try:
            stats = self._refresh(self._limit)
        except BREAKAGE as error:
            return self._take_less(error)
        self._limit = min(2 * self._limit, self._batch)
        return stats

    def _take_less(self, error: psycopg.Error) -> Stats:
        """Go on with fewer messages, or find the one that a view cannot compute with, and reject it."""
        self._refresh(0)  # what fails without a message is no message's fault
        if self._limit > 1:
            _log.warning("a message breaks a view: looking for it", error=str(error).strip(), batch=self._limit)
            self._limit = max(self._limit // 8, 1)
            return Stats(messages=1)
        stats = Stats(messages=1)
        for table in self._sources():
            for place in waiting(self._conn, table, self._schema):
                try:
                    self._refresh(1, (table.name, place.partition))
                except BREAKAGE as broken:
                    with self._conn.transaction():
                        reject(self._conn, self._bus, table, self._schema, place, broken)
                    stats.skipped += 1
        return stats

    def _sources(self) -> list[StoredObject]:
        with self._conn.transaction():
            return self._begin().sources

    def _refresh(self, limit: int, only: tuple[str, int] | None = None) -> Stats:
        """Take up to so many messages of each partition, or of one partition of a table alone, and compute."""
        stats = Stats()
        skipped: Counter[str] = Counter()
        with self._conn.transaction():
            graph = self._begin()
            self._conn.execute("SET LOCAL candlewave.bulk = 'on'; SET LOCAL synchronous_commit = 'off'")
            started = time.perf_counter()
            for table in graph.sources if has_bus(self._conn) else ():
                if only is not None and only[0] != table.name:
                    continue
                pumped = pump(self._conn, table, self._schema, limit, None if only is None else only[1], self._bus)
                stats.messages += pumped.messages
                stats.rows += pumped.rows
                stats.skipped += pumped.skipped
                skipped[pumped.topic] += pumped.skipped
                self._analyze_if_grown(table.name, table.statement.primary_key, pumped.rows)
            if self._bus:
                self._send_snapshots(graph, self._bus)
            if stats.messages:
                stats.seconds["topics"] = time.perf_counter() - started
            self._propagate(graph, self._take_dirty(), stats)
        for topic, count in skipped.items():  # a transaction that is rolled back has skipped nothing
            REFUSED.labels(topic).inc(count)
        return stats

    def settle(self) -> Stats:
        """Bring views that were just filled up to date with the rest, and leave what is pending otherwise."""
        stats = Stats()
        with self._conn.transaction():
            self._propagate(self._begin(), {}, stats)
        return stats

    def run(self, stop: Event) -> None:
        """Refresh whenever something arrives, until ``stop`` is set.

        A notification wakes it; a poll each second is the safety net for one that was lost. Every ten minutes the bus
        lets go of what is past its retention.
        """
        with psycopg.connect(self._conn.info.dsn, password=self._conn.info.password, autocommit=True) as listener:
            listener.execute("LISTEN bus; LISTEN embedded_dirty")
            retained_at = time.monotonic()
            while not stop.is_set():
                idle = self.run_once().idle
                if self._bus and time.monotonic() - retained_at > _RETAIN_SECONDS:
                    self._bus.retain()
                    retained_at = time.monotonic()
                if idle:
                    for _ in listener.notifies(timeout=1.0, stop_after=1):
                        pass

    def run_until_idle(self) -> Stats:
        """Repeat :meth:`run_once` until nothing is pending; return the sums."""
        total = Stats()
        while not (stats := self.run_once()).idle:
            total.messages += stats.messages
            total.rows += stats.rows
            total.skipped += stats.skipped
            for mine, its in (
                (total.written, stats.written),
                (total.deleted, stats.deleted),
                (total.computed, stats.computed),
            ):
                for name, count in its.items():
                    mine[name] = mine.get(name, 0) + count
            for name, seconds in stats.seconds.items():
                total.seconds[name] = total.seconds.get(name, 0.0) + seconds
        return total

    def _begin(self) -> _Graph:
        """Take the lock and return the catalog's objects."""
        lock(self._conn, self._schema)
        # Row estimates of touched ranges are rough, and a nested loop chosen by them is quadratic.
        self._conn.execute(
            "SET LOCAL random_page_cost = 1.1; SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off"
        )
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(
                # A row's xmin changes with every change of it.
                "SELECT coalesce(string_agg(concat(ordinal, ':', xmin), ' ' ORDER BY ordinal), '')"
                " FROM embedded.objects WHERE schema_name = %s",
                [self._schema],
            )
            (version,) = cursor.fetchone() or ("",)
        if self._graph is None or self._graph.version != version:
            objects = load(self._conn, self._schema)
            self._graph = _read_graph(self._conn, objects, self._schema, version)
        return self._graph

    def _analyze_if_grown(self, name: str, columns: Sequence[str], rows: int) -> None:
        """Gather statistics of some columns when a relation has doubled at once; autovacuum comes too late for that.

        Without them PostgreSQL reads a single trade through an index on times instead of the primary key. Of all
        columns of a wide view they would take longer than to fill it.
        """
        if rows < _ANALYZE_ROWS:
            return
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            relation = sql.Identifier(self._schema, name)
            cursor.execute(
                sql.SQL("SELECT reltuples FROM pg_class WHERE oid = {}::regclass").format(
                    sql.Literal(relation.as_string(self._conn))
                )
            )
            known = cursor.fetchone()
            if known is not None and rows > known[0]:
                listed = sql.SQL(", ").join(map(sql.Identifier, columns))
                cursor.execute(sql.SQL("ANALYZE {} ({})" if columns else "ANALYZE {}").format(relation, listed))

    def _send_snapshots(self, graph: _Graph, bus: PostgresBus) -> None:
        """Send a new sink every row that its view has already, as RisingWave does; later it gets changes."""
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(
                "UPDATE embedded.objects SET snapshot_due = false WHERE schema_name = %s AND snapshot_due"
                " RETURNING name",
                [self._schema],
            )
            names = sorted(name for (name,) in cursor)
        for name in names:
            sink = graph.objects[name]
            view = next(view for view in graph.views if view.name == sink.statement.relation)
            with self._conn.cursor(f"snapshot_{name}", row_factory=tuple_row) as rows:
                rows.itersize = _SNAPSHOT_ROWS
                row = sink_row(view.columns, view.types, "w")
                rows.execute(sql.SQL(f'SELECT {row} FROM "{view.schema}"."{view.name}" AS w'))
                while chunk := rows.fetchmany(_SNAPSHOT_ROWS):
                    _publish(bus, self._conn, sink, view, [text for (text,) in chunk])

    def _take_dirty(self) -> dict[tuple[str, str], Ranges]:
        taken: dict[tuple[str, str], Ranges] = {}
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(
                "WITH taken AS (DELETE FROM embedded.dirty WHERE schema_name = %s"
                " RETURNING relation, axis, key, lo, hi)"
                " SELECT relation, axis, key, lower(r), upper(r) FROM ("
                " SELECT relation, axis, key, unnest(range_agg(int8range(lo, hi))) AS r FROM taken"
                " GROUP BY relation, axis, key) AS merged",
                [self._schema],
            )
            for relation, axis, key, lo, hi in cursor:
                taken.setdefault((relation, axis), {}).setdefault(tuple(key), []).append((lo, hi))
        return taken

    def _take_pending(self, graph: _Graph) -> dict[str, Ranges | None]:
        """Return, and forget, what views have to compute again since they were filled; None stands for all of it."""
        taken: dict[str, Ranges | None] = {}
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(
                "DELETE FROM embedded.pending WHERE schema_name = %s AND relation <> ALL (%s)"
                " RETURNING relation, key, lo, hi",
                [self._schema, sorted(graph.building)],
            )
            for relation, key, lo, hi in cursor:
                ranges = taken.setdefault(relation, {})
                if key is None or ranges is None:
                    taken[relation] = None
                else:
                    taken[relation] = union(ranges, {tuple(key): [(lo, hi)]})
        return taken

    def _postpone(self, view: View, wanted: Ranges | None) -> None:
        """Note what a view that is being filled has to compute again afterwards."""
        if wanted is None:
            rows: list[tuple[object, ...]] = [(None, None, None)]
        else:
            rows = [(list(key), lo, hi) for key, ranges in wanted.items() for lo, hi in ranges]
        with self._conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO embedded.pending (schema_name, relation, key, lo, hi) VALUES (%s, %s, %s, %s, %s)",
                [(self._schema, view.name, *row) for row in rows],
            )

    def _propagate(self, graph: _Graph, dirty: Mapping[tuple[str, str], Ranges], stats: Stats) -> None:
        changes: dict[str, Ranges] = {}
        pending = self._take_pending(graph)
        watched = {view.name: view.watched for view in graph.views}
        keys = _Keys(self._conn, self._schema, graph)
        clocks = _Clocks(self._conn, self._schema, graph, keys)
        for view in graph.views:
            postponed = pending.get(view.name, {})
            wanted: Ranges = postponed or {}
            whole = postponed is None
            for footprint in view.stored.footprints:
                if footprint.is_clock:
                    touched = clocks.touched(footprint, view)
                elif footprint.input in changes:
                    touched = project(changes[footprint.input], watched[footprint.input], footprint.input_keys)
                else:
                    touched = dirty.get((footprint.input, axis_of(view.stored, footprint)), {})
                if touched and footprint.each:
                    touched = spread(touched, footprint.input_keys, footprint.keys, keys.of(footprint, view))
                if touched and footprint.reach is Reach.FULL:
                    whole = True
                elif touched:
                    wanted = union(wanted, outputs_of(footprint, touched) if not footprint.is_clock else touched)
            if not whole and not wanted:
                continue
            if view.name in graph.building:
                self._postpone(view, None if whole else wanted)
                continue
            started = time.perf_counter()
            moved: Ranges = {}
            written = deleted = computed = 0
            for change in recompute(self._conn, view, None if whole else wanted, self._portion_rows):
                written, deleted, computed = written + change.written, deleted + change.deleted, computed + 1
                moved = union(moved, change.touched)
                if change.rows and self._bus:
                    for sink in graph.sinks[view.name]:
                        _publish(self._bus, self._conn, sink, view, change.rows)
            stats.written[view.name], stats.deleted[view.name], stats.computed[view.name] = written, deleted, computed
            self._analyze_if_grown(view.name, view.keys, written)
            stats.seconds[view.name] = time.perf_counter() - started
            if moved:
                changes[view.name] = moved
        clocks.save()


def _publish(bus: PostgresBus, conn: psycopg.Connection, sink: StoredObject, view: View, rows: list[str]) -> None:
    """Publish written rows of a view as RisingWave's UPSERT sink does: the key is the JSON of the key columns.

    Documents for Elasticsearch go to a topic of their own, within the transaction, so that none is lost. Deleted rows
    are not forwarded.
    """
    connector = sink.statement.connector
    assert connector is not None
    if connector.properties["connector"] == "elasticsearch":
        columns, delimiter = connector.properties["primary_key"].split(","), connector.properties["delimiter"]
        times = {name for name, kind in view.types.items() if kind == "timestamp with time zone"}
        bus.publish_in(conn, DOCUMENTS.name, (document_message(columns, times, delimiter, row) for row in rows))
        return
    keys = sorted(connector.properties["primary_key"].split(","))  # in this order RisingWave writes them
    decoder = msgspec.json.Decoder(msgspec.defstruct("Key", keys))

    def message(row: str) -> Message:
        value = row.encode()
        return Message(value, key=msgspec.json.encode(decoder.decode(value)).decode())

    bus.publish_in(conn, connector.topic, map(message, rows))


class _Keys:
    """Keys that inputs lack: what the relations that list them have, read once per refresh."""

    def __init__(self, conn: psycopg.Connection, schema: str, graph: _Graph) -> None:
        self._conn = conn
        self._schema = schema
        self._graph = graph
        self._known: dict[tuple[str, tuple[str, ...]], list[Key]] = {}

    def of(self, footprint: Footprint, view: View) -> list[Key]:
        """Return all keys of a footprint's output; where the relation that lists them is missing, those of an input."""
        source = footprint.key_source or ""
        if source not in self._graph.objects:
            source = next(f.input for f in view.ranged if not f.is_clock and not f.each)
        if (source, footprint.keys) not in self._known:
            names = [sql.Identifier(key) for key in footprint.keys]
            with self._conn.cursor(row_factory=tuple_row) as cursor:
                # From one key to the next by the primary key; DISTINCT would read the whole relation.
                cursor.execute(
                    sql.SQL(
                        "WITH RECURSIVE k AS ((SELECT {keys} FROM {source} ORDER BY {keys} LIMIT 1) UNION ALL"
                        " SELECT n.* FROM k CROSS JOIN LATERAL (SELECT {keys} FROM {source} AS s"
                        " WHERE ({of_s}) > ({of_k}) ORDER BY {keys} LIMIT 1) AS n) SELECT {texts} FROM k"
                    ).format(
                        keys=sql.SQL(", ").join(names),
                        of_s=sql.SQL(", ").join(sql.SQL("s.{}").format(name) for name in names),
                        of_k=sql.SQL(", ").join(sql.SQL("k.{}").format(name) for name in names),
                        texts=sql.SQL(", ").join(sql.SQL("{}::text").format(name) for name in names),
                        source=sql.Identifier(self._schema, source),
                    )
                )
                self._known[source, footprint.keys] = cursor.fetchall()
        return self._known[source, footprint.keys]


class _Clocks:
    """Inputs whose values move: as they were at the last refresh, and now, by the keys that the input has."""

    def __init__(self, conn: psycopg.Connection, schema: str, graph: _Graph, keys: _Keys) -> None:
        self._conn = conn
        self._schema = schema
        self._graph = graph
        self._all_keys = keys
        self._before: dict[str, dict[Key, datetime | None]] = {}
        with conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute("SELECT relation, key, value FROM embedded.clocks WHERE schema_name = %s", [schema])
            for relation, key, value in cursor:
                self._before.setdefault(relation, {})[tuple(key)] = value
        self._now: dict[str, dict[Key, datetime | None]] = {}

    def touched(self, footprint: Footprint, view: View) -> Ranges:
        """Return the output rows between the old and the new values, for every key."""
        keys = clock_keys(footprint, self._graph.objects[footprint.input])
        before, now = self._before.get(footprint.input, {}), self._values(footprint, keys)
        moved = {
            key: [_between(before.get(key), now.get(key), footprint)]
            for key in before.keys() | now.keys()
            if before.get(key) != now.get(key)
        }
        return spread(moved, keys, footprint.keys, self._all_keys.of(footprint, view)) if moved else {}

    def save(self) -> None:
        """Remember the values that were seen."""
        for relation, values in self._now.items():
            before = self._before.get(relation, {})
            with self._conn.cursor() as cursor:
                cursor.executemany(
                    "DELETE FROM embedded.clocks WHERE schema_name = %s AND relation = %s AND key = %s",
                    [(self._schema, relation, list(key)) for key in before.keys() - values.keys()],
                )
                cursor.executemany(
                    "INSERT INTO embedded.clocks (schema_name, relation, key, value) VALUES (%s, %s, %s, %s)"
                    " ON CONFLICT (schema_name, relation, key) DO UPDATE SET value = excluded.value",
                    [
                        (self._schema, relation, list(key), value)
                        for key, value in values.items()
                        if key not in before or before[key] != value
                    ],
                )

    def _values(self, footprint: Footprint, keys: tuple[str, ...]) -> dict[Key, datetime | None]:
        if footprint.input not in self._now:
            columns = sql.SQL("").join(sql.SQL("{}::text, ").format(sql.Identifier(key)) for key in keys)
            with self._conn.cursor(row_factory=tuple_row) as cursor:
                cursor.execute(
                    sql.SQL("SELECT {}{} FROM {}").format(
                        columns,
                        sql.Identifier(footprint.input_time or ""),
                        sql.Identifier(self._schema, footprint.input),
                    )
                )
                self._now[footprint.input] = {tuple(key): value for *key, value in cursor}
        return self._now[footprint.input]


def _between(old: datetime | None, new: datetime | None, footprint: Footprint) -> Range:
    """Return what a clock's move touches; one that comes or goes touches all that it had closed."""
    lower, upper = (bound.seconds * 1_000_000 + 1 for bound in (footprint.lower, footprint.upper))
    if old is None or new is None:
        known = old or new
        return EVER if known is None else (EVER[0], _micros(known) + upper)
    return _micros(min(old, new)) + lower, _micros(max(old, new)) + upper


def differences(conn: psycopg.Connection, schema: str = "public", tolerance: float = 1e-9) -> list[str]:
    """Compare every view with a full computation of its query.

    Args:
        tolerance: largest relative difference of DOUBLE values that counts as equal.

    Returns:
        A line per differing row: the view, the keys, and the columns with both values.
    """
    found: list[str] = []
    with conn.transaction():
        conn.execute(sql.SQL("SET LOCAL search_path TO {}, public").format(sql.Identifier(schema)))
        graph = _read_graph(conn, load(conn, schema), schema, "")
        for view in (view for view in graph.views if view.name not in graph.building):
            found += _view_differences(conn, view, tolerance)
    return found


def _view_differences(conn: psycopg.Connection, view: View, tolerance: float) -> Iterable[str]:
    assert view.stored.statement.query is not None
    on = " AND ".join(f'f."{c}" = o."{c}"' for c in view.keys)
    checks = [
        f"""CASE WHEN {differs(f'f."{c}"', f'o."{c}"', view.types[c], tolerance)}"""
        f""" THEN format('{c}: kept %%s, computed %%s', o."{c}", f."{c}") END"""
        for c in view.columns
        if c not in view.keys
    ]
    keys = ", ".join(f'coalesce(f."{c}", o."{c}")::text' for c in view.keys)
    # An array, for a function takes a hundred arguments at most and ``features`` has more columns.
    columns = ", ".join(checks) or "NULL"
    fresh = translate_query(view.stored.statement.query).replace("%", "%%")
    query = (
        f"SELECT concat_ws(' ', {keys}), CASE WHEN f._present IS NULL THEN 'kept, but not computed'"
        " WHEN o._present IS NULL THEN 'computed, but not kept'"
        f" ELSE nullif(array_to_string(ARRAY[{columns}]::text[], '; '), '') END AS what"
        f" FROM (SELECT q.*, true AS _present FROM ({fresh}) AS q) AS f"
        f' FULL JOIN (SELECT q.*, true AS _present FROM "{view.schema}"."{view.name}" AS q) AS o ON {on}'
    )
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(sql.SQL(f"SELECT * FROM ({query}) AS d WHERE what IS NOT NULL"), [])
        return [f"{view.name} [{key}] {what}" for key, what in cursor]


def _read_graph(conn: psycopg.Connection, objects: list[StoredObject], schema: str, version: str) -> _Graph:
    by_name = {o.name: o for o in objects}
    sinks: dict[str, list[StoredObject]] = {}
    for stored in objects:
        if stored.statement.kind is Kind.SINK and stored.statement.relation:
            sinks.setdefault(stored.statement.relation, []).append(stored)
    views = []
    for stored in objects:
        if not stored.keeps_rows:
            continue
        types = _column_types(conn, schema, stored.name)
        readers = [f for o in objects for f in o.footprints if f.input == stored.name and not f.is_clock]
        wanted = dict.fromkeys(key for f in readers for key in f.input_keys)
        unknown = [key for key in wanted if key not in types]
        if unknown:
            raise CatalogError(f"{stored.name} has no column {unknown[0]}, which a reader's footprint names")
        views.append(View(stored, schema, tuple(types), types, tuple(wanted), stored.name in sinks))
    sources = [o for o in objects if o.statement.kind is Kind.TABLE and o.statement.connector]
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("SELECT name FROM embedded.objects WHERE schema_name = %s AND building", [schema])
        building = frozenset(name for (name,) in cursor)
    return _Graph(version, by_name, views, sources, sinks, building)


def _column_types(conn: psycopg.Connection, schema: str, name: str) -> dict[str, str]:
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND attnum > 0 AND NOT attisdropped"
            " ORDER BY attnum",
            [schema, name],
        )
        return dict(cursor.fetchall())


def _micros(when: datetime) -> int:
    return (when - _EPOCH) // _MICROSECOND
