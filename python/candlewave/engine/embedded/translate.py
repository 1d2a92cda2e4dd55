"""Translate a RisingWave query into PostgreSQL, exactly or not at all.

Few constructs differ: TUMBLE and HOP become subqueries with ``date_bin``; ``(min(ROW(a, b, v))).f3`` becomes an ordered
``array_agg``. Whatever sqlglot does not know by name is refused, so a construct whose meaning might differ never slips
through.
"""

import logging
from functools import lru_cache

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from candlewave.core.errors import CandlewaveError

# It says on each [1] that PostgreSQL counts from one.
logging.getLogger("sqlglot").setLevel(logging.WARNING)

_EPOCH = "'1970-01-01 00:00:00+00'::timestamptz"

# Functions that sqlglot keeps as plain names and that mean the same on both engines.
_SAME_ON_BOTH = {
    "DATE_BIN",
    "GENERATE_SERIES",
    "EXTRACT",
    "UNNEST",
    "ARRAY_LENGTH",
    "BOOL_AND",
    "BOOL_OR",
    "TO_TIMESTAMP",
}

_REFUSED: dict[type[exp.Expr], str] = {
    exp.Command: "a statement that sqlglot cannot read",
    exp.IgnoreNulls: "IGNORE NULLS",
    exp.First: "an ordered first_value",
    exp.Last: "an ordered last_value",
    exp.ArgMax: "arg_max",
    exp.ArgMin: "arg_min",
}


class TranslationError(CandlewaveError, ValueError):
    """A construct has no exact PostgreSQL equivalent; the text names it."""


@lru_cache(maxsize=1024)
def translate_query(query: str) -> str:
    """Return the PostgreSQL text of a RisingWave SELECT.

    Raises:
        TranslationError: the query holds a construct that cannot be translated exactly.
    """
    try:
        tree = parse_one(query, dialect="risingwave")
    except SqlglotError as error:
        raise TranslationError(f"cannot read query: {error}") from None
    for node_type, what in _REFUSED.items():
        if tree.find(node_type):
            raise TranslationError(f"{what} cannot be translated exactly: {_excerpt(tree.find(node_type))}")
    for star in tree.find_all(exp.Star):
        if any(star.args.values()):
            raise TranslationError(f"{_excerpt(star)} cannot be translated exactly")
    for extreme in tree.find_all(exp.FirstValue, exp.LastValue, exp.NthValue):
        if not extreme.find_ancestor(exp.Window):
            raise TranslationError(f"an aggregate {extreme.sql_name().lower()} keeps every row: {_excerpt(extreme)}")
    tree = tree.transform(_translate_node)
    for function in tree.find_all(exp.Anonymous):
        if function.name.upper() not in _SAME_ON_BOTH:
            raise TranslationError(f"function {function.name} is not known to mean the same: {_excerpt(function)}")
    for join in tree.find_all(exp.Join):
        if join.method:
            raise TranslationError(f"{join.method} JOIN cannot be translated exactly: {_excerpt(join)}")
    return tree.sql(dialect="postgres")


def _translate_node(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Table) and isinstance(node.this, exp.Anonymous):
        return _window_function(node, node.this)
    if isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier | exp.GenerateSeries):
        raise TranslationError(f"table function cannot be translated exactly: {_excerpt(node)}")
    if isinstance(node, exp.Dot):
        return _field_of_extreme(node)
    return node


def _window_function(table: exp.Table, function: exp.Anonymous) -> exp.Expr:
    name = function.name.upper()
    arguments = [argument.sql(dialect="postgres") for argument in function.expressions]
    alias = table.alias or "windowed"
    if name == "TUMBLE" and len(arguments) == 3:
        relation, column, size = arguments
        return _subquery(
            f"SELECT w.*, w.window_start + {size} AS window_end FROM ("
            f"SELECT r.*, date_bin({size}, r.{column}, {_EPOCH}) AS window_start FROM {relation} AS r) AS w",
            alias,
        )
    if name == "HOP" and len(arguments) == 4:
        relation, column, hop, size = arguments
        return _subquery(
            f"SELECT r.*, s.window_start, s.window_start + {size} AS window_end FROM {relation} AS r "
            f"CROSS JOIN LATERAL generate_series(date_bin({hop}, r.{column}, {_EPOCH}) - {size} + {hop}, "
            f"date_bin({hop}, r.{column}, {_EPOCH}), {hop}) AS s(window_start)",
            alias,
        )
    raise TranslationError(f"table function cannot be translated exactly: {_excerpt(table)}")


def _subquery(query: str, alias: str) -> exp.Expr:
    return exp.Subquery(this=parse_one(query, dialect="postgres"), alias=exp.TableAlias(this=exp.to_identifier(alias)))


def _field_of_extreme(dot: exp.Dot) -> exp.Expr:
    """Turn ``(min(ROW(a, b, v))).f3`` into ``(array_agg(v ORDER BY a, b, v))[1]``; max descending. A FILTER stays."""
    extreme = dot.this.unnest()
    condition = ""
    if isinstance(extreme, exp.Filter):
        condition = f" FILTER ({extreme.expression.sql(dialect='postgres')})"
        extreme = extreme.this
    field = dot.expression.name
    row = extreme.this if isinstance(extreme, exp.Min | exp.Max) else None
    if not (isinstance(row, exp.Anonymous) and row.name.upper() == "ROW" and field[:1] == "f" and field[1:].isdigit()):
        raise TranslationError(f"field access cannot be translated exactly: {_excerpt(dot)}")
    parts = row.expressions
    position = int(field[1:])
    if not 1 <= position <= len(parts):
        raise TranslationError(f"ROW has {len(parts)} fields, not {position}: {_excerpt(dot)}")
    direction = " DESC" if isinstance(extreme, exp.Max) else ""
    order = ", ".join(part.sql(dialect="postgres") + direction for part in parts)
    value = parts[position - 1].sql(dialect="postgres")
    return parse_one(f"(array_agg({value} ORDER BY {order}){condition})[1]", dialect="postgres")


def _excerpt(node: exp.Expr | None) -> str:
    text = node.sql(dialect="risingwave") if node is not None else ""
    return text if len(text) <= 120 else text[:117] + "..."
