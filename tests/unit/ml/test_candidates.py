"""Parts of candidates on processes whose truth is known, and candidates of one's own."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.worlds.processes import MINUTE, START, planted

from candlewave.core.config import Config
from candlewave.ml.candidates.catalog import UnknownCandidateError, candidate
from candlewave.ml.candidates.location import fit_location
from candlewave.ml.candidates.parameters import BoostingParameters
from candlewave.ml.candidates.protocol import Floats, Inputs, Training
from candlewave.ml.candidates.scale import fit_scale
from candlewave.ml.dataset import Dataset
from candlewave.ml.feature_set import DEFAULT_VOLATILITY
from candlewave.ml.settings import TrainSettings
from candlewave.ml.train import examine, fit_final

COUNT = 6_000


def training(data: Dataset, horizon: int = 1) -> Training:
    rows = np.flatnonzero(np.isfinite(data.labels[horizon]) & (data.values[:, 0] > 0))
    return Training(data, horizon, DEFAULT_VOLATILITY, rows, BoostingParameters(trees=5, threads=1))


def breathing(seed: int = 0) -> tuple[Dataset, np.ndarray]:
    """Return a market whose true volatility wanders, its range telling of it with noise, and that volatility."""
    rng = np.random.default_rng(seed)
    logs = np.zeros(COUNT)
    for n in range(1, COUNT):
        logs[n] = 0.97 * logs[n - 1] + 0.2 * rng.standard_normal()
    volatility = 0.001 * np.exp(logs)
    returns = volatility * rng.standard_normal(COUNT)
    price = np.cumsum(returns)
    label = np.append(price[1:] - price[:-1], np.nan)
    last_hour = np.sqrt(np.convolve(returns**2, np.full(60, 1 / 60))[:COUNT])
    last_hour[:60] = np.nan
    told = 2 * (np.log(volatility) + 0.3 * rng.standard_normal(COUNT))
    data = Dataset(
        np.full(COUNT, "x", dtype=object),
        np.full(COUNT, "A/USD", dtype=object),
        START + np.arange(COUNT) * MINUTE,
        np.exp(price),
        (DEFAULT_VOLATILITY, "log_variance_1_1m"),
        np.stack((last_hour, told), axis=1).astype(np.float32),
        {1: label},
    )
    return data, np.append(volatility[1:], np.nan)


def test_the_scale_follows_the_range_where_the_last_hour_is_late() -> None:
    data, ahead = breathing()
    early = data.rows(np.arange(COUNT // 2))
    scale = fit_scale(training(early)).scale(training(data).inputs)
    late = np.arange(COUNT // 2, COUNT - 1)
    follows = np.corrcoef(np.log(scale[late]), np.log(ahead[late]))[0, 1]
    behind = np.corrcoef(np.log(data.values[late, 0]), np.log(ahead[late]))[0, 1]
    assert follows > 0.85 > behind + 0.1


def test_minutes_without_a_move_do_not_upset_the_scale() -> None:
    """Of half of the minutes the logarithm is the floor of the feature; a regression of it would fall for them."""
    data, _ = breathing()
    values = data.values.copy()
    still = np.arange(COUNT) % 2 == 0
    values[still, 1] = -23.03
    label = np.where(np.roll(still, -1), 0.0, data.labels[1])
    label[-1] = np.nan
    spoilt = replace(data, values=values, labels={1: label}, close=np.ones(COUNT))
    given = training(spoilt)
    scale = fit_scale(given).scale(given.inputs)[given.rows]
    moves = np.abs(label[given.rows])
    assert 0.8 < moves.mean() / (scale.mean() * np.sqrt(2 / np.pi)) < 1.6


def test_a_missing_volatility_has_no_scale_and_a_missing_range_has_one() -> None:
    data, _ = breathing()
    values = data.values.copy()
    values[200, 0], values[201, 1] = np.nan, np.nan
    given = training(replace(data, values=values))
    scale = fit_scale(given).scale(given.inputs)
    assert np.isnan(scale[200])
    assert np.isfinite(scale[201])


def test_the_location_of_each_market_is_of_its_own_terms() -> None:
    """What tells the return of one market says the opposite of the other's."""
    data = planted(COUNT, 0.5)
    turned = data.markets == "simulated|B/USD"
    data = replace(data, labels={1: np.where(turned, -1, 1) * data.labels[1]})
    given = training(data)
    found = fit_location(given).location(given.inputs, given.once(fit_scale))
    for own, sign in ((~turned, 1), (turned, -1)):
        assert sign * np.corrcoef(found[own], data.values[own, 1])[0, 1] > 0.95


