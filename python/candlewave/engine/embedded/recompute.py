"""Replace the touched part of a view: recompute those rows, delete what is gone, write what differs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from candlewave.core.config import TIMEFRAME_SECONDS
from candlewave.engine.embedded.catalog import CatalogError, StoredObject
from candlewave.engine.embedded.connectors import sink_row
from candlewave.engine.embedded.equality import rows_differ
from candlewave.engine.embedded.ranges import (
    EVER,
    Key,
    Range,
    Ranges,
    cut,
    inputs_of,
    merged,
    outputs_of,
    project,
    size,
    split,
)
from candlewave.engine.embedded.translate import translate_query
from candlewave.sqlproject.header import Footprint, Reach
from candlewave.sqlproject.quoting import quote_name

_GRAIN = 60_000_000
"""Changed rows are reported in steps of a minute (microseconds); neighbouring steps become one range."""
PORTION_ROWS = 20_000
"""Rows of a view that one statement computes; a large load takes several."""
_LARGE_PART = 10
"""From a tenth of that on it pays to ask first whether a view holds nothing there."""


@dataclass(frozen=True)
class View:
    """A materialized view with what is needed to recompute a part of it.

    Attributes:
        columns: names of all columns, in order.
        types: PostgreSQL type of each column.
        watched: key columns by which its readers and sinks tell changes apart.
        has_sink: changed rows are wanted in full.
    """

    stored: StoredObject
    schema: str
    columns: tuple[str, ...]
    types: dict[str, str]
    watched: tuple[str, ...]
    has_sink: bool

    @property
    def name(self) -> str:
        """The view's name."""
        return self.stored.name

    @cached_property
    def query(self) -> str:
        """The defining query for PostgreSQL."""
        assert self.stored.statement.query is not None
        return translate_query(self.stored.statement.query)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Primary key columns."""
        assert self.stored.header is not None
        return self.stored.header.keys

    @cached_property
    def event_time(self) -> str | None:
        """Event time column, None for an object without one."""
        assert self.stored.header is not None
        return self.stored.header.event_time

    @cached_property
    def ranged(self) -> tuple[Footprint, ...]:
        """Footprints that restrict by key, and by time unless the whole key is meant."""
        return tuple(f for f in self.stored.footprints if f.reach is not Reach.FULL)

    @cached_property
    def range_keys(self) -> tuple[str, ...]:
        """Key columns that all its ranged footprints share."""
        keys = {f.keys for f in self.ranged}
        if len(keys) > 1:
            raise CatalogError(
                f"{self.name}: its footprints use different keys {sorted(keys)}; use the shortest for all"
            )
        return next(iter(keys), ())


@dataclass(frozen=True, slots=True)
class Change:
    """What a recomputation changed.

    Attributes:
        touched: changed rows by ``View.watched`` columns and event time.
        written, deleted: numbers of rows.
        rows: written rows as JSON text, when the view has a sink.
    """

    touched: Ranges
    written: int
    deleted: int
    rows: list[str]


def recompute(
    conn: psycopg.Connection, view: View, wanted: Ranges | None, rows: int = PORTION_ROWS
) -> Iterator[Change]:
    """Replace the wanted part of a view, or all of it.

    A large part is replaced in portions, each when the one before has been taken: so neither PostgreSQL's working
    memory nor the rows for a sink grow with a load, and each row is still computed once.

    Args:
        wanted: output rows to recompute, by ``view.range_keys``; None for the whole view.
        rows: about how many rows a portion has.
    """
    if wanted is None:
        yield _run(conn, _whole(view), None)
        return
    for portion in cut(_split_at_ends(conn, view, wanted), view.range_keys, rows):
        yield _run(conn, *_statement(conn, view, portion, rows // _LARGE_PART))


def _statement(conn: psycopg.Connection, view: View, wanted: Ranges, large: int) -> tuple[str, list[Any]]:
    if size(wanted, view.range_keys) >= large and _is_vacant(conn, view, wanted):
        return _first(view, wanted)
    return _part(view, wanted)


def _run(conn: psycopg.Connection, text: str, parameters: list[Any] | None) -> Change:
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(sql.SQL(text), parameters)
        return _read(cursor.fetchall())


def _split_at_ends(conn: psycopg.Connection, view: View, wanted: Ranges) -> Ranges:
    """Split ranges without an end where the inputs begin and end, so that what lies between can be cut.

    They come from a clock that had no value before, when years of rows may be waiting.
    """
    timed = [f for f in view.ranged if not f.is_clock]
    if any(f.input_time is None or f.output_time is None for f in timed):
        return wanted
    return {
        key: merged(ranges)
        if all(EVER[0] < lo and hi < EVER[1] for lo, hi in ranges)
        else list(split(ranges, _extent(conn, view, timed, key)))
        for key, ranges in wanted.items()
    }


def _extent(conn: psycopg.Connection, view: View, footprints: Sequence[Footprint], key: Key) -> list[Range]:
    """Return what the rows that a key has in the inputs can reach, from the first to the last."""
    reached: list[Range] = []
    for footprint in footprints:
        condition = " AND ".join(f'"{column}" = %s::{view.types[column]}' for column in footprint.input_keys)
        own = [value for column, value in zip(footprint.keys, key, strict=True) if column in footprint.input_keys]
        ends = ", ".join(
            f"(extract(epoch FROM {end}({footprint.input_time})) * 1000000)::bigint" for end in ("min", "max")
        )
        with conn.cursor(row_factory=tuple_row) as cursor:
            relation = quote_name(view.schema, footprint.input)
            where = f" WHERE {condition}" if condition else ""
            cursor.execute(sql.SQL(f"SELECT {ends} FROM {relation}{where}"), own)
            lo, hi = cursor.fetchone() or (None, None)
        if lo is not None and hi is not None:
            reached += outputs_of(footprint, {key: [(lo, hi + 1)]})[key]
    return [(min(lo for lo, _ in reached), max(hi for _, hi in reached))] if reached else []


def _is_vacant(conn: psycopg.Connection, view: View, wanted: Ranges) -> bool:
    """Tell whether a view holds no row that a wanted one could replace."""
    first = view.ranged[0]
    if not {*first.keys, *filter(None, [first.output_time])} <= {*view.keys}:
        return False  # a row of the same key may lie outside of what is wanted
    parameters: list[Any] = []
    out = _touched(view, "_out", wanted, first.keys, parameters)
    stored = _slice(view, view.name, "_out", first.keys, first.output_time, "1", "LIMIT 1")
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(sql.SQL(f"WITH {out} SELECT NOT EXISTS ({stored})"), parameters)
        return cursor.fetchone() == (True,)


def _read(records: list[tuple[Any, ...]]) -> Change:
    touched: dict[Key, list[Range]] = {}
    rows: list[str] = []
    written = deleted = 0
    for what, row, count, lo, hi, *key in records:
        if what == "row":
            rows.append(row)
        elif what == "count":
            written, deleted = count, lo
        else:
            touched.setdefault(tuple(key), []).append((lo, hi))
    return Change({key: merged(ranges) for key, ranges in touched.items()}, written, deleted, rows)


def _whole(view: View) -> str:
    table = quote_name(view.schema, view.name)
    return (
        f"WITH fresh AS MATERIALIZED ({view.query}),"
        f" old AS MATERIALIZED (SELECT o.ctid AS _ctid, o.* FROM {table} AS o)," + _replace(view)
    )


def _part(view: View, wanted: Ranges) -> tuple[str, list[Any]]:
    parts, parameters, fresh = _inputs(view, wanted)
    first = view.ranged[0]
    kept = _slice(view, view.name, "_out", first.keys, first.output_time, "i.ctid AS _ctid, i.*")
    parts += [f"fresh AS MATERIALIZED ({fresh})", f"old AS MATERIALIZED ({kept})"]
    return "WITH " + ", ".join(parts) + "," + _replace(view), parameters


def _first(view: View, wanted: Ranges) -> tuple[str, list[Any]]:
    """Return the statement for a part where nothing is stored: rows go in as they are computed."""
    parts, parameters, fresh = _inputs(view, wanted)
    names = ", ".join(f'"{c}"' for c in view.columns)
    reported, row = _reported(view)
    put = (
        f"put AS (INSERT INTO {quote_name(view.schema, view.name)} AS w ({names})"
        f" SELECT {_list('q', view.columns)} FROM ({fresh}) AS q RETURNING {reported}, {row} AS row)"
    )
    return "WITH " + ", ".join([*parts, put]) + _report(view, "put", "0"), parameters


def _inputs(view: View, wanted: Ranges) -> tuple[list[str], list[Any], str]:
    """Return the CTEs of the inputs' slices and of what is wanted, their parameters, and the query of wanted rows."""
    parameters: list[Any] = []
    parts: list[str] = []
    by_input: dict[str, list[Footprint]] = {}
    for footprint in view.ranged:
        if not footprint.is_clock:
            by_input.setdefault(footprint.input, []).append(footprint)
    for number, (name, footprints) in enumerate(by_input.items()):
        keys, time = footprints[0].input_keys, footprints[0].input_time
        needed = project(_needed(footprints, wanted), footprints[0].keys, keys)
        parts.append(_touched(view, f"_in{number}", needed, keys, parameters))
        parts.append(f"{name} AS ({_slice(view, name, f'_in{number}', keys, time, 'i.*')})")
    first = view.ranged[0]
    parts.append(_touched(view, "_out", wanted, first.keys, parameters))
    on = " AND ".join(f'q."{column}" = t._k{k}' for k, column in enumerate(first.keys))
    if first.output_time is not None:
        on += f' AND q."{first.output_time}" >= t._lo AND q."{first.output_time}" < t._hi'
    query = view.query.replace("%", "%%")  # beside parameters, psycopg reads a single % as one
    return parts, parameters, f"SELECT q.* FROM ({query}) AS q JOIN _out AS t ON {on}"


