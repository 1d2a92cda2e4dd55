"""Names in queries resolved: which relation a column comes from, what the key of a relation's rows is, what is exact.

sqlglot's own lineage stops at TUMBLE, so the few shapes that models use are resolved here. Stars are expanded: a
branch has columns only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp, parse_one

from candlewave.core.errors import CandlewaveError
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.render import SqlObject

_EXACT_TYPES = {"SMALLINT", "INT", "INTEGER", "BIGINT", "NUMERIC", "DECIMAL"}
_EXACT_CASTS = {exp.DType.DECIMAL, exp.DType.INT, exp.DType.BIGINT, exp.DType.SMALLINT}
_SAME_EXACTNESS = (
    exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.Neg, exp.Paren, exp.Coalesce, exp.Greatest, exp.Least, exp.Abs, exp.Sum,
    exp.Min, exp.Max, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.Nullif,
)  # fmt: skip
_WINDOW_COLUMNS = ("window_start", "window_end")


class ResolutionError(CandlewaveError, ValueError):
    """A name cannot be resolved; the text says which."""


@dataclass(frozen=True, eq=False)
class Tumbled:
    """``TUMBLE(relation, column, size)`` or HOP, whose ``hop`` is given too."""

    relation: "Relation"
    column: str
    size: exp.Expr


@dataclass(frozen=True, eq=False)
class Relation:
    """Something that a FROM can name.

    Attributes:
        columns: names in order.
        key: columns that identify a row; None when unknown.
        branches: the SELECTs it is made of, more than one for UNION ALL; none for a stored table.
        stored: name of the object, for one that exists in the engine.
        types: column types of a table.
    """

    columns: tuple[str, ...]
    key: frozenset[str] | None
    branches: tuple["Branch", ...] = ()
    stored: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    tumbled: Tumbled | None = None

    def definitions(self, column: str) -> Iterator[tuple["Branch", exp.Expr]]:
        """Yield what a column is in each branch."""
        position = self.columns.index(column)
        for branch in self.branches:
            yield branch, branch.outputs[position]


@dataclass(frozen=True, eq=False)
class Branch:
    """One SELECT, its sources by alias, and its output expressions without their aliases."""

    select: exp.Select
    sources: Mapping[str, Relation]

    @property
    def outputs(self) -> list[exp.Expr]:
        """Output expressions without aliases."""
        return [output.unalias() for output in self.select.expressions]

    def source_of(self, column: exp.Column) -> str:
        """Return the alias of the source that a column comes from.

        Raises:
            ResolutionError: no source has it, or several have.
        """
        if column.table:
            if column.table in self.sources and column.name in self.sources[column.table].columns:
                return column.table
            raise ResolutionError(f"there is no column {column.sql()}")
        having = [alias for alias, relation in self.sources.items() if column.name in relation.columns]
        if len(having) != 1:
            raise ResolutionError(f"{len(having)} sources have a column {column.name}, of {', '.join(self.sources)}")
        return having[0]

    @property
    def joins(self) -> list[exp.Join]:
        """The JOINs."""
        return self.select.args.get("joins") or []

    @property
    def group(self) -> list[exp.Expr]:
        """Expressions of GROUP BY."""
        clause = self.select.args.get("group")
        return list(clause.expressions) if clause else []


class Resolver:
    """Resolve the queries of a set of objects."""

    def __init__(self, objects: Mapping[str, SqlObject]) -> None:
        self._objects = objects
        self._known: dict[str, Relation] = {}

    def relation(self, name: str) -> Relation:
        """Return an object as a relation.

        Raises:
            ResolutionError: it, or something it reads, does not exist.
        """
        if name not in self._known:
            self._known[name] = self._stored(name)
        return self._known[name]

    def is_exact(self, expression: exp.Expr, branch: Branch) -> bool:
        """Tell whether a value is surely an integer or NUMERIC, so that sums of it never round."""
        node = expression.unnest()
        match node:
            case exp.Cast():
                return node.to.this in _EXACT_CASTS
            case exp.Literal():
                return not node.is_string and node.this.isdigit()
            case exp.Null() | exp.Count() | exp.RowNumber():
                return True
            case exp.Column():
                return self._is_exact_column(node, branch)
            case exp.Case():
                values = [i.args["true"] for i in node.args["ifs"]] + [d for d in [node.args.get("default")] if d]
                return all(self.is_exact(value, branch) for value in values)
            case exp.Window():
                return self.is_exact(node.this, branch)
            case exp.Div():
                return _is_integer(node.this) and _is_integer(node.expression)
            case _ if isinstance(node, _SAME_EXACTNESS):
                values = [v for k, v in node.args.items() if k in ("this", "expression") and isinstance(v, exp.Expr)]
                return all(self.is_exact(value, branch) for value in [*values, *node.expressions])
        return False

    def _is_exact_column(self, column: exp.Column, branch: Branch) -> bool:
        relation = branch.sources[branch.source_of(column)]
        while relation.tumbled and column.name not in _WINDOW_COLUMNS:
            relation = relation.tumbled.relation
        if column.name in relation.types:
            return relation.types[column.name].upper() in _EXACT_TYPES
        found = list(relation.definitions(column.name)) if column.name in relation.columns else []
        return bool(found) and all(self.is_exact(expression, inner) for inner, expression in found)

    def _stored(self, name: str) -> Relation:
        if name not in self._objects:
            raise ResolutionError(f"there is no relation {name}")
        sql_object = self._objects[name]
        statement = sql_object.statement
        key = frozenset(sql_object.header.keys)
        if statement.kind is Kind.TABLE:
            types = {c.name: c.type for c in statement.columns}
            return Relation(tuple(types), key, stored=name, types=types)
        if statement.query is None:
            raise ResolutionError(f"{name} is a {statement.kind}, which nothing can read")
        made = self._query(parse_one(statement.query, dialect="risingwave"), {})
        return Relation(made.columns, key, made.branches, stored=name)

    def _query(self, tree: exp.Expr, outer: Mapping[str, Relation]) -> Relation:
        ctes = dict(outer)
        clause = tree.args.get("with_")
        for cte in clause.expressions if clause else ():
            ctes[cte.alias] = self._query(cte.this, ctes)
        match tree:
            case exp.Subquery() | exp.Paren():
                return self._query(tree.this, ctes)
            case exp.Union():
                has_star = any(select.is_star for select in outermost(tree))
                left, right = self._query(tree.this, ctes), self._query(tree.expression, ctes)
                if len(left.columns) != len(right.columns):
                    raise ResolutionError(f"UNION of {len(left.columns)} and {len(right.columns)} columns")
                if has_star and left.columns != right.columns:
                    raise ResolutionError("UNION by position of * with columns of other names or in another order")
                # Parts of a UNION ALL are taken to have no row in common: nothing could tell such rows apart later. So
                # what identifies the rows of each part, together, identifies a row. Parts are matched by position.
                key = None
                if left.key is not None and right.key is not None:
                    key = left.key | {left.columns[right.columns.index(column)] for column in right.key}
                return Relation(left.columns, key, left.branches + right.branches)
            case exp.Select():
                branch = Branch(tree, dict(self._sources(tree, ctes)))
                _expand_stars(branch)
                columns = tuple(output.output_name or f"column{n}" for n, output in enumerate(tree.expressions, 1))
                return Relation(columns, _key(branch), (branch,))
        raise ResolutionError(f"a query of kind {type(tree).__name__} is not known")

    def _sources(self, select: exp.Select, ctes: Mapping[str, Relation]) -> Iterator[tuple[str, Relation]]:
        clause = select.args.get("from_")
        parts = [clause.this] if clause else []
        parts += [join.this for join in select.args.get("joins") or []]
        for part in parts:
            yield part.alias_or_name or f"source{part.sql()}", self._source(part, ctes)

    def _source(self, part: exp.Expr, ctes: Mapping[str, Relation]) -> Relation:
        if isinstance(part, exp.Subquery):
            return self._query(part.this, ctes)
        if not isinstance(part, exp.Table):
            raise ResolutionError(f"FROM {part.sql()} is not known")
        if isinstance(part.this, exp.Anonymous):
            name = part.this.name.upper()
            arguments = part.this.expressions
            if (name, len(arguments)) not in (("TUMBLE", 3), ("HOP", 4)):
                raise ResolutionError(f"table function {part.this.sql()} is not known")
            base = self._named(arguments[0].name, ctes)
            tumbled = Tumbled(base, arguments[1].name, arguments[-1])
            key = base.key if name == "TUMBLE" or base.key is None else base.key | {"window_start"}
            return Relation((*base.columns, *_WINDOW_COLUMNS), key, tumbled=tumbled)
        return self._named(part.name, ctes)

    def _named(self, name: str, ctes: Mapping[str, Relation]) -> Relation:
        return ctes[name] if name in ctes else self.relation(name)


def outermost(tree: exp.Expr | None) -> Iterator[exp.Select]:
    """Yield the SELECTs whose outputs are those of a query: one, or each branch of a UNION."""
    match tree:
        case exp.Select():
            yield tree
        case exp.SetOperation():
            yield from outermost(tree.left)
            yield from outermost(tree.right)
        case exp.Subquery() | exp.Paren():
            yield from outermost(tree.this)


def _expand_stars(branch: Branch) -> None:
    """Put a SELECT's columns in place of ``*`` and ``alias.*``.

    Raises:
        ResolutionError: an alias does not exist, or two outputs have the same name.
    """
    if not branch.select.is_star:
        return
    outputs: list[exp.Expr] = []
    for output in branch.select.expressions:
        if not output.is_star:
            outputs.append(output)
            continue
        alias = output.table if isinstance(output, exp.Column) else ""
        if alias and alias not in branch.sources:
            raise ResolutionError(f"there is no relation {alias} to take {alias}.* from")
        for name in [alias] if alias else branch.sources:
            qualifier = name if alias or len(branch.sources) > 1 else None
            outputs += [exp.column(column, table=qualifier) for column in branch.sources[name].columns]
    names = [output.output_name for output in outputs]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ResolutionError(f"beside a star there is a second column {', '.join(doubled)}")
    branch.select.set("expressions", outputs)


def _is_integer(node: exp.Expr) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Cast):
        return node.to.this in _EXACT_CASTS - {exp.DType.DECIMAL}
    return isinstance(node, exp.Literal) and node.is_int


def _key(branch: Branch) -> frozenset[str] | None:
    """Return the key of a SELECT's rows in terms of its output names; None when unknown."""
    if branch.select.args.get("distinct"):
        return frozenset(output.output_name for output in branch.select.expressions)
    named = {output.unalias().sql(dialect="risingwave"): output.output_name for output in branch.select.expressions}
    if branch.group:
        groups = {e.sql(dialect="risingwave") for e in branch.group if not _repeats_the_time(e)}
        return frozenset(named[text] for text in groups) if groups <= named.keys() else None
    if any(output.find(exp.AggFunc) and not output.find(exp.Window) for output in branch.outputs):
        return frozenset()
    wanted: set[tuple[str, str]] = set()
    for position, (alias, relation) in enumerate(branch.sources.items()):
        if relation.key is None:
            return None
        matched = _matched(branch.joins[position - 1], branch, alias) if position else set()
        if position == 0 or not relation.key <= matched:
            wanted |= {(alias, column) for column in relation.key - matched}
    outputs = {
        (branch.source_of(column), column.name): named[output.sql(dialect="risingwave")]
        for output in branch.outputs
        if (column := _shifted_column(output)) is not None
    }
    if not wanted <= outputs.keys():
        return None
    series = {
        output.output_name
        for output in branch.select.expressions
        if output.find(exp.GenerateSeries, exp.ExplodingGenerateSeries, exp.Explode, exp.Unnest)
    }
    return frozenset(outputs[column] for column in wanted) | series


