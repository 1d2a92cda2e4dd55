"""Forecasts without learning."""

import numpy as np
import pytest
from tests.worlds.processes import MINUTE, START

from candlewave.ml.baseline import DEFAULT_SPREAD, LastPriceBaseline, drift, fit_baseline, ridge, seasonal_mean


def test_intervals_grow_with_volatility_and_the_root_of_the_horizon() -> None:
    found = LastPriceBaseline((1, 4)).quantiles(np.array([0.001, 0.002]))
    low, high = DEFAULT_SPREAD
    assert found[0, 0].tolist() == pytest.approx([0.001 * low, 0, 0.001 * high])
    assert found[0, 1].tolist() == pytest.approx([0.002 * low, 0, 0.002 * high])
    assert found[1, 1].tolist() == pytest.approx([0.004 * low, 0, 0.004 * high])


def test_missing_volatility_is_no_forecast() -> None:
    assert np.isnan(LastPriceBaseline((1,)).quantiles(np.array([np.nan]))[0, 0, [0, 2]]).all()


def test_fitted_intervals_hold_four_fifths() -> None:
    rng = np.random.default_rng(1)
    volatility = rng.uniform(0.001, 0.003, 20_000)
    label = volatility * 2 * rng.standard_t(4, 20_000)
    fitted = fit_baseline((4,), volatility, {4: label})
    quantiles = fitted.quantiles(volatility)[:, 0]
    held = (label >= quantiles[:, 0]) & (label <= quantiles[:, 2])
    assert held.mean() == pytest.approx(0.8, abs=0.002)


def test_each_market_has_the_spread_of_its_own_returns() -> None:
    """Pooled, the wild market would be held too rarely and the calm one too often."""
    rng = np.random.default_rng(1)
    count = 40_000
    markets = np.array(["a|X/Y", "b|X/Y"], dtype=object)[np.arange(count) % 2]
    volatility = np.full(count, 0.001)
    label = volatility * np.where(markets == "a|X/Y", 1.0, 2.0) * rng.standard_normal(count)
    fitted = fit_baseline((1,), volatility, {1: label}, markets=markets)
    quantiles = fitted.quantiles(volatility, markets)[:, 0]
    held = (label >= quantiles[:, 0]) & (label <= quantiles[:, 2])
    for market in ("a|X/Y", "b|X/Y"):
        assert held[markets == market].mean() == pytest.approx(0.8, abs=0.01)
    unknown = fitted.quantiles(volatility[:1], np.array(["c|X/Y"], dtype=object))[0, 0]
    assert unknown.tolist() == fitted.quantiles(volatility[:1])[0, 0].tolist()


def test_a_market_of_few_outcomes_is_drawn_to_all_markets_together() -> None:
    """Of 100 outcomes that do not overlap half counts: ±1 of its own and the ±3 of all make ±2."""
    one = np.tile([-1.0, 1.0], 50)
    many = np.tile([-3.0, 3.0], 5_000)
    markets = np.concatenate((np.full(100, "a|X/Y", dtype=object), np.full(10_000, "b|X/Y", dtype=object)))
    label = np.concatenate((one, many))
    fitted = fit_baseline((1,), np.ones(len(label)), {1: label}, markets=markets)
    assert fitted.market_spreads["a|X/Y"][1] == pytest.approx((-2.0, 2.0))


def test_too_few_returns_leave_the_default() -> None:
    assert fit_baseline((1,), np.full(99, 0.001), {1: np.full(99, 0.001)}).spreads == {}


def test_drift_and_season() -> None:
    assert drift(np.array([1.0, np.nan, 3.0]), 2).tolist() == [2, 2]
    hours = START + np.arange(48) * 60 * MINUTE
    returns = np.tile(np.arange(24.0), 2)
    returns[24:] += 2
    assert seasonal_mean(hours, returns, hours[:24]).tolist() == (np.arange(24) + 1.0).tolist()


def test_ridge_finds_a_line_and_bears_missing_and_constant_columns() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((5_000, 4)).astype(np.float32)
    x[:, 2], x[:, 3] = np.nan, 7.0
    target = 0.5 * x[:, 0] - 0.25 * x[:, 1] + 3
    found = ridge(x[:4_000], target[:4_000].astype(np.float64), x[4_000:])
    # The penalty of one per row halves the weights of standardised columns.
    assert np.corrcoef(found, target[4_000:])[0, 1] > 0.999
    assert (found - 3).std() == pytest.approx((target - 3).std() / 2, rel=0.1)


def test_ridge_by_hand() -> None:
    """A feature at 12 and 8, standardised ±1: a slope of 2, halved by the penalty of one a row; missing is the mean."""
    train = np.array([[12.0], [8.0], [np.nan]])
    found = ridge(train, np.array([7.0, 3.0, np.nan]), np.array([[12.0], [8.0], [14.0], [np.nan]]))
    assert found.tolist() == pytest.approx([6.0, 4.0, 7.0, 5.0])


def test_returns_where_nothing_moved_before_do_not_count() -> None:
    volatility = np.concatenate((np.full(100, 0.001), np.zeros(50)))
    label = np.concatenate((np.tile([-0.002, 0.001], 50), np.full(50, 0.5)))
    assert fit_baseline((1,), volatility, {1: label}).spreads[1] == pytest.approx((-2.0, 1.0))
