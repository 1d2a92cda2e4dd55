"""Replace the touched part of a view: recompute those rows, delete what is gone, write what differs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from candlewave.engine.embedded.catalog import CatalogError, StoredObject
from candlewave.engine.embedded.connectors import sink_row
from candlewave.engine.embedded.ranges import EVER, Key, Range, Ranges, inputs_of, merged
from candlewave.engine.embedded.translate import translate_query
from candlewave.sqlproject.header import Footprint, Reach
from candlewave.sqlproject.quoting import quote_name

_GRAIN = 60_000_000
"""Changed rows are reported in steps of a minute (microseconds); neighbouring steps become one range."""


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


def recompute(conn: psycopg.Connection, view: View, wanted: Ranges | None) -> Change:
    """Replace the wanted part of a view, or all of it.

    Args:
        wanted: output rows to recompute, by ``view.range_keys``; None for the whole view.
    """
    text, parameters = (_whole(view), None) if wanted is None else _part(view, wanted)
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(sql.SQL(text), parameters)
        return _read(cursor.fetchall())


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
    parameters: list[Any] = []
    parts: list[str] = []
    by_input: dict[str, list[Footprint]] = {}
    for footprint in view.ranged:
        if not footprint.is_clock:
            by_input.setdefault(footprint.input, []).append(footprint)
    for number, (name, footprints) in enumerate(by_input.items()):
        parts.append(_touched(view, f"_in{number}", _needed(footprints, wanted), footprints[0], parameters))
        footprint = footprints[0]
        parts.append(f"{name} AS ({_slice(view, name, f'_in{number}', footprint.keys, footprint.input_time, 'i.*')})")
    first = view.ranged[0]
    parts.append(_touched(view, "_out", wanted, first, parameters))
    on = " AND ".join(f'q."{column}" = t._k{k}' for k, column in enumerate(first.keys))
    if first.output_time is not None:
        on += f' AND q."{first.output_time}" >= t._lo AND q."{first.output_time}" < t._hi'
    query = view.query.replace("%", "%%")  # beside parameters, psycopg reads a single % as one
    parts.append(f"fresh AS MATERIALIZED (SELECT q.* FROM ({query}) AS q JOIN _out AS t ON {on})")
    kept = _slice(view, view.name, "_out", first.keys, first.output_time, "i.ctid AS _ctid, i.*")
    parts.append(f"old AS MATERIALIZED ({kept})")
    return "WITH " + ", ".join(parts) + "," + _replace(view), parameters


def _slice(view: View, relation: str, ranges: str, keys: Sequence[str], time: str | None, columns: str) -> str:
    """Return the SELECT of a relation's rows in some ranges: by index, range after range.

    The fence (OFFSET 0) leaves the planner no other way; its estimates for ranges are too rough to choose by.
    """
    condition = [f'i."{column}" = t._k{k}' for k, column in enumerate(keys)]
    if time is not None:
        condition.append(f"{time} >= t._lo AND {time} < t._hi")
    return (
        f"SELECT s.* FROM {ranges} AS t CROSS JOIN LATERAL ("
        f"SELECT {columns} FROM {quote_name(view.schema, relation)} AS i WHERE {' AND '.join(condition)} OFFSET 0) AS s"
    )


def _needed(footprints: Sequence[Footprint], wanted: Ranges) -> Ranges:
    parts = [inputs_of(footprint, wanted) for footprint in footprints]
    return {key: merged(r for part in parts for r in part[key]) for key in wanted}


def _touched(view: View, name: str, ranges: Ranges, footprint: Footprint, parameters: list[Any]) -> str:
    """Return a CTE that lists ranges, and add its arrays to the parameters."""
    flat = [(key, lo, hi) for key, key_ranges in ranges.items() for lo, hi in key_ranges]
    columns = []
    for k, column in enumerate(footprint.keys):
        parameters.append([key[k] for key, _, _ in flat])
        columns.append(f"k{k}::{view.types[column]} AS _k{k}")
    parameters.append([lo for _, lo, _ in flat])
    parameters.append([hi for _, _, hi in flat])
    arrays = ", ".join(["%s::text[]"] * len(footprint.keys) + ["%s::bigint[]"] * 2)
    names = ", ".join([f"k{k}" for k in range(len(footprint.keys))] + ["lo", "hi"])
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
    differs = f"ROW({_list('f', others)}) IS DISTINCT FROM ROW({_list('o', others)})" if others else "false"
    assign = ", ".join(f'"{c}" = excluded."{c}"' for c in others)
    conflict = f"DO UPDATE SET {assign}" if others else "DO NOTHING"
    names = ", ".join(f'"{c}"' for c in view.columns)
    keys = ", ".join(f'"{c}"' for c in view.keys)
    row = sink_row(view.columns, view.types, "w") if view.has_sink else "NULL::text"
    time = () if view.event_time is None else (view.event_time,)
    reported = ", ".join(f'"{c}"' for c in dict.fromkeys((*view.watched, *time))) or "one"
    returning = reported if reported != "one" else "1 AS one"
    group = "".join(f'"{c}", ' for c in view.watched)
    if view.event_time is None:
        ranges = f"SELECT DISTINCT {group}{EVER[0]}::bigint AS lo, {EVER[1]}::bigint AS hi FROM moved"
    else:
        step = f'(floor(extract(epoch FROM "{view.event_time}") / 60)::bigint * {_GRAIN})'
        ranges = (
            f"SELECT {group}lower(r) AS lo, upper(r) AS hi FROM ("
            f"SELECT {group}unnest(range_agg(int8range({step}, {step} + {_GRAIN}))) AS r FROM moved"
            f"{' GROUP BY ' + group.rstrip(', ') if group else ''}) AS s"
        )
    key_columns = "".join(f', x."{c}"::text' for c in view.watched)
    no_key = ", NULL::text" * len(view.watched)
    rows_part = f" UNION ALL SELECT 'row', row, NULL, NULL, NULL{no_key} FROM put" if view.has_sink else ""
    return (
        f" gone AS (DELETE FROM {table} AS w WHERE w.ctid = ANY (ARRAY("
        f"SELECT o._ctid FROM old AS o WHERE NOT EXISTS (SELECT 1 FROM fresh AS f WHERE {same})))"
        f" RETURNING {returning}),"
        f" changed AS (SELECT {_list('f', view.columns)} FROM fresh AS f LEFT JOIN old AS o ON {same}"
        f" WHERE o._ctid IS NULL OR {differs}),"
        f" put AS (INSERT INTO {table} AS w ({names}) SELECT {names} FROM changed"
        f" ON CONFLICT ({keys}) {conflict} RETURNING {returning}, {row} AS row),"
        f" moved AS (SELECT * FROM gone UNION ALL SELECT {reported} FROM put)"
        f" SELECT 'range', NULL::text, NULL::bigint, x.lo, x.hi{key_columns} FROM ({ranges}) AS x"
        f" UNION ALL SELECT 'count', NULL, (SELECT count(*) FROM put), (SELECT count(*) FROM gone), NULL{no_key}"
        + rows_part
    )


def _list(alias: str, columns: Sequence[str]) -> str:
    return ", ".join(f'{alias}."{c}"' for c in columns)
