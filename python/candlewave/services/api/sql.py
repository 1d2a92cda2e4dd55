"""Pieces of queries: conditions, and pages by the position of their last row.

Values are always bound; the text is the same for RisingWave and the embedded engine. Only the length of a page is
written out, as an integer: RisingWave binds no LIMIT.
"""

from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple

from psycopg.sql import SQL, Composed, Identifier, Literal

from candlewave.services.api.parameters import PageQuery

Order = Sequence[tuple[str, str]]
"""Columns by which a list is in descending order, with their types."""
Position = Sequence[str] | None
"""Values of the columns of an order in the last row of the page before; None on the first page."""


class Statement(NamedTuple):
    """A query and the values it binds."""

    text: Composed
    values: list[object]


def statement(text: LiteralString | Composed, *values: object) -> Statement:
    """Return a statement without conditions that depend on the request."""
    return Statement(SQL(text).format() if isinstance(text, str) else text, list(values))


def one_more(page: PageQuery) -> Literal:
    """Return the number of rows to read: one more than the page has tells whether there is another page."""
    return Literal(page.limit + 1)


class Where:
    """Conditions, all of which must hold."""

    def __init__(self) -> None:
        self._conditions: list[Any] = []
        self.values: list[object] = []

    def equal(self, **columns: object) -> "Where":
        """Ask for equality; None asks for nothing."""
        for name, value in columns.items():
            if value is not None:
                self._conditions.append(SQL("{} = %s").format(Identifier(name)))
                self.values.append(value)
        return self

    def within(self, column: str, page: PageQuery) -> "Where":
        """Ask for the page's times."""
        for operator, value in ((">=", page.since), ("<", page.until)):
            if value is not None:
                self._conditions.append(SQL("{} " + operator + " %s").format(Identifier(column)))
                self.values.append(value)
        return self

    def before(self, columns: Order, position: Position) -> "Where":
        """Ask for what comes after a position in descending order of ``columns`` (names and types).

        Spelt out column by column: engines differ in what they do with comparisons of rows.
        """
        if position is None:
            return self
        found: Any = None
        for (name, kind), value in reversed(list(zip(columns, position, strict=True))):
            typed = SQL("%s::" + kind)
            if found is None:
                found = SQL("{} < {}").format(Identifier(name), typed)
                values: list[object] = [value]
            else:
                found = SQL("({0} < {1} OR ({0} = {1} AND {2}))").format(Identifier(name), typed, found)
                values = [value, value, *values]
        self._conditions.append(found)
        self.values += values
        return self

    def also(self, condition: str, *values: object) -> "Where":
        """Ask for something else, in the project's own words."""
        self._conditions.append(SQL(condition))
        self.values += values
        return self

    @property
    def text(self) -> Composed:
        """`` WHERE …``, empty without conditions."""
        return SQL(" WHERE {}").format(SQL(" AND ").join(self._conditions)) if self._conditions else Composed([])


def columns(names: Sequence[str], table: str | None = None) -> Composed:
    """Return a list of columns."""
    return SQL(", ").join([Identifier(table, name) if table else Identifier(name) for name in names])
