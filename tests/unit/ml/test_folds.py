"""Folds: nothing of a test is in its training."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.worlds.processes import MINUTE, START

from candlewave.ml.folds import tested as in_test
from candlewave.ml.folds import trainable, walk_forward


@settings(max_examples=60)
@given(
    minutes=st.integers(200, 2_000),
    folds=st.integers(2, 6),
    embargo=st.integers(0, 30),
    grace=st.integers(0, 59),
    horizon=st.sampled_from([1, 5, 15, 60]),
)
def test_labels_of_a_training_are_known_before_its_test(
    minutes: int, folds: int, embargo: int, grace: int, horizon: int
) -> None:
    times = START + np.arange(minutes) * MINUTE
    found = walk_forward(times, folds, embargo, grace)
    seen = np.zeros(minutes, int)
    for fold in found:
        train, test = trainable(times, horizon, fold.train_end), in_test(times, fold)
        seen += test
        known = times[train] + (horizon + 1) * MINUTE + np.timedelta64(grace, "s") + np.timedelta64(embargo, "m")
        assert (known <= times[test].min() + MINUTE).all(), "target, grace and embargo end by the first close forecast"
        # … and nothing more is left out.
        first_out = times[~train].min()
        late = first_out + (horizon + 1) * MINUTE + np.timedelta64(grace, "s") + np.timedelta64(embargo, "m")
        assert late > times[test].min() + MINUTE
    assert (seen[minutes // 2 + 1 :] == 1).all(), "every row of the second half is tested once"
    assert seen[: minutes // 2 - 1].sum() == 0


def test_a_hole_of_weeks_makes_no_test_without_a_training() -> None:
    """Two days, three weeks of nothing, and two days more; cut by the clock, four of five tests would have no row."""
    times = START + np.concatenate((np.arange(2_880), np.arange(2_880) + 23 * 1_440)) * MINUTE
    found = walk_forward(times, 5, 10, 2)
    assert [int(in_test(times, fold).sum()) for fold in found] == [576] * 5
    assert min(int(trainable(times, 60, fold.train_end).sum()) for fold in found) > 2_800


def test_too_short_a_time_is_refused() -> None:
    with pytest.raises(ValueError, match="90 minutes are too few for 5 folds"):
        walk_forward(START + np.arange(90) * MINUTE, 5, 0, 2)
    with pytest.raises(ValueError, match="no rows"):
        walk_forward(np.array([], "datetime64[us]"), 5, 0, 2)
