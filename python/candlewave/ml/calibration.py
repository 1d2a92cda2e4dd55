"""What a candidate's forecasts are made of on data it was not fitted to, before they are used.

Of each market, and of all together, the newest part of a training tells how far to follow the candidate: the median
goes so much of the way from the last price to the candidate's, the interval so much of the way from the baseline's
width to the candidate's, as loses least (nothing, where the gain may be chance). Then each side of the
interval is stretched so that the right share of outcomes lies beyond it (conformalised: Romano, Patterson, Candès
2019). A market's own figures are drawn to those of all markets by n/(n + 100) for n outcomes that do not overlap.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candlewave.ml.candidates.protocol import Floats
from candlewave.ml.candidates.scale import OUTER, of_market
from candlewave.ml.forecaster import Stretches
from candlewave.ml.scores import interval_loss

_SHARES = (0.25, 0.5, 0.75, 1.0)
_MIN_OUTCOMES = 30
_SHRINK_OUTCOMES = 100
_SHRINK_STRETCH = 300
_CERTAIN = 0.5
"""A width is followed when it gains so many standard errors; the gates of promotion are the test, this is caution."""
_DOUBT = -0.5
"""A median is followed unless it loses so many: medians are shrunk already, and a little skill is hard to see."""
_TINY = 1e-12


@dataclass(frozen=True)
class Calibration:
    """How far to follow a candidate.

    Attributes:
        by_market: share of the median, share of the width, stretch of the lower and of the upper side; of all markets
            together under "".
    """

    by_market: Mapping[str, tuple[float, float, float, float]]

    def stretched(self, stretches: Stretches) -> "Calibration":
        """Return the same with other widths, by market."""
        found = dict(self.by_market)
        for market, logarithm in stretches.items():
            point, width, low, high = found.get(market, found[""])
            found[market] = (point, width, low * math.exp(logarithm), high * math.exp(logarithm))
        return Calibration(found)

    def apply(self, raw: Floats, baseline: Floats, markets: NDArray[Any]) -> Floats:
        """Return (n, 3) quantiles, which never cross.

        Args:
            raw: (n, 3) of the candidate.
            baseline: (n, 3).
            markets: (n,) ``exchange|symbol``.
        """
        point, width, low, high = of_market(self.by_market, markets).T
        centre = point * raw[:, 1]
        down, up = _widths(raw, baseline, width)
        # An interval that is the baseline's stays around the last price, too.
        middle = np.where(width > 0, centre, 0.0)
        bottom, top = middle - low * down, middle + high * up
        return np.stack((bottom, np.clip(centre, bottom, top), top), axis=1)


def fit_calibration(
    raw: Floats, baseline: Floats, realised: Floats, markets: NDArray[Any], horizon: int
) -> Calibration:
    """Return how far to follow a candidate, by its forecasts of rows that it was not fitted to."""
    pooled = _shares(raw, baseline, realised, len(realised) / horizon)
    names = np.unique(markets).tolist()
    shares = {"": pooled}
    weights = {}
    for name in names if len(names) > 1 else ():
        own = markets == name
        outcomes = own.sum() / horizon
        weights[name] = outcomes / (outcomes + _SHRINK_OUTCOMES)
        mine = _shares(raw[own], baseline[own], realised[own], outcomes)
        drawn = _drawn(mine, pooled, weights[name])
        # A median that loses on the market itself is not followed because it gains on others.
        refuted = mine[0] == 0 and outcomes >= _MIN_OUTCOMES
        shares[name] = (0.0, drawn[1]) if refuted else drawn
    ratios = _ratios(raw, baseline, realised, of_market(shares, markets))
    # The candidate's own spreads are of a longer time: of few outcomes these are believed.
    outcomes = len(realised) / horizon
    stretch = _drawn(_stretch(ratios), (1.0, 1.0), outcomes / (outcomes + _SHRINK_STRETCH))
    found = {"": (*pooled, *(stretch if pooled[1] else (1.0, 1.0)))}
    for name, weight in weights.items():
        own_stretch = _drawn(_stretch(ratios[markets == name]), stretch, weight)
        found[name] = (*shares[name], *(own_stretch if shares[name][1] else (1.0, 1.0)))
    return Calibration(found)


def _shares(raw: Floats, baseline: Floats, realised: Floats, outcomes: float) -> tuple[float, float]:
    """Return how much of the way from last price and baseline to the candidate loses least, for median and width."""
    if outcomes < _MIN_OUTCOMES:
        return 0.0, 0.0
    still, centre = np.abs(realised), raw[:, 1]
    point = _best({share: still - np.abs(realised - share * centre) for share in _SHARES}, outcomes, _DOUBT)
    given = interval_loss(baseline, realised)
    gains = {}
    for share in _SHARES:
        shares = np.tile([point, share], (len(realised), 1))
        low, high = _stretch(_ratios(raw, baseline, realised, shares))
        down, up = _widths(raw, baseline, shares[:, 1])
        ends = np.stack((point * centre - low * down, point * centre, point * centre + high * up), axis=1)
        gains[share] = given - interval_loss(ends, realised)
    return point, _best(gains, outcomes, _CERTAIN)


def _best(gains: Mapping[float, Floats], outcomes: float, certain: float) -> float:
    """Return the largest share that is not clearly worse than the best one; 0 when that gains too little.

    Candidates are shrunk already, and what is kept back is little: what chance makes best is not followed.
    """
    best = max(gains, key=lambda share: float(gains[share].mean()))
    if not gains[best].mean() > certain * gains[best].std() / math.sqrt(outcomes):
        return 0.0
    for share in sorted(gains, reverse=True):
        behind = gains[best] - gains[share]
        if behind.mean() <= behind.std() / math.sqrt(outcomes):
            return share
    return best


def _widths(raw: Floats, baseline: Floats, share: Floats) -> tuple[Floats, Floats]:
    """Return the lower and upper half of the interval, so much of the way from the baseline's to the candidate's."""
    sides = []
    for place, sign in ((0, -1.0), (2, 1.0)):
        ours = np.maximum(sign * (raw[:, place] - raw[:, 1]), _TINY)
        theirs = np.maximum(sign * baseline[:, place], _TINY)
        sides.append(theirs ** (1 - share) * ours**share)
    return sides[0], sides[1]


def _ratios(raw: Floats, baseline: Floats, realised: Floats, shares: Floats) -> Floats:
    """Return (n, 2) distance of the outcome from the median below and above it, in widths of that side."""
    centre = shares[:, 0] * raw[:, 1]
    down, up = _widths(raw, baseline, shares[:, 1])
    return np.stack(((centre - realised) / down, (realised - centre) / up), axis=1)


def _stretch(ratios: Floats) -> tuple[float, float]:
    low, high = np.quantile(ratios, OUTER[1], axis=0).tolist()
    return max(low, 0.0), max(high, 0.0)


def _drawn(own: tuple[float, float], pooled: tuple[float, float], weight: float) -> tuple[float, float]:
    first, second = (weight * mine + (1 - weight) * theirs for mine, theirs in zip(own, pooled, strict=True))
    return first, second