def _repeats_the_time(expression: exp.Expr) -> bool:
    """Tell whether an expression is made of the bar's index alone, which says the same as the bar's time."""
    names = {column.name for column in expression.find_all(exp.Column)}
    return names == {"bar_index"} and not isinstance(expression, exp.Column)


def _matched(join: exp.Join, branch: Branch, alias: str) -> set[str]:
    """Return the columns of a joined relation that an equality of ON ties to the relations before it."""
    return {column.name for column, _ in equalities(join, branch, alias)}


def equalities(join: exp.Join, branch: Branch, alias: str) -> Iterator[tuple[exp.Column, exp.Expr]]:
    """Yield (column of the joined relation, what determines it) for each equality of ON with another relation."""
    for condition in conjuncts(join.args.get("on")):
        if isinstance(condition, exp.EQ):
            for one, other in ((condition.this, condition.expression), (condition.expression, condition.this)):
                column = _shifted_column(one)
                others = {branch.source_of(c) for c in other.find_all(exp.Column)}
                if column is not None and branch.source_of(column) == alias and others and alias not in others:
                    yield column, other


def _shifted_column(node: exp.Expr) -> exp.Column | None:
    """Return x of x, x + constant and x - constant."""
    node = node.unnest()
    if isinstance(node, exp.Add | exp.Sub) and not node.expression.find(exp.Column):
        return _shifted_column(node.this)
    return node if isinstance(node, exp.Column) else None


def conjuncts(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    """Yield the conditions that an AND joins."""
    if condition is None:
        return
    if isinstance(condition, exp.And):
        yield from conjuncts(condition.this)
        yield from conjuncts(condition.expression)
    elif isinstance(condition, exp.Paren):
        yield from conjuncts(condition.this)
    else:
        yield condition
