"""Give relations other names in the text of an SQL object, which otherwise stays as it is, character by character."""

import re
from collections.abc import Iterator, Mapping

from sqlglot import exp, parse_one

from candlewave.sqlproject.ddl import Kind, parse_statement
from candlewave.sqlproject.header import split_header

_FOOTPRINT = re.compile(r"^(--   )(\w+)(?= by |: )", re.MULTILINE)
_KEY_SOURCE = re.compile(r"^(--   \w+ by [^:]*? of )(\w+)(?=:)", re.MULTILINE)


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Return the text of an object with its own name and the relations that it reads replaced.

    A relation that is read without an alias keeps its old name as one, so that qualified columns still find it.

    Args:
        text: header and statement.
        names: new names by old ones; others stay.

    Raises:
        DdlError: the statement is not one that candlewave uses.
    """
    comment, body = split_header(text)
    statement = parse_statement(body)
    own = names.get(statement.name, statement.name)
    comment = re.sub(rf"^-- {statement.name}: ", f"-- {own}: ", comment, count=1)
    if "-- footprint:" in comment:
        comment = _FOOTPRINT.sub(lambda m: m[1] + names.get(m[2], m[2]), comment)
        comment = _KEY_SOURCE.sub(lambda m: m[1] + names.get(m[2], m[2]), comment)
    body = re.sub(rf"(\bCREATE\s+{_words(statement.kind)}\s+){statement.name}\b", rf"\g<1>{own}", body, count=1)
    if statement.relation:
        relation = names.get(statement.relation, statement.relation)
        body = re.sub(rf"(\bFROM\s+){statement.relation}\b", rf"\g<1>{relation}", body, count=1)
    if statement.query:
        at = body.rindex(statement.query)
        body = body[:at] + _query(statement.query, names) + body[at + len(statement.query) :]
    return f"{comment}\n{body}\n" if comment else f"{body}\n"


def _words(kind: Kind) -> str:
    return kind.upper().replace(" ", r"\s+")


def _query(query: str, names: Mapping[str, str]) -> str:
    tree = parse_one(query, dialect="risingwave")
    parts = []
    done = 0
    for start, end, new in sorted(_replacements(tree, names)):
        parts += [query[done:start], new]
        done = end
    return "".join([*parts, query[done:]])


def _replacements(tree: exp.Expr, names: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    """Yield where a relation is named, and what to write there."""
    ctes = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and table.name in names and table.name not in ctes:
            alias = "" if table.alias else f" AS {table.name}"
            yield *_span(table.this), names[table.name] + alias
    for function in tree.find_all(exp.Anonymous):
        if function.name.upper() in ("TUMBLE", "HOP") and function.expressions[0].name in names:
            relation = function.expressions[0].this
            yield *_span(relation), names[relation.name]


def _span(identifier: exp.Expr) -> tuple[int, int]:
    return identifier.meta["start"], identifier.meta["end"] + 1
