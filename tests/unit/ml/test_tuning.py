"""The search for parameters keeps to its budget and looks at nothing that judges later."""

from dataclasses import replace

import pytest
from tests.worlds.processes import planted

from candlewave.core.config import Config
from candlewave.ml.folds import trainable, walk_forward
from candlewave.ml.model import TooLittleDataError
from candlewave.ml.settings import TrainSettings
from candlewave.ml.tuning import search

CONFIG = Config.model_validate({"predictions": {"horizons_minutes": [1]}})
SETTINGS = TrainSettings(TRAIN_SEARCH_TRIALS=3, TRAIN_TREES=10, TRAIN_THREADS=1)  # type: ignore[call-arg]


def test_budget_of_trials_is_kept_and_the_settings_are_tried_first() -> None:
    trials = []
    found = search(planted(4_000, 0.5), CONFIG, SETTINGS, on_trial=lambda: trials.append(1))
    assert len(trials) == found.trials == 3
    assert found.loss <= found.shipped_loss


def test_it_is_blind_to_everything_after_the_first_test_begins() -> None:
    data = planted(4_000, 0.5)
    first = walk_forward(data.open_time, SETTINGS.folds, SETTINGS.embargo_minutes, CONFIG.candles.grace_seconds)[0]
    late = data.open_time >= first.train_end
    values, label = data.values.copy(), data.labels[1].copy()
    values[late] = 9
    label[~trainable(data.open_time, 1, first.train_end)] = 9
    spoilt = replace(data, values=values, labels={1: label})
    assert search(spoilt, CONFIG, SETTINGS) == search(data, CONFIG, SETTINGS)


def test_budget_of_time_ends_it() -> None:
    own = SETTINGS.model_copy(update={"search_trials": 1_000, "search_seconds": 0.01})
    assert search(planted(4_000, 0.5), CONFIG, own).trials < 5


def test_a_trial_that_runs_when_the_time_is_over_is_given_up() -> None:
    """A trial reports 7 fits in each of two folds; the time is over during the second trial."""
    fits = 0

    def fitted() -> None:
        nonlocal fits
        fits += 1

    own = SETTINGS.model_copy(update={"search_trials": 1_000, "search_seconds": 60})
    found = search(planted(4_000, 0.5), CONFIG, own, on_fit=fitted, clock=lambda: 0.0 if fits < 17 else 61.0)
    assert (fits, found.trials) == (17, 1)
    assert found.parameters == SETTINGS.boosting
    assert found.loss == found.shipped_loss


def test_too_little_data() -> None:
    with pytest.raises(TooLittleDataError, match="18 rows have a label"):
        search(planted(100, 0.5), CONFIG, SETTINGS)
    with pytest.raises(TooLittleDataError, match="search: 30 minutes are too few for 5 folds"):
        search(planted(30, 0.5), CONFIG, SETTINGS)
