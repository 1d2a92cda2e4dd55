"""Rules about window functions."""

from collections.abc import Iterator

from sqlglot import exp

from candlewave.sqlproject.lint.model import Finding, Model, excerpt
from candlewave.sqlproject.lint.rule import QueryRule, Rule, branches

_WITHOUT_FRAME = (exp.Lag, exp.Lead, exp.RowNumber, exp.Rank, exp.DenseRank, exp.Identifier)


class ExplicitFrame(QueryRule):
    """An aggregate over a window spells its frame, in ROWS, or in RANGE of a constant number of hours.

    Without a frame PostgreSQL means RANGE, which takes in rows of equal time, and RisingWave means ROWS: the same
    text, two results. A span of time that rows need not fill, such as the last 24 hours, is a RANGE; RisingWave takes
    hours, minutes and seconds for it, not days.
    """

    code = "CW005"

    def violations(self, tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
        """Find windows without a frame, or with one that the engines take differently."""
        for window in tree.find_all(exp.Window):
            if isinstance(window.this, _WITHOUT_FRAME):
                continue
            spec = window.args.get("spec")
            if spec is None:
                yield window, f"{excerpt(window)} has no frame; write ROWS BETWEEN … AND …"
            elif spec.args.get("kind") == "RANGE":
                if not all(_is_constant_time(spec.args.get(side)) for side in ("start", "end")):
                    yield window, f"{excerpt(window)} has a frame in RANGE that is not of INTERVAL 'n hours'"
            elif spec.args.get("kind") != "ROWS":
                yield window, f"{excerpt(window)} has a frame in {spec.args.get('kind')}; write it in ROWS"


def _is_constant_time(bound: object) -> bool:
    if isinstance(bound, exp.Interval):
        unit = bound.args.get("unit")
        name = (unit.name if unit is not None else bound.this.name.partition(" ")[2]).upper().rstrip("S")
        return name in ("HOUR", "MINUTE", "SECOND")
    return bound in ("CURRENT ROW", None)


class PartitionBy(QueryRule):
    """Every window has a PARTITION BY.

    RisingWave refuses a window over everything in a materialized view: it would run on one worker. And two markets in
    one window are a mistake in any case.
    """

    code = "CW006"

    def violations(self, tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
        """Find windows over everything."""
        for window in tree.find_all(exp.Window):
            if not window.args.get("partition_by") and not isinstance(window.this, exp.Identifier):
                if isinstance(window.args.get("alias"), exp.Identifier):
                    yield window, f"{excerpt(window)} uses a named window; write it out, rules cannot see through names"
                else:
                    yield window, f"{excerpt(window)} has no PARTITION BY"


class NoSlidingFloatSum(Rule):
    """A sliding sum, average or deviation of DOUBLE excludes the current row, or is taken of NUMERIC.

    RisingWave keeps such sums by adding what enters and subtracting what leaves, and DOUBLE does not forget the
    rounding: an emptied window left 4e-15 instead of 0 and turned a guarded VWAP into -4587. A frame with EXCLUDE
    CURRENT ROW is summed afresh for each row; add the current row's term outside. Integers and NUMERIC are exact.
    Frames that begin at UNBOUNDED PRECEDING only ever add.
    """

    code = "CW007"

    _SUMS = (
        exp.Sum, exp.Avg, exp.StddevPop, exp.StddevSamp, exp.Stddev, exp.Variance, exp.VariancePop,
    )  # fmt: skip

    def check(self, model: Model) -> Iterator[Finding]:
        """Find sums that drift."""
        if model.relation is None:
            return
        resolver = model.project.resolver
        for branch in branches(model.relation):
            for output in branch.select.expressions:
                for window in output.find_all(exp.Window):
                    spec = window.args.get("spec")
                    if (
                        isinstance(window.this, self._SUMS)
                        and spec is not None
                        and spec.args.get("start") != "UNBOUNDED"
                        and "CURRENT ROW" not in str(spec.args.get("exclude") or "").upper()
                        and not resolver.is_exact(window.this.this, branch)
                    ):
                        text = f"{excerpt(window)} slides over DOUBLE; EXCLUDE CURRENT ROW, or sum NUMERIC"
                        yield model.finding(type(self), text, window)


class NoFilterInOver(QueryRule):
    """No FILTER in a window.

    RisingWave refuses it when the view is created; `sum(CASE WHEN … THEN x END) OVER (…)` says the same.

    """

    code = "CW012"

    def violations(self, tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
        """Find FILTER, DISTINCT and ORDER BY inside window functions."""
        for window in tree.find_all(exp.Window):
            if isinstance(window.this, exp.Filter):
                yield window, f"{excerpt(window)}: FILTER inside OVER; use CASE"
            elif window.this.find(exp.Distinct) or isinstance(window.this.this, exp.Order):
                yield window, f"{excerpt(window)}: DISTINCT and ORDER BY are refused in a window function's argument"


class PlainOffsets(QueryRule):
    """lag and lead have a constant offset and no default, and no function ignores NULLs.

    RisingWave refuses the default and IGNORE NULLS; write coalesce(lag(x) OVER (…), d). sqlglot loses IGNORE NULLS
    without a word, so lint would work on another query.
    """

    code = "CW016"

    def violations(self, tree: exp.Expr) -> Iterator[tuple[exp.Expr, str]]:
        """Find defaults, offsets that are not constants, and IGNORE NULLS."""
        for function in tree.find_all(exp.Lag, exp.Lead):
            if function.args.get("default") is not None:
                yield function, f"{excerpt(function)} has a default; write coalesce({function.key}(…) OVER (…), …)"
            offset = function.args.get("offset")
            if offset is not None and not (isinstance(offset, exp.Literal) and offset.is_int):
                yield function, f"{excerpt(function)}: the offset must be a constant"
        for ignoring in tree.find_all(exp.IgnoreNulls, exp.RespectNulls):
            yield ignoring, f"{excerpt(ignoring)}: IGNORE NULLS is not used"
