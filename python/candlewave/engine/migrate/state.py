"""SQL objects by name, and their state at a revision."""

from collections.abc import Iterable

from candlewave.engine.migrate.steps import Abandon, Add, Create, Drop, Keep, Step
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.render import SqlObject, from_text, in_dependency_order

State = dict[str, SqlObject]
"""Objects by name, each after all it reads."""


def ordered(objects: Iterable[SqlObject]) -> State:
    """Return objects by name, each after all it reads."""
    return {o.name: o for o in in_dependency_order({o.name: o for o in objects})}


def is_store(sql_object: SqlObject) -> bool:
    """Tell whether the object holds rows that cannot be computed again."""
    return sql_object.kind is Kind.TABLE


def after(state: State, steps: Iterable[Step]) -> State:
    """Return the state that an upgrade's steps lead to."""
    objects = dict(state)
    for step in steps:
        match step:
            case Create(text) | Add(text) | Keep(text):
                made = from_text(text)
                objects[made.name] = made
            case Drop(_, name) | Abandon(name):
                objects.pop(name, None)
    return ordered(objects.values())
