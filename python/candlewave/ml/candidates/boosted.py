"""LightGBM on top of the linear parts: trees say how far the price may go around the linear median.

Location: a ridge regression. Scale: a regression of volatility. Shape: the outer quantiles of what is left, divided by
the scale; so much of the way from the market's own empirical ones to those that trees say of the minute as there is
data to grow trees on. Trees are of all markets together, the market a category: of each market by itself they were
tried, and are no better.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candlewave.ml.candidates import files
from candlewave.ml.candidates.library import load_lightgbm
from candlewave.ml.candidates.parameters import BoostingParameters
from candlewave.ml.candidates.protocol import Floats, Inputs, Training
from candlewave.ml.candidates.ridge import CANDIDATE as RIDGE
from candlewave.ml.candidates.ridge import Ridge, fit_ridge, scaled_residuals
from candlewave.ml.candidates.scale import OUTER, of_market

PARTS = ("low", "high")
_MAX_RESIDUAL = 12.0
_SHRINK_OUTCOMES = 5_000
"""Outcomes that do not overlap at which trees count as much as the market's own quantiles."""


@dataclass(frozen=True)
class Boosted:
    """Fitted.

    Attributes:
        ridge: the linear parts, and the quantiles that trees are drawn to.
        weight: of the trees.
        known: markets it was fitted on.
        names: features, and ``market`` last.
        trees: LightGBM models of low and high.
    """

    ridge: Ridge
    weight: float
    known: tuple[str, ...]
    names: tuple[str, ...]
    trees: tuple[Any, Any] = field(repr=False)

    def forecast(self, inputs: Inputs) -> Floats:
        """See :class:`~candlewave.ml.candidates.protocol.Fitted`."""
        design = _design(inputs, self.known)
        shape = np.stack([booster.predict(design) for booster in self.trees], axis=1)
        shape = self.weight * shape + (1 - self.weight) * of_market(self.ridge.spreads, inputs.markets)
        scale = self.ridge.scale.scale(inputs)
        centre = self.ridge.location.location(inputs, self.ridge.scale)
        return np.stack((centre + shape[:, 0] * scale, centre, centre + shape[:, 1] * scale), axis=1)

    def importance(self) -> dict[str, float]:
        """Return the share of each feature of the gain of the trees, and of the linear coefficients."""
        found = dict.fromkeys(self.names, 0.0)
        gains = [booster.feature_importance("gain").tolist() for booster in self.trees]
        of_trees = [dict(zip(self.names, gain, strict=True)) for gain in gains]
        for part in (*of_trees, self.ridge.location.importance(), self.ridge.scale.importance()):
            whole = max(sum(part.values()), 1e-300)
            for name, size in part.items():
                found[name] += size / whole
        return found

    def save(self, folder: Path) -> None:
        """See :class:`~candlewave.ml.candidates.protocol.Fitted`."""
        self.ridge.save(folder)
        files.write(folder / "trees.json", {"weight": self.weight, "known": self.known, "names": self.names})
        for part, booster in zip(PARTS, self.trees, strict=True):
            booster.save_model(folder / f"{part}.txt")


class BoostedCandidate:
    """See :class:`~candlewave.ml.candidates.protocol.Candidate`."""

    name = "boosted"

    def fit(self, training: Training) -> Boosted:
        """See :class:`~candlewave.ml.candidates.protocol.Candidate`."""
        ridge = training.once(fit_ridge)
        inputs = training.fitted
        known = tuple(np.unique(inputs.markets).tolist())
        shape = np.clip(training.once(scaled_residuals), -_MAX_RESIDUAL, _MAX_RESIDUAL)
        binned = _binned(_design(inputs, known), shape, training.parameters)
        low, high = (_trees(binned, level, training) for level in OUTER)
        weight = training.outcomes / (training.outcomes + _SHRINK_OUTCOMES)
        return Boosted(ridge, weight, known, (*inputs.names, "market"), (low, high))

    def load(self, folder: Path) -> Boosted:
        """See :class:`~candlewave.ml.candidates.protocol.Candidate`."""
        lightgbm = load_lightgbm()
        about = json.loads((folder / "trees.json").read_text(encoding="utf-8"))
        low, high = (lightgbm.Booster(model_file=folder / f"{part}.txt") for part in PARTS)
        return Boosted(RIDGE.load(folder), about["weight"], tuple(about["known"]), tuple(about["names"]), (low, high))


CANDIDATE = BoostedCandidate()


def _design(inputs: Inputs, known: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the features with the market's number as last column; NaN for a market that was not trained on."""
    column = np.full(len(inputs.markets), np.nan, np.float32)
    for number, market in enumerate(known):
        column[inputs.markets == market] = number
    return np.column_stack((inputs.values, column))


def _binned(design: NDArray[np.float32], target: Floats, parameters: BoostingParameters) -> Any:
    market = design.shape[1] - 1
    settings = _settings(parameters, len(target))
    lightgbm = load_lightgbm()
    return lightgbm.Dataset(design, target, categorical_feature=[market], params=settings).construct()


def _trees(binned: Any, level: float, training: Training) -> Any:
    settings = {**_settings(training.parameters, binned.num_data()), "alpha": level}
    fitted = load_lightgbm().train(settings, binned, num_boost_round=training.parameters.trees)
    training.on_fit()
    return fitted


def _settings(parameters: BoostingParameters, rows: int) -> dict[str, Any]:
    return {
        "objective": "quantile",
        "learning_rate": parameters.learning_rate,
        "num_leaves": parameters.leaves,
        "min_data_in_leaf": min(parameters.min_rows_per_leaf, max(20, rows // 20)),
        "feature_fraction": parameters.feature_share,
        "max_bin": parameters.bins,
        "num_threads": parameters.threads,
        "seed": parameters.seed,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
