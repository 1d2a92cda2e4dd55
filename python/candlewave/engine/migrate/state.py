"""SQL objects by name."""

from collections.abc import Iterable

from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.render import SqlObject, in_dependency_order

State = dict[str, SqlObject]
"""Objects by name, each after all it reads."""


def ordered(objects: Iterable[SqlObject]) -> State:
    """Return objects by name, each after all it reads."""
    return {o.name: o for o in in_dependency_order({o.name: o for o in objects})}


def is_store(sql_object: SqlObject) -> bool:
    """Tell whether the object holds rows that cannot be computed again."""
    return sql_object.kind is Kind.TABLE
