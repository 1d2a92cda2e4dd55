"""What each output column of an object is computed from, as a hash that changes when its values may.

An unchanged reader needs to be computed again only when a column that it reads has another hash. A query is taken apart
from the inside out: a column's *fact* hashes its expression, in which every column read stands as the fact of where it
comes from, together with the fact of the query's *rows*: FROM, JOIN, WHERE, GROUP BY and whatever else decides which
rows there are. So a column that nothing reads leaves all others as they are, and a filter changes every one.

Facts are compared within one run and never stored. Equal texts may get different facts (a renamed alias), different
meanings never the same one; what cannot be taken apart is one fact for all its columns, with a reason.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from sqlglot import exp

from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.fingerprint import fingerprint, meaningful_header
from candlewave.sqlproject.header import split_header
from candlewave.sqlproject.render import SqlObject, from_text, parse_query

Read = tuple[str, str]
"""An input and one of its columns; an empty column stands for which rows the input has."""

_SCALAR_NAMES = {"ROW", "DATE_BIN", "TO_TIMESTAMP"}
"""Functions unknown to sqlglot that give one value per row; any other may give several, so it decides the rows."""
_SETS = (exp.UDTF, exp.Explode, exp.GenerateSeries, exp.ExplodingGenerateSeries, exp.Anonymous)
_TABLE_ARGUMENTS = {"this", "alias"}
_SELECT_ARGUMENTS = {
    "expressions", "with_", "from_", "joins", "where", "group", "having", "qualify", "windows", "distinct", "order",
    "limit", "offset",
}  # fmt: skip
_SYNONYMS = {
    "numeric",
    "now",
    "pow",
    "int",
    "integer",
    "bool",
    "text",
    "float8",
    "as",
    "asc",
    "inner",
    "outer",
    "date_part",
}


class UnresolvedError(ValueError):
    """The columns of part of a query cannot be determined; the text says which part."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A hash of a definition, and the columns of other objects that it is computed from."""

    digest: str
    reads: frozenset[Read] = frozenset()


@dataclass(frozen=True, eq=False)
class Lineage:
    """How an object's output depends on its inputs.

    Attributes:
        facts: of each output column, in the columns' order.
        rows: which rows there are; part of every column's fact.
        unresolved: why the columns cannot be determined; then every column counts as reading every input column.
    """

    facts: Mapping[str, Fact]
    rows: Fact
    unresolved: str | None = None

    @cached_property
    def columns(self) -> dict[str, str]:
        """Effective fingerprint of each output column, and under the empty name that of the rows."""
        return {"": self.rows.digest, **{name: fact.digest for name, fact in self.facts.items()}}

    @cached_property
    def reads(self) -> frozenset[Read]:
        """All input columns read for any output column or to decide which rows there are."""
        return self.rows.reads.union(*(fact.reads for fact in self.facts.values()))


def trace(objects: Iterable[SqlObject], unknown: Mapping[str, str] | None = None) -> dict[str, Lineage]:
    """Return the lineage of objects by name.

    Args:
        objects: each after all it reads.
        unknown: fingerprints of objects whose text is not known; what reads them is unresolved.
    """
    traced: dict[str, Lineage] = {}
    for sql_object in objects:
        inputs = ((name, traced.get(name) or (unknown or {}).get(name, "")) for name in sorted(sql_object.inputs))
        traced[sql_object.name] = _lineage(sql_object.text, tuple(inputs))
    return traced


