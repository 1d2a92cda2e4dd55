"""Intervals that follow what came: conformal prediction, step by step (Gibbs, Candès 2021).

Each outcome outside its interval widens the next ones of its market, horizon and model version, each inside narrows
them, so that in the long run four fifths lie inside, whatever the market does. How far is a sum over what came of the
version's forecasts, which table ``outcome_hours`` has: nothing else has to be kept, and a predictor that starts again
goes on. A training goes through its walk in the same way, and the version that it registers begins where that ended.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from candlewave.ml.candidates.protocol import Floats
from candlewave.ml.forecaster import Stretches
from candlewave.ml.judge import OutOfSample

_INSIDE = 0.8
_STEP = 0.1 / 60
"""Of the logarithm of the width, by a forecast: one each minute. Forecasts of all horizons weigh the same."""
_MOST = math.log(3)


@dataclass(frozen=True)
class Followed:
    """Forecasts as they would have been served.

    Attributes:
        outcome: the forecasts, theirs and the baseline's.
        stretches, baseline_stretches: where the widths of both ended.
    """

    outcome: OutOfSample
    stretches: Stretches
    baseline_stretches: Stretches


def stretch(forecasts: float, inside: float) -> float:
    """Return the logarithm of what a width is multiplied with.

    Args:
        forecasts: with outcomes, of one model version.
        inside: how many of them lay in their interval.
    """
    return min(max(_STEP * (_INSIDE * forecasts - inside), -_MOST), _MOST)


def stretched(quantiles: Floats, logarithm: Floats | float) -> Floats:
    """Return (…, 3) quantiles whose ends are so many times as far from the median."""
    factor = np.exp(np.asarray(logarithm, np.float64))
    found = quantiles.copy()
    for place in (0, -1):
        found[..., place] = quantiles[..., 1] + factor * (quantiles[..., place] - quantiles[..., 1])
    return found


def follow(outcome: OutOfSample) -> Followed:
    """Return forecasts with the widths that each would have had, knowing what came by then."""
    ours, theirs = outcome.quantiles.copy(), outcome.baseline.copy()
    ends: dict[str, float] = {}
    baseline_ends: dict[str, float] = {}
    minutes = outcome.open_time.astype("datetime64[m]").astype(np.int64)
    for market in np.unique(outcome.symbol).tolist():
        rows = np.flatnonzero(outcome.symbol == market)
        for quantiles, last in ((ours, ends), (theirs, baseline_ends)):
            logarithms, last[market] = _walked(
                quantiles[rows], outcome.realised[rows], minutes[rows], outcome.horizon_minutes
            )
            quantiles[rows] = stretched(quantiles[rows], logarithms)
    return Followed(replace(outcome, quantiles=ours, baseline=theirs), ends, baseline_ends)


def _walked(quantiles: Floats, realised: Floats, minutes: NDArray[np.int64], horizon: int) -> tuple[Floats, float]:
    """Return (n,) the logarithm by which each forecast is stretched, and that of the next one."""
    # An outcome lies inside when its distance from the median, by that end's, is at most the factor.
    centre = quantiles[:, 1]
    end = np.where(realised >= centre, quantiles[:, 2], quantiles[:, 0]) - centre
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.log((realised - centre) / end)
    needed = np.where(realised == centre, -np.inf, np.where(np.isnan(needed), np.inf, needed)).tolist()
    times = minutes.tolist()
    found, inside = [], [False] * len(times)
    known = held = 0
    for place, now in enumerate([*times, times[-1] + horizon + 1]):
        # The candle of this minute has closed: so has that of the outcomes up to now.
        while known < place and times[known] + horizon <= now:
            held += inside[known]
            known += 1
        found.append(stretch(known, held))
        if place < len(times):
            inside[place] = needed[place] <= found[-1]
    return np.array(found[:-1]), found[-1]