def _slice(
    view: View, relation: str, ranges: str, keys: Sequence[str], time: str | None, columns: str, fence: str = "OFFSET 0"
) -> str:
    """Return the SELECT of a relation's rows in some ranges: by index, range after range.

    The fence (OFFSET or LIMIT) leaves the planner no other way; its estimates for ranges are too rough to choose by.
    """
    condition = [f'i."{column}" = t._k{k}' for k, column in enumerate(keys)]
    if time is not None:
        condition.append(f"{time} >= t._lo AND {time} < t._hi")
    return (
        f"SELECT s.* FROM {ranges} AS t CROSS JOIN LATERAL ("
        f"SELECT {columns} FROM {quote_name(view.schema, relation)} AS i WHERE {' AND '.join(condition)} {fence}) AS s"
    )


def _needed(footprints: Sequence[Footprint], wanted: Ranges) -> Ranges:
    parts = [inputs_of(footprint, wanted) for footprint in footprints]
    return {key: merged(r for part in parts for r in part[key]) for key in wanted}


def _touched(view: View, name: str, ranges: Ranges, keys: Sequence[str], parameters: list[Any]) -> str:
    """Return a CTE that lists ranges, and add its arrays to the parameters."""
    flat = [(key, lo, hi) for key, key_ranges in ranges.items() for lo, hi in key_ranges]
    columns = []
    for k, column in enumerate(keys):
        parameters.append([key[k] for key, _, _ in flat])
        columns.append(f"k{k}::{view.types[column]} AS _k{k}")
    parameters.append([lo for _, lo, _ in flat])
    parameters.append([hi for _, _, hi in flat])
    arrays = ", ".join(["%s::text[]"] * len(keys) + ["%s::bigint[]"] * 2)
    names = ", ".join([f"k{k}" for k in range(len(keys))] + ["lo", "hi"])
    lo, hi = (
        f"CASE u.{end} WHEN {limit} THEN '{sign}infinity'::timestamptz"
        f" ELSE '1970-01-01 00:00:00+00'::timestamptz + u.{end} * INTERVAL '1 microsecond' END AS _{end}"
        for end, limit, sign in (("lo", EVER[0], "-"), ("hi", EVER[1], ""))
    )
    return f"{name} AS MATERIALIZED (SELECT {', '.join([*columns, lo, hi])} FROM unnest({arrays}) AS u({names}))"


