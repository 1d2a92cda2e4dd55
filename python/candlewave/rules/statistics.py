"""How far the mean of a series that depends on itself can be trusted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

MIN_BATCHES = 8
"""Fewer batches than this say too little about their own spread."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the interval that holds the true one at the level asked for; ``batches`` it rests on."""

    mean: float
    low: float
    high: float
    batches: int


def coverage_interval(
    minutes: Sequence[int], hits: Sequence[float], counts: Sequence[int], batch_minutes: int, level: float = 0.99
) -> Interval | None:
    """Estimate how often an interval forecast holds what happens, from forecasts that overlap in time.

    A forecast an hour ahead shares 59 minutes with the next one, and markets move together. So all markets of a
    minute count as one observation, and time is cut into batches that are long against the horizon: their means are
    nearly independent, and Student's t of their spread gives the interval. The spread is taken as at least that of
    as many independent hits as there are minutes, which a window of nothing but hits would otherwise deny.

    Args:
        minutes: minute of each observation, as whole minutes since any fixed moment, ascending; gaps are allowed.
        hits: share of that minute's forecasts that held, 0 to 1.
        counts: forecasts of that minute.
        batch_minutes: length of a batch.
        level: confidence of the interval.

    Returns:
        None when there are fewer than :data:`MIN_BATCHES` batches.
    """
    if not len(minutes):
        return None
    values = np.asarray(hits, np.float64)
    weights = np.asarray(counts, np.float64)
    batch = (np.asarray(minutes, np.int64) - minutes[0]) // batch_minutes
    _, place = np.unique(batch, return_inverse=True)
    mass = np.bincount(place, weights).astype(np.float64)
    sums = np.bincount(place, values * weights).astype(np.float64)
    batches = len(mass)
    if batches < MIN_BATCHES:
        return None
    mean = float(sums.sum() / mass.sum())
    spread = max(_ratio_variance(sums, mass, mean), mean * (1 - mean) / len(values), 1e-12)
    reach = float(stdtrit(batches - 1, 0.5 + level / 2)) * math.sqrt(spread)
    return Interval(mean, mean - reach, mean + reach, batches)


def _ratio_variance(sums: NDArray[np.float64], mass: NDArray[np.float64], mean: float) -> float:
    """Return the variance of sum/mass when batches of unequal mass are independent."""
    batches = len(mass)
    return float(np.sum((sums - mean * mass) ** 2) / mass.sum() ** 2 * batches / (batches - 1))
