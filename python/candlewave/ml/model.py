"""The learned forecaster: of each horizon the candidate that was chosen, calibrated on data it was not fitted to.

The baseline's intervals are what a candidate is held against, so a market without a signal is forecast as the baseline
does. After its calibration a candidate is fitted again on all rows.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from candlewave.core.errors import CandlewaveError
from candlewave.ml.baseline import LastPriceBaseline
from candlewave.ml.calibration import Calibration, fit_calibration
from candlewave.ml.candidates.catalog import candidate
from candlewave.ml.candidates.parameters import BoostingParameters
from candlewave.ml.candidates.protocol import ROWS_PER_OUTCOME, Fitted, Floats, Inputs, Training
from candlewave.ml.dataset import Dataset
from candlewave.ml.folds import trainable
from candlewave.ml.forecaster import QUANTILES, FeatureMatrix, Part, Stretches, require_features

FORMAT = 3
"""Of the files that :meth:`QuantileModel.save` writes."""

_CALIBRATION_SHARE = 0.25
_MIN_ROWS = 300
_MIN_FITTED = 15


class TooLittleDataError(CandlewaveError):
    """There are not enough rows to train; the text says how many there are and how many are needed."""


class ModelFormatError(CandlewaveError, ValueError):
    """The model was saved in a format that this version of candlewave does not know."""


@dataclass(frozen=True)
class HorizonModel:
    """The forecaster of one horizon.

    Attributes:
        candidate: name of the candidate.
        fitted: what it learned, of all rows.
        calibration: how far it is followed.
    """

    candidate: str
    fitted: Fitted
    calibration: Calibration

    def stretched(self, stretches: Stretches) -> "HorizonModel":
        """Return the same with other widths, by market."""
        return replace(self, calibration=self.calibration.stretched(stretches))

    def quantiles(self, inputs: Inputs, baseline: Floats) -> Floats:
        """Return (n, 3) log returns; NaN where the volatility is missing."""
        return self.calibration.apply(self.fitted.forecast(inputs), baseline, inputs.markets)


@dataclass(frozen=True)
class QuantileModel:
    """A registered model: all horizons, all markets. See :class:`candlewave.ml.forecaster.Forecaster`.

    Attributes:
        markets: ``exchange|symbol`` texts that were trained on; others are forecast as unknown ones.
        baseline: fitted on the same data; candidates are held against it.
    """

    model_name: str
    model_version: str
    feature_names: tuple[str, ...]
    horizons_minutes: tuple[int, ...]
    served_horizons: tuple[int, ...]
    markets: tuple[str, ...]
    baseline: LastPriceBaseline
    models: dict[int, HorizonModel] = field(repr=False)
    served_parts: Mapping[int, Part] = field(default_factory=dict)

    def predict(self, matrix: FeatureMatrix) -> NDArray[np.float64]:
        """See :class:`candlewave.ml.forecaster.Forecaster`; NaN where the volatility is missing."""
        require_features(self.feature_names, matrix.names)
        inputs = Inputs(matrix.names, matrix.values.astype(np.float32), matrix.markets)
        answers = np.full((len(matrix), len(self.horizons_minutes), len(QUANTILES)), np.nan)
        volatility = inputs.column(self.baseline.volatility)
        usable = np.isfinite(volatility)
        if usable.any():
            inputs = inputs.rows(usable)
            baseline = self.baseline.quantiles(volatility[usable], inputs.markets)
            for place, horizon in enumerate(self.horizons_minutes):
                answers[usable, place] = self.models[horizon].quantiles(
                    inputs, baseline[:, self.baseline.horizons_minutes.index(horizon)]
                )
        return answers

    def importance(self, horizon_minutes: int) -> dict[str, float]:
        """Return how much each feature counts at a horizon, in shares of all."""
        found = self.models[horizon_minutes].fitted.importance()
        total = max(sum(found.values()), 1e-300)
        return {name: found.get(name, 0.0) / total for name in (*self.feature_names, "market")}

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
                h: {"candidate": m.candidate, "calibration": m.calibration.by_market} for h, m in self.models.items()
            },
        }
        (folder / "model.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        for horizon, model in self.models.items():
            model.fitted.save(_folder(folder, horizon))


def load_model(
    folder: Path,
    *,
    version: str | None = None,
    served: Sequence[int] | None = None,
    parts: Mapping[int, Part] | None = None,
) -> QuantileModel:
    """Read a model from the folder that :meth:`QuantileModel.save` wrote.

    Args:
        folder: where.
        version: as the registry numbers it.
        served: the horizons it was promoted for.
        parts: those of them where it serves a part only.

    Raises:
        ModelFormatError: it is of a format that this version of candlewave does not know.
        UnknownCandidateError: it is of a candidate that is not installed here.
        OSError, KeyError, lightgbm.basic.LightGBMError: files are missing or broken.
    """
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if about["format"] != FORMAT:
        raise ModelFormatError(f"{folder}: format {about['format']}, this version of candlewave reads {FORMAT}")
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
            {market: _spreads(own) for market, own in baseline["market_spreads"].items()},
        ),
        models={
            int(h): HorizonModel(
                m["candidate"],
                candidate(m["candidate"]).load(_folder(folder, int(h))),
                msgspec.convert({"by_market": m["calibration"]}, Calibration),
            )
            for h, m in about["models"].items()
        },
        served_parts=parts or {},
    )


def _folder(folder: Path, horizon: int) -> Path:
    return folder / f"{horizon}m"


def _spreads(saved: Mapping[str, Sequence[float]]) -> dict[int, tuple[float, float]]:
    return {int(horizon): (low, high) for horizon, (low, high) in saved.items()}


def fit_horizon(
    data: Dataset,
    horizon: int,
    baseline: LastPriceBaseline,
    parameters: BoostingParameters,
    names: Sequence[str],
    *,
    train_end: np.datetime64 | None = None,
    on_fit: Callable[[], None] = lambda: None,
) -> dict[str, HorizonModel]:
    """Fit candidates for one horizon, calibrate each on rows it has not seen, and fit it again on all.

    Args:
        data: ascending in time.
        horizon: minutes.
        baseline: fitted on no later data.
        parameters: of LightGBM.
        names: of the candidates.
        train_end: labels whose target lies after it are not used; all known ones if None.
        on_fit: called after each booster and each candidate.

    Raises:
        TooLittleDataError: fewer than 300 rows have a label, or a volatility.
        UnknownCandidateError: there is no such candidate.
    """
    label = data.labels[horizon]
    volatility = data.values[:, data.names.index(baseline.volatility)]
    usable = np.isfinite(label) & np.isfinite(volatility) & (volatility > 0)
    if train_end is not None:
        usable &= trainable(data.open_time, horizon, train_end)
    rows = np.flatnonzero(usable)
    if len(rows) < _MIN_ROWS:
        raise TooLittleDataError(
            f"{len(rows)} rows have a label of {horizon} minutes and a volatility, {_MIN_ROWS} are needed"
        )
    # Kept back for calibration: the newest rows; between them and the rest no label may reach over.
    edge = data.open_time[rows[int(len(rows) * (1 - _CALIBRATION_SHARE))]]
    early = _apart(data, rows[trainable(data.open_time[rows], horizon, edge)], horizon)
    if len(early) < _MIN_FITTED:
        raise TooLittleDataError(
            f"of {len(rows)} rows with a label of {horizon} minutes {len(early)} are left to fit (those kept back, and"
            f" labels that overlap, do not count), {_MIN_FITTED} are needed"
        )
    late = rows[data.open_time[rows] >= edge]
    begun, whole = (
        Training(data, horizon, baseline.volatility, chosen, parameters, on_fit)
        for chosen in (early, _apart(data, rows, horizon))
    )
    inputs = whole.inputs.rows(late)
    given = baseline.quantiles(volatility[late], inputs.markets)[:, baseline.horizons_minutes.index(horizon)]
    found = {}
    for name in names:
        chosen = candidate(name)
        raw = chosen.fit(begun).forecast(inputs)
        calibration = fit_calibration(raw, given, label[late], inputs.markets, horizon)
        found[name] = HorizonModel(name, chosen.fit(whole), calibration)
        on_fit()
    return found


def _apart(data: Dataset, rows: NDArray[np.int64], horizon: int) -> NDArray[np.int64]:
    """Leave out rows of a long horizon: labels of neighbouring minutes overlap, each says little the other did not."""
    minute = data.open_time[rows].astype("datetime64[m]").astype(np.int64)
    apart: NDArray[np.int64] = rows[minute % max(1, horizon // ROWS_PER_OUTCOME) == 0]
    return apart
