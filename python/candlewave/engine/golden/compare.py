"""Compare the rows of a view with expected rows: as a set by key, NULL exactly, numbers to 1e-9 relative."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from candlewave.engine.golden.table import CaseError, Row, Table

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Answer:
    """Rows of a view as the engine gives them.

    Attributes:
        types: SQL type of each column, such as ``double precision``.
        rows: values by column.
    """

    types: dict[str, str]
    rows: list[dict[str, Any]]


def differences(expected: Table, answer: Answer, keys: tuple[str, ...], where: str) -> str | None:
    """Return a table of what differs, None when nothing does. Only columns of the expected file are compared.

    Raises:
        CaseError: the expected file lacks a key column, names an unknown one, holds a key twice, or a cell that is not
            of its column's type.
    """
    wanted = _by_key(_parsed(expected, answer.types, keys, where), keys, where)
    found = _by_key(answer.rows, keys, f"{where}: the engine's answer")
    lines: list[tuple[str, ...]] = []
    others = [column for column in expected.columns if column not in keys]
    for key in sorted(wanted.keys() | found.keys(), key=_sortable):
        shown = tuple(show(value) for value in key)
        if key not in found:
            lines.append(("missing", *shown, "", _all_cells(wanted[key], others), ""))
        elif key not in wanted:
            lines.append(("unexpected", *shown, "", "", _all_cells(found[key], others)))
        else:
            for column in others:
                want, have = wanted[key][column], found[key][column]
                if not same(want, have):
                    lines.append(("differs", *shown, column, show(want), show(have)))
    if not lines:
        return None
    rows = len({line[: len(keys) + 1] for line in lines})
    header = ("", *keys, "column", "expected", "found")
    return f"{where}: {rows} row{'s' * (rows != 1)} differ{'s' * (rows == 1)}\n{_drawn([header, *lines])}"


def updated(expected: Table, answer: Answer, keys: tuple[str, ...], where: str) -> Table:
    """Return the expected file as the engine would have it. A cell that is right already keeps its spelling.

    A file without a header line gets all columns.
    """
    columns = expected.columns or tuple(answer.types)
    kept: dict[tuple[Any, ...], tuple[Row, dict[str, Any]]] = {}
    if expected.columns:
        parsed = _parsed(expected, answer.types, keys, where)
        kept = {_key(values, keys): (row, values) for row, values in zip(expected.rows, parsed, strict=True)}
    rows: list[Row] = []
    for found in sorted(answer.rows, key=lambda row: _sortable(_key(row, keys))):
        row, values = kept.get(_key(found, keys), ({}, {}))
        right = {column for column, value in values.items() if same(value, found[column])}
        rows.append({column: row[column] if column in right else _cell(found[column]) for column in columns})
    return Table(columns, tuple(rows))


def same(want: Any, have: Any) -> bool:
    """Tell whether two values count as equal."""
    if isinstance(want, float | Decimal) and isinstance(have, float | Decimal):
        one, other = float(want), float(have)
        return want == have or math.isclose(one, other, rel_tol=TOLERANCE) or (math.isnan(one) and math.isnan(other))
    return type(want) is type(have) and want == have


def show(value: Any) -> str:
    """Return a value as it is written in a file, and NULL by its name."""
    if value is None:
        return "NULL"
    return '""' if value == "" else str(_cell(value))


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        text = value.astimezone(UTC).isoformat().removesuffix("+00:00")
        return (text.rstrip("0") if "." in text else text) + "Z"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value)


def _parsed(expected: Table, types: dict[str, str], keys: tuple[str, ...], where: str) -> list[dict[str, Any]]:
    unknown = [column for column in expected.columns if column not in types]
    if unknown:
        raise CaseError(f"{where}: the view has no column {unknown[0]}; it has {', '.join(types)}")
    missing = [key for key in keys if key not in expected.columns]
    if missing:
        raise CaseError(f"{where}: the header lacks the key column {missing[0]}; keys are {', '.join(keys)}")
    return [{column: _value(row[column], column, types[column], where) for column in row} for row in expected.rows]


def _value(cell: str | None, column: str, type_: str, where: str) -> Any:
    if cell is None:
        return None
    try:
        return _PARSERS.get(type_, str)(cell)
    except (ValueError, InvalidOperation):
        raise CaseError(f"{where}: {column}: {cell!r} is not of type {type_}") from None


def _time(text: str) -> datetime:
    if not text.endswith("Z"):
        raise ValueError(text)
    return datetime.fromisoformat(text)


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


_PARSERS: dict[str, Callable[[str], Any]] = {
    "timestamp with time zone": _time,
    "boolean": _boolean,
    "smallint": int,
    "integer": int,
    "bigint": int,
    "real": float,
    "double precision": float,
    "numeric": Decimal,
}


def _by_key(rows: list[dict[str, Any]], keys: tuple[str, ...], where: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    result: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = _key(row, keys)
        if key in result:
            raise CaseError(f"{where}: the key {', '.join(map(show, key))} occurs twice")
        result[key] = row
    return result


def _key(row: dict[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[key] for key in keys)


def _sortable(key: tuple[Any, ...]) -> tuple[tuple[bool, str], ...]:
    return tuple((value is None, show(value) if not isinstance(value, int) else f"{value:020d}") for value in key)


def _all_cells(row: dict[str, Any], columns: list[str]) -> str:
    return " ".join(f"{column}={show(row[column])}" for column in columns)


def _drawn(lines: list[tuple[str, ...]]) -> str:
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
