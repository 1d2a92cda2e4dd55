"""What becomes of a new version, and the reason in words."""

import numpy as np
import pytest
from tests.worlds.processes import MINUTE, START

from candlewave.core.config import load_config
from candlewave.ml.baseline import LastPriceBaseline
from candlewave.ml.judge import OutOfSample, Verdict
from candlewave.ml.model import QuantileModel
from candlewave.ml.promote import against, decide
from candlewave.ml.scores import Interval
from candlewave.ml.settings import TrainSettings

ANY = Interval(0.0, -0.1, 0.1)
CHAMPION = QuantileModel("candlewave", "3", (), (1, 5), (1,), (), LastPriceBaseline((1, 5)), {})


def verdict(horizon: int, low: float, high: float) -> Verdict:
    return Verdict(horizon, 1_000, 1_000, 1.0, 1.0, Interval((low + high) / 2, low, high), ANY, ANY, ANY)


def test_no_skill_is_not_promoted_and_the_baseline_serves() -> None:
    found = decide([verdict(1, -0.01, 0.02), verdict(5, -0.02, -0.01)], None, None, 0)
    assert (found.promoted, found.served) == (False, ())
    assert found.reason.startswith("no skill against the last price on any horizon, the baseline serves: 1m +0.50 %")


def test_the_first_that_beats_the_last_price_serves_where_it_does() -> None:
    found = decide([verdict(1, 0.01, 0.02), verdict(5, -0.02, 0.01)], None, None, 0)
    assert (found.promoted, found.served) == (True, (1,))
    assert found.reason.startswith("beats the last price on 1m: 1m +1.50 % [+1.00, +2.00], 5m -0.50 %")


def test_a_champion_is_replaced_by_what_is_better_for_certain_only() -> None:
    good = [verdict(1, 0.01, 0.02)]
    assert decide(good, CHAMPION, Interval(0.03, 0.01, 0.05), 1_200).promoted
    kept = decide(good, CHAMPION, Interval(0.03, -0.01, 0.05), 1_200)
    assert not kept.promoted
    assert kept.reason.startswith("not better than version 3 on data that both had not seen (+3.00 % [-1.00, +5.00])")


@pytest.mark.parametrize(("longest", "needed"), [(60, 1_200), (240, 3_840)])
def test_too_short_a_time_to_compare_keeps_the_champion(longest: int, needed: int) -> None:
    verdicts, better = [verdict(1, 0.01, 0.02), verdict(longest, 0.01, 0.02)], Interval(0.5, 0.4, 0.6)
    found = decide(verdicts, CHAMPION, better, needed - 1)
    assert not found.promoted
    wanted = f"only {needed - 1} minutes lie after the training of version 3, {needed} are needed to compare the two"
    assert wanted in found.reason
    assert decide(verdicts, CHAMPION, better, needed).promoted


def test_the_next_of_daily_trainings_can_replace_a_champion() -> None:
    """Between two trainings lies a day, of whose last minutes no outcome is in."""
    shipped = load_config().predictions.horizons_minutes
    minutes = int(TrainSettings.model_fields["every_hours"].default * 60)
    found = decide([verdict(h, 0.01, 0.02) for h in shipped], CHAMPION, Interval(0.5, 0.4, 0.6), minutes - 60)
    assert found.promoted


def outcome(horizon: int, median: float, scale: float) -> OutOfSample:
    count = 400
    times = START + np.arange(count) * MINUTE
    realised = scale * np.where(np.arange(count) % 2, 1.0, -1.0)
    quantiles = np.stack([realised - 1, realised * median, realised + 1], axis=1)
    return OutOfSample(horizon, np.full(count, "a"), times, quantiles, quantiles, realised)


def test_models_are_compared_in_units_of_each_horizons_error() -> None:
    # On 1m the candidate halves the error and the champion leaves it; on 5m, with ten times the moves, both leave it.
    mine = [outcome(1, 0.5, 0.001), outcome(5, 0.0, 0.01)]
    theirs = [outcome(1, 0.0, 0.001), outcome(5, 0.0, 0.01)]
    found, minutes = against(mine, theirs)
    assert minutes == 400, "each counts once, whatever was forecast from it"
    assert found is not None
    assert abs(found.value - 0.25) < 1e-9


def test_a_candidate_that_loses_to_the_champion_says_by_how_much() -> None:
    # The champion leaves a quarter of the error, the candidate half of it.
    found, _ = against([outcome(1, 0.5, 0.001)], [outcome(1, 0.75, 0.001)])
    assert found is not None
    assert abs(found.value - -1.0) < 1e-9


def test_as_good_as_the_champion_is_not_better() -> None:
    assert not decide([verdict(1, 0.01, 0.02)], CHAMPION, Interval(0.0, 0.0, 0.0), 1_200).promoted


def test_nothing_to_compare() -> None:
    assert against([], []) == (None, 0)
