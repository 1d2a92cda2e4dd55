"""Search for LightGBM's parameters within a budget, on the time before the first test fold only."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from candlewave.core.config import Config
from candlewave.ml.candidates.parameters import BoostingParameters
from candlewave.ml.dataset import Dataset
from candlewave.ml.feature_set import volatility_feature
from candlewave.ml.folds import trainable, walk_forward
from candlewave.ml.model import TooLittleDataError
from candlewave.ml.scores import pinball
from candlewave.ml.settings import TrainSettings
from candlewave.ml.walk import walk

if TYPE_CHECKING:
    from optuna import Trial

_FOLDS = 2


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        parameters: the best.
        loss: pinball loss of the best candidate with them by that of the baseline, the mean over horizons.
        shipped_loss: the same of the parameters the search began with.
        trials: how many were tried within the budget.
    """

    parameters: BoostingParameters
    loss: float
    shipped_loss: float
    trials: int


def search(
    data: Dataset,
    config: Config,
    settings: TrainSettings,
    *,
    on_trial: Callable[[], None] = lambda: None,
    on_fit: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Try parameters with Optuna's TPE until the budget of trials or time is used up; the settings' own are the first.

    The folds that judge the model later lie after everything that is looked at here, so that their verdict stays
    honest.

    Args:
        data: of the whole training.
        config: horizons and more.
        settings: budget, folds, the parameters to begin with.
        on_trial: called after each trial.
        on_fit: called after each booster; may raise to stop.
        clock: seconds; the first trial runs to its end in any case, the others stop when the time is over.

    Raises:
        TooLittleDataError: there are too few rows before the first test fold.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        judged = walk_forward(data.open_time, settings.folds, settings.embargo_minutes, config.candles.grace_seconds)
        end = judged[0].train_end
        early = _known(data.rows(data.open_time < end), end)
        folds = walk_forward(early.open_time, _FOLDS, settings.embargo_minutes, config.candles.grace_seconds)
    except ValueError as error:
        raise TooLittleDataError(f"search: {error}") from None

    begun, trials = clock(), list[float]()

    def fitted() -> None:
        on_fit()
        if trials and clock() - begun > settings.search_seconds:
            study.stop()
            raise optuna.TrialPruned

    def loss(parameters: BoostingParameters) -> float:
        walked = walk(
            early,
            config.predictions.horizons_minutes,
            folds,
            parameters,
            volatility_feature(config),
            candidates=settings.candidate_names,
            point_baselines=False,
            on_fit=fitted,
        )
        found = [of.candidates[of.best] for of in walked.values()]
        trials.append(
            float(
                np.mean([pinball(o.quantiles, o.realised).sum() / pinball(o.baseline, o.realised).sum() for o in found])
            )
        )
        return trials[-1]

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=settings.seed))
    study.enqueue_trial(_tried(settings.boosting))
    study.optimize(
        lambda trial: loss(replace(settings.boosting, **_suggest(trial, settings.boosting))),
        n_trials=settings.search_trials,
        timeout=settings.search_seconds,
        callbacks=[lambda _, __: on_trial()],
    )
    return Found(
        replace(settings.boosting, **study.best_params),
        study.best_value,
        trials[0],
        len(trials),
    )


def _known(data: Dataset, end: np.datetime64) -> Dataset:
    """Return the data without labels whose outcome came after ``end``."""
    labels = {h: np.where(trainable(data.open_time, h, end), label, np.nan) for h, label in data.labels.items()}
    return replace(data, labels=labels)


def _suggest(trial: "Trial", given: BoostingParameters) -> dict[str, Any]:
    """Return parameters to try; what the user has set is in reach even when it is unusual."""

    def whole(name: str, low: int, high: int) -> int:
        present: int = getattr(given, name)
        return trial.suggest_int(name, min(low, present), max(high, present), log=True)

    def real(name: str, low: float, high: float, *, log: bool) -> float:
        present: float = getattr(given, name)
        return trial.suggest_float(name, min(low, present), max(high, present), log=log)

    return {
        "trees": whole("trees", 20, 400),
        "learning_rate": real("learning_rate", 0.01, 0.3, log=True),
        "leaves": whole("leaves", 4, 63),
        "min_rows_per_leaf": whole("min_rows_per_leaf", 50, 2_000),
        "feature_share": real("feature_share", 0.2, 1.0, log=False),
    }


def _tried(parameters: BoostingParameters) -> dict[str, Any]:
    return {
        "trees": parameters.trees,
        "learning_rate": parameters.learning_rate,
        "leaves": parameters.leaves,
        "min_rows_per_leaf": parameters.min_rows_per_leaf,
        "feature_share": parameters.feature_share,
    }
