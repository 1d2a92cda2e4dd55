"""The learned forecaster on processes whose truth is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.worlds.processes import bound, planted

from candlewave.ml.baseline import fit_baseline
from candlewave.ml.candidates.catalog import SHIPPED
from candlewave.ml.candidates.parameters import BoostingParameters
from candlewave.ml.dataset import Dataset
from candlewave.ml.feature_set import DEFAULT_VOLATILITY
from candlewave.ml.folds import trainable
from candlewave.ml.forecaster import FeatureMismatchError
from candlewave.ml.model import ModelFormatError, QuantileModel, TooLittleDataError, fit_horizon, load_model

SMALL = BoostingParameters(trees=30, learning_rate=0.1, leaves=7, min_rows_per_leaf=50, threads=1)
HALF = 3_000


def fit(data: Dataset, horizon: int = 1, *, name: str = "boosted") -> QuantileModel:
    """Fit on the first half of the time."""
    end = data.open_time[0] + np.timedelta64(HALF, "m")
    train = trainable(data.open_time, horizon, end)
    scale = np.where(train, data.values[:, 0], np.nan)
    baseline = fit_baseline((horizon,), scale, {horizon: np.where(train, data.labels[horizon], np.nan)})
    fitted = fit_horizon(data, horizon, baseline, SMALL, (name,), train_end=end)
    return QuantileModel(
        model_name="",
        model_version="",
        feature_names=data.names,
        horizons_minutes=(horizon,),
        served_horizons=(),
        markets=tuple(np.unique(data.markets).tolist()),
        baseline=baseline,
        models={horizon: fitted[name]},
    )


def later(data: Dataset) -> Dataset:
    return data.rows((data.open_time >= data.open_time[0] + np.timedelta64(HALF, "m")) & np.isfinite(data.labels[1]))


@pytest.mark.parametrize("name", ["boosted", "ridge"])
def test_a_planted_signal_is_found(name: str) -> None:
    data = planted(2 * HALF, 0.5)
    test = later(data)
    answers = fit(data, name=name).predict(test.matrix())[:, 0]
    realised = test.labels[1]
    skill = 1 - np.abs(realised - answers[:, 1]).mean() / np.abs(realised).mean()
    assert 0.75 * bound(0.5) < skill < 1.1 * bound(0.5)
    held = ((realised >= answers[:, 0]) & (realised <= answers[:, 2])).mean()
    assert 0.77 < held < 0.83
    # Knowing the signal narrows the interval by √(1 − ρ²).
    width = (answers[:, 2] - answers[:, 0]).mean() / (2 * 1.2816 * 0.001)
    assert np.sqrt(1 - 0.25) - 0.03 < width < 0.95


def test_noise_keeps_the_median_at_the_last_price_and_the_intervals_honest() -> None:
    held = []
    for seed in range(5):
        data = planted(2 * HALF, 0.0, seed=seed)
        test = later(data)
        answers = fit(data).predict(test.matrix())[:, 0]
        assert np.abs(answers[:, 1]).mean() < 0.05 * 0.001
        held.append((test.labels[1] >= answers[:, 0]) & (test.labels[1] <= answers[:, 2]))
    assert 0.77 < np.concatenate(held).mean() < 0.83, "of 30,000 outcomes that do not overlap"


def test_quantiles_never_cross() -> None:
    data = planted(2 * HALF, 0.5)
    wild = replace(data, values=data.values * np.float32(50))
    answers = fit(data).predict(wild.matrix())
    assert (np.diff(answers, axis=2) >= 0).all()


@pytest.mark.parametrize("name", SHIPPED)
def test_saved_and_loaded_it_says_the_same(name: str, tmp_path: Path) -> None:
    data = planted(2 * HALF, 0.5)
    model = fit(data, name=name)
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model", version="7", served=[1], parts={1: "interval"})
    assert (again.model_version, again.served_horizons, again.served_parts) == ("7", (1,), {1: "interval"})
    np.testing.assert_array_equal(again.predict(data.matrix()), model.predict(data.matrix()))


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    fit(planted(2 * HALF, 0.5)).save(tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    path.write_text(path.read_text().replace('"format": 3', '"format": 9'))
    with pytest.raises(ModelFormatError, match="format 9, this version of candlewave reads 3"):
        load_model(tmp_path / "model")


def test_other_features_are_refused_by_name() -> None:
    data = planted(2 * HALF, 0.5)
    model = fit(data)
    matrix = data.matrix()
    with pytest.raises(FeatureMismatchError, match="column 2 is 'noise_0', the model expects 'tell'"):
        model.predict(replace(matrix, names=(DEFAULT_VOLATILITY, "noise_0", "tell", "noise_1")))
    with pytest.raises(FeatureMismatchError, match=r"lacks \['tell'\]"):
        model.predict(replace(matrix, names=(DEFAULT_VOLATILITY, "other", "noise_0", "noise_1")))


def test_markets_it_was_not_trained_on_are_forecast_too() -> None:
    data = planted(2 * HALF, 0.5)
    other = planted(2 * HALF, 0.5, symbols=("NEW/USD",), seed=9)
    for name in ("boosted", "ridge"):
        answers = fit(data, name=name).predict(other.matrix())[:, 0]
        known = np.isfinite(other.labels[1])
        skill = 1 - np.abs(other.labels[1] - answers[:, 1])[known].mean() / np.abs(other.labels[1])[known].mean()
        assert skill > 0.5 * bound(0.5)


def test_missing_and_constant_features_do_no_harm_and_missing_volatility_is_no_forecast() -> None:
    data = planted(2 * HALF, 0.5)
    values = data.values.copy()
    values[:, 2], values[:, 3] = np.nan, 1.0
    values[:20, 0] = np.nan
    answers = fit(replace(data, values=values)).predict(replace(data, values=values).matrix())
    assert np.isnan(answers[:20]).all()
    assert np.isfinite(answers[20:]).all()


def test_too_little_is_said_with_numbers() -> None:
    data = planted(200, 0.5)
    baseline = fit_baseline((1,), data.values[:, 0], data.labels)
    with pytest.raises(TooLittleDataError, match="200 rows have a label of 1 minutes and a volatility, 300 are needed"):
        fit_horizon(data.rows(np.arange(200)), 1, baseline, SMALL, SHIPPED)


def test_too_few_rows_that_do_not_overlap_are_said_with_numbers() -> None:
    """Of an hour's horizon every twelfth minute is fitted: of four hours too little remains."""
    data = planted(360, 0.5, horizons=(60,), symbols=("A/USD",))
    baseline = fit_baseline((60,), data.values[:, 0], data.labels)
    wanted = "of 300 rows with a label of 60 minutes 14 are left to fit .*, 15 are needed"
    with pytest.raises(TooLittleDataError, match=wanted):
        fit_horizon(data, 60, baseline, SMALL, SHIPPED)


def test_few_outcomes_that_do_not_overlap_leave_the_baseline_as_it_is() -> None:
    """Of an hour's horizon and two days of two markets fifteen are left to calibrate on: what gains there is chance."""
    data = planted(2 * HALF, 0.5, horizons=(1, 60), seed=0)  # with this seed the lower quantile would gain there
    answers = fit(data, horizon=60).predict(data.matrix())[:, 0]
    scale = np.where(data.open_time < data.open_time[0] + np.timedelta64(HALF - 60, "m"), data.values[:, 0], np.nan)
    baseline = fit_baseline((60,), scale, {60: data.labels[60]}).quantiles(data.values[:, 0])[:, 0]
    np.testing.assert_allclose(answers, baseline)


def test_importance_names_what_matters() -> None:
    shares = fit(planted(2 * HALF, 0.5)).importance(1)
    assert max(shares, key=lambda name: shares[name]) == "tell"
    assert sum(shares.values()) == pytest.approx(1)
