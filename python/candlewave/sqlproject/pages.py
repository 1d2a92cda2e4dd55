"""Tables of the documentation that are written from ``sql/`` and the catalogues."""

from collections.abc import Iterable

from candlewave.sqlproject.catalog.features import Feature
from candlewave.sqlproject.catalog.own_indicators import Entry
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.lint.meanings import OTHERS, Meanings
from candlewave.sqlproject.lint.relations import Resolver
from candlewave.sqlproject.render import RenderError, SqlObject

_BEGIN = "<!-- written by `make render` -->\n\n"
_END = "\n\n<!-- up to here -->"


def between_marks(page: str, table: str) -> str:
    """Return a page with ``table`` in place of what stands between its marks.

    Raises:
        RenderError: the page lacks a mark.
    """
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise RenderError(f"the page {page[:40]!r} lacks {(_BEGIN if not begin else _END).strip()}")
    return before + begin + table + end + after


def describe(objects: Iterable[SqlObject]) -> str:
    """Return a page about tables and views: purpose, key, and each column's meaning."""
    known = {o.name: o for o in objects}
    resolver = Resolver(known)
    meanings = Meanings(known, resolver)
    parts = [
        "# Tables and views",
        "Written by `make render` from the headers in `sql/`; do not edit. Columns of [indicators](indicators.md) and\n"
        "[features](features.md) have pages of their own.",
    ]
    layer = None
    for sql_object in sorted(known.values(), key=lambda o: (o.layer, o.name)):
        if sql_object.kind is Kind.SINK:
            continue
        if sql_object.layer != layer:
            layer = sql_object.layer
            parts.append(f"## {layer}")
        header = sql_object.header
        parts.append(f"### {sql_object.name}")
        keys = ", ".join(f"`{key}`" for key in header.keys)
        purpose = f"{header.purpose[0].upper()}{header.purpose[1:]}"
        parts.append(f"{purpose}\\\nA {sql_object.kind}, {header.grain}; key: {keys}.")
        parts.append(_table(sql_object, resolver.relation(sql_object.name).columns, meanings))
    return "\n\n".join(parts) + "\n"


def _table(sql_object: SqlObject, columns: Iterable[str], meanings: Meanings) -> str:
    """Return a table of an object's columns: one line for each meaning, and one for names that say theirs."""
    others = sql_object.header.columns.get(OTHERS)
    rows: dict[str, list[str]] = {"": []}
    for column in columns:
        rows.setdefault(meanings.of(sql_object.name, column) or "", []).append(f"`{column}`")
    if others:
        rows[others] = ["all others"]
    lines = [f"| {', '.join(names)} | {meaning} |" for meaning, names in rows.items() if names]
    return "\n".join(["| column | meaning |", "|---|---|", *lines])


def kinds_table(entries: Iterable[Entry]) -> str:
    """Return the table of kinds that entries may name: a line per kind, of entries without parameters."""
    lines = [
        f"| `{entry.kind.name}` | {_parameters(entry)} | {_columns(entry)} | {_cell(entry.computed.source)} |"
        f" {entry.computed.bars}, {entry.indicators[0].warm_up} | {_cell(entry.computed.null)} |"
        for entry in entries
    ]
    head = "| kind | parameters | columns | source | bars, warm-up | NULL, once there are the bars |"
    return "\n".join([head, "|---|---|---|---|---|---|", *lines])


def _parameters(entry: Entry) -> str:
    found = [f"`{p.name}` {p.default:g} ({p.low:g} to {p.high:g})" for p in entry.kind.parameters]
    return "<br>".join([*found, *(["`source`"] if entry.kind.price else [])])


def _columns(entry: Entry) -> str:
    return "<br>".join(f"`{entry.column(c)}`, {c.unit}: {_cell(c.meaning)}" for c in entry.computed.columns)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def features_table(features: Iterable[Feature]) -> str:
    """Return the table of features: a line per feature, with the timeframes that it is taken of."""
    lines: dict[tuple[str, int, str, str], list[str]] = {}
    for f in features:
        stem = f.name.removesuffix(f"_{f.timeframe}") if f.timeframe else f.name
        lines.setdefault((stem, f.needs, f.range, f.meaning), []).append(f.timeframe or "–")
    rows = [
        f"| `{stem}` | {' '.join(timeframes)} | {needs} | {reach} | {meaning} |"
        for (stem, needs, reach, meaning), timeframes in lines.items()
    ]
    return "\n".join(["| feature | of | bars | range | meaning |", "|---|---|---|---|---|", *rows])
