"""What a candidate takes and gives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from candlewave.ml.candidates.parameters import BoostingParameters
from candlewave.ml.dataset import Dataset

Floats = NDArray[np.float64]
_Part = TypeVar("_Part")

ROWS_PER_OUTCOME = 5
"""Rows of a training that share an outcome at the most: labels of neighbouring minutes overlap."""

MIN_MARKET_ROWS = 300
"""Rows of a market that are enough for a part of its own; of fewer, that of all markets together serves."""


@dataclass(frozen=True)
class Inputs:
    """What is known of n minutes.

    Attributes:
        names: of the features.
        values: (n, len(names)) float32; NaN where a feature is missing.
        markets: (n,) ``exchange|symbol``; may be of a market that was not trained on.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    markets: NDArray[Any]

    def rows(self, chosen: NDArray[Any]) -> "Inputs":
        """Return some of the rows, by index or mask."""
        return Inputs(self.names, self.values[chosen], self.markets[chosen])

    def column(self, name: str) -> Floats:
        """Return a feature in double precision."""
        return self.values[:, self.names.index(name)].astype(np.float64)


@dataclass(frozen=True)
class Training:
    """What a candidate is fitted on.

    Attributes:
        data: ascending in time. Only labels of ``rows`` are known, and of the bars those that these labels end with.
        horizon: minutes.
        volatility: feature that holds the root mean square of one-minute log returns; positive in all ``rows``.
        rows: indices into ``data``.
        parameters: of LightGBM.
        on_fit: to be called after each booster; may raise to stop.
        parts: what several candidates have in common, fitted once: see :meth:`once`.
    """

    data: Dataset
    horizon: int
    volatility: str
    rows: NDArray[np.int64]
    parameters: BoostingParameters
    on_fit: Callable[[], None] = lambda: None
    parts: dict[Callable[["Training"], Any], Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, fit: Callable[["Training"], _Part]) -> _Part:
        """Return what a function makes of this training; of the second candidate that asks, the first one's."""
        if fit not in self.parts:
            self.parts[fit] = fit(self)
        found: _Part = self.parts[fit]
        return found

    @property
    def rows_per_outcome(self) -> int:
        """How many neighbouring rows share an outcome: of a long horizon not every minute is a row."""
        return min(self.horizon, ROWS_PER_OUTCOME)

    @property
    def outcomes(self) -> float:
        """How many outcomes of the rows do not overlap; those of a minute count as one: markets move together."""
        return len(np.unique(self.data.open_time[self.rows])) / self.rows_per_outcome

    @cached_property
    def fitted(self) -> Inputs:
        """The features of ``rows``."""
        return self.inputs.rows(self.rows)

    @cached_property
    def inputs(self) -> Inputs:
        """The features of all rows of ``data``."""
        return Inputs(self.data.names, self.data.values, self.data.markets)


class Fitted(Protocol):
    """A candidate that was fitted for one horizon."""

    def forecast(self, inputs: Inputs) -> Floats:
        """Return (n, 3) log returns at the levels of :data:`~candlewave.ml.forecaster.QUANTILES`, as yet uncalibrated.

        NaN where the volatility is missing.
        """
        ...

    def importance(self) -> dict[str, float]:
        """Return how much each feature counts, in any unit."""
        ...

    def save(self, folder: Path) -> None:
        """Write it to a new folder."""
        ...


class Candidate(Protocol):
    """A way to forecast.

    Attributes:
        name: as it is chosen, logged and saved.
    """

    @property
    def name(self) -> str: ...

    def fit(self, training: Training) -> Fitted:
        """Fit one horizon."""
        ...

    def load(self, folder: Path) -> Fitted:
        """Read what :meth:`Fitted.save` wrote."""
        ...
