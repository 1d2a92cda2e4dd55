"""The verdict on forecasts whose worth can be told beforehand."""

from dataclasses import replace

import numpy as np
import pytest

from candlewave.ml.judge import OutOfSample, judge, judge_together


def forecasts(medians: np.ndarray, realised: np.ndarray, horizon: int = 1) -> OutOfSample:
    quantiles = np.column_stack((medians - 1.0, medians, medians + 1.0))
    return OutOfSample(
        horizon,
        np.full(len(realised), "BTC/USD", dtype=object),
        np.datetime64("2024-01-01T00:00", "us") + np.arange(len(realised)) * np.timedelta64(1, "m"),
        quantiles,
        np.column_stack((realised * 0 - 1.0, realised * 0, realised * 0 + 1.0)),
        realised,
    )


def test_medians_that_know_half_of_each_move_have_half_the_skill() -> None:
    realised = np.tile([0.4, -0.4, 0.8, -0.2], 100)
    found = judge(forecasts(realised / 2, realised))
    assert found.text == "beats the last price"
    assert found.skill.value == pytest.approx(0.5)
    assert found.direction.value == found.coverage.value == 1
    assert found.independent == 400


def test_the_skill_of_intervals_is_of_their_ends_alone() -> None:
    realised = np.tile([0.4, -0.4, 0.8, -0.2], 100)
    as_wide_as_the_baselines = forecasts(realised / 2, realised)
    assert judge(as_wide_as_the_baselines).interval_skill.value == 0
    ends = np.column_stack((realised * 0 - 0.5, realised * 0, realised * 0 + 0.5))
    # Beyond the end by 0.3 in a quarter of the cases: 0.1·0.5 + 0.1·0.5 + 0.25·0.3 against 0.1·1 + 0.1·1.
    narrower = replace(as_wide_as_the_baselines, quantiles=ends)
    assert judge(narrower).interval_skill.value == pytest.approx(1 - 0.175 / 0.2)


@pytest.mark.parametrize(("horizon", "said", "known"), [(1, 29, False), (1, 30, True), (5, 149, True), (5, 145, False)])
def test_direction_needs_thirty_moves_that_do_not_overlap(horizon: int, said: int, known: bool) -> None:
    realised = np.full(400, 0.5)
    medians = np.where(np.arange(400) < said, 0.1, 0.0)
    found = judge(forecasts(medians, realised, horizon))
    assert np.isfinite(found.direction.value) == known


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.5, "beats the last price"), (-0.5, "worse than the last price"), (0.0, "no skill")],
)
def test_the_verdict_in_words(share: float, words: str) -> None:
    """A median that is always the last price has a skill of exactly zero, and that is none."""
    realised = np.tile([0.4, -0.4, 0.8, -0.2], 100)
    assert judge(forecasts(share * realised, realised)).text == words


def test_four_horizons_without_skill_rarely_show_any() -> None:
    """With a move of half the median and noise, both errors have one distribution: the skill is zero."""
    random = np.random.default_rng(1)
    alone = together = 0
    for _ in range(120):
        worlds = []
        for _ in range(4):
            medians, noise = random.normal(size=(2, 1_000))
            worlds.append(forecasts(medians, medians / 2 + noise))
        alone += any(judge(one).skill.low > 0 for one in worlds)
        together += any(verdict.skill.low > 0 for verdict in judge_together(worlds))
    assert together <= 6 < alone
