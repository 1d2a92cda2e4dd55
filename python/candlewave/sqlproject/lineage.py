"""What each output column of an object is computed from, as a hash that changes when its values may.

An unchanged reader needs to be computed again only when a column that it reads has another hash.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.render import SqlObject


@dataclass(frozen=True, slots=True)
class Lineage:
    """How an object's output depends on its inputs.

    Attributes:
        columns: effective fingerprint of each output column, in the columns' order.
        reads: input columns read for any output column, or to decide which rows there are: (input, column).
        unresolved: why the columns cannot be told apart; then every column counts as reading every input column.
    """

    columns: Mapping[str, str]
    reads: frozenset[tuple[str, str]]
    unresolved: str | None = None


def trace(objects: Iterable[SqlObject], unknown: Mapping[str, str] | None = None) -> dict[str, Lineage]:
    """Return the lineage of objects by name.

    Args:
        objects: each after all it reads.
        unknown: fingerprints of objects whose text is not known; all that reads them is unresolved.
    """
    rows = dict(unknown or {})
    traced: dict[str, Lineage] = {}
    for sql_object in objects:
        parts = [fingerprint(sql_object), *(f"{name} {rows.get(name)}" for name in sorted(sql_object.inputs))]
        rows[sql_object.name] = hashlib.sha256(" ".join(parts).encode()).hexdigest()
        columns = {column.name: rows[sql_object.name] for column in sql_object.statement.columns} or {
            "*": rows[sql_object.name]
        }
        traced[sql_object.name] = Lineage(columns, frozenset((name, "*") for name in sql_object.inputs))
    return traced
