"""How good forecasts are, and how sure that is when neighbouring forecasts overlap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candlewave.ml.forecaster import QUANTILES

Floats = NDArray[np.float64]
_SAMPLES = 2_000


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval, of 95 % where nothing else is said."""

    value: float
    low: float
    high: float


def pinball(quantiles: Floats, realised: Floats) -> Floats:
    """Return (n,) mean pinball loss of the three quantiles (Koenker, Bassett 1978).

    Args:
        quantiles: (n, 3) forecasts at the levels 0.1, 0.5, 0.9.
        realised: (n,) what came.
    """
    loss: Floats = _losses(quantiles, realised).mean(axis=1)
    return loss


def interval_loss(quantiles: Floats, realised: Floats) -> Floats:
    """Return (n,) mean pinball loss of the outer quantiles alone: the median neither helps nor harms an interval."""
    loss: Floats = _losses(quantiles, realised)[:, [0, -1]].mean(axis=1)
    return loss


def _losses(quantiles: Floats, realised: Floats) -> Floats:
    levels = np.array(QUANTILES)
    excess = realised[:, None] - quantiles
    losses: Floats = np.maximum(levels * excess, (levels - 1) * excess)
    return losses


def coverage(quantiles: Floats, realised: Floats) -> Floats:
    """Return (n,) 1 where the outcome lies between the outer quantiles, ends included, else 0."""
    return ((realised >= quantiles[:, 0]) & (realised <= quantiles[:, 2])).astype(np.float64)


def direction(median: Floats, realised: Floats) -> tuple[Floats, Floats]:
    """Return (n,) 1 where the median has the sign of the move, and (n,) 1 where both have a sign at all."""
    counted = (median != 0) & (realised != 0)
    return (counted & (np.sign(median) == np.sign(realised))).astype(np.float64), counted.astype(np.float64)


def block_length(horizon_minutes: int, minutes: int) -> int:
    """Return the bootstrap's block in minutes: long against the overlap of forecasts, short against the sample.

    Twice the horizon keeps the overlap whole, n^(1/3) is the rate that Künsch (1989) and Politis, Romano (1994) give.
    """
    return int(min(max(2 * horizon_minutes, round(minutes ** (1 / 3)), 10), max(minutes // 8, 1)))


def ratio_interval(
    numerator: Floats,
    denominator: Floats,
    time: NDArray[np.datetime64],
    horizon_minutes: int,
    *,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return sum(numerator) / sum(denominator) with the percentile interval of a circular block bootstrap in time.

    All rows of a minute are drawn together, because markets move together (Politis, Romano 1992).

    Args:
        numerator, denominator: (n,) terms.
        time: (n,) minute of each row.
        horizon_minutes: how far neighbouring rows overlap.
        seed: of the draws.
        level: confidence.

    Returns:
        NaN where the denominator is zero.
    """
    minutes, place = np.unique(time.astype("datetime64[m]").astype(np.int64), return_inverse=True)
    if not len(minutes):
        return Interval(float("nan"), float("nan"), float("nan"))
    tops = np.bincount(place, numerator).astype(np.float64)
    bottoms = np.bincount(place, denominator).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(tops.sum() / bottoms.sum())
        count = len(minutes)
        length = block_length(horizon_minutes, count)
        sums = [np.concatenate(([0.0], np.cumsum(np.concatenate((part, part[:length]))))) for part in (tops, bottoms)]
        starts = np.random.default_rng(seed).integers(0, count, (_SAMPLES, -(-count // length)))
        top, bottom = ((part[starts + length] - part[starts]).sum(axis=1) for part in sums)
        drawn = top / bottom
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    return Interval(value, float(low), float(high))


def saved(loss: Floats, reference: Floats) -> float:
    """Return 1 − loss / reference alone, as :func:`skill` does with an interval; NaN without a reference."""
    whole = float(reference.sum())
    return 1 - float(loss.sum()) / whole if whole else float("nan")


def skill(
    loss: Floats,
    reference: Floats,
    time: NDArray[np.datetime64],
    horizon_minutes: int,
    *,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return 1 − loss / reference with its interval; positive means better than the reference."""
    found = ratio_interval(loss, reference, time, horizon_minutes, seed=seed, level=level)
    return Interval(1 - found.value, 1 - found.high, 1 - found.low)


def non_overlapping(time: NDArray[np.datetime64], symbol: NDArray[np.generic], horizon_minutes: int) -> int:
    """Return how many forecasts of each symbol can be chosen that do not overlap, in all."""
    total = 0
    minutes = time.astype("datetime64[m]").astype(np.int64)
    for name in np.unique(symbol):
        last = -(1 << 62)
        for minute in np.sort(minutes[symbol == name]).tolist():
            if minute >= last + horizon_minutes:
                total += 1
                last = minute
    return total
