"""Scores by hand, and intervals that hold what they promise."""

import numpy as np
import pytest
from tests.worlds.processes import MINUTE, START

from candlewave.ml.scores import block_length, coverage, direction, non_overlapping, pinball, ratio_interval, skill


def test_pinball_by_hand() -> None:
    # Outcome 2 against 0, 1, 4: 0.1·2, 0.5·1, (1 − 0.9)·2; the mean of 0.2, 0.5, 0.2.
    assert pinball(np.array([[0.0, 1.0, 4.0]]), np.array([2.0]))[0] == pytest.approx(0.3)
    # Outcome −1 below all: 0.9·1, 0.5·2, 0.1·5.
    assert pinball(np.array([[0.0, 1.0, 4.0]]), np.array([-1.0]))[0] == pytest.approx((0.9 + 1.0 + 0.5) / 3)


def test_coverage_holds_its_ends() -> None:
    quantiles = np.tile([-1.0, 0.0, 1.0], (4, 1))
    assert coverage(quantiles, np.array([-1.0, 1.0, 1.0001, -2.0])).tolist() == [1, 1, 0, 0]


def test_direction_does_not_count_what_has_none() -> None:
    right, counted = direction(np.array([1.0, 1.0, 0.0, -1.0]), np.array([2.0, -2.0, 1.0, 0.0]))
    assert (right.tolist(), counted.tolist()) == ([1, 0, 0, 0], [1, 1, 0, 0])


def test_skill_is_the_share_of_the_loss_that_is_saved() -> None:
    times = START + np.arange(500) * MINUTE
    found = skill(np.full(500, 3.0), np.full(500, 4.0), times, 1)
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))


def test_intervals_hold_the_truth_as_often_as_they_say_and_grow_with_overlap() -> None:
    rng = np.random.default_rng(1)
    held, widths = 0, []
    times = START + np.arange(2_000) * MINUTE
    for seed in range(60):
        shock = rng.standard_normal(2_000 + 29)
        overlapping = np.convolve(shock, np.ones(30) / np.sqrt(30), "valid")
        found = ratio_interval(overlapping + 10, np.ones(2_000), times, 30, seed=seed)
        naive = 2 * 1.96 * overlapping.std() / np.sqrt(2_000)
        held += found.low <= 10 <= found.high
        widths.append((found.high - found.low) / naive)
    assert held >= 50, "95 % intervals of strongly dependent rows; a naive one would hold about a third"
    assert np.median(widths) > 3, "rows that overlap 30 minutes are worth a thirtieth"


def test_rows_of_a_minute_are_drawn_together() -> None:
    times = START + np.arange(400) * MINUTE
    one = ratio_interval(np.sin(np.arange(400.0)) + 2, np.ones(400), times, 1)
    copied = ratio_interval(np.repeat(np.sin(np.arange(400.0)) + 2, 5), np.ones(2_000), np.repeat(times, 5), 1)
    assert (copied.low, copied.high) == pytest.approx((one.low, one.high)), "copies are no further evidence"


def test_nothing_to_divide_by_is_nan() -> None:
    found = ratio_interval(np.zeros(50), np.zeros(50), START + np.arange(50) * MINUTE, 1)
    assert np.isnan([found.value, found.low, found.high]).all()


def test_forecasts_that_do_not_overlap_are_counted_market_by_market() -> None:
    times = START + np.array([0, 1, 4, 5, 9, 10]) * MINUTE
    markets = np.array(["a", "a", "a", "a", "a", "b"])
    assert non_overlapping(times, markets, 5) == 3
    assert non_overlapping(times, markets, 1) == 6


@pytest.mark.parametrize(
    ("horizon", "minutes", "length"),
    [
        (1, 400, 10),  # never below ten minutes
        (15, 1_440, 30),  # twice the horizon
        (60, 800, 100),  # an eighth of the sample, although the horizon asks for more
        (1, 43_200, 35),  # the cube root of a month
        (60, 5, 1),
    ],
)
def test_blocks_by_hand(horizon: int, minutes: int, length: int) -> None:
    assert block_length(horizon, minutes) == length
