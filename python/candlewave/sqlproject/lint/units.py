"""What a column is measured in, worked out from the queries down to ``trades``.

A unit is a product of powers of a price (quote currency per base currency) and of a quantity (base currency). Sums need
equal units, products add powers, logarithms need numbers without a unit.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from sqlglot import exp

from candlewave.core.errors import CandlewaveError
from candlewave.sqlproject.lint.model import Finding, Model, excerpt
from candlewave.sqlproject.lint.relations import Branch, Relation
from candlewave.sqlproject.lint.rule import Rule


class UnitError(CandlewaveError, ValueError):
    """An expression has no unit; the text says why."""


@dataclass(frozen=True)
class Unit:
    """``price ** self.price * quantity ** self.quantity``."""

    price: Fraction = Fraction(0)
    quantity: Fraction = Fraction(0)

    def times(self, other: "Unit", power: int = 1) -> "Unit":
        """Return the unit of ``self * other ** power``."""
        return Unit(self.price + power * other.price, self.quantity + power * other.quantity)

    def to_the(self, power: Fraction) -> "Unit":
        """Return the unit of ``self ** power``."""
        return Unit(self.price * power, self.quantity * power)

    def __str__(self) -> str:
        parts = [f"{n}^{p}" if p != 1 else n for n, p in (("price", self.price), ("quantity", self.quantity)) if p]
        return " * ".join(parts) or "no unit"


PURE = Unit()
PRICE = Unit(price=Fraction(1))
QUANTITY = Unit(quantity=Fraction(1))

_STORED = {
    **dict.fromkeys(("price", "open", "high", "low", "close"), PRICE),
    **dict.fromkeys(("quantity", "volume", "buy_volume"), QUANTITY),
    "turnover": PRICE.times(QUANTITY),
}
"""Columns of tables that have a unit."""

_SAME = (
    exp.Paren, exp.Cast, exp.Neg, exp.Abs, exp.Sum, exp.Min, exp.Max, exp.Avg, exp.Lag, exp.Lead, exp.FirstValue,
    exp.LastValue, exp.Window, exp.Nullif, exp.Filter, exp.StddevPop, exp.StddevSamp, exp.Distinct, exp.Order,
    exp.AnyValue, exp.Round,
)  # fmt: skip
_ALIKE = (exp.Add, exp.Sub, exp.Mod, exp.Coalesce, exp.Greatest, exp.Least)
_LOSES_UNITS = (exp.Count, exp.Sign, exp.RowNumber, exp.Connector)


class Units:
    """Units of columns, each worked out once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], Unit | None] = {}

    def of_column(self, relation: Relation, column: str) -> Unit | None:
        """Return a column's unit; None when it is always zero or NULL, which fit every unit.

        Raises:
            UnitError: it has none, or branches of a UNION differ.
        """
        at = (id(relation), column)
        if at not in self._known:
            if relation.tumbled is not None:
                inner = relation.tumbled.relation
                self._known[at] = self.of_column(inner, column) if column in inner.columns else PURE
            elif not relation.branches:
                self._known[at] = _STORED.get(column, PURE)
            else:
                found = [self.of(expression, branch) for branch, expression in relation.definitions(column)]
                self._known[at] = _common(found, column)
        return self._known[at]

    def of(self, node: exp.Expr, branch: Branch) -> Unit | None:
        """Return the unit of an expression of a SELECT; None as in `of_column`.

        Raises:
            UnitError: it has none.
        """
        match node:
            case exp.Column():
                return self.of_column(branch.sources[branch.source_of(node)], node.name)
            case exp.Null():
                return None
            case exp.Literal():
                return None if not node.is_string and float(node.this) == 0 else PURE
            case exp.Dot():
                return self._of_field(node, branch)
            case exp.Bracket():
                return self._of_element(node.this, int(node.expressions[0].this), branch)
            case exp.Case():
                self._check_conditions(node, branch)
                values = [i.args["true"] for i in node.args["ifs"]] + [d for d in [node.args.get("default")] if d]
                return self._common(values, branch, node)
            case exp.Mul() | exp.Div():
                left, right = self.of(node.this, branch), self.of(node.expression, branch)
                power = 1 if isinstance(node, exp.Mul) else -1
                return None if left is None or right is None else left.times(right, power)
            case exp.Pow():
                return self._of_power(node, branch)
            case exp.Sqrt():
                return self._power(node.this, Fraction(1, 2), branch)
            case exp.VariancePop() | exp.Variance():
                return self._power(node.this, Fraction(2), branch)
            case _ if isinstance(node, _SAME):
                return self.of(node.this, branch)
            case _ if isinstance(node, _ALIKE):
                others = [node.expression] if isinstance(node, exp.Binary) else node.expressions
                return self._common([node.this, *others], branch, node)
        self._check_conditions(node, branch)
        if isinstance(node, exp.Func) and not isinstance(node, _LOSES_UNITS):
            self._check_pure(node, branch)
        return PURE

    def _of_field(self, node: exp.Dot, branch: Branch) -> Unit | None:
        """Return the unit of ``(min(ROW(a, b, c))).f3``."""
        row = node.find(exp.Struct, exp.Anonymous)
        position = node.expression.name.removeprefix("f")
        if row is None or not position.isdigit() or int(position) > len(row.expressions):
            raise UnitError(f"{excerpt(node)} is not known")
        return self.of(row.expressions[int(position) - 1], branch)

    def _of_element(self, array: exp.Expr, index: int, branch: Branch) -> Unit | None:
        """Return the unit of an element of an array, counted from zero; the array may come from several places."""
        match array:
            case exp.Array():
                return self.of(array.expressions[index], branch)
            case exp.Max() | exp.Min() | exp.Paren() | exp.Cast() | exp.Filter():
                return self._of_element(array.this, index, branch)
            case exp.Column():
                relation = branch.sources[branch.source_of(array)]
                while relation.tumbled is not None:
                    relation = relation.tumbled.relation
                found = [
                    self._of_element(expression, index, inner) for inner, expression in relation.definitions(array.name)
                ]
                return _common(found, f"element {index + 1} of {array.name}")
        return None if isinstance(array, exp.Null) else PURE

    def _of_power(self, node: exp.Pow, branch: Branch) -> Unit | None:
        base = self.of(node.this, branch)
        if base in (PURE, None):
            return base
        exponent = node.expression.unnest()
        if not isinstance(exponent, exp.Literal):
            raise UnitError(f"{excerpt(node)} is a number with the unit {base} to a power that varies")
        return self._power(node.this, Fraction(exponent.this), branch)

    def _power(self, node: exp.Expr, power: Fraction, branch: Branch) -> Unit | None:
        unit = self.of(node, branch)
        return unit and unit.to_the(power)

    def _check_pure(self, node: exp.Expr, branch: Branch) -> None:
        for argument in node.iter_expressions():
            unit = self.of(argument, branch)
            if unit not in (PURE, None):
                raise UnitError(f"{excerpt(node)} is a function of a number with the unit {unit}")

    def _check_conditions(self, node: exp.Expr, branch: Branch) -> None:
        for comparison in node.find_all(exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.NEQ):
            self._common([comparison.this, comparison.expression], branch, comparison)

    def _common(self, nodes: Iterable[exp.Expr], branch: Branch, of: exp.Expr) -> Unit | None:
        return _common([self.of(node, branch) for node in nodes], excerpt(of))


def _common(units: list[Unit | None], what: str) -> Unit | None:
    different = list(dict.fromkeys(unit for unit in units if unit is not None))
    if len(different) > 1:
        raise UnitError(f"{what} mixes {' and '.join(str(unit) for unit in different)}")
    return different[0] if different else None


class NoUnitsInFeatures(Rule):
    """No column of features or labels has a unit.

    A model that learns from prices or volumes learns which year it is: a tree splits at 60,000 and is lost at 90,000.
    One model is trained for all markets, too, and their prices have nothing in common. Divide by the close, the
    average true range or a sum of volumes, or take the logarithm of a ratio.
    """

    code = "CW027"

    _LEARNT_FROM = ("features", "labels")

    def check(self, model: Model) -> Iterator[Finding]:
        """Find columns with a unit."""
        if model.name not in self._LEARNT_FROM or model.relation is None:
            return
        units = Units()
        for branch in model.relation.branches:
            for output in branch.select.expressions:
                try:
                    unit = units.of(output.unalias(), branch)
                except UnitError as error:
                    yield model.finding(type(self), f"{output.output_name}: {error}", output)
                    continue
                if unit not in (PURE, None):
                    yield model.finding(type(self), f"{output.output_name} has the unit {unit}", output)
