"""What rules look at: a rendered object with its parsed query, and the project it is part of."""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property

from sqlglot import exp, parse_one

from candlewave.sqlproject.header import split_header
from candlewave.sqlproject.lint.frames import Frames, alternatives
from candlewave.sqlproject.lint.relations import Relation, Resolver
from candlewave.sqlproject.lint.zones import Zone
from candlewave.sqlproject.render import SqlObject


@dataclass(frozen=True, order=True)
class Finding:
    """A violation of a rule.

    Attributes:
        path: template, relative to the project.
        line: line of the template; None where it is unknown, as inside a macro.
    """

    path: str
    line: int | None
    code: str
    text: str

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{where}: {self.code} {self.text}"


@dataclass(frozen=True)
class Project:
    """All rendered objects.

    Attributes:
        timeframe_seconds: length of a bar of each configured timeframe.
    """

    objects: Mapping[str, SqlObject]
    timeframe_seconds: Mapping[str, int]

    @cached_property
    def resolver(self) -> Resolver:
        """Columns, keys and types of every relation."""
        return Resolver(self.objects)

    @cached_property
    def zones(self) -> dict[Hashable, Zone]:
        """Zones that have been worked out."""
        return {}

    @cached_property
    def models(self) -> tuple["Model", ...]:
        """Every object, as rules see it."""
        return tuple(Model(o, self) for o in self.objects.values())


@dataclass(frozen=True)
class Model:
    """An object under lint."""

    sql_object: SqlObject
    project: Project

    @property
    def name(self) -> str:
        """The object's name."""
        return self.sql_object.name

    @cached_property
    def tree(self) -> exp.Expr | None:
        """The parsed query; None for tables and sinks."""
        query = self.sql_object.statement.query
        return parse_one(query, dialect="risingwave") if query else None

    @cached_property
    def relation(self) -> Relation | None:
        """The query with its names resolved; None for tables and sinks."""
        return self.project.resolver.relation(self.name) if self.sql_object.statement.query else None

    @cached_property
    def frames(self) -> list[Frames]:
        """Window frames that output columns depend on together."""
        return alternatives(self.relation) if self.relation is not None else []

    @cached_property
    def body(self) -> str:
        """The statement's text with the contents of strings and comments blanked; positions stay."""
        _, body = split_header(self.sql_object.text)
        return re.sub(r"'(?:[^']|'')*'|--[^\n]*", lambda match: re.sub(r"[^\n']", " ", match[0]), body)

    def finding(self, rule: type, text: str, at: exp.Expr | str | None = None) -> Finding:
        """Return a finding of a rule.

        Args:
            at: node of the query, or a piece of the rendered text, that the finding is about.
        """
        code: str = rule.code  # type: ignore[attr-defined]
        excerpt = f"{self.name}: {text}"
        return Finding(f"sql/{self.sql_object.path}", self._line(at), code, excerpt)

    def _line(self, at: exp.Expr | str | None) -> int | None:
        if at is None:
            return None
        if isinstance(at, exp.Expr):
            query = self.sql_object.statement.query or ""
            lines = [node.meta["line"] for node in at.walk() if "line" in node.meta]
            rendered = query.splitlines()[lines[0] - 1] if lines and lines[0] <= query.count("\n") + 1 else ""
        else:
            rendered = next((line for line in self.sql_object.text.splitlines() if at in line), "")
        file = self.sql_object.file
        source = file.read_text(encoding="utf-8").splitlines() if file else []
        wanted = rendered.strip()
        return next((number for number, line in enumerate(source, 1) if wanted and line.strip() == wanted), None)


def excerpt(node: exp.Expr) -> str:
    """Return a node's text, shortened."""
    text = node.sql(dialect="risingwave")
    return text if len(text) <= 100 else text[:97] + "..."