def _replace(view: View) -> str:
    """Return the CTEs and the final SELECT that write ``fresh`` over ``old`` and report what changed."""
    table = quote_name(view.schema, view.name)
    same = " AND ".join(f'f."{c}" = o."{c}"' for c in view.keys)
    others = [c for c in view.columns if c not in view.keys]
    differs = rows_differ("f", "o", others, view.types)
    assign = ", ".join(f'"{c}" = excluded."{c}"' for c in others)
    conflict = f"DO UPDATE SET {assign}" if others else "DO NOTHING"
    names = ", ".join(f'"{c}"' for c in view.columns)
    keys = ", ".join(f'"{c}"' for c in view.keys)
    reported, row = _reported(view)
    return (
        f" gone AS (DELETE FROM {table} AS w WHERE w.ctid = ANY (ARRAY("
        f"SELECT o._ctid FROM old AS o WHERE NOT EXISTS (SELECT 1 FROM fresh AS f WHERE {same})))"
        f" RETURNING {reported}),"
        f" changed AS (SELECT {_list('f', view.columns)} FROM fresh AS f LEFT JOIN old AS o ON {same}"
        f" WHERE o._ctid IS NULL OR {differs}),"
        f" put AS (INSERT INTO {table} AS w ({names}) SELECT {names} FROM changed"
        f" ON CONFLICT ({keys}) {conflict} RETURNING {reported}, {row} AS row),"
        f" moved AS (SELECT * FROM gone UNION ALL SELECT {', '.join(_names(view))} FROM put)"
        + _report(view, "moved", "(SELECT count(*) FROM gone)")
    )


