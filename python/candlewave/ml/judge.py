"""Verdict on out-of-sample forecasts, horizon by horizon."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candlewave.ml import scores
from candlewave.ml.scores import Interval

_MIN_MOVES = 30
"""Fewer directions are too few to judge."""

_UNKNOWN = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class OutOfSample:
    """Forecasts of one horizon for times that the model had not seen, and what came; n rows, ascending in time.

    Attributes:
        horizon_minutes: the horizon.
        symbol: (n,) market.
        open_time: (n,) datetime64[us], UTC: feature time.
        quantiles: (n, 3) log returns forecast by the model.
        baseline: (n, 3) log returns forecast by the last-price baseline.
        realised: (n,) log return that came.
    """

    horizon_minutes: int
    symbol: NDArray[Any]
    open_time: NDArray[np.datetime64]
    quantiles: NDArray[np.float64]
    baseline: NDArray[np.float64]
    realised: NDArray[np.float64]

    def rows(self, chosen: NDArray[Any]) -> "OutOfSample":
        """Return some of the rows, by index or mask."""
        return replace(
            self,
            symbol=self.symbol[chosen],
            open_time=self.open_time[chosen],
            quantiles=self.quantiles[chosen],
            baseline=self.baseline[chosen],
            realised=self.realised[chosen],
        )


def joined(parts: Sequence[OutOfSample]) -> OutOfSample:
    """Return the forecasts of successive times together."""
    return OutOfSample(
        parts[0].horizon_minutes,
        np.concatenate([p.symbol for p in parts]),
        np.concatenate([p.open_time for p in parts]),
        np.concatenate([p.quantiles for p in parts]),
        np.concatenate([p.baseline for p in parts]),
        np.concatenate([p.realised for p in parts]),
    )


@dataclass(frozen=True)
class Verdict:
    """What one horizon's forecasts are worth.

    Attributes:
        horizon_minutes: the horizon.
        forecasts: number of forecasts judged.
        independent: how many of them do not overlap.
        mae: mean absolute error of the median, in log return.
        last_price_mae: the same of "the price stays".
        skill: 1 − mae / last_price_mae.
        interval_skill: 1 − pinball loss of the outer quantiles / that of the baseline's.
        coverage: share of outcomes inside the 80 % interval.
        direction: share of moves whose sign the median had; moves and medians of zero do not count, and of fewer than
            thirty moves that do not overlap it is NaN.
    """

    horizon_minutes: int
    forecasts: int
    independent: int
    mae: float
    last_price_mae: float
    skill: Interval
    interval_skill: Interval
    coverage: Interval
    direction: Interval

    @property
    def text(self) -> str:
        """The verdict in words."""
        if self.skill.low > 0:
            return "beats the last price"
        if self.skill.high < 0:
            return "worse than the last price"
        return "no skill"


def judge_together(data: Sequence[OutOfSample]) -> list[Verdict]:
    """Return verdicts whose skills hold at 95 % over all horizons together (Bonferroni).

    Each of four skills that are zero has one chance in forty to look better; that one of them does has one in ten.
    """
    return [judge(one, level=1 - 0.05 / len(data)) for one in data]


def judge(data: OutOfSample, *, level: float = 0.95) -> Verdict:
    """Return what forecasts are worth, from outcomes they had not seen.

    Args:
        data: forecasts of one horizon.
        level: confidence of both skills; coverage and direction have 95 %.
    """
    time, horizon = data.open_time, data.horizon_minutes
    error = np.abs(data.realised - data.quantiles[:, 1])
    still = np.abs(data.realised)
    hits = scores.coverage(data.quantiles, data.realised)
    right, counted = scores.direction(data.quantiles[:, 1], data.realised)
    moves = counted > 0
    enough = scores.non_overlapping(time[moves], data.symbol[moves], horizon) >= _MIN_MOVES
    return Verdict(
        horizon_minutes=horizon,
        forecasts=len(time),
        independent=scores.non_overlapping(time, data.symbol, horizon),
        mae=float(error.mean()) if len(error) else float("nan"),
        last_price_mae=float(still.mean()) if len(still) else float("nan"),
        skill=scores.skill(error, still, time, horizon, level=level),
        interval_skill=scores.skill(
            scores.interval_loss(data.quantiles, data.realised),
            scores.interval_loss(data.baseline, data.realised),
            time,
            horizon,
            level=level,
        ),
        coverage=scores.ratio_interval(hits, np.ones_like(hits), time, horizon),
        direction=scores.ratio_interval(right, counted, time, horizon) if enough else _UNKNOWN,
    )
