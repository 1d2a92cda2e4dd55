"""The interval of a coverage: right for forecasts that overlap, and not fooled by few of them."""

import numpy as np
import pytest

from candlewave.rules.statistics import MIN_BATCHES, coverage_interval


def overlapping(rng: np.random.Generator, minutes: int, horizon: int, width: float) -> np.ndarray:
    """Hits of an interval of ±``width`` standard deviations around sums of ``horizon`` one-minute returns."""
    returns = rng.standard_normal(minutes + horizon)
    sums = np.convolve(returns, np.ones(horizon), "valid")[:minutes]
    return (np.abs(sums) <= width * np.sqrt(horizon)).astype(float)


@pytest.mark.parametrize("horizon", [1, 15, 60])
def test_an_honest_interval_is_hardly_ever_accused(horizon: int) -> None:
    """99 % of the intervals should hold 80 %; counted as if independent, those of an hour hold it far less often."""
    rng = np.random.default_rng(horizon)
    day = 1440
    width = 1.2815515655446004
    accused = naive = 0
    runs = 400
    for _ in range(runs):
        hits = overlapping(rng, day, horizon, width)
        found = coverage_interval(range(day), hits, [3] * day, max(2 * horizon, 30))
        assert found is not None
        accused += not found.low <= 0.8 <= found.high
        naive += abs(hits.mean() - 0.8) > 2.5758 * np.sqrt(0.16 / day)
    assert accused / runs < 0.035
    if horizon == 60:
        assert naive / runs > 0.5


@pytest.mark.parametrize(("horizon", "width"), [(1, 0.6), (5, 0.6), (60, 0.3)])
def test_an_interval_that_is_far_too_narrow_is_found_within_a_day(horizon: int, width: float) -> None:
    rng = np.random.default_rng(7)
    found = [
        coverage_interval(range(1440), overlapping(rng, 1440, horizon, width), [1] * 1440, max(2 * horizon, 30))
        for _ in range(50)
    ]
    assert sum(interval is not None and interval.high < 0.8 for interval in found) >= 49


def test_an_interval_that_always_holds_is_found_too() -> None:
    found = coverage_interval(range(600), [1.0] * 600, [1] * 600, 30)
    assert found is not None
    assert found.low > 0.8
    assert found.mean == 1.0


def test_too_few_batches_say_nothing() -> None:
    length = 30 * (MIN_BATCHES - 1)
    assert coverage_interval(range(length), [0.0] * length, [1] * length, 30) is None
    assert coverage_interval([], [], [], 30) is None


def test_gaps_do_not_join_batches_and_minutes_weigh_by_their_forecasts() -> None:
    minutes = [10_000 * batch for batch in range(10)]
    found = coverage_interval(minutes, [1.0] + [0.5] * 9, [9] + [1] * 9, 30)
    assert found is not None
    assert found.batches == 10
    assert found.mean == pytest.approx((9 + 4.5) / 18)


@pytest.mark.parametrize(
    ("batches", "reach"),
    [
        ([0.7, 0.9] * 5, 3.2498 * (90 / 300**2 * 10 / 9) ** 0.5),  # the spread of ten batches of thirty
        ([0.8] * 10, 3.2498 * (0.8 * 0.2 / 300) ** 0.5),  # no spread: that of three hundred independent hits
    ],
)
def test_the_interval_by_hand(batches: list[float], reach: float) -> None:
    found = coverage_interval(range(300), [share for share in batches for _ in range(30)], [1] * 300, 30)
    assert found is not None
    assert found.mean == pytest.approx(0.8)
    assert found.high - found.mean == pytest.approx(reach, rel=2e-5)
    assert found.mean - found.low == pytest.approx(reach, rel=2e-5)