@lru_cache(maxsize=4096)  # two states have most objects in common
def _lineage(text: str, inputs: tuple[tuple[str, "Lineage | str"], ...]) -> Lineage:
    """Return an object's lineage; an input whose text is unknown comes as its fingerprint."""
    sql_object = from_text(text)
    statement = sql_object.statement
    if statement.kind is Kind.TABLE:
        keys = (str(statement.primary_key), str(statement.append_only), str(statement.on_conflict))
        rows = _fact("table", sql_object.name, *keys)
        return Lineage({c.name: _fact(c.name, c.type, rows) for c in statement.columns}, rows)
    computed_by = statement.kind is Kind.MATERIALIZED_VIEW or sql_object.header.footprints
    header = meaningful_header(split_header(text)[0]) if computed_by else []
    tracer = _Tracer({name: lineage for name, lineage in inputs if isinstance(lineage, Lineage)})
    try:
        if statement.relation is not None:
            source = tracer.base(statement.relation)
            return Lineage(source.columns, source.rows)
        query = statement.query or ""
        result = tracer.query(parse_query(query), {}, None)
        rows = _fact("view", *header, _lost_words(query), result.rows)
        return Lineage({name: _fact(column, rows) for name, column in result.columns.items()}, rows)
    except (UnresolvedError, RecursionError) as error:
        parts: list[str | Fact] = [fingerprint(sql_object)]
        for name, lineage in inputs:
            if isinstance(lineage, Lineage):
                parts += [Fact(digest, frozenset({(name, column)})) for column, digest in lineage.columns.items()]
            else:
                parts.append(Fact(lineage, frozenset({(name, "")})))
        whole = _fact(*parts)
        reason = str(error) if isinstance(error, UnresolvedError) else "nested too deeply"
        return Lineage(dict.fromkeys(_output_names(statement.query), whole), whole, reason)


def _fact(*parts: str | Fact) -> Fact:
    digest = hashlib.blake2b(digest_size=16)
    reads: set[Read] = set()
    for part in parts:
        if isinstance(part, Fact):
            reads |= part.reads
            part = part.digest
        digest.update(f"{len(part)}:{part}".encode())
    return Fact(digest.hexdigest(), frozenset(reads))


@dataclass(frozen=True)
class _Relation:
    """Output of a query: its columns in order, and which rows there are."""

    columns: Mapping[str, Fact]
    rows: Fact

    @property
    def whole(self) -> Fact:
        return _fact(self.rows, *(part for name, fact in self.columns.items() for part in (name, fact)))

    def renamed(self, names: Sequence[str]) -> "_Relation":
        columns = list(self.columns)
        if len(names) > len(columns):
            raise UnresolvedError(f"more names than columns: {', '.join(names)}")
        return _Relation(dict(zip([*names, *columns[len(names) :]], self.columns.values(), strict=True)), self.rows)


@dataclass(frozen=True)
class _Scope:
    """Names that an expression may use."""

    ctes: Mapping[str, _Relation]
    outer: "_Scope | None"
    sources: dict[str, _Relation] = field(default_factory=dict)
    merged: set[str] = field(default_factory=set)
    """Columns of JOIN … USING, which belong to both sides."""
    outputs: dict[str, Fact] = field(default_factory=dict)
    """Columns of the select list, which GROUP BY may name where no input has them, and ORDER BY in any case."""
    outputs_first: bool = False

    def column(self, table: str, name: str) -> Fact:
        if table:
            if table in self.sources:
                columns = self.sources[table].columns
                if name not in columns:
                    raise UnresolvedError(f"{table} has no column {name}")
                return _fact(table, columns[name])
        else:
            found = [_fact(alias, r.columns[name]) for alias, r in self.sources.items() if name in r.columns]
            if name in self.outputs and (self.outputs_first or not found):
                found.append(self.outputs[name])
            if len(found) == 1:
                return found[0]
            if found and (name in self.merged or self.outputs_first):
                return _fact(*found)
            if found:
                raise UnresolvedError(f"column {name} is in several inputs")
        if self.outer is not None:
            return _fact("outer", self.outer.column(table, name))
        raise UnresolvedError(f"no input has the column {table + '.' if table else ''}{name}")


