"""Where a price goes: a regression of the return on recent returns, order flow and gaps, its own and its peers'.

Each peer's are terms by its own name; one that is missing counts as its mean. Of a peer's returns and gaps the term is
the difference to the market's own, both in the market's own volatility: how far its price lags behind the other, and
how far the two are from where they mostly stand to each other. Returns are in a unit between the last hour's
volatility, which terms are in, and the scale, which knows how active the market is. Least absolute deviations by
iterated weights, since the median is what is judged, shrunk by a penalty (Hoerl, Kennard 1970). Each market has
coefficients of its own: its peers are other markets.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from candlewave.ml.candidates.protocol import MIN_MARKET_ROWS, Floats, Inputs, Training
from candlewave.ml.candidates.scale import HarScale, fit_scale
from candlewave.ml.candidates.terms import Standard, fit_standard, linear, sizes

_RETURN = r"return_1(?:_lag_\d)?|return_\d+"
_GAP = r"ema_\d+_gap"
_EACH = rf"(?:{_RETURN}|{_GAP}|order_flow_\d+)"
_DIRECTED = re.compile(rf"{_EACH}_1m|peer_\w+_{_EACH}")
_DIFFERENCE = re.compile(rf"(peer_\w+?)_(?:(?P<return>{_RETURN})|(?P<gap>{_GAP}))")
_TRUE_RANGE = re.compile(r"natr_\d+_1m")
_PERCENT = 0.01
_FARTHEST = 50.0
"""Differences of more standard deviations of a minute count as this many."""
_OUTLIER = 4.0
_MAX_WEIGHT = 5.0
_ROUNDS = 2
_SMALL = 0.3
"""Residuals below so many standard deviations weigh as this one."""
_PRIOR_OUTCOMES = 30
"""As many outcomes that do not overlap would have to be seen to outweigh that a term tells nothing."""


@dataclass(frozen=True)
class RidgeLocation:
    """A fitted regression.

    Attributes:
        volatility: see :class:`~candlewave.ml.candidates.protocol.Training`.
        names: features that are terms.
        standard: of them.
        coefficients: the constant first, by market; of all together under "".
    """

    volatility: str
    names: tuple[str, ...]
    standard: Standard
    coefficients: Mapping[str, tuple[float, ...]]

    def scaled(self, inputs: Inputs) -> Floats:
        """Return (n,) medians in :func:`unit`."""
        terms = self.standard.apply(_terms(inputs, self.names, self.volatility))
        return linear(terms, inputs.markets, self.coefficients)

    def location(self, inputs: Inputs, scale: HarScale) -> Floats:
        """Return (n,) medians of the log return; NaN where the volatility is missing."""
        return self.scaled(inputs) * unit(inputs, scale)

    def importance(self) -> dict[str, float]:
        """Return the size of each feature's coefficient."""
        return sizes(self.names, self.coefficients)


def fit_location(training: Training) -> RidgeLocation:
    """Fit on the rows of a training."""
    inputs = training.fitted
    names = tuple(name for name in inputs.names if _DIRECTED.fullmatch(name)) or tuple(
        name for name in inputs.names if name != training.volatility
    )
    terms = _terms(inputs, names, training.volatility)
    standard = fit_standard(terms)
    x = standard.apply(terms)
    y, weight = scaled_returns(training)
    penalty = _PRIOR_OUTCOMES / training.outcomes
    coefficients = {"": _regression(x, y, weight, penalty)}
    for market in np.unique(inputs.markets).tolist():
        own = inputs.markets == market
        if own.sum() >= MIN_MARKET_ROWS:
            coefficients[market] = _regression(x[own], y[own], weight[own], penalty)
    return RidgeLocation(training.volatility, names, standard, coefficients)


def unit(inputs: Inputs, scale: HarScale) -> Floats:
    """Return (n,) the unit of returns: the geometric mean of the scale and volatility · √horizon."""
    return np.sqrt(scale.scale(inputs) * inputs.column(scale.volatility) * math.sqrt(scale.horizon))


def scaled_returns(training: Training) -> tuple[Floats, Floats]:
    """Return the returns in their unit without outliers, and the weights that undo the unit.

    Errors are judged in returns: a wild minute counts as much more as its moves are larger.
    """
    size = unit(training.fitted, training.once(fit_scale))
    y = training.data.labels[training.horizon][training.rows] / size
    return np.clip(y, -_OUTLIER, _OUTLIER), np.minimum(size / size.mean(), _MAX_WEIGHT)


def _terms(inputs: Inputs, names: tuple[str, ...], volatility: str) -> Floats:
    return np.stack([_difference(inputs, name, volatility) for name in names], axis=1)


def _difference(inputs: Inputs, name: str, volatility: str) -> Floats:
    """Return a term: of a peer's return or gap the difference to the market's own; as it is of what has no unit."""
    column, found = inputs.column(name), _DIFFERENCE.fullmatch(name)
    if found is None:
        return column
    # Returns are in units of the volatility, gaps in true ranges, which are percents of the close.
    unit_ = volatility if found["return"] else next(filter(_TRUE_RANGE.fullmatch, inputs.names), "")
    own, their_unit = f"{found['return'] or found['gap']}_1m", f"{found[1]}_{unit_.removesuffix('_1m')}"
    if not {own, unit_, their_unit} <= set(inputs.names):
        return column
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = column * inputs.column(their_unit) - inputs.column(own) * inputs.column(unit_)
        difference *= (1.0 if found["return"] else _PERCENT) / inputs.column(volatility)
    return np.clip(difference, -_FARTHEST, _FARTHEST)


def _regression(x: Floats, y: Floats, weight: Floats, penalty: float) -> tuple[float, ...]:
    now = weight
    found = np.zeros(x.shape[1])
    for _ in range(_ROUNDS + 1):
        gram = (x * now[:, None]).T @ x + penalty * now.sum() * np.eye(x.shape[1])
        found = np.linalg.solve(gram, x.T @ (now * y))
        now = weight / np.maximum(np.abs(y - x @ found), _SMALL)
    return (0.0, *found.tolist())
