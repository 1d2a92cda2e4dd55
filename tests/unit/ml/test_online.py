"""Intervals that follow what came, on forecasts whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from tests.worlds.processes import MINUTE, START, planted

from candlewave.core.config import Config
from candlewave.ml.judge import OutOfSample
from candlewave.ml.online import follow, stretch, stretched
from candlewave.ml.settings import TrainSettings
from candlewave.ml.train import examine, fit_final

COUNT = 14 * 1440
Z = 1.2816


def world(wrong: float, *, horizon: int = 1, scale: np.ndarray | float = 1.0) -> OutOfSample:
    """Return forecasts of a random walk whose width is so many times the right one, and a baseline that is right."""
    steps = scale * np.random.default_rng(5).standard_normal(COUNT + horizon)
    price = np.concatenate(([0.0], np.cumsum(steps)))
    realised = (price[horizon:] - price[:-horizon])[:COUNT]
    end = Z * np.sqrt(horizon) * np.ones(COUNT)
    right = np.column_stack((-end, np.zeros(COUNT), end))
    return OutOfSample(
        horizon, np.full(COUNT, "x|A"), START + np.arange(COUNT) * MINUTE, wrong * right, right, realised
    )


def held(outcome: OutOfSample, rows: slice = slice(None)) -> float:
    quantiles = outcome.quantiles[rows]
    return float(((outcome.realised[rows] >= quantiles[:, 0]) & (outcome.realised[rows] <= quantiles[:, 2])).mean())


@pytest.mark.parametrize("wrong", [0.7, 1.4])
@pytest.mark.parametrize("horizon", [1, 15])
def test_intervals_of_a_wrong_width_hold_their_share_after_some_days(wrong: float, horizon: int) -> None:
    before = world(wrong, horizon=horizon)
    assert abs(held(before) - 0.8) > 0.1
    after = follow(before)
    assert 0.77 < held(after.outcome, slice(COUNT // 2, None)) < 0.83
    assert np.exp(after.stretches["x|A"]) == pytest.approx(1 / wrong, rel=0.15)
    assert abs(after.baseline_stretches["x|A"]) < 0.1


def test_a_market_that_moves_twice_as_far_from_one_day_to_the_next_is_followed_back_and_forth() -> None:
    day = np.arange(COUNT + 1) // 1440
    after = follow(world(1.0, scale=np.where((day >= 4) & (day < 8), 2.0, 1.0)))
    assert held(world(1.0, scale=2.0)) < 0.5
    for last in (7, 13):
        assert 0.76 < held(after.outcome, slice(last * 1440, (last + 1) * 1440)) < 0.84


def test_nothing_is_known_before_its_target_has_closed() -> None:
    """A move that no interval holds changes the next forecast but the horizon's, and none before."""
    calm = world(1.0, horizon=15)
    place = 3_000
    wild = calm.realised.copy()
    wild[place] = 1e9
    first = follow(calm).outcome.quantiles
    second = follow(OutOfSample(15, calm.symbol, calm.open_time, calm.quantiles, calm.baseline, wild)).outcome.quantiles
    assert abs(calm.realised[place]) < first[place, 2], "it was inside"
    changed = np.flatnonzero((first != second).any(axis=1))
    assert changed[0] == place + 15


def test_an_interval_is_stretched_around_its_median_and_by_a_factor_of_three_at_most() -> None:
    quantiles = np.array([[-1.0, 1.0, 2.0]])
    np.testing.assert_allclose(stretched(quantiles, np.log(2)), [[-3.0, 1.0, 3.0]])
    assert stretch(60, 48) == 0
    assert stretch(60, 18) == pytest.approx(0.1 * 0.5)
    assert (np.exp(stretch(10_000, 0)), np.exp(stretch(10_000, 10_000))) == pytest.approx((3, 1 / 3))


def test_a_new_version_begins_as_wide_as_the_forecasts_of_its_walk_ended() -> None:
    config = Config.model_validate({"predictions": {"horizons_minutes": [1]}})
    settings = TrainSettings.load().model_copy(update={"candidates": "har", "folds": 3})
    data = planted(4_000, 0.0)
    # In the last quarter of the time markets move one and a half times as far, which no volatility says.
    late = data.open_time >= START + 3_000 * MINUTE
    data = replace(data, labels={1: data.labels[1] * np.where(late, 1.5, 1.0)})
    examined = examine(data, config, settings, settings.boosting)
    stretches = examined.followed[1].stretches
    model = fit_final(examined, config, settings, settings.boosting)
    plain = fit_final(
        replace(examined, followed={1: replace(examined.followed[1], stretches={})}),
        config,
        settings,
        settings.boosting,
    )
    wide, narrow = (m.predict(data.matrix())[:, 0] for m in (model, plain))
    for market, logarithm in stretches.items():
        own = data.markets == market
        assert logarithm > 0.02
        ratio = (wide[own, 2] - wide[own, 0]) / (narrow[own, 2] - narrow[own, 0])
        np.testing.assert_allclose(ratio, np.exp(logarithm))
