"""Which candidate's forecasts a walk over successive trainings judges."""

import numpy as np
from tests.worlds.processes import MINUTE, START

from candlewave.ml.judge import OutOfSample
from candlewave.ml.walk import chosen_by_then


def step(number: int, error: float) -> OutOfSample:
    """Return ten forecasts whose median is wrong by ``error``."""
    realised = np.zeros(10)
    quantiles = np.column_stack((realised - 1, realised + error, realised + 1))
    times = START + (10 * number + np.arange(10)) * MINUTE
    return OutOfSample(1, np.full(10, "a"), times, quantiles, quantiles, realised)


def test_each_step_is_of_the_candidate_that_had_lost_least_before_it() -> None:
    errors = {"first": [0.1, 0.9, 0.0, 0.0], "second": [0.5, 0.1, 0.5, 0.5]}
    steps = [{name: step(n, of[n]) for name, of in errors.items()} for n in range(4)]
    found, names = chosen_by_then({1: steps})
    # Losses so far: nothing; 0.1 against 0.5; 1.0 against 0.6; 1.0 against 1.1.
    assert names[1] == ["first", "first", "second", "first"]
    assert found[1].quantiles[::10, 1].tolist() == [0.1, 0.9, 0.5, 0.0]
    assert (np.diff(found[1].open_time) == MINUTE).all()


def test_a_candidate_is_not_chosen_for_what_it_does_afterwards() -> None:
    steps = [{"first": step(0, 0.5), "second": step(0, 0.0)}]
    assert chosen_by_then({1: steps})[1] == {1: ["first"]}
