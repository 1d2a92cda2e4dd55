"""Walk forward: fit on the past, forecast what follows, for every candidate and baseline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candlewave.ml.baseline import drift, fit_baseline, ridge, seasonal_mean
from candlewave.ml.candidates.catalog import SHIPPED
from candlewave.ml.candidates.parameters import BoostingParameters
from candlewave.ml.candidates.protocol import Inputs
from candlewave.ml.dataset import Dataset
from candlewave.ml.folds import Fold, tested, trainable
from candlewave.ml.judge import OutOfSample, joined
from candlewave.ml.model import fit_horizon
from candlewave.ml.scores import pinball

POINT_BASELINES = ("drift", "seasonal_mean", "plain_ridge")
"""Baselines without intervals, compared in addition to the last price."""


@dataclass(frozen=True)
class Walked:
    """Out-of-sample forecasts of one horizon, all folds together.

    Attributes:
        fold: (n,) number of the fold of each row.
        rows: (n,) indices into the dataset.
        candidates: what each candidate forecast.
        errors: mean absolute error of each point baseline, over all rows.
    """

    horizon_minutes: int
    fold: NDArray[np.int64]
    rows: NDArray[np.int64]
    candidates: dict[str, OutOfSample]
    errors: dict[str, float]

    @property
    def best(self) -> str:
        """The candidate with the smallest pinball loss; the simpler one when equal."""
        losses = {name: float(pinball(o.quantiles, o.realised).mean()) for name, o in self.candidates.items()}
        return min(losses, key=lambda name: losses[name])


def walk(
    data: Dataset,
    horizons: Sequence[int],
    folds: Sequence[Fold],
    parameters: BoostingParameters,
    volatility: str,
    *,
    candidates: Sequence[str] = SHIPPED,
    point_baselines: bool = True,
    on_fit: Callable[[], None] = lambda: None,
) -> dict[int, Walked]:
    """Train and test in every fold.

    Args:
        data: ascending in time, with labels that are known now.
        horizons: minutes.
        folds: see :func:`candlewave.ml.folds.walk_forward`.
        parameters: of the learned candidates.
        volatility: feature that scales returns.
        candidates: names of those to try.
        point_baselines: whether to compare with those, too.
        on_fit: called after each booster.

    Raises:
        TooLittleDataError: a fold has too few rows.
    """
    return {
        horizon: _walk_horizon(data, horizon, folds, parameters, volatility, candidates, point_baselines, on_fit)
        for horizon in horizons
    }


def chosen_by_then(
    parts: Mapping[int, Sequence[Mapping[str, OutOfSample]]],
) -> tuple[dict[int, OutOfSample], dict[int, list[str]]]:
    """Return each horizon's forecasts of all steps, of the candidate that production would have chosen by then.

    The candidate of a step is the one whose forecasts of the steps before lost least; of the first step, the first.

    Args:
        parts: per horizon, the steps in time, each with the candidates' forecasts of the same rows.

    Returns:
        Per horizon the forecasts, and the chosen candidate of each step.
    """
    found: dict[int, OutOfSample] = {}
    names: dict[int, list[str]] = {}
    for horizon, steps in parts.items():
        losses = dict.fromkeys(steps[0], 0.0)
        chosen = []
        for step in steps:
            chosen.append(min(losses, key=lambda name: losses[name]))
            for name, outcome in step.items():
                losses[name] += float(pinball(outcome.quantiles, outcome.realised).sum())
        found[horizon] = joined([step[name] for step, name in zip(steps, chosen, strict=True)])
        names[horizon] = chosen
    return found, names


def _walk_horizon(
    data: Dataset,
    horizon: int,
    folds: Sequence[Fold],
    parameters: BoostingParameters,
    volatility: str,
    candidates: Sequence[str],
    point_baselines: bool,
    on_fit: Callable[[], None],
) -> Walked:
    label, markets = data.labels[horizon], data.markets
    scale = data.values[:, data.names.index(volatility)]
    rows_of: list[NDArray[np.int64]] = []
    answers: dict[str, list[NDArray[np.float64]]] = {name: [] for name in (*candidates, "baseline")}
    points: dict[str, list[NDArray[np.float64]]] = {name: [] for name in POINT_BASELINES if point_baselines}
    for fold in folds:
        train = trainable(data.open_time, horizon, fold.train_end)
        rows = np.flatnonzero(tested(data.open_time, fold) & np.isfinite(label) & np.isfinite(scale) & (scale > 0))
        baseline = fit_baseline(
            (horizon,), np.where(train, scale, np.nan), {horizon: np.where(train, label, np.nan)}, volatility, markets
        )
        rows_of.append(rows)
        answers["baseline"].append(baseline.quantiles(scale[rows], markets[rows])[:, 0])
        test = Inputs(data.names, data.values[rows], markets[rows])
        fitted = fit_horizon(data, horizon, baseline, parameters, candidates, train_end=fold.train_end, on_fit=on_fit)
        for name, model in fitted.items():
            answers[name].append(model.quantiles(test, answers["baseline"][-1]))
        if point_baselines:
            trained = np.flatnonzero(train & np.isfinite(label))
            points["drift"].append(drift(label[trained], len(rows)))
            points["seasonal_mean"].append(seasonal_mean(data.open_time[trained], label[trained], data.open_time[rows]))
            points["plain_ridge"].append(ridge(data.values[trained], label[trained], data.values[rows]))
    every = np.concatenate(rows_of)
    realised = label[every]
    whole = {name: np.concatenate(parts) for name, parts in answers.items()}
    return Walked(
        horizon,
        np.repeat(np.arange(len(folds)), [len(rows) for rows in rows_of]),
        every,
        {
            name: OutOfSample(horizon, markets[every], data.open_time[every], whole[name], whole["baseline"], realised)
            for name in candidates
        },
        {name: float(np.abs(realised - np.concatenate(parts)).mean()) for name, parts in points.items()},
    )
