"""What a rule is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from sqlglot import exp

from candlewave.sqlproject.lint.model import Finding, Model
from candlewave.sqlproject.lint.relations import Branch, Relation


class Rule(ABC):
    """One rule; its docstring is its reason, as ``candlewave lint --explain`` prints it."""

    code: ClassVar[str]

    @abstractmethod
    def check(self, model: Model) -> Iterator[Finding]:
        """Yield what a model does against the rule."""


class QueryRule(Rule):
    """A rule about queries: tables and sinks have none."""

    def check(self, model: Model) -> Iterator[Finding]:
        """Yield what a model's query does against the rule."""
        if model.tree is not None:
            for node, text in self.violations(model.tree):
                yield model.finding(type(self), text, node)

    @abstractmethod
    def violations(self, tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
        """Yield each violation: the node it is about, and the text."""


def branches(relation: Relation) -> Iterator[Branch]:
    """Yield every SELECT of a query, CTEs included, each once."""
    pending = [relation]
    seen: set[int] = set()
    first = True
    while pending:
        current = pending.pop()
        if id(current) in seen or (current.stored and not first):
            continue
        first = False
        seen.add(id(current))
        if current.tumbled:
            pending.append(current.tumbled.relation)
        for branch in current.branches:
            if id(branch) not in seen:
                seen.add(id(branch))
                yield branch
            pending.extend(branch.sources.values())
