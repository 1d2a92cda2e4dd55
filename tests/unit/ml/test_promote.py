"""What becomes of a new version, and the reason in words."""

import numpy as np
import pytest
from tests.worlds.processes import MINUTE, START

from candlewave.core.config import load_config
from candlewave.ml.baseline import LastPriceBaseline
from candlewave.ml.judge import OutOfSample, Verdict
from candlewave.ml.model import QuantileModel
from candlewave.ml.promote import Compared, against, decide, holds_its_share
from candlewave.ml.scores import Interval
from candlewave.ml.settings import TrainSettings

ANY = Interval(0.0, -0.1, 0.1)
HONEST = Interval(0.8, 0.79, 0.81)
CHAMPION = QuantileModel("candlewave", "3", (), (1, 5), (1,), (), LastPriceBaseline((1, 5)), {})


def verdict(horizon: int, low: float, high: float, interval: Interval = ANY, coverage: Interval = HONEST) -> Verdict:
    return Verdict(horizon, 1_000, 1_000, 1.0, 1.0, Interval((low + high) / 2, low, high), interval, coverage, ANY)


SHARPER = Interval(0.02, 0.01, 0.03)


def test_median_and_interval_have_a_gate_each() -> None:
    verdicts = [
        verdict(1, 0.01, 0.02, SHARPER),
        verdict(5, -0.01, 0.02, SHARPER),
        verdict(15, 0.01, 0.02),
        verdict(60, -0.01, 0.02),
    ]
    found = decide(verdicts, None, None)
    assert (found.promoted, found.served) == (True, (1, 5, 15))
    assert found.parts == {5: "interval", 15: "median"}
    assert found.reason.startswith(
        "beats the last price on 1m, 15m and has better intervals than the baseline on 1m, 5m: 1m +1.50 %"
    )
    assert "intervals: 1m +2.00 % [+1.00, +3.00], 80.0 % inside" in found.reason


def test_a_better_interval_alone_is_promoted() -> None:
    found = decide([verdict(5, -0.01, 0.02, SHARPER)], None, None)
    assert (found.promoted, found.parts) == (True, {5: "interval"})


def test_an_interval_that_does_not_hold_its_share_is_not_served() -> None:
    narrow = Interval(0.75, 0.74, 0.76)
    found = decide([verdict(5, -0.01, 0.02, SHARPER, narrow)], None, None)
    assert (found.promoted, found.served) == (False, ())


@pytest.mark.parametrize(
    ("coverage", "holds"),
    [
        (Interval(0.78, 0.78, 0.79), True),
        (Interval(0.779, 0.775, 0.785), False),
        (Interval(0.76, 0.71, 0.81), True),  # of few outcomes as many as 80 % may be by chance
        (Interval(0.83, 0.81, 0.85), False),
    ],
)
def test_shares_that_an_interval_may_hold(coverage: Interval, holds: bool) -> None:
    assert holds_its_share(coverage) == holds


@pytest.mark.parametrize(
    ("point", "interval", "better"),
    [
        (Interval(0.0, 0.0, 0.0), SHARPER, True),
        (Interval(0.02, 0.01, 0.03), Interval(-0.02, -0.03, -0.01), False),
        (Interval(-0.02, -0.03, -0.01), SHARPER, False),
        (Interval(0.02, 0.01, 0.03), ANY, True),
        (ANY, ANY, False),
    ],
)
def test_a_champion_is_replaced_when_one_of_the_two_is_better_and_the_other_not_worse(
    point: Interval, interval: Interval, better: bool
) -> None:
    found = decide([verdict(1, 0.01, 0.02, SHARPER)], CHAMPION, Compared(point, interval, 1_200))
    assert (found.promoted, found.confirms_champion) == (better, not better)


def test_no_skill_is_not_promoted_and_the_baseline_serves() -> None:
    found = decide([verdict(1, -0.01, 0.02), verdict(5, -0.02, -0.01)], None, None)
    assert (found.promoted, found.served) == (False, ())
    assert found.reason.startswith("no skill against the last price on any horizon, the baseline serves: 1m +0.50 %")


