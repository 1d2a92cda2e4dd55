"""From one matrix of features to the forecasts of every model, horizon and market."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from candlewave.contracts.records import Role
from candlewave.core.times import MINUTE
from candlewave.ml.feature_set import NoFeaturesError
from candlewave.ml.forecaster import (
    QUANTILES,
    FeatureMatrix,
    FeatureMismatchError,
    Forecaster,
    Stretches,
    served_quantiles,
)
from candlewave.ml.online import stretched
from candlewave.services.predictor import metrics
from candlewave.services.predictor.models import Models, ModelStretches, roles
from candlewave.telemetry import get_logger

_log = get_logger(__name__)

NO_STRETCHES: ModelStretches = {}


@dataclass(frozen=True, slots=True)
class Forecast:
    """One forecast; see ``predictions`` in docs/contracts.md. Times in UTC, quantiles are log returns."""

    exchange: str
    symbol: str
    horizon_minutes: int
    feature_time: datetime
    target_time: datetime
    model_name: str
    model_version: str
    role: Role
    quantiles: tuple[float, float, float]
    prices: tuple[float, float, float]
    reference_price: float


class Forecasting:
    """Ask every model, once each, and leave out what is not usable; the baseline is always asked.

    Args:
        horizons: minutes ahead, as configured.
    """

    def __init__(self, horizons: Sequence[int]) -> None:
        self._horizons = tuple(horizons)
        self._said: dict[tuple[str, str], str] = {}

    def forecast(
        self,
        models: Models,
        matrix: FeatureMatrix,
        feature_set: str = "",
        stretches: ModelStretches = NO_STRETCHES,
    ) -> list[Forecast]:
        """Return the forecasts of all models, market by market in time; the baseline's are the last of each candle.

        A candle may be without any: the baseline has none until its market has a volatility. A model that was trained
        on other features, fails, or returns NaN, is left out with a warning and counted;
        users then get the baseline. ``feature_set`` says what the features mean: a model of another set is left out
        even if all names are the same. ``stretches`` says how much wider intervals are than their
        model says.

        Raises:
            Exception: any error of the baseline.
        """
        by_row: list[list[Forecast]] = [[] for _ in range(len(matrix))]
        reference = self._ask(models.baseline, matrix, is_last_resort=True)
        reference = _followed(models.baseline, reference, matrix, stretches)
        times = [moment.replace(tzinfo=UTC) for moment in matrix.open_time.astype("datetime64[us]").tolist()]
        for model, wanted in roles(models, self._horizons):
            if not wanted:
                continue
            trained_on = models.feature_sets.get(model.model_version, feature_set)
            if model is not models.baseline and trained_on != feature_set:
                text = f"it was trained on the set of features {trained_on}, now there is {feature_set}"
                self._fall_back((model.model_name, model.model_version), "feature_mismatch", text)
                continue
            quantiles = reference
            if model is not models.baseline:
                quantiles = _followed(model, self._ask(model, matrix, is_last_resort=False), matrix, stretches)
            if quantiles is None or reference is None:
                continue
            if model is models.champion:
                quantiles = _as_served(model, quantiles, models.baseline, reference)
            for place, forecast in _forecasts(model, wanted, matrix, times, quantiles):
                by_row[place].append(forecast)
        return [forecast for row in by_row for forecast in row]

    def _ask(self, model: Forecaster, matrix: FeatureMatrix, *, is_last_resort: bool) -> NDArray[np.float64] | None:
        """Return (rows, horizons, quantiles), NaN in rows that are not usable; None when the model cannot be used."""
        identity = (model.model_name, model.model_version)
        try:
            quantiles = model.predict(select(matrix, model.feature_names) if is_last_resort else matrix)
            shape = (len(matrix), len(model.horizons_minutes), len(QUANTILES))
            if quantiles.shape != shape:
                raise ValueError(f"answered with shape {quantiles.shape}, expected {shape}")
        except FeatureMismatchError as error:
            if is_last_resort:
                raise
            self._fall_back(identity, "feature_mismatch", str(error))
            return None
        except Exception as error:
            if is_last_resort:
                raise
            self._fall_back(identity, "prediction_failed", f"{type(error).__name__}: {error}")
            return None
        quantiles = np.sort(quantiles, axis=-1)
        with np.errstate(over="ignore"):
            unusable = ~np.isfinite(np.exp(quantiles)).all(axis=(1, 2)) | ~np.isfinite(quantiles).all(axis=(1, 2))
        quantiles[unusable] = np.nan
        if unusable.any() and not is_last_resort:
            self._fall_back(identity, "not_finite", f"no number for {int(unusable.sum())} of {len(matrix)} candles")
        else:
            self._said.pop(identity, None)
        return quantiles

    def _fall_back(self, identity: tuple[str, str], reason: str, text: str) -> None:
        metrics.FALLBACKS.labels(reason).inc()
        if self._said.get(identity) != reason:
            self._said[identity] = reason
            _log.warning("model cannot be used, the baseline serves", model=" ".join(identity), why=reason, error=text)


def _followed(
    model: Forecaster,
    quantiles: NDArray[np.float64] | None,
    matrix: FeatureMatrix,
    stretches: ModelStretches,
) -> NDArray[np.float64] | None:
    """Return a model's answers with intervals that follow what came of its earlier ones."""
    by_horizon = stretches.get((model.model_name, model.model_version))
    if quantiles is None or not by_horizon:
        return quantiles
    nothing: Stretches = {}
    logarithms = np.array(
        [[by_horizon.get(h, nothing).get(m, 0.0) for h in model.horizons_minutes] for m in matrix.markets]
    )
    return stretched(quantiles, logarithms)


