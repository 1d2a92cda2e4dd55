"""Rules about what RisingWave refuses, or drops, although PostgreSQL does not."""

import re
from collections.abc import Iterator

from sqlglot import exp

from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.lint.model import Finding, Model, excerpt
from candlewave.sqlproject.lint.relations import conjuncts
from candlewave.sqlproject.lint.rule import QueryRule, Rule

_SET_RETURNING = (exp.GenerateSeries, exp.ExplodingGenerateSeries, exp.Explode, exp.Unnest)


class NoWatermark(Rule):
    """No WATERMARK, and no EMIT ON WINDOW CLOSE, which needs one.

    On RisingWave a watermark is global: one busy market closes every market's windows, and a late row is dropped from
    the table itself, unseen by every view. candlewave amends instead, and keeps a ledger of what was late.

    """

    code = "CW008"

    def check(self, model: Model) -> Iterator[Finding]:
        """Find watermarks in the text: tables are not parsed by sqlglot."""
        for match in re.finditer(r"\bWATERMARK\b|\bEMIT\s+ON\s+WINDOW\s+CLOSE\b", model.body, re.IGNORECASE):
            yield model.finding(type(self), f"{match[0]} drops late rows unseen", match[0])


class PlainTypes(Rule):
    """No lengths or precisions on types, and none of CHAR, SERIAL, UUID, JSON.

    RisingWave has VARCHAR, NUMERIC (28 digits) and JSONB only, without parameters; the rest is a syntax error there.

    """

    code = "CW014"

    REFUSED = re.compile(
        r"\b(?:(?:VARCHAR|NUMERIC|DECIMAL|BPCHAR|TIMESTAMPTZ|TIMESTAMP)\s*\(\s*\d[^)]*\)|CHAR\s*\(|CHARACTER\b"
        r"|(?:BIG|SMALL)?SERIAL\b|UUID\b|JSON\b|MONEY\b)",
        re.IGNORECASE,
    )

    def check(self, model: Model) -> Iterator[Finding]:
        """Find refused types in declarations and casts."""
        if model.tree is None:
            if model.sql_object.kind is Kind.TABLE:
                for column in model.sql_object.statement.columns:
                    if self.REFUSED.search(column.type):
                        text = f"column {column.name}: RisingWave has no type {column.type}"
                        yield model.finding(type(self), text, column.name)
            return
        for cast in model.tree.find_all(exp.Cast):
            type_ = cast.to.sql(dialect="postgres")
            if self.REFUSED.search(type_):
                yield model.finding(type(self), f"{excerpt(cast)}: RisingWave has no type {type_}", cast)


class CastLiterals(Rule):
    """Times and intervals of a type are written `'…'::timestamptz`, not `TIMESTAMPTZ '…'`.

    RisingWave's parser refuses the typed literal. INTERVAL '…' is the one that it knows.

    """

    code = "CW015"

    def check(self, model: Model) -> Iterator[Finding]:
        """Find typed literals in the text: sqlglot reads both spellings alike."""
        pattern = r"\b(TIMESTAMPTZ|TIMESTAMP(?:\s+WITH\s+TIME\s+ZONE)?|DATE|TIME|NUMERIC|BIGINT|INT|BOOLEAN)\s+'"
        for match in re.finditer(pattern, model.body, re.IGNORECASE):
            text = f"{match[1]} '…' is refused; write '…'::{match[1].lower()}"
            yield model.finding(type(self), text, match[0])


