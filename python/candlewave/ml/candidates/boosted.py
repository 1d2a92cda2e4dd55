"""LightGBM on top of the linear parts: trees correct the linear median, and shape the quantiles of what is left.

Location: a ridge regression, and trees that go on from it with least absolute deviations. Scale: a regression of
volatility. Shape: trees for the outer quantiles of what is left, divided by the scale. Trees are of all markets
together, the market a category, or of each market by itself.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candlewave.ml.candidates import files
from candlewave.ml.candidates.library import load_lightgbm
from candlewave.ml.candidates.location import RidgeLocation, fit_location, scaled_returns, unit
from candlewave.ml.candidates.parameters import BoostingParameters
from candlewave.ml.candidates.protocol import MIN_MARKET_ROWS, Floats, Inputs, Training
from candlewave.ml.candidates.scale import OUTER, HarScale, fit_scale

PARTS = ("location", "low", "high")
_MAX_RESIDUAL = 12.0
Trees = tuple[Any, Any, Any]


@dataclass(frozen=True)
class Boosted:
    """Fitted.

    Attributes:
        location: linear.
        scale: of what is left.
        known: markets it was fitted on.
        names: features, and ``market`` last.
        trees: LightGBM models of location, low and high by market; of all together under "".
    """

    location: RidgeLocation
    scale: HarScale
    known: tuple[str, ...]
    names: tuple[str, ...]
    trees: Mapping[str, Trees] = field(repr=False)

    def forecast(self, inputs: Inputs) -> Floats:
        """See :class:`~candlewave.ml.candidates.protocol.Fitted`."""
        design = _design(inputs, self.known)
        location, low, high = self._answers(design, inputs.markets)
        centre = (self.location.scaled(inputs) + location) * unit(inputs, self.scale)
        scale = self.scale.scale(inputs)
        return np.stack((centre + low * scale, centre, centre + high * scale), axis=1)

    def importance(self) -> dict[str, float]:
        """Return the share of each feature of the gain of the trees, and of the linear coefficients."""
        total = np.zeros(len(self.names))
        for three in self.trees.values():
            for booster in three:
                gain = booster.feature_importance("gain")
                total += gain / max(gain.sum(), 1e-300)
        found = dict(zip(self.names, total.tolist(), strict=True))
        for part in (self.location.importance(), self.scale.importance()):
            whole = max(sum(part.values()), 1e-300)
            for name, size in part.items():
                found[name] += len(self.trees) * size / whole
        return found

    def save(self, folder: Path) -> None:
        """See :class:`~candlewave.ml.candidates.protocol.Fitted`."""
        files.write(folder / "location.json", self.location)
        files.write(folder / "scale.json", self.scale)
        files.write(folder / "trees.json", {"known": self.known, "names": self.names, "markets": list(self.trees)})
        for number, three in enumerate(self.trees.values()):
            for part, booster in zip(PARTS, three, strict=True):
                booster.save_model(folder / f"{number}-{part}.txt")

    def _answers(self, design: NDArray[np.float32], markets: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
        found = np.full((len(PARTS), len(design)), np.nan)
        own = np.array([market if market in self.trees else "" for market in markets], dtype=object)
        for market, three in self.trees.items():
            chosen = own == market
            if chosen.any():
                found[:, chosen] = [booster.predict(design[chosen]) for booster in three]
        if "" not in self.trees and (unknown := own == "").any():
            # A market that no booster knows: the mean of what the others say.
            answers = [[booster.predict(design[unknown]) for booster in three] for three in self.trees.values()]
            found[:, unknown] = np.mean(answers, axis=0)
        return found[0], found[1], found[2]


class BoostedCandidate:
    """See :class:`~candlewave.ml.candidates.protocol.Candidate`."""

    def __init__(self, *, per_market: bool) -> None:
        self._per_market = per_market
        self.name = "boosted_per_market" if per_market else "boosted"

    def fit(self, training: Training) -> Boosted:
        """See :class:`~candlewave.ml.candidates.protocol.Candidate`."""
        location, scale = training.once(fit_location), training.once(fit_scale)
        inputs = training.inputs.rows(training.rows)
        markets = inputs.markets
        known = tuple(np.unique(markets).tolist())
        design, linear = _design(inputs, known), location.scaled(inputs)
        y, weight = scaled_returns(training)
        left = training.data.labels[training.horizon][training.rows] - location.location(inputs, scale)
        shape = np.clip(left / scale.scale(inputs), -_MAX_RESIDUAL, _MAX_RESIDUAL)

        def grow(chosen: NDArray[Any]) -> Trees:
            binned = _binned(design[chosen], shape[chosen], training.parameters)
            low, high = (_trees(binned, level, training) for level in OUTER)
            binned.set_label(y[chosen]).set_weight(weight[chosen]).set_init_score(linear[chosen])
            return _trees(binned, 0.5, training, **_calm(training.parameters)), low, high

        trees: dict[str, Trees] = {}
        if self._per_market:
            own = {market: markets == market for market in known}
            trees = {market: grow(chosen) for market, chosen in own.items() if chosen.sum() >= MIN_MARKET_ROWS}
        if len(trees) < (len(known) if self._per_market else 1):
            trees[""] = grow(np.ones(len(design), bool))
        return Boosted(location, scale, known, (*inputs.names, "market"), trees)

    def load(self, folder: Path) -> Boosted:
        """See :class:`~candlewave.ml.candidates.protocol.Candidate`."""
        lightgbm = load_lightgbm()

        def read(name: str) -> Any:
            return lightgbm.Booster(model_file=folder / name)

        about = json.loads((folder / "trees.json").read_text(encoding="utf-8"))
        return Boosted(
            files.read(folder / "location.json", RidgeLocation),
            files.read(folder / "scale.json", HarScale),
            tuple(about["known"]),
            tuple(about["names"]),
            {
                market: (read(f"{number}-location.txt"), read(f"{number}-low.txt"), read(f"{number}-high.txt"))
                for number, market in enumerate(about["markets"])
            },
        )


POOLED = BoostedCandidate(per_market=False)
PER_MARKET = BoostedCandidate(per_market=True)


def _design(inputs: Inputs, known: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the features with the market's number as last column; NaN for a market that was not trained on."""
    numbers = {market: number for number, market in enumerate(known)}
    column = np.array([numbers.get(market, np.nan) for market in inputs.markets], np.float32)
    return np.column_stack((inputs.values, column))


def _binned(design: NDArray[np.float32], target: Floats, parameters: BoostingParameters) -> Any:
    market = design.shape[1] - 1
    settings = _settings(parameters, len(target))
    lightgbm = load_lightgbm()
    return lightgbm.Dataset(
        design, target, categorical_feature=[market], params=settings, free_raw_data=False
    ).construct()


def _calm(parameters: BoostingParameters) -> dict[str, Any]:
    """Return what is set otherwise for the location: it has little to find, and chance has much to offer."""
    return {
        "num_leaves": max(2, parameters.leaves // 2),
        "learning_rate": 0.6 * parameters.learning_rate,
        "lambda_l2": 10.0,
    }


def _trees(binned: Any, level: float, training: Training, **more: Any) -> Any:
    settings = {**_settings(training.parameters, binned.num_data()), "alpha": level, **more}
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
