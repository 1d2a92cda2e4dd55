"""Walk-forward folds: train on the past, test on what follows, with nothing of the test in the training."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Fold:
    """One step of the walk.

    Attributes:
        train_end: labels whose target time lies after it are not in the training.
        test_begin, test_end: feature times of the test, ``test_end`` exclusive.
    """

    train_end: np.datetime64
    test_begin: np.datetime64
    test_end: np.datetime64


def walk_forward(
    open_time: NDArray[np.datetime64], folds: int, embargo_minutes: int, grace_seconds: int, first_share: float = 0.5
) -> list[Fold]:
    """Cut the minutes after the first ``first_share`` into equal tests, each trained on everything before it.

    Minutes without rows do not count: a hole of weeks makes no test that has nothing to train on.

    A row may train when its label was *known* before the test began: target time (close plus horizon), grace and
    embargo lie at or before the first close that the test forecasts from.

    Raises:
        ValueError: the time is too short for that many folds.
    """
    if not len(open_time):
        raise ValueError("no rows")
    minutes = np.unique(open_time)
    first = int(len(minutes) * first_share)
    if (len(minutes) - first) // folds < 10:
        raise ValueError(f"{len(minutes)} minutes are too few for {folds} folds")
    edges = [minutes[first + (len(minutes) - first) * i // folds] for i in range(folds)]
    edges.append(minutes[-1] + np.timedelta64(1, "m"))
    pause = np.timedelta64(embargo_minutes * 60 + grace_seconds, "s")
    minute = np.timedelta64(1, "m")
    return [Fold(lo + minute - pause, lo, hi) for lo, hi in pairwise(edges)]


def trainable(open_time: NDArray[np.datetime64], horizon_minutes: int, train_end: np.datetime64) -> NDArray[np.bool_]:
    """Return the rows whose label over a horizon was there at ``train_end``."""
    known: NDArray[np.bool_] = open_time + np.timedelta64(horizon_minutes + 1, "m") <= train_end
    return known


def tested(open_time: NDArray[np.datetime64], fold: Fold) -> NDArray[np.bool_]:
    """Return the rows of a fold's test."""
    inside: NDArray[np.bool_] = (open_time >= fold.test_begin) & (open_time < fold.test_end)
    return inside