class KnownFunctions(QueryRule):
    """No function that RisingWave lacks.

    ntile, nth_value, percent_rank and cume_dist; stddev and variance without _pop or _samp; corr, covar, regr,
    any_value; width_bucket; log with a base; round(double, digits).
    """

    code = "CW017"

    _MISSING = (
        exp.Ntile, exp.NthValue, exp.PercentRank, exp.CumeDist, exp.Stddev, exp.Corr, exp.CovarPop, exp.CovarSamp,
        exp.AnyValue, exp.WidthBucket,
    )  # fmt: skip

    def violations(self, tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
        """Find missing functions."""
        for node in tree.walk():
            name = type(node).__name__
            if isinstance(node, exp.Log) and node.args.get("expression") is not None:
                yield node, f"{excerpt(node)}: RisingWave has no logarithm of a given base; divide two ln"
            elif isinstance(node, exp.Round) and _is_double(node.this) and node.args.get("decimals") is not None:
                yield node, f"{excerpt(node)}: RisingWave rounds NUMERIC to digits, not DOUBLE"
            elif isinstance(node, self._MISSING) or name.startswith("Regr"):
                yield node, f"{excerpt(node)}: RisingWave has no {node.key}"
            elif type(node) is exp.Variance:
                yield node, f"{excerpt(node)}: write var_samp or var_pop"


def _is_double(node: exp.Expr) -> bool:
    node = node.unnest()
    return isinstance(node, exp.Cast) and node.to.this in (exp.DType.DOUBLE, exp.DType.FLOAT)


class JoinByEquality(QueryRule):
    """Every join has an equality between its two sides.

    RisingWave refuses any other in a materialized view (a nested-loop join over streams). A relation of one row is
    joined by a constant key, as market_clock is by clock_id.
    """

    code = "CW018"

    def violations(self, tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
        """Find joins that are not by equality."""
        for join in tree.find_all(exp.Join):
            equal = any(
                isinstance(condition, exp.EQ)
                and condition.this.find(exp.Column)
                and condition.expression.find(exp.Column)
                for condition in conjuncts(join.args.get("on"))
            )
            if not equal and not join.args.get("using"):
                yield join.this, f"joins {excerpt(join.this)} without an equality"


class SeriesInSelectList(QueryRule):
    """generate_series and unnest stand in the select list, outside CASE, COALESCE and aggregates.

    RisingWave refuses them there; bounds that depend on the row are given as arguments instead.

    """

    code = "CW019"

    def violations(self, tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
        """Find set-returning functions in other places."""
        for series in tree.find_all(*_SET_RETURNING):
            around = series.find_ancestor(
                exp.Case, exp.Coalesce, exp.AggFunc, exp.Where, exp.Having, exp.Join, exp.Filter, exp.Select
            )
            if not isinstance(around, exp.Select):
                inside = around.key.upper() if around else "nothing"
                yield series, f"{excerpt(series)} inside {inside}; put it into the select list"


class NoExponentLiterals(Rule):
    """A number with an exponent is written `'7.1e-38'::double precision`.

    RisingWave reads the bare literal as NUMERIC and refuses small ones: it overflows its 28 digits.

    """

    code = "CW020"

    def check(self, model: Model) -> Iterator[Finding]:
        """Find bare literals with an exponent."""
        for match in re.finditer(r"(?<![\w.'$])\d+(?:\.\d*)?e[+-]?\d+\b", model.body, re.IGNORECASE):
            text = f"literal {match[0]} has an exponent; write '{match[0]}'::double precision"
            yield model.finding(type(self), text, match[0])


class ClockOnPlainColumns(Rule):
    """A WHERE that compares with a subquery reads plain columns, or is a HAVING.

    Over a CTE that computes columns RisingWave finds no dynamic filter and refuses the view (a nested-loop join over
    streams): compare first and compute above, or compare in HAVING, directly on the groups. Plain columns, aggregates,
    window functions and series are no obstacle while nothing is computed from them; nor is the compared column itself.
    """

    code = "CW025"

    def check(self, model: Model) -> Iterator[Finding]:
        """Find comparisons above computed columns; a plain view is computed when it is read, so anything goes."""
        if model.tree is None or model.sql_object.kind is not Kind.MATERIALIZED_VIEW:
            return
        ctes = {cte.alias: cte.this for cte in model.tree.find_all(exp.CTE)}
        for where in model.tree.find_all(exp.Where):
            for condition in conjuncts(where.this):
                if isinstance(condition, exp.Predicate) and condition.find(exp.Subquery):
                    compared = {column.name for column in condition.find_all(exp.Column)}
                    for computed in _computed(where.parent, ctes, compared):
                        text = f"{excerpt(condition)} above {computed.alias_or_name}, which is computed"
                        yield model.finding(type(self), text, condition)


def _computed(select: exp.Expr | None, ctes: dict[str, exp.Expr], compared: set[str]) -> Iterator[exp.Expr]:
    """Yield the computed columns of the CTEs and subqueries that a SELECT reads, and of those that they read."""
    sources = [select.args.get("from_"), *select.args.get("joins", [])] if select is not None else []
    for source in (s.this for s in sources if s is not None):
        query = source.this if isinstance(source, exp.Subquery) else ctes.get(source.name)
        for inner in _selects(query):
            for column in inner.expressions:
                plain = isinstance(column.unalias(), _PLAIN) or not column.find(exp.Column)
                if not plain and column.alias_or_name not in compared:
                    yield column
            yield from _computed(inner, ctes, compared)


def _selects(query: exp.Expr | None) -> Iterator[exp.Select]:
    """Yield the SELECTs that a query's rows come from."""
    if isinstance(query, exp.Select):
        yield query
    elif isinstance(query, exp.SetOperation):
        yield from _selects(query.left)
        yield from _selects(query.right)


_PLAIN = (exp.Column, exp.AggFunc, exp.Window, *_SET_RETURNING)


class ColumnsNotFunctions(QueryRule):
    """A column named like a function of SQL's own syntax is quoted or qualified.

    RisingWave reads a bare position, overlay, substring, trim, extract, exists, interval or row as that function and
    refuses the statement; PostgreSQL takes it for the column.
    """

    code = "CW026"

    _FUNCTIONS = frozenset({"position", "overlay", "substring", "trim", "extract", "exists", "interval", "row"})

    def violations(self, tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
        """Find bare columns of such names."""
        for column in tree.find_all(exp.Column):
            bare = isinstance(column.this, exp.Identifier) and not column.this.quoted and not column.table
            if bare and column.name.lower() in self._FUNCTIONS:
                yield column, f'{column.name} is a function to RisingWave; write "{column.name}"'
