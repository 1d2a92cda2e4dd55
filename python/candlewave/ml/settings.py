"""Settings of training and of the model registry. Environment variables only."""

import json
from dataclasses import asdict
from datetime import timedelta

from pydantic import Field, field_validator

from candlewave.contracts.records import BASELINE
from candlewave.core.settings import EnvironmentSettings
from candlewave.ml.candidates.catalog import SHIPPED, UnknownCandidateError, candidate
from candlewave.ml.candidates.parameters import BoostingParameters


class TrainSettings(EnvironmentSettings):
    """See :class:`candlewave.core.settings.EnvironmentSettings`.

    Attributes:
        model_name: name in the registry.
        days: history to train on.
        every_hours: time between two trainings of the service ``model-trainer``.
        min_history_minutes: minimum history of a market for a training.
        folds: walk-forward folds.
        embargo_minutes: further pause between the end of training and the first forecast of a fold, beyond the purge.
        candidates: names of the candidates to try, by comma: shipped ones, and modules of your own.
        trees, learning_rate, leaves, min_rows_per_leaf, bins, feature_share: of LightGBM.
        threads: of LightGBM; 0 for all cores.
        seed: of everything that draws.
        search_trials: parameters that a training tries with Optuna before it begins; 0 keeps those above.
        search_seconds: time limit of the search.
        min_pause_minutes: minimum time between two requested trainings.
    """

    model_name: str = Field("candlewave", alias="MODEL_NAME", pattern=r"^[A-Za-z0-9_.-]{1,80}$")
    days: float = Field(30.0, alias="TRAIN_DAYS", gt=0)
    every_hours: float = Field(24.0, alias="TRAIN_EVERY_HOURS", gt=0)
    min_history_minutes: int = Field(1_500, alias="TRAIN_MIN_HISTORY_MINUTES", ge=600)
    folds: int = Field(5, alias="TRAIN_FOLDS", ge=2, le=50)
    embargo_minutes: int = Field(10, alias="TRAIN_EMBARGO_MINUTES", ge=0)
    candidates: str = Field(",".join(SHIPPED), alias="TRAIN_CANDIDATES", min_length=1)
    trees: int = Field(60, alias="TRAIN_TREES", ge=1, le=10_000)
    learning_rate: float = Field(0.08, alias="TRAIN_LEARNING_RATE", gt=0, le=1)
    leaves: int = Field(15, alias="TRAIN_LEAVES", ge=2, le=1_024)
    min_rows_per_leaf: int = Field(200, alias="TRAIN_MIN_ROWS_PER_LEAF", ge=1)
    bins: int = Field(63, alias="TRAIN_BINS", ge=2, le=255)
    feature_share: float = Field(0.5, alias="TRAIN_FEATURE_SHARE", gt=0, le=1)
    threads: int = Field(0, alias="TRAIN_THREADS", ge=0)
    seed: int = Field(1, alias="TRAIN_SEED", ge=0)
    search_trials: int = Field(0, alias="TRAIN_SEARCH_TRIALS", ge=0, le=10_000)
    search_seconds: float = Field(600.0, alias="TRAIN_SEARCH_SECONDS", gt=0)
    min_pause_minutes: float = Field(30.0, alias="TRAIN_MIN_PAUSE_MINUTES", ge=0)

    @field_validator("model_name")
    @classmethod
    def _is_no_baseline(cls, value: str) -> str:
        if value == BASELINE:
            raise ValueError(f"{BASELINE!r} is the name of the last-price baseline; choose another")
        return value

    @field_validator("candidates")
    @classmethod
    def _are_there(cls, value: str) -> str:
        for name in _names(value):
            try:
                candidate(name)
            except UnknownCandidateError as error:
                raise ValueError(str(error)) from None
        return value

    @property
    def candidate_names(self) -> tuple[str, ...]:
        """See ``candidates``."""
        return _names(self.candidates)

    @property
    def every(self) -> timedelta:
        """See ``every_hours``."""
        return timedelta(hours=self.every_hours)

    @property
    def recipe(self) -> str:
        """What a training tries, whatever the data: equal texts mean that only the data are newer."""
        return json.dumps(
            {"candidates": self.candidate_names, "search_trials": self.search_trials, **asdict(self.boosting)},
            sort_keys=True,
        )

    @property
    def boosting(self) -> BoostingParameters:
        """What is set of LightGBM."""
        return BoostingParameters(
            self.trees,
            self.learning_rate,
            self.leaves,
            self.min_rows_per_leaf,
            self.bins,
            self.feature_share,
            self.threads,
            self.seed,
        )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
