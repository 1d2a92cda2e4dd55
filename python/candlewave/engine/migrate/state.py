"""The state of the SQL objects at a revision, and what makes two texts of an object the same."""

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache

from candlewave.engine.migrate.steps import Abandon, Add, Create, Drop, Keep, Step
from candlewave.sqlproject.ddl import Kind, parse_statement
from candlewave.sqlproject.header import parse_header, split_header
from candlewave.sqlproject.render import SqlObject, in_dependency_order

State = dict[str, SqlObject]
"""Objects by name, each after all it reads."""

_TOKEN = re.compile(
    r"""\s+|--[^\n]*|/\*.*?\*/|(?P<kept>'(?:[^']|'')*'|"(?:[^"]|"")*"|\$\{\w+\}|\w+|[^\w\s])""", re.DOTALL
)
_MEANINGFUL = ("keys", "event time", "footprint")


@lru_cache(maxsize=1024)
def frozen(text: str) -> SqlObject:
    """Read an object back from its frozen text."""
    comment, body = split_header(text)
    statement = parse_statement(body)
    return SqlObject(statement.name, "", text, parse_header(comment, statement.name), statement)


def ordered(objects: Iterable[SqlObject]) -> State:
    """Return objects by name, each after all it reads."""
    return {o.name: o for o in in_dependency_order({o.name: o for o in objects})}


def fingerprint(sql_object: SqlObject) -> str:
    """Return the sha256 of what an object *is*: its statement without comments and layout.

    Of a materialized view the header's keys, event time and footprint count too, because the embedded engine computes
    by them. Databases keep this value: were its computation changed, every object would be rebuilt.
    """
    comment, body = split_header(sql_object.text)
    parts = [match["kept"] for match in _TOKEN.finditer(body.rstrip().rstrip(";")) if match["kept"]]
    if sql_object.kind is Kind.MATERIALIZED_VIEW:
        parts += _meaningful_header(comment)
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def is_store(sql_object: SqlObject) -> bool:
    """Tell whether the object holds rows that cannot be computed again."""
    return sql_object.kind is Kind.TABLE


def after(state: State, steps: Iterable[Step]) -> State:
    """Return the state that an upgrade's steps lead to."""
    objects = dict(state)
    for step in steps:
        match step:
            case Create(text) | Add(text) | Keep(text):
                made = frozen(text)
                objects[made.name] = made
            case Drop(_, name) | Abandon(name):
                objects.pop(name, None)
    return ordered(objects.values())


def _meaningful_header(comment: str) -> list[str]:
    kept = []
    inside = False
    for line in comment.splitlines()[1:]:
        text = line.removeprefix("--")
        if not text.startswith("  "):
            inside = text.strip().partition(":")[0] in _MEANINGFUL
        if inside:
            kept.append(" ".join(text.split()))
    return kept
