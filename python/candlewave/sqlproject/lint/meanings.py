"""What columns mean: as headers say, followed from a view to where its columns come from."""

from collections.abc import Iterator, Mapping

from sqlglot import exp

from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.lint.model import Finding, Model
from candlewave.sqlproject.lint.relations import Relation, Resolver
from candlewave.sqlproject.lint.rule import Rule
from candlewave.sqlproject.render import SqlObject

OTHERS = "others"
"""Name under which a header explains all columns that it does not name."""

PLAIN = frozenset(
    {
        *("exchange", "symbol", "timeframe", "asset", "article_id", "trade_id", "event_id", "request_id", "key_id"),
        *("open_time", "close_time", "minute", "hour", "day", "target_time", "made_at", "updated_at"),
        *("open", "high", "low", "close", "price", "quantity", "volume", "trades"),
        *("horizon_minutes", "model_name", "model_version", "feature", "name", "url", "title", "summary", "topic"),
        *("rule", "event", "reason"),
    }
)
"""Names that say what they mean."""


class Meanings:
    """Meanings of the columns of a set of objects.

    Args:
        objects: by name.
        resolver: of the same objects.
    """

    def __init__(self, objects: Mapping[str, SqlObject], resolver: Resolver) -> None:
        self._objects = objects
        self._resolver = resolver

    def of(self, name: str, column: str) -> str | None:
        """Return what a column of an object means, None when nothing says it."""
        header = self._objects[name].header
        own = header.columns.get(column) or self._handed_on(self._resolver.relation(name), column)
        return own or header.columns.get(OTHERS)

    def _handed_on(self, relation: Relation, column: str) -> str | None:
        """Return the meaning of a column where it is handed on from, the same from every branch."""
        found = set()
        for branch, output in relation.definitions(column):
            source = output if isinstance(output, exp.Column) else None
            found.add(self._of_source(branch.sources[branch.source_of(source)], source.name) if source else None)
        return found.pop() if len(found) == 1 else None

    def _of_source(self, relation: Relation, column: str) -> str | None:
        while relation.tumbled is not None:
            if column not in relation.tumbled.relation.columns:
                return None
            relation = relation.tumbled.relation
        return self.of(relation.stored, column) if relation.stored else self._handed_on(relation, column)


class ColumnsExplained(Rule):
    """Every column has a name that says what it means, or a meaning in a header.

    A view's columns are its contract, and `docs/views.md` is written from what headers say about them. What a view
    only hands on is explained where it comes from. A header that explains a column which is not there misleads.
    """

    code = "CW028"

    def check(self, model: Model) -> Iterator[Finding]:
        """Find columns that nothing explains, and explanations of nothing."""
        if model.sql_object.kind is Kind.SINK:
            return
        columns = model.project.resolver.relation(model.name).columns
        explained = model.sql_object.header.columns
        for name in sorted(explained.keys() - {*columns, OTHERS}):
            yield model.finding(type(self), f"the header explains {name}, which is not a column", f"{name}")
        meanings = Meanings(model.project.objects, model.project.resolver)
        for column in columns:
            if column not in PLAIN and meanings.of(model.name, column) is None:
                yield model.finding(type(self), f"no header says what {column} means", "-- columns:")