class _Tracer:
    def __init__(self, traced: Mapping[str, Lineage]) -> None:
        self._traced = traced

    def base(self, name: str) -> _Relation:
        """Return an object's output as its readers see it."""
        lineage = self._traced.get(name)
        if lineage is None:
            raise UnresolvedError(f"what {name} was made from is not known")
        if not lineage.facts:
            raise UnresolvedError(f"the columns of {name} are not known")
        columns = {column: Fact(fact.digest, frozenset({(name, column)})) for column, fact in lineage.facts.items()}
        return _Relation(
            {column: _fact(name, column, fact) for column, fact in columns.items()},
            _fact(name, Fact(lineage.rows.digest, frozenset({(name, "")}))),
        )

    def query(self, node: exp.Expr, ctes: Mapping[str, _Relation], outer: _Scope | None) -> _Relation:
        """Take a query apart."""
        ctes = self._with(node, ctes, outer)
        match node:
            case exp.Select():
                return self._select(node, ctes, outer)
            case exp.SetOperation():
                return self._set_operation(node, ctes, outer)
            case exp.Subquery():
                self._only(node, {"this", "alias", "with_"})
                return self.query(node.this, ctes, outer)
        raise UnresolvedError(f"{node.key.upper()} is not a query that can be taken apart")

    def _with(self, node: exp.Expr, ctes: Mapping[str, _Relation], outer: _Scope | None) -> Mapping[str, _Relation]:
        with_ = node.args.get("with_")
        if with_ is None:
            return ctes
        if with_.args.get("recursive"):
            raise UnresolvedError("WITH RECURSIVE")
        known = dict(ctes)
        for cte in with_.expressions:
            relation = self.query(cte.this, known, outer)
            known[_name(cte.args["alias"].this)] = relation.renamed(_column_names(cte.args["alias"]))
        return known

    def _select(self, node: exp.Select, ctes: Mapping[str, _Relation], outer: _Scope | None) -> _Relation:
        self._only(node, _SELECT_ARGUMENTS)
        scope = _Scope(ctes, outer)
        rows: list[str | Fact] = ["select"]
        if from_ := node.args.get("from_"):
            rows += self._source(from_.this, scope)
        joins = node.args.get("joins") or []
        for join in joins:
            if str(join.args.get("method")).upper() == "NATURAL":
                raise UnresolvedError("NATURAL JOIN")
            rows += self._source(join.this, scope)
            scope.merged.update(_name(column) for column in join.args.get("using") or ())
        rows += [self._expression(join, scope, skip="this") for join in joins]
        windows = [self._expression(window, scope) for window in node.args.get("windows") or ()]
        columns: dict[str, Fact] = {}
        for name, projection in self._projections(node, scope):
            if name in columns:
                raise UnresolvedError(f"two columns are named {name}")
            if isinstance(projection, Fact):
                columns[name] = projection
                continue
            columns[name] = self._expression(projection, scope)
            if windows and projection.find(exp.Window):
                columns[name] = _fact(columns[name], *windows)
            if any(_gives_rows(found) for found in projection.find_all(*_SETS)):
                rows += ["gives rows", columns[name]]
        if not node.args.get("group") and any(map(_aggregates, node.expressions)):
            rows.append("one row")
        if where := node.args.get("where"):
            rows += ["where", self._expression(where, scope)]
        scope.outputs.update(columns)
        for key in ("group", "having", "qualify", "distinct", "order", "limit", "offset"):
            if part := node.args.get(key):
                ordering = replace(scope, outputs_first=key in ("distinct", "order"))
                rows += [key, self._expression(part, ordering)]
        distinct = node.args.get("distinct")
        by_place = any(isinstance(e, exp.Literal) for e in _order_terms(node))
        if by_place or (distinct and not distinct.args.get("on")):
            rows += columns.values()
        decided = _fact(*rows)
        return _Relation({name: _fact(column, decided) for name, column in columns.items()}, decided)

    def _projections(self, node: exp.Select, scope: _Scope) -> "Iterator[tuple[str, exp.Expr | Fact]]":
        for place, projection in enumerate(node.expressions):
            inner = projection.this if isinstance(projection, exp.Alias) else projection
            star = inner.this if isinstance(inner, exp.Column) else inner
            if isinstance(star, exp.Star):
                yield from self._star(star, _name(inner.args.get("table")), scope)
                continue
            name = _name(projection.args.get("alias") or (inner.this if isinstance(inner, exp.Column) else None))
            yield name or f"?{place}", inner

    def _star(self, star: exp.Star, table: str, scope: _Scope) -> Iterator[tuple[str, Fact]]:
        if star.args.get("replace") or star.args.get("rename") or scope.merged:
            raise UnresolvedError("a star with REPLACE, RENAME or JOIN … USING")
        left_out = {_name(column.this) for column in star.args.get("except_") or ()}
        if table and table not in scope.sources:
            raise UnresolvedError(f"{table}.* refers to {table}, which is not in FROM")
        for alias in [table] if table else scope.sources:
            for name in scope.sources[alias].columns:
                if name not in left_out:
                    yield name, scope.column(alias, name)

    def _set_operation(self, node: exp.SetOperation, ctes: Mapping[str, _Relation], outer: _Scope | None) -> _Relation:
        self._only(node, {"this", "expression", "distinct", "with_", "order", "limit", "offset"})
        # A long chain of UNION ALL is a deep tree: go down its left side without recursion.
        branches: list[exp.Expr] = [node.expression]
        left = node.this
        plain = isinstance(node, exp.Union) and node.args.get("distinct") is False
        while plain and type(left) is exp.Union and left.args["distinct"] is False and not _has_clauses(left):
            branches.append(left.expression)
            left = left.this
        relations = [self.query(branch, ctes, outer) for branch in (left, *reversed(branches))]
        names = list(relations[0].columns)
        if any(len(relation.columns) != len(names) for relation in relations):
            raise UnresolvedError("branches of a UNION with different numbers of columns")
        by_place = zip(*(relation.columns.values() for relation in relations), strict=True)
        columns = {name: _fact(node.key, *facts) for name, facts in zip(names, by_place, strict=True)}
        rows: list[str | Fact] = [node.key, str(node.args.get("distinct")), *(relation.rows for relation in relations)]
        if not plain:
            rows += columns.values()
        scope = _Scope(ctes, outer, outputs=columns)
        for key in ("order", "limit", "offset"):
            if part := node.args.get(key):
                rows += [key, self._expression(part, scope), *(columns.values() if key == "order" else ())]
        decided = _fact(*rows)
        return _Relation({name: _fact(column, decided) for name, column in columns.items()}, decided)

    def _source(self, node: exp.Expr, scope: _Scope) -> list[str | Fact]:
        """Add what FROM or JOIN names to the scope; return what it adds to the rows."""
        alias = node.args.get("alias")
        match node:
            case exp.Table(this=exp.Identifier()):
                self._only(node, _TABLE_ARGUMENTS)
                name = _name(node.this)
                relation = scope.ctes[name] if name in scope.ctes else self.base(name)
            case exp.Table(this=exp.Anonymous() as function) if function.name.upper() in ("TUMBLE", "HOP"):
                self._only(node, _TABLE_ARGUMENTS)
                name, relation = self._windows(function, scope)
            case exp.Subquery():
                name, relation = "", self.query(node, scope.ctes, scope.outer)
            case _:
                raise UnresolvedError(f"{node.sql('risingwave')[:60]} in FROM")
        if alias is not None:
            name = _name(alias.this) or name
            relation = relation.renamed(_column_names(alias))
        if name in scope.sources:
            raise UnresolvedError(f"{name} is twice in FROM")
        scope.sources[name] = relation
        return [name, relation.rows]

    def _windows(self, function: exp.Anonymous, scope: _Scope) -> tuple[str, _Relation]:
        """Return the rows of a windowing function: those of its first argument, with the window's start and end."""
        first, time, *sizes = function.expressions
        name = _name(first.this)
        relation = scope.ctes[name] if name in scope.ctes else self.base(name)
        inner = _Scope(scope.ctes, None, {name: relation})
        parts = [self._expression(part, inner) for part in (time, *sizes)]
        bounds = {f"window_{end}": _fact(function.name.upper(), end, *parts) for end in ("start", "end")}
        rows = _fact(function.name.upper(), relation.rows, *parts)
        return name, _Relation({**relation.columns, **bounds}, rows)

    def _expression(self, node: exp.Expr, scope: _Scope, *, skip: str = "") -> Fact:
        """Return the fact of an expression or clause: its structure, with the facts of the columns in it."""
        parts: list[str | Fact] = []
        todo: list[tuple[str, Any]] = [("", node)]
        if skip:
            todo = [(key, value) for key, value in reversed(node.args.items()) if key != skip]
        while todo:
            key, value = todo.pop()
            if value is None or value is False or value == []:
                continue
            parts.append(key)
            match value:
                case list():
                    todo += [(str(place), item) for place, item in reversed(list(enumerate(value)))]
                case exp.Column() if not isinstance(value.this, exp.Star):
                    self._only(value, {"this", "table"})
                    parts.append(scope.column(_name(value.args.get("table")), _name(value.this)))
                case exp.Column():  # t.* as an argument
                    table = _name(value.args.get("table"))
                    if table not in scope.sources:
                        raise UnresolvedError(f"{table}.* refers to {table}, which is not in FROM")
                    parts.append(scope.sources[table].whole)
                case exp.Star() if not isinstance(value.parent, exp.Count):
                    parts += [relation.whole for relation in scope.sources.values()]
                case exp.Query():
                    parts.append(self.query(value, scope.ctes, scope).whole)
                case exp.Identifier():
                    parts.append(_name(value))
                case exp.Expr():
                    parts.append(type(value).__name__)
                    todo += [("end", "")]
                    todo += reversed(value.args.items())
                case _:
                    parts.append(str(value))
        return _fact(*parts)

    @staticmethod
    def _only(node: exp.Expr, known: set[str]) -> None:
        for key, value in node.args.items():
            if value and key not in known:
                raise UnresolvedError(f"{key.strip('_').upper()} of {node.key.upper()}")