def test_the_first_that_beats_the_last_price_serves_where_it_does() -> None:
    found = decide([verdict(1, 0.01, 0.02), verdict(5, -0.02, 0.01)], None, None)
    assert (found.promoted, found.served) == (True, (1,))
    assert found.reason.startswith("beats the last price on 1m: 1m +1.50 % [+1.00, +2.00], 5m -0.50 %")


def test_a_champion_is_replaced_by_what_is_better_for_certain_only() -> None:
    good = [verdict(1, 0.01, 0.02)]
    assert decide(good, CHAMPION, Compared(Interval(0.03, 0.01, 0.05), None, 1_200)).promoted
    kept = decide(good, CHAMPION, Compared(Interval(0.03, -0.01, 0.05), None, 1_200))
    assert not kept.promoted
    assert kept.reason.startswith(
        "not better than version 3 on data that both had not seen (median +3.00 % [-1.00, +5.00])"
    )


@pytest.mark.parametrize(("longest", "needed"), [(60, 1_200), (240, 3_840)])
def test_too_short_a_time_to_compare_keeps_the_champion(longest: int, needed: int) -> None:
    verdicts, better = [verdict(1, 0.01, 0.02), verdict(longest, 0.01, 0.02)], Interval(0.5, 0.4, 0.6)
    found = decide(verdicts, CHAMPION, Compared(better, None, needed - 1))
    assert not found.promoted
    wanted = f"only {needed - 1} minutes lie after the training of version 3, {needed} are needed to compare the two"
    assert wanted in found.reason
    assert decide(verdicts, CHAMPION, Compared(better, None, needed)).promoted


def test_the_next_of_daily_trainings_can_replace_a_champion() -> None:
    """Between two trainings lies a day, of whose last minutes no outcome is in."""
    shipped = load_config().predictions.horizons_minutes
    minutes = int(TrainSettings.model_fields["every_hours"].default * 60)
    found = decide(
        [verdict(h, 0.01, 0.02) for h in shipped], CHAMPION, Compared(Interval(0.5, 0.4, 0.6), None, minutes - 60)
    )
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
    found = against(mine, theirs)
    assert found.minutes == 400, "each counts once, whatever was forecast from it"
    assert found.point is not None
    assert abs(found.point.value - 0.25) < 1e-9


def test_a_candidate_that_loses_to_the_champion_says_by_how_much() -> None:
    # The champion leaves a quarter of the error, the candidate half of it.
    found = against([outcome(1, 0.5, 0.001)], [outcome(1, 0.75, 0.001)]).point
    assert found is not None
    assert abs(found.value - -1.0) < 1e-9


def test_as_good_as_the_champion_is_not_better() -> None:
    assert not decide([verdict(1, 0.01, 0.02)], CHAMPION, Compared(Interval(0.0, 0.0, 0.0), None, 1_200)).promoted


@pytest.mark.parametrize(
    ("point", "interval", "refreshed"),
    [
        (Interval(0.0, -0.009, 0.004), Interval(-0.001, -0.009, 0.002), True),
        (Interval(0.0, -0.011, 0.006), None, False),
        (Interval(0.0, -0.004, 0.004), Interval(0.0, -0.011, 0.006), False),
    ],
)
def test_newer_data_refresh_a_champion_of_the_same_recipe_when_that_is_not_worse(
    point: Interval, interval: Interval | None, refreshed: bool
) -> None:
    good, compared = [verdict(1, 0.01, 0.02)], Compared(point, interval, 1_200)
    found = decide(good, CHAMPION, compared, is_refresh=True)
    assert (found.promoted, found.confirms_champion) == (refreshed, not refreshed)
    assert found.reason.startswith(
        "refreshes version 3: of the same recipe" if refreshed else "not better than version 3"
    )
    assert not decide(good, CHAMPION, compared).promoted, "another recipe has to be better"
    early = decide(good, CHAMPION, Compared(point, interval, 1_199), is_refresh=True)
    assert (early.promoted, early.confirms_champion) == (False, False)


def test_nothing_to_compare() -> None:
    assert against([], []) == Compared(None, None, 0)
