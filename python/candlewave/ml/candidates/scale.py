"""How far a price may go: a regression of the next minutes' range on the ranges of the last ones (HAR: Corsi 2009).

The expected size of a minute's move is the exponential of a sum of terms: logarithms of the variance of the last
minute to the last day by the range of the bars (Parkinson 1980), volume, the share of minutes with trades, the size of
the last returns, and the time of day. Fitted by quasi-likelihood (that of the exponential distribution), which minutes
without a move do not upset as they do a regression of logarithms. Each market has coefficients of its own, drawn to
those of all together.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candlewave.ml.candidates.protocol import Floats, Inputs, Training
from candlewave.ml.candidates.terms import Standard, fit_standard, linear, sizes
from candlewave.ml.forecaster import QUANTILES

OUTER = (QUANTILES[0], QUANTILES[-1])
"""Levels of the ends of the interval."""

_BAR = "log_variance_1_1m"
_STILL = 0.05
"""Share of the last hour's variance that is added to each: of a bar that stood still the logarithm says too much."""
_MIN_VOLATILITY = 1e-7
_OUTLIER = 6.0
"""Moves beyond so many times the expected one count as this."""
_ROUNDS = 12
_PENALTY = 1e-3
_SHRINK_MINUTES = 1_000
"""Minutes that do not overlap at which a market's own coefficients count as much as those of all markets."""
_SHRINK_OUTCOMES = 100
_MAX_MOVE = 8.0
_MIN_MOVE = 0.1
_VARIANCE = re.compile(r"log_variance_\d+_\w+")
_RATIO = re.compile(r"(volume|trades)_ratio_\d+_1m")
_MOVE = re.compile(r"return_[15]_1m|peer_\w+_return_[15]")
_LEVEL = re.compile(r"traded_share_\d+_1m|imputed_1m|(day|hour)_(sin|cos)|(quarter|hour)_begins|news_volume_1h")


@dataclass(frozen=True)
class HarScale:
    """A fitted regression.

    Attributes:
        volatility: see :class:`~candlewave.ml.candidates.protocol.Training`.
        horizon: minutes.
        names: feature of each term.
        standard: of the terms.
        coefficients: the constant first, by market; of all together under "".
    """

    volatility: str
    horizon: int
    names: tuple[str, ...]
    standard: Standard
    coefficients: Mapping[str, tuple[float, ...]]

    def scale(self, inputs: Inputs) -> Floats:
        """Return (n,) about the standard deviation of the log return; NaN where the volatility is missing."""
        volatility = inputs.column(self.volatility)
        usable = np.isfinite(volatility) & (volatility > 0)
        _, terms = _terms(inputs, self.volatility)
        logs = linear(self.standard.apply(terms), inputs.markets, self.coefficients)
        # In units of the volatility it is bounded: a market that it was not trained on gets nothing absurd.
        ratio = np.exp(np.clip(logs, -4.0, 4.0))
        return np.where(usable, volatility * ratio * math.sqrt(self.horizon), np.nan)

    def importance(self) -> dict[str, float]:
        """Return the size of each feature's coefficient."""
        return sizes(self.names, self.coefficients)


def fit_scale(training: Training) -> HarScale:
    """Fit on the rows of a training."""
    inputs, horizon = training.fitted, training.horizon
    names, terms = _terms(inputs, training.volatility)
    standard = fit_standard(terms)
    x, markets = standard.apply(terms), inputs.markets
    moves = _moves(training)[training.rows] / inputs.column(training.volatility)
    pooled = _regression(x, moves, None, 0.0)
    coefficients = {"": tuple(pooled.tolist())}
    known = np.unique(markets).tolist()
    for market in known if len(known) > 1 else ():
        own = markets == market
        coefficients[market] = tuple(_regression(x[own], moves[own], pooled, _SHRINK_MINUTES).tolist())
    return HarScale(training.volatility, horizon, names, standard, coefficients)


