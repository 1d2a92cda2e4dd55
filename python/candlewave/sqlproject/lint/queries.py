"""Rules about how queries are written."""

from collections.abc import Iterator

from sqlglot import exp

from candlewave.sqlproject.lint.model import Finding, Model, excerpt
from candlewave.sqlproject.lint.relations import Branch, ResolutionError, conjuncts, equalities, outermost
from candlewave.sqlproject.lint.rule import QueryRule, Rule, branches


class ExplicitColumns(QueryRule):
    """The outermost SELECT names its columns; only CTEs and subqueries may take `*`.

    What an object offers is decided where it is defined, not by a column that was added upstream. Inside, a star says
    that a step hands on what it got; lint works on the columns that it stands for. `* EXCEPT (…)` is RisingWave's own.
    """

    code = "CW003"

    def violations(self, tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
        """Find outermost stars, and those with exceptions."""
        for select in outermost(tree):
            for output in select.expressions:
                if output.is_star:
                    yield output, "selects * for its output; name the columns"
        for star in tree.find_all(exp.Star):
            if any(star.args.values()):
                yield star.parent or star, f"{excerpt(star)} is unknown to PostgreSQL; name the columns"


class AliasOnEveryOutput(QueryRule):
    """Every output is a column or has an alias, in every SELECT.

    RisingWave refuses a materialized view with a nameless expression, and a name that the engine makes up differs
    between engines.

    """

    code = "CW011"

    def violations(self, tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
        """Find nameless outputs."""
        for select in tree.find_all(exp.Select):
            scalar = isinstance(select.parent, exp.Subquery) and not isinstance(
                select.parent.parent, exp.From | exp.Join
            )
            for output in select.expressions:
                if not isinstance(output, exp.Alias | exp.Column | exp.Star) and not scalar:
                    yield output, f"{excerpt(output)} has no alias"


class NoWallClock(QueryRule):
    """No now(), no processing time.

    A view that reads the wall clock gives another result tomorrow from the same input: no replay, no test and no audit
    can agree with it. Time comes from events, by market_clock.

    """

    code = "CW010"

    _NODES = (exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.CurrentDatetime, exp.Localtime, exp.Rand)
    _NAMES = frozenset(
        {"PROCTIME", "CLOCK_TIMESTAMP", "STATEMENT_TIMESTAMP", "TRANSACTION_TIMESTAMP", "LOCALTIMESTAMP", "TIMEOFDAY"}
    )

    def violations(self, tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
        """Find clocks."""
        for node in tree.walk():
            name = node.name.upper() if isinstance(node, exp.Anonymous | exp.Column) else ""
            if isinstance(node, self._NODES) or name in self._NAMES:
                yield node, f"{excerpt(node)} depends on when it runs"


class GuardedDivision(QueryRule):
    """A divisor cannot be zero: it is a constant, inside nullif(…, 0), or a CASE or greatest(1, …) has made sure.

    PostgreSQL fails the whole refresh on x / 0; RisingWave turns the failing part into NULL and counts an error. With a
    guard both say NULL, and the error counter keeps meaning that something is wrong.

    """

    code = "CW013"

    def violations(self, tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
        """Find divisions whose divisor may be zero."""
        for node in tree.find_all(exp.Div, exp.IntDiv, exp.Mod):
            divisor = node.expression
            if not (_never_zero(divisor) or _compared_by_case(node, divisor)):
                yield (
                    node,
                    f"division by {excerpt(divisor)} may be division by zero; write nullif({excerpt(divisor)}, 0)",
                )


def _never_zero(node: exp.Expr) -> bool:
    node = node.unnest()
    match node:
        case exp.Nullif():
            return isinstance(node.expression, exp.Literal) and float(node.expression.this) == 0
        case exp.Literal():
            return float(node.this) != 0
        case exp.Cast() | exp.Neg():
            return _never_zero(node.this)
        case exp.Greatest():
            return any(_is_positive(value) for value in (node.this, *node.expressions))
        case exp.Mul():
            return _never_zero(node.this) and _never_zero(node.expression)
        case exp.Case():
            return node.args.get("default") is None and all(_exceeds_tolerance(branch) for branch in node.args["ifs"])
    return False


def _is_positive(node: exp.Expr) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Cast):
        return _is_positive(node.this)
    return isinstance(node, exp.Literal) and float(node.this) > 0


def _exceeds_tolerance(branch: exp.If) -> bool:
    """Tell whether `WHEN x > … THEN x` lets only x above something through."""
    return any(
        isinstance(condition, exp.GT) and condition.this.unnest() == branch.args["true"].unnest()
        for condition in conjuncts(branch.this)
    )


def _compared_by_case(node: exp.Expr, divisor: exp.Expr) -> bool:
    """Tell whether a CASE around a division has made sure that the divisor is not zero."""
    wanted = divisor.unnest()
    while node.parent is not None:
        branch = node.parent
        if isinstance(branch, exp.If) and branch.args.get("true") is node:
            for condition in conjuncts(branch.this):
                if isinstance(condition, exp.GT | exp.LT | exp.NEQ):
                    one, other = condition.this.unnest(), condition.expression.unnest()
                    differences = (exp.Sub(this=one, expression=other), exp.Sub(this=other, expression=one))
                    is_zero = isinstance(other, exp.Literal) and other.this in ("0", "0.0")
                    if wanted in differences or (is_zero and one == wanted):
                        return True
        node = branch
    return False


class UniqueOrder(Rule):
    """Rows are never ordered by something that two rows can share.

    A frame ordered by a time that repeats, or an open price chosen among trades of one microsecond, depends on the
    order in which rows happen to be read; engines and replays then disagree. So PARTITION BY and ORDER BY together,
    and the fields of min/max(ROW(…)) together with GROUP BY, must contain a key. Ordered first_value and last_value
    aggregates are not used at all: RisingWave keeps every input row for them forever.
    """

    code = "CW009"

    def check(self, model: Model) -> Iterator[Finding]:
        """Find orders that leave ties."""
        if model.relation is None:
            return
        for branch in branches(model.relation):
            for output in branch.select.expressions:
                for window in output.find_all(exp.Window):
                    columns = window.args.get("partition_by") or []
                    order = window.args.get("order")
                    columns = [*columns, *(o.this for o in order.expressions)] if order else columns
                    yield from self._tie(model, branch, columns, window, "PARTITION BY and ORDER BY")
                for row in output.find_all(exp.Anonymous):
                    if row.name.upper() == "ROW" and isinstance(row.parent, exp.Min | exp.Max):
                        columns = [*branch.group, *row.expressions[:-1], *_constant_in(row.parent.parent)]
                        yield from self._tie(model, branch, columns, row, "GROUP BY and the fields before the last")
                for function in output.find_all(exp.FirstValue, exp.LastValue, exp.First, exp.Last):
                    if not function.find_ancestor(exp.Window):
                        text = f"{excerpt(function)} keeps every row; use (min(ROW(…))).fN or (max(ROW(…))).fN"
                        yield model.finding(type(self), text, function)

    def _tie(
        self, model: Model, branch: Branch, columns: list[exp.Expr], node: exp.Expr, what: str
    ) -> Iterator[Finding]:
        if branch.group and isinstance(node, exp.Window):
            key: frozenset[str] | None = frozenset(column.name for column in branch.group)
        else:
            key = _row_key(branch)
        if key is None:
            text = f"cannot determine a unique key for the rows ordered by {excerpt(node)}"
            yield model.finding(type(self), text, node)
            return
        missing = sorted(key - {column.name for column in columns})
        if missing:
            text = f"{what} of {excerpt(node)} leave ties: rows also differ by {', '.join(missing)}"
            yield model.finding(type(self), text, node)


def _constant_in(node: exp.Expr | None) -> Iterator[exp.Column]:
    """Yield the columns that have one value in all rows of an aggregate with ``FILTER (WHERE x IS NULL AND …)``."""
    if isinstance(node, exp.Filter):
        for condition in conjuncts(node.expression.this):
            if isinstance(condition, exp.Is) and isinstance(condition.expression, exp.Null):
                yield from [condition.this] if isinstance(condition.this, exp.Column) else []


def _row_key(branch: Branch) -> frozenset[str] | None:
    """Return the key columns of the rows that a SELECT reads, by name."""
    key: frozenset[str] = frozenset()
    for position, (alias, relation) in enumerate(branch.sources.items()):
        if relation.key is None:
            return None
        matched = {c.name for c, _ in equalities(branch.joins[position - 1], branch, alias)} if position else set()
        if not (position and relation.key <= matched):
            key |= relation.key - matched
    return key


class ResolvableNames(Rule):
    """Every column and relation that a query names exists, and is named without ambiguity.

    The engine would report that too, but only when the migration is applied.

    """

    code = "CW004"

    def check(self, model: Model) -> Iterator[Finding]:
        """Find names that lead nowhere."""
        statement = model.sql_object.statement
        try:
            if statement.relation:
                model.project.resolver.relation(statement.relation)
            if model.relation is None:
                return
            for branch in branches(model.relation):
                for output in branch.select.expressions:
                    yield from self._unknown(model, branch, output)
        except ResolutionError as error:
            yield model.finding(type(self), str(error))

    def _unknown(self, model: Model, branch: Branch, output: exp.Expr) -> Iterator[Finding]:
        for column in output.find_all(exp.Column):
            if column.find_ancestor(exp.Select) is not branch.select or isinstance(column.this, exp.Star):
                continue
            try:
                branch.source_of(column)
            except ResolutionError as error:
                yield model.finding(type(self), str(error), column)
