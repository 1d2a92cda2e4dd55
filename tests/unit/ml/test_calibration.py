"""How far a candidate is followed, on forecasts whose truth is known."""

import numpy as np

from candlewave.ml.calibration import Calibration, fit_calibration

COUNT = 6_000
Z = 1.2816


def forecasts(location: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.stack((location - Z * scale, location, location + Z * scale), axis=1)


def world(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return location and scale of normal outcomes, the outcomes, the baseline, and two markets in turn."""
    rng = np.random.default_rng(seed)
    location, scale = 0.3 * rng.standard_normal(COUNT), np.exp(0.4 * rng.standard_normal(COUNT))
    realised = location + scale * rng.standard_normal(COUNT)
    baseline = forecasts(np.zeros(COUNT), np.full(COUNT, 1.1))
    return location, scale, realised, baseline, np.where(np.arange(COUNT) % 2, "x|A", "x|B")


def test_what_knows_the_truth_is_followed_all_the_way() -> None:
    location, scale, realised, baseline, markets = world()
    raw = forecasts(location, scale)
    found = fit_calibration(raw, baseline, realised, markets, 1).apply(raw, baseline, markets)
    np.testing.assert_allclose(found, raw, atol=0.12 * scale.max())
    np.testing.assert_allclose(found[:, 1], location)


def test_what_knows_nothing_leaves_the_baseline() -> None:
    location, scale, realised, baseline, markets = world()
    blind = forecasts(np.roll(location, 777), np.roll(scale, 777) * np.roll(scale, 333))
    found = fit_calibration(blind, baseline, realised, markets, 1).apply(blind, baseline, markets)
    np.testing.assert_array_equal(found, baseline)


def test_each_market_gets_the_stretch_that_holds_four_fifths() -> None:
    """The candidate thinks one market's moves half as large as they are, and the other's twice."""
    location, scale, realised, baseline, markets = world()
    wrong = np.where(markets == "x|A", 0.5, 2.0)
    raw = forecasts(location, scale * wrong)
    found = fit_calibration(raw, baseline, realised, markets, 1).apply(raw, baseline, markets)
    held = (realised >= found[:, 0]) & (realised <= found[:, 2])
    for market in ("x|A", "x|B"):
        assert 0.77 < held[markets == market].mean() < 0.83


def test_few_outcomes_of_a_market_are_drawn_to_all_markets() -> None:
    """Thirty outcomes of a market that moves four times as far as the candidate thinks: n/(n + 100) of the way."""
    location, scale, realised, baseline, markets = world()
    few = np.flatnonzero(markets == "x|A")[:30]
    kept = np.concatenate((np.flatnonzero(markets == "x|B"), few))
    realised = np.where(markets == "x|A", location + 4 * (realised - location), realised)
    calibration = fit_calibration(
        forecasts(location, scale)[kept], baseline[kept], realised[kept], markets[kept], 1
    ).by_market
    pooled, drawn = calibration[""][3], calibration["x|A"][3]
    assert 1.0 < drawn / pooled < 2.0


def test_a_market_that_was_not_trained_on_is_calibrated_as_all_are() -> None:
    location, scale, realised, baseline, markets = world()
    raw = forecasts(location, scale * 0.5)
    calibration = fit_calibration(raw, baseline, realised, markets, 1)
    found = calibration.apply(raw, baseline, np.full(COUNT, "y|NEW"))
    held = (realised >= found[:, 0]) & (realised <= found[:, 2])
    assert 0.77 < held.mean() < 0.83


def test_quantiles_never_cross() -> None:
    """A median is followed of which the interval is not, and lies beyond the baseline's."""
    location, scale, _, baseline, markets = world()
    calibration = Calibration({"": (1.0, 0.0, 1.0, 1.0)})
    found = calibration.apply(forecasts(40 * location, scale), baseline, markets)
    assert (np.diff(found, axis=1) >= 0).all()
    np.testing.assert_array_equal(found[:, [0, 2]], baseline[:, [0, 2]])


def test_a_median_that_loses_on_a_market_is_not_followed_there_because_it_gains_on_others() -> None:
    location, scale, realised, baseline, markets = world()
    wrong = markets == "x|B"
    kept = np.sort(np.concatenate((np.flatnonzero(~wrong), np.flatnonzero(wrong)[:300])))
    raw = forecasts(np.where(wrong, -location, location), scale)[kept]
    found = fit_calibration(raw, baseline[kept], realised[kept], markets[kept], 1).by_market
    assert found["x|A"][0] > 0.8
    assert found["x|B"][0] == 0