def _moves(training: Training) -> Floats:
    """Return (n,) root mean square of a minute's move over the horizon, by its range or its return if that is larger.

    It is NaN where the label is: what is not known of the return is not known of its bars.
    """
    data, horizon = training.data, training.horizon
    label = data.labels[horizon]
    squares = label**2 / horizon
    if _BAR not in data.names:
        return np.sqrt(squares)
    found = squares.copy()
    bars, markets = np.exp(training.inputs.column(_BAR)), data.markets
    for market in np.unique(markets):
        rows = np.flatnonzero(markets == market)
        minute = data.open_time[rows].astype("datetime64[m]").astype(np.int64)
        logs = np.log(data.close[rows])
        step = np.concatenate(([np.nan], np.diff(logs)))
        step[np.diff(minute, prepend=minute[:1] - 1) != 1] = np.nan
        each = np.fmax(bars[rows], step**2)
        known = np.concatenate(([0], np.cumsum(np.isfinite(each))))
        sums = np.concatenate(([0.0], np.cumsum(np.nan_to_num(each))))
        place = np.arange(len(rows))
        end = np.minimum(place + horizon, len(rows) - 1)
        whole = (minute[end] == minute + horizon) & (known[end + 1] - known[place + 1] == horizon)
        found[rows] = np.where(whole, (sums[end + 1] - sums[place + 1]) / horizon, found[rows])
    return np.where(np.isfinite(label), np.sqrt(found), np.nan)


def _terms(inputs: Inputs, volatility: str) -> tuple[tuple[str, ...], Floats]:
    """Return the terms with the feature that each is made of; logarithms are against the volatility."""
    last_hour = np.log(np.maximum(inputs.column(volatility), _MIN_VOLATILITY)) * 2
    names, columns = [volatility], [last_hour]
    for name in inputs.names:
        if _VARIANCE.fullmatch(name):
            columns.append(np.log(np.exp(inputs.column(name) - last_hour) + _STILL))
        elif _RATIO.fullmatch(name):
            columns.append(np.log(np.clip(inputs.column(name), 0.05, 20)))
        elif _MOVE.fullmatch(name):
            columns.append(np.log(_MIN_MOVE + np.abs(np.clip(inputs.column(name), -_MAX_MOVE, _MAX_MOVE))))
        elif _LEVEL.fullmatch(name):
            columns.append(inputs.column(name))
        else:
            continue
        names.append(name)
    if "day_sin" in inputs.names and "day_cos" in inputs.names:
        sine, cosine = inputs.column("day_sin"), inputs.column("day_cos")
        columns += [2 * sine * cosine, cosine**2 - sine**2]
        names += ["day_sin", "day_cos"]
    return tuple(names), np.stack(columns, axis=1)


def _regression(x: Floats, moves: Floats, towards: Floats | None, weight: float) -> Floats:
    """Return coefficients of the logarithm of the expected move, drawn towards given ones by so many rows' weight.

    Fisher scoring: of the exponential distribution with a logarithmic link its matrix is the same in every round.
    """
    design = np.column_stack((np.ones(len(x)), x))
    penalty = np.full(design.shape[1], weight + _PENALTY * len(x))
    penalty[0] = weight + 1e-9
    anchor = np.zeros(design.shape[1]) if towards is None else towards
    if towards is None:
        anchor[0] = math.log(max(float(moves.mean()), 1e-12))
    inverse = np.linalg.inv(design.T @ design + np.diag(penalty))
    found = anchor.copy()
    for _ in range(_ROUNDS):
        excess = np.clip(moves * np.exp(-np.clip(design @ found, -12, 12)), 0, _OUTLIER) - 1
        found = found + inverse @ (design.T @ excess - penalty * (found - anchor))
    return found


def fit_spreads(training: Training, residuals: Floats) -> dict[str, tuple[float, float]]:
    """Return the outer quantiles of scaled residuals of the training's rows, by market; of all together under "".

    A market's own are drawn to those of all by n/(n + 100) for n outcomes that do not overlap.
    """
    markets = training.fitted.markets
    shrink = _SHRINK_OUTCOMES * training.rows_per_outcome
    pooled = np.quantile(residuals, OUTER)
    found = {"": (float(pooled[0]), float(pooled[1]))}
    for market in np.unique(markets).tolist():
        own = residuals[markets == market]
        weight = len(own) / (len(own) + shrink)
        low, high = (weight * np.quantile(own, OUTER) + (1 - weight) * pooled).tolist()
        found[market] = (low, high)
    return found


def of_market(by_market: Mapping[str, Sequence[float]], markets: NDArray[Any]) -> Floats:
    """Return (n, k) numbers of each row's market; those of all markets together for one that is not known."""
    found = np.tile(np.array(by_market[""]), (len(markets), 1))
    for market, own in by_market.items():
        chosen = markets == market
        if market and chosen.any():
            found[chosen] = own
    return found
