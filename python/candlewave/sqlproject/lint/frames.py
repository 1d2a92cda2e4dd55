"""Which window frames each output column of a query depends on, through all its CTEs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from candlewave.sqlproject.lint.relations import Branch, Relation, ResolutionError


@dataclass(frozen=True)
class Frame:
    """How many rows before and after its own a window function reads, in one SELECT.

    Attributes:
        branch: identity of the SELECT.
        partition, order: names of the columns, as written.
        timed: ``before`` and ``after`` are microseconds of the order column, for a frame in RANGE.
    """

    branch: int
    partition: tuple[str, ...]
    order: str
    timed: bool
    before: float
    after: float


Frames = frozenset[Frame]

UNIT_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}


def alternatives(relation: Relation) -> list[Frames]:
    """Return the frames that output columns depend on together, without those that other columns' frames contain."""
    finder = _Finder()
    every = {_merged(finder.of_column(relation, column)) for column in relation.columns}
    return [one for one in every if not any(one != other and _contains(other, one) for other in every)]


def rows_reached(window: exp.Window) -> tuple[float, float] | None:
    """Return how many rows before and after its own a window function reads; None when it reads no other's values.

    Of a frame in RANGE: how many microseconds.

    ``lead(t)`` ordered by ``t`` looks for a neighbour; what that bounds, such as a fill, is worked out there.
    """
    function = window.this
    if isinstance(function, exp.Lag | exp.Lead):
        order = window.args.get("order")
        if order and order.expressions[0].this == function.this:
            return None
        offset = function.args.get("offset")
        rows = float(offset.this) if isinstance(offset, exp.Literal) else 1.0
        return (rows, 0.0) if isinstance(function, exp.Lag) else (0.0, rows)
    spec = window.args.get("spec")
    if spec is None:
        return (math.inf, 0.0)
    start = _rows(spec.args.get("start"), spec.args.get("start_side"))
    end = _rows(spec.args.get("end"), spec.args.get("end_side"))
    return max(0.0, -start), max(0.0, end)


def _rows(bound: object, side: str | None) -> float:
    """Return a frame bound as a signed number of rows, or of microseconds when it is an interval."""
    if bound == "CURRENT ROW" or bound is None:
        return 0.0
    if isinstance(bound, exp.Interval):
        length = interval_microseconds(bound)
        rows = math.inf if length is None else float(length)
    else:
        rows = float(bound.this) if isinstance(bound, exp.Literal) else math.inf
    return -rows if side == "PRECEDING" else rows


def is_timed(window: exp.Window) -> bool:
    """Tell whether the window's frame is in RANGE, of a constant interval."""
    spec = window.args.get("spec")
    return spec is not None and spec.args.get("kind") == "RANGE"


def interval_microseconds(node: exp.Interval) -> int | None:
    """Return the length of an interval literal; None when it has no constant length."""
    text = node.this.name if node.this is not None else ""
    unit = node.args.get("unit")
    number, _, written = text.partition(" ")
    name = (written or (unit.name if unit is not None else "")).upper().rstrip("S")
    try:
        return round(float(number) * UNIT_SECONDS[name] * 1_000_000)
    except (KeyError, ValueError):
        return None


class _Finder:
    def __init__(self) -> None:
        self._known: dict[tuple[int, str], Frames] = {}

    def of_column(self, relation: Relation, column: str) -> Frames:
        if relation.tumbled:
            inner = relation.tumbled
            return self.of_column(inner.relation, column if column in inner.relation.columns else inner.column)
        if (id(relation), column) not in self._known:
            self._known[id(relation), column] = frozenset()
            self._known[id(relation), column] = frozenset(
                frame
                for branch, output in relation.definitions(column)
                for frame in (*self._of_expression(output, branch), *self._of_rows(branch))
            )
        return self._known[id(relation), column]

    def _of_rows(self, branch: Branch) -> Iterable[Frame]:
        """Yield what decides which rows there are: joins, WHERE, GROUP BY, HAVING."""
        clauses = [branch.select.args.get(name) for name in ("where", "group", "having")]
        clauses += [join.args.get("on") for join in branch.joins]
        for clause in clauses:
            if clause is not None:
                yield from self._of_expression(clause, branch)

    def _of_expression(self, expression: exp.Expr, branch: Branch) -> Iterable[Frame]:
        for column in expression.find_all(exp.Column):
            try:
                source = branch.sources[branch.source_of(column)]
            except ResolutionError:
                continue  # a column of a subquery
            if not _base(source).stored:  # another object's frames are its own matter
                yield from self.of_column(source, column.name)
        for window in expression.find_all(exp.Window):
            reach = rows_reached(window)
            if reach is not None:
                order = window.args.get("order")
                yield Frame(
                    id(branch),
                    tuple(c.sql(dialect="risingwave") for c in window.args.get("partition_by") or []),
                    order.expressions[0].this.sql(dialect="risingwave") if order else "",
                    is_timed(window),
                    *reach,
                )


def _base(relation: Relation) -> Relation:
    return _base(relation.tumbled.relation) if relation.tumbled else relation


def _merged(frames: Iterable[Frame]) -> Frames:
    """Keep the longest reach of frames that differ in nothing else."""
    longest: dict[tuple[int, tuple[str, ...], str, bool], Frame] = {}
    for frame in frames:
        key = (frame.branch, frame.partition, frame.order, frame.timed)
        known = longest.get(key, frame)
        longest[key] = Frame(*key, max(known.before, frame.before), max(known.after, frame.after))
    return frozenset(longest.values())


def _contains(larger: Frames, smaller: Frames) -> bool:
    return _merged([*larger, *smaller]) == larger