@pytest.mark.parametrize(
    ("feature", "unit", "size"), [("return_1", "volatility_60", 0.001), ("ema_12_gap", "natr_14", 0.1)]
)
def test_what_a_price_lags_behind_a_peer_counts_whatever_unit_each_is_in(feature: str, unit: str, size: float) -> None:
    """Both markets' features are in units of their own that wander; the return is what lies between the two prices."""
    rng = np.random.default_rng(3)
    data = planted(COUNT, 0.0, symbols=("A/USD",))
    ours, theirs = rng.standard_normal((2, COUNT))
    wandering = np.exp(np.cumsum(0.05 * rng.standard_normal((2, COUNT)), axis=1))
    units = np.full((2, COUNT), 0.001) if unit == "volatility_60" else 0.1 * wandering[:1].repeat(2, axis=0)
    units[1] = size * np.clip(wandering[1], 0.2, 5)
    between = theirs * units[1] - ours * units[0]
    between *= 0.001 / between.std()
    values = {
        DEFAULT_VOLATILITY: data.values[:, 0],
        f"{feature}_1m": ours,
        f"peer_x_a_usd_{feature}": theirs,
        **({} if unit == "volatility_60" else {f"{unit}_1m": units[0]}),
        f"peer_x_a_usd_{unit}": units[1],
    }
    noise = 0.001 * rng.standard_normal(COUNT)
    data = replace(
        data,
        names=tuple(values),
        values=np.stack(list(values.values()), axis=1).astype(np.float32),
        labels={1: 0.5 * between + noise},
    )
    given = training(data)
    found = fit_location(given).location(given.inputs, given.once(fit_scale))
    assert np.corrcoef(found, between)[0, 1] > 0.97


def test_trees_say_how_far_a_price_goes_as_far_as_there_is_data_to_learn_it_from() -> None:
    """A feature that is no term of the scale says the spread: of many outcomes trees find it, of few they may not."""
    data = planted(2 * COUNT, 0.0, horizons=(1, 60), noise_columns=1)
    wild = data.values[:, 2] > 0
    data = replace(data, labels={h: label * np.where(wild, 3, 1) for h, label in data.labels.items()})
    parameters = BoostingParameters(trees=30, threads=1)
    ratios = {}
    for horizon in (1, 60):
        given = training(data, horizon)
        # As fit_horizon thins them: five rows of each outcome.
        given = replace(given, parameters=parameters, rows=given.rows[:: max(1, 2 * horizon // 5)])
        widths = {}
        for name in ("ridge", "boosted"):
            answers = candidate(name).fit(given).forecast(given.inputs)
            widths[name] = answers[:, 2] - answers[:, 0]
        ratio = widths["boosted"] / widths["ridge"]
        ratios[horizon] = np.median(ratio[wild]) / np.median(ratio[~wild])
    assert ratios[1] > 1.5
    assert 0.95 < ratios[60] < 1.1


def test_what_candidates_have_in_common_is_fitted_once() -> None:
    given = training(planted(COUNT, 0.5))
    assert given.once(fit_location) is given.once(fit_location)
    assert given.once(fit_location) is not training(planted(COUNT, 0.5)).once(fit_location)


@dataclass(frozen=True)
class Knows:
    """A candidate of one's own: it knows that the feature ``tell`` counts half."""

    name: str = "test_own_candidate"

    def fit(self, training: Training) -> "Knows":
        assert "tell" in training.data.names
        return self

    def forecast(self, inputs: Inputs) -> Floats:
        centre = 0.0005 * inputs.column("tell")
        return np.stack((centre - 0.0011, centre, centre + 0.0011), axis=1)

    def importance(self) -> dict[str, float]:
        return {"tell": 1.0}

    def save(self, folder: Path) -> None:
        folder.mkdir()

    def load(self, folder: Path) -> "Knows":
        assert folder.is_dir()
        return self


def test_a_module_of_ones_own_is_a_candidate_like_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from candlewave.ml.model import load_model

    module: Any = ModuleType("test_own_candidate")
    module.CANDIDATE = Knows()
    monkeypatch.setitem(sys.modules, "test_own_candidate", module)
    monkeypatch.setenv("TRAIN_CANDIDATES", "har, test_own_candidate")
    settings = TrainSettings.load()
    config = Config.model_validate({"predictions": {"horizons_minutes": [1]}})
    examined = examine(planted(COUNT, 0.5), config, settings, settings.boosting)
    assert examined.chosen == {1: "test_own_candidate"}
    model = fit_final(examined, config, settings, settings.boosting)
    model.save(tmp_path / "model")
    matrix = examined.data.matrix()
    np.testing.assert_array_equal(load_model(tmp_path / "model").predict(matrix), model.predict(matrix))


def test_a_candidate_that_is_not_there_is_refused_with_the_names_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownCandidateError, match=r"'no_such_thing' is neither one of boosted, .* nor a module"):
        candidate("no_such_thing")
    monkeypatch.setenv("TRAIN_CANDIDATES", "har,no_such_thing")
    with pytest.raises(ValueError, match="no_such_thing"):
        TrainSettings.load()