def _names(view: View) -> list[str]:
    time = () if view.event_time is None else (view.event_time,)
    return [f'"{c}"' for c in dict.fromkeys((*view.watched, *time))] or ["one"]


def _reported(view: View) -> tuple[str, str]:
    """Return what a changed row reports of itself, and its JSON for a sink."""
    reported = ", ".join(_names(view))
    row = sink_row(view.columns, view.types, "w") if view.has_sink else "NULL::text"
    return reported if reported != "one" else "1 AS one", row


def _report(view: View, moved: str, deleted: str) -> str:
    """Return the SELECT that says what changed.

    Bars of a timeframe that follow each other are one range, although each is reported as its first minute alone:
    readers that do not know the timeframe would take a whole day for touched by a bar of a day.
    """
    group = "".join(f'"{c}", ' for c in view.watched)
    if view.event_time is None:
        ranges = f"SELECT DISTINCT {group}{EVER[0]}::bigint AS lo, {EVER[1]}::bigint AS hi FROM {moved}"
    else:
        bar = str(_GRAIN)
        if "timeframe" in view.watched:
            lengths = " ".join(f"WHEN '{n}' THEN {s * 1_000_000}" for n, s in TIMEFRAME_SECONDS.items())
            bar = f'CASE "timeframe" {lengths} ELSE {_GRAIN} END::bigint'
        ranges = (
            f"SELECT {group}lower(r) AS lo, upper(r) - bar + {_GRAIN} AS hi FROM ("
            f"SELECT {group}bar, unnest(range_agg(int8range(step, step + bar))) AS r FROM (SELECT {group}{bar} AS bar,"
            f' floor(extract(epoch FROM "{view.event_time}") / 60)::bigint * {_GRAIN} AS step'
            f" FROM {moved}) AS m GROUP BY {group}bar) AS s"
        )
    key_columns = "".join(f', x."{c}"::text' for c in view.watched)
    no_key = ", NULL::text" * len(view.watched)
    rows_part = f" UNION ALL SELECT 'row', row, NULL, NULL, NULL{no_key} FROM put" if view.has_sink else ""
    return (
        f" SELECT 'range', NULL::text, NULL::bigint, x.lo, x.hi{key_columns} FROM ({ranges}) AS x"
        f" UNION ALL SELECT 'count', NULL, (SELECT count(*) FROM put), {deleted}, NULL{no_key}" + rows_part
    )


def _list(alias: str, columns: Sequence[str]) -> str:
    return ", ".join(f'{alias}."{c}"' for c in columns)
