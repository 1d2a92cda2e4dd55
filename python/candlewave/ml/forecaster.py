"""What every forecaster takes and gives, learned or not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from candlewave.core.errors import CandlewaveError
from candlewave.core.markets import market_key

QUANTILES = (0.1, 0.5, 0.9)
"""Levels of every forecast; the outer two bound the 80 % interval."""

Part = Literal["median", "interval"]
"""What of a model's forecast is served where its other part has not earned it."""


Stretches = Mapping[str, float]
"""By ``exchange|symbol``, the logarithm of what the width of an interval is multiplied with."""


@dataclass(frozen=True)
class FeatureMatrix:
    """n rows of the view ``features`` with the closes they were made from.

    Attributes:
        exchange: (n,) text.
        symbol: (n,) text, such as BTC/USD.
        open_time: (n,) datetime64[us], UTC: start of the closed one-minute candle; the forecast's ``feature_time``.
        close: (n,) float64, close of that candle in the quote asset; the forecast's ``reference_price``.
        names: names of the features, in the order of ``values``' columns.
        values: (n, len(names)) float64; NaN where the feature is missing.
    """

    exchange: NDArray[Any]
    symbol: NDArray[Any]
    open_time: NDArray[np.datetime64]
    close: NDArray[np.float64]
    names: tuple[str, ...]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.open_time)

    @property
    def markets(self) -> NDArray[Any]:
        """(n,) exchange and symbol as one text."""
        return np.array([market_key(*pair) for pair in zip(self.exchange, self.symbol, strict=True)], dtype=object)


class Forecaster(Protocol):
    """A model that can be asked for forecasts.

    Attributes:
        model_name: as in the registry, or the baseline's name.
        model_version: as in the registry.
        feature_names: the features it needs, in its order.
        horizons_minutes: horizons it forecasts, ascending.
        served_horizons: those on which it beat the baseline when it was promoted; the baseline serves the others.
        served_parts: of these, the ones where only its median or its interval did; the other part is the baseline's.
    """

    @property
    def model_name(self) -> str: ...
    @property
    def model_version(self) -> str: ...
    @property
    def feature_names(self) -> tuple[str, ...]: ...
    @property
    def horizons_minutes(self) -> tuple[int, ...]: ...
    @property
    def served_horizons(self) -> tuple[int, ...]: ...
    @property
    def served_parts(self) -> Mapping[int, Part]: ...

    def predict(self, matrix: FeatureMatrix) -> NDArray[np.float64]:
        """Forecast log returns over each horizon.

        Returns:
            (n, len(horizons_minutes), len(QUANTILES)) float64, not decreasing along the last axis.

        Raises:
            FeatureMismatchError: ``matrix.names`` differ from ``feature_names``.
        """
        ...


class FeatureMismatchError(CandlewaveError):
    """The features at hand are not those the model was trained on; the text says which differ."""


def require_features(wanted: tuple[str, ...], found: tuple[str, ...]) -> None:
    """Raise FeatureMismatchError unless both are the same names in the same order."""
    if wanted == found:
        return
    missing = [name for name in wanted if name not in found]
    unknown = [name for name in found if name not in wanted]
    if missing or unknown:
        raise FeatureMismatchError(
            f"the view features lacks {missing or 'nothing'} of the model's features and has {unknown or 'nothing'}"
            " that it was not trained on; train a new model, or migrate to the revision it was trained on"
        )
    place = next(i for i, (a, b) in enumerate(zip(wanted, found, strict=True)) if a != b)
    raise FeatureMismatchError(
        f"the features stand in another order: column {place + 1} is {found[place]!r}, the model expects"
        f" {wanted[place]!r}"
    )


def served_quantiles(
    quantiles: NDArray[np.float64], baseline: NDArray[np.float64], part: Part | None
) -> NDArray[np.float64]:
    """Return what users get at a horizon where a model serves: its part, and the rest of the baseline.

    Args:
        quantiles: (n, 3) of the model.
        baseline: (n, 3) of the baseline.
        part: the one that the model serves; None for both.
    """
    if part is None:
        return quantiles
    median, ends = (quantiles, baseline) if part == "median" else (baseline, quantiles)
    low, high = ends[:, 0], ends[:, 2]
    return np.stack((low, np.clip(median[:, 1], low, high), high), axis=1)
