"""Forecasters and a registry whose answers a test sets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from candlewave.ml.forecaster import QUANTILES, FeatureMatrix, Part, require_features


@dataclass
class FakeForecaster:
    """Answers q50 = the first feature times the horizon, ± ``width``; keeps what it was asked."""

    model_version: str = "1"
    feature_names: tuple[str, ...] = ("a", "b")
    horizons_minutes: tuple[int, ...] = (1, 5)
    served_horizons: tuple[int, ...] = (1, 5)
    served_parts: dict[int, Part] = field(default_factory=dict)
    model_name: str = "candlewave"
    width: float = 0.01
    answer: Callable[[FeatureMatrix], NDArray[np.float64]] | None = None
    asked: list[FeatureMatrix] = field(default_factory=list)

    def predict(self, matrix: FeatureMatrix) -> NDArray[np.float64]:
        self.asked.append(matrix)
        require_features(self.feature_names, matrix.names)
        if self.answer is not None:
            return self.answer(matrix)
        middle = matrix.values[:, :1] * np.array(self.horizons_minutes, np.float64)
        return middle[:, :, None] + self.width * np.array([-1.0, 0.0, 1.0])[: len(QUANTILES)]


class RegistryDownError(RuntimeError):
    """What the fake registry raises."""


@dataclass
class FakeVersion:
    """What the registry says of a model."""

    version: str
    served_horizons: tuple[int, ...]
    train_end: datetime | None = None
    feature_set: str | None = None
    served_parts: dict[int, Part] = field(default_factory=dict)


@dataclass
class FakeRegistry:
    """Aliases to models; ``down`` makes it fail, ``disk`` is what it loads then."""

    models: dict[str, FakeForecaster] = field(default_factory=dict)
    disk: dict[str, FakeForecaster] = field(default_factory=dict)
    down: bool = False
    broken: Exception | None = None
    loads: int = 0
    train_ends: dict[str, datetime] = field(default_factory=dict)

    def metadata(self, alias: str) -> FakeVersion | None:
        if self.down:
            raise RegistryDownError("connection refused")
        model = self.models.get(alias)
        return (
            None
            if model is None
            else FakeVersion(
                model.model_version,
                model.served_horizons,
                self.train_ends.get(model.model_version),
                served_parts=model.served_parts,
            )
        )

    def load(self, alias: str) -> FakeForecaster | None:
        if self.down and alias not in self.disk:
            raise RegistryDownError("connection refused")
        if self.broken is not None:
            raise self.broken
        self.loads += 1
        return (self.disk if self.down else self.models).get(alias)
