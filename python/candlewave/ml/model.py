"""The learned forecaster: LightGBM quantiles of scaled returns, shrunk and calibrated on data it was not fitted to.

Returns are divided by volatility · √horizon, the baseline's scale, so that markets, and calm and wild hours, can be
pooled; the market is one of the features, a categorical one. Of each horizon's training the newest part is kept back:
on it every quantile is shrunk towards the baseline's as far as that lowers its loss (all the way when nothing is gained
for certain), and the outer ones are moved so that the right share of outcomes lies beyond each (conformalised quantile
regression: Romano, Patterson, Candès 2019).
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candlewave.core.errors import CandlewaveError, one_line
from candlewave.core.requirements import openmp_problem
from candlewave.ml.baseline import DEFAULT_SPREAD, LastPriceBaseline
from candlewave.ml.dataset import Dataset
from candlewave.ml.folds import trainable
from candlewave.ml.forecaster import QUANTILES, FeatureMatrix, require_features

FORMAT = 1
"""Of the files that :meth:`QuantileModel.save` writes."""

_CALIBRATION_SHARE = 0.15
_MEDIAN = 0.5
_SHARES = (0.25, 0.5, 0.75, 1.0)
_MIN_ROWS = 300
_MIN_FITTED = 20
_MIN_APART = 30


class MissingLibraryError(CandlewaveError):
    """A library of the system is not installed."""


class TooLittleDataError(CandlewaveError):
    """There are not enough rows to train; the text says how many there are and how many are needed."""


@dataclass(frozen=True)
class BoostingParameters:
    """What is set of LightGBM; see its documentation for the words in brackets.

    Attributes:
        trees: boosting rounds (num_iterations).
        learning_rate: shrinkage of each tree.
        leaves: of each tree (num_leaves).
        min_rows_per_leaf: min_data_in_leaf.
        bins: max_bin.
        feature_share: share of the features that each tree may use (feature_fraction).
        threads: num_threads, 0 for all cores.
        seed: of what is drawn.
    """

    trees: int = 60
    learning_rate: float = 0.08
    leaves: int = 15
    min_rows_per_leaf: int = 200
    bins: int = 63
    feature_share: float = 0.5
    threads: int = 0
    seed: int = 1


@dataclass(frozen=True)
class HorizonModel:
    """The forecaster of one horizon.

    Attributes:
        boosters: LightGBM models of the three quantiles, of pooled data; or per market where that won.
        anchors: the baseline's scaled quantiles.
        shares: how much of the way from the anchor to what the boosters say each quantile goes, 0 to 1.
        shifts: what is added to each scaled quantile afterwards; nothing to the median.
    """

    boosters: dict[str, tuple[Any, Any, Any]]
    anchors: tuple[float, float, float]
    shares: tuple[float, float, float]
    shifts: tuple[float, float, float]

    def scaled(self, design: NDArray[np.float32], markets: NDArray[Any]) -> NDArray[np.float64]:
        """Return (n, 3) quantiles in units of volatility · √horizon."""
        raw = _raw(self.boosters, design, markets)
        anchors = np.array(self.anchors)
        return np.sort(anchors + (raw - anchors) * np.array(self.shares) + np.array(self.shifts), axis=1)


@dataclass(frozen=True)
class QuantileModel:
    """A registered model: all horizons, all markets. See :class:`candlewave.ml.forecaster.Forecaster`.

    Attributes:
        markets: ``exchange|symbol`` texts that were trained on; others are forecast as unknown ones.
        baseline: fitted on the same data; it gives the scale.
    """

    model_name: str
    model_version: str
    feature_names: tuple[str, ...]
    horizons_minutes: tuple[int, ...]
    served_horizons: tuple[int, ...]
    markets: tuple[str, ...]
    baseline: LastPriceBaseline
    models: dict[int, HorizonModel] = field(repr=False)

    def predict(self, matrix: FeatureMatrix) -> NDArray[np.float64]:
        """See :class:`candlewave.ml.forecaster.Forecaster`; NaN where the volatility is missing."""
        require_features(self.feature_names, matrix.names)
        texts = matrix.markets
        values = matrix.values.astype(np.float32)
        design = _design(values, texts, self.markets)
        scale = values[:, self.feature_names.index(self.baseline.volatility)].astype(np.float64)
        answers = [self.models[h].scaled(design, texts) * (scale * np.sqrt(h))[:, None] for h in self.horizons_minutes]
        return np.stack(answers, axis=1) if len(matrix) else np.empty((0, len(answers), len(QUANTILES)))

    def importance(self, horizon_minutes: int) -> dict[str, float]:
        """Return each feature's share of the gain in all trees of a horizon."""
        names = (*self.feature_names, "market")
        total = np.zeros(len(names))
        for boosters in self.models[horizon_minutes].boosters.values():
            for booster in boosters:
                total += booster.feature_importance("gain")
        return dict(zip(names, (total / max(total.sum(), 1e-300)).tolist(), strict=True))

    def save(self, folder: Path) -> None:
        """Write the model to a new folder."""
        folder.mkdir(parents=True)
        about = {
            "format": FORMAT,
            "model_name": self.model_name,
            "model_version": self.model_version,
            "feature_names": self.feature_names,
            "horizons_minutes": self.horizons_minutes,
            "served_horizons": self.served_horizons,
            "markets": self.markets,
            "baseline": asdict(self.baseline),
            "models": {
                h: {"anchors": m.anchors, "shares": m.shares, "shifts": m.shifts, "boosters": list(m.boosters)}
                for h, m in self.models.items()
            },
        }
        (folder / "model.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        for horizon, model in self.models.items():
            for number, boosters in enumerate(model.boosters.values()):
                for quantile, booster in zip(QUANTILES, boosters, strict=True):
                    booster.save_model(folder / _file(horizon, number, quantile))


def load_model(folder: Path, *, version: str | None = None, served: Sequence[int] | None = None) -> QuantileModel:
    """Read a model from the folder that :meth:`QuantileModel.save` wrote.

    Args:
        folder: where.
        version: as the registry numbers it.
        served: the horizons it was promoted for.

    Raises:
        ValueError: it is of a format that this version of candlewave does not know.
        OSError, KeyError, lightgbm.basic.LightGBMError: files are missing or broken.
    """
    lightgbm = load_lightgbm()
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if about["format"] != FORMAT:
        raise ValueError(f"{folder}: format {about['format']}, this version of candlewave reads {FORMAT}")
    baseline = about["baseline"]
    return QuantileModel(
        model_name=about["model_name"],
        model_version=version if version is not None else about["model_version"],
        feature_names=tuple(about["feature_names"]),
        horizons_minutes=tuple(about["horizons_minutes"]),
        served_horizons=tuple(served if served is not None else about["served_horizons"]),
        markets=tuple(about["markets"]),
        baseline=LastPriceBaseline(
            tuple(baseline["horizons_minutes"]),
            baseline["volatility"],
            _spreads(baseline["spreads"]),
            {market: _spreads(own) for market, own in baseline.get("market_spreads", {}).items()},
        ),
        models={
            int(h): HorizonModel(
                {
                    market: tuple(lightgbm.Booster(model_file=folder / _file(int(h), n, q)) for q in QUANTILES)
                    for n, market in enumerate(m["boosters"])
                },
                tuple(m["anchors"]),
                tuple(m["shares"]),
                tuple(m["shifts"]),
            )
            for h, m in about["models"].items()
        },
    )


def _spreads(saved: Mapping[str, Sequence[float]]) -> dict[int, tuple[float, float]]:
    return {int(horizon): (low, high) for horizon, (low, high) in saved.items()}


def fit_horizon(
    data: Dataset,
    horizon: int,
    baseline: LastPriceBaseline,
    parameters: BoostingParameters,
    *,
    per_market: bool = False,
    train_end: np.datetime64 | None = None,
    on_fit: Callable[[], None] = lambda: None,
) -> HorizonModel:
    """Fit, shrink and calibrate the forecaster of one horizon.

    Args:
        data: ascending in time.
        horizon: minutes.
        baseline: fitted on no later data; gives the scale.
        parameters: of LightGBM.
        per_market: fit each market by itself instead of all together.
        train_end: labels whose target lies after it are not used; all known ones if None.
        on_fit: called after each booster.

    Raises:
        TooLittleDataError: fewer than 300 rows have a label, or a volatility.
    """
    scaled = _scaled_target(data, horizon, baseline)
    usable = np.isfinite(scaled)
    if train_end is not None:
        usable &= trainable(data.open_time, horizon, train_end)
    rows = np.flatnonzero(usable)
    if len(rows) < _MIN_ROWS:
        raise TooLittleDataError(
            f"{len(rows)} rows have a label of {horizon} minutes and a volatility, {_MIN_ROWS} are needed"
        )
    # Kept back for calibration: the newest rows; between them and the rest no label may reach over.
    edge = data.open_time[rows[int(len(rows) * (1 - _CALIBRATION_SHARE))]]
    fit = rows[trainable(data.open_time[rows], horizon, edge)]
    calibration = rows[data.open_time[rows] >= edge]
    # Labels of neighbouring minutes overlap: of a long horizon every row says little that the one before did not.
    minute = data.open_time[fit].astype("datetime64[m]").astype(np.int64)
    fit = fit[minute % max(1, horizon // 5) == 0]
    if len(fit) < _MIN_FITTED:
        raise TooLittleDataError(
            f"of {len(rows)} rows with a label of {horizon} minutes {len(fit)} are left to fit (those kept back, and"
            f" labels that overlap, do not count), {_MIN_FITTED} are needed"
        )
    markets = data.markets
    known = tuple(np.unique(markets).tolist())
    design = _design(data.values, markets, known)
    if per_market:
        boosters = {
            market: _boost(design[chosen], scaled[chosen], parameters, on_fit)
            for market in known
            if len(chosen := fit[markets[fit] == market]) >= _MIN_ROWS
        }
        if len(boosters) < len(known):
            boosters[""] = _boost(design[fit], scaled[fit], parameters, on_fit)
    else:
        boosters = {"": _boost(design[fit], scaled[fit], parameters, on_fit)}
    raw = _raw(boosters, design[calibration], markets[calibration])
    outcome = scaled[calibration]
    low, high = baseline.spreads.get(horizon, DEFAULT_SPREAD)
    anchors = (low, 0.0, high)
    apart = max(1.0, len(calibration) / horizon)
    fitted = [
        _calibrate(raw[:, place], outcome, anchor, quantile, apart)
        for place, (anchor, quantile) in enumerate(zip(anchors, QUANTILES, strict=True))
    ]
    shares, shifts = zip(*fitted, strict=True)
    return HorizonModel(boosters, anchors, shares, shifts)


def _calibrate(
    raw: NDArray[np.float64], outcome: NDArray[np.float64], anchor: float, quantile: float, apart: float
) -> tuple[float, float]:
    """Return the share of the way from the anchor that loses least, and the shift that goes with it.

    The anchor stays unless leaving it gains more than one standard error (Breiman et al. 1984), as of ``apart``
    outcomes that do not overlap; of few of them that error is not known.
    """
    if apart < _MIN_APART:
        return 0.0, 0.0
    still = _loss(outcome - anchor, quantile)
    best, found = 0.0, (0.0, 0.0)
    for share in _SHARES:
        answer = anchor + (raw - anchor) * share
        shift = float(np.quantile(outcome - answer, quantile)) if quantile != _MEDIAN else 0.0
        gain = still - _loss(outcome - answer - shift, quantile)
        mean = float(gain.mean())
        if mean > best and mean > float(gain.std()) / math.sqrt(apart):
            best, found = mean, (share, shift)
    return found


def _loss(error: NDArray[np.float64], quantile: float) -> NDArray[np.float64]:
    loss: NDArray[np.float64] = np.maximum(quantile * error, (quantile - 1) * error)
    return loss


def load_lightgbm() -> Any:
    """Return LightGBM, which needs a library of the system.

    Raises:
        MissingLibraryError: it is not installed; the text names its package.
    """
    try:
        import lightgbm
    except OSError as error:
        raise MissingLibraryError(openmp_problem() or f"LightGBM cannot be loaded: {one_line(error)}") from error
    return lightgbm


def _boost(
    design: NDArray[np.float32],
    target: NDArray[np.float64],
    parameters: BoostingParameters,
    on_fit: Callable[[], None],
) -> tuple[Any, Any, Any]:
    lightgbm = load_lightgbm()
    common: Mapping[str, Any] = {
        "objective": "quantile",
        "learning_rate": parameters.learning_rate,
        "num_leaves": parameters.leaves,
        "min_data_in_leaf": min(parameters.min_rows_per_leaf, max(20, len(target) // 20)),
        "feature_fraction": parameters.feature_share,
        "max_bin": parameters.bins,
        "num_threads": parameters.threads,
        "seed": parameters.seed,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    market = design.shape[1] - 1
    binned = lightgbm.Dataset(
        design, target, categorical_feature=[market], params=dict(common), free_raw_data=False
    ).construct()
    fitted = []
    for quantile in QUANTILES:
        fitted.append(lightgbm.train({**common, "alpha": quantile}, binned, num_boost_round=parameters.trees))
        on_fit()
    return fitted[0], fitted[1], fitted[2]


def _raw(
    boosters: Mapping[str, tuple[Any, Any, Any]], design: NDArray[np.float32], markets: NDArray[Any]
) -> NDArray[np.float64]:
    """Return (n, 3) scaled quantiles before shrinking and calibration."""
    found = np.full((len(design), len(QUANTILES)), np.nan)
    own = np.array([market if market in boosters else "" for market in markets], dtype=object)
    for market, three in boosters.items():
        chosen = own == market
        if chosen.any():
            for place, booster in enumerate(three):
                found[chosen, place] = booster.predict(design[chosen])
    if "" not in boosters and (unknown := own == "").any():
        # A market that no booster knows: the mean of what the others say.
        answers = [np.stack([b.predict(design[unknown]) for b in three], axis=1) for three in boosters.values()]
        found[unknown] = np.mean(answers, axis=0)
    return found


def _scaled_target(data: Dataset, horizon: int, baseline: LastPriceBaseline) -> NDArray[np.float64]:
    volatility = data.values[:, data.names.index(baseline.volatility)].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled: NDArray[np.float64] = data.labels[horizon] / (volatility * np.sqrt(horizon))
    return scaled


def _design(values: NDArray[np.float32], markets: NDArray[Any], known: Sequence[str]) -> NDArray[np.float32]:
    """Return the features with the market's number as last column; NaN for a market that was not trained on."""
    numbers = {market: number for number, market in enumerate(known)}
    column = np.array([numbers.get(market, np.nan) for market in markets], np.float32)
    return np.column_stack((values, column))


def _file(horizon: int, number: int, quantile: float) -> str:
    return f"h{horizon}-{number}-q{round(100 * quantile)}.txt"