def _as_served(
    model: Forecaster, quantiles: NDArray[np.float64], baseline: Forecaster, reference: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the champion's answers as users get them: the baseline's median or interval where its own did not pass."""
    found = quantiles.copy()
    for horizon, part in model.served_parts.items():
        if horizon in model.horizons_minutes and horizon in baseline.horizons_minutes:
            place = model.horizons_minutes.index(horizon)
            given = reference[:, baseline.horizons_minutes.index(horizon)]
            found[:, place] = served_quantiles(quantiles[:, place], given, part)
    return found


def select(matrix: FeatureMatrix, names: tuple[str, ...]) -> FeatureMatrix:
    """Return a matrix of some of its features.

    Raises:
        NoFeaturesError: one of them is not there.
    """
    if names == matrix.names:
        return matrix
    missing = [name for name in names if name not in matrix.names]
    if missing:
        raise NoFeaturesError(f"the view features lacks {missing}, which the baseline needs: run `candlewave migrate`")
    columns = [matrix.names.index(name) for name in names]
    return FeatureMatrix(
        matrix.exchange, matrix.symbol, matrix.open_time, matrix.close, names, matrix.values[:, columns]
    )


def _forecasts(
    model: Forecaster,
    wanted: Mapping[int, Role],
    matrix: FeatureMatrix,
    times: Sequence[datetime],
    quantiles: NDArray[np.float64],
) -> Iterator[tuple[int, Forecast]]:
    prices = matrix.close[:, None, None] * np.exp(quantiles)
    columns = [
        (i, h, wanted[h], timedelta(minutes=h) + MINUTE) for i, h in enumerate(model.horizons_minutes) if h in wanted
    ]
    exchanges, symbols = matrix.exchange.tolist(), matrix.symbol.tolist()
    references, returns, levels = matrix.close.tolist(), quantiles.tolist(), prices.tolist()
    name, version = model.model_name, model.model_version
    for place in np.flatnonzero(np.isfinite(quantiles).all(axis=(1, 2))).tolist():
        for column, horizon, role, ahead in columns:
            yield (
                place,
                Forecast(
                    exchanges[place],
                    symbols[place],
                    horizon,
                    times[place],
                    times[place] + ahead,
                    name,
                    version,
                    role,
                    tuple(returns[place][column]),
                    tuple(levels[place][column]),
                    references[place],
                ),
            )