def _name(node: exp.Expr | None) -> str:
    if node is None:
        return ""
    return node.name if node.args.get("quoted") else node.name.lower()


def _column_names(alias: exp.Expr) -> list[str]:
    return [_name(column) for column in alias.args.get("columns") or ()]


def _has_clauses(node: exp.Expr) -> bool:
    return any(node.args.get(key) for key in ("with_", "order", "limit", "offset"))


def _gives_rows(function: exp.Expr) -> bool:
    return not isinstance(function, exp.Anonymous) or function.name.upper() not in _SCALAR_NAMES


def _aggregates(projection: exp.Expr) -> bool:
    """Tell whether a projection aggregates the query's own rows."""
    return any(
        not isinstance(found.parent, exp.Window)
        and found.find_ancestor(exp.Query) is projection.find_ancestor(exp.Query)
        for found in projection.find_all(exp.AggFunc)
    )


def _order_terms(node: exp.Select) -> Iterator[exp.Expr]:
    if group := node.args.get("group"):
        yield from group.expressions
    if order := node.args.get("order"):
        yield from (ordered.this for ordered in order.expressions)


def _output_names(query: str | None) -> list[str]:
    """Return the outermost select list's names as far as they stand there."""
    tree = parse_query(query) if query else None
    while isinstance(tree, exp.SetOperation | exp.Subquery):
        tree = tree.this
    if not isinstance(tree, exp.Select) or any(e.is_star for e in tree.expressions):
        return []
    return [_name(e.args.get("alias") or e.this) for e in tree.expressions if e.alias_or_name]


@lru_cache(maxsize=1024)
def _lost_words(query: str) -> str:
    """Return the words that sqlglot does not give back, so that a part which it does not know is not overlooked."""
    text = re.sub(r"--[^\n]*|/\*.*?\*/", " ", query, flags=re.DOTALL)
    kept = parse_query(query).sql("risingwave", comments=False)
    return " ".join(sorted(_words(text) - _words(kept) - _SYNONYMS))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
