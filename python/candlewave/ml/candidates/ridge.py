"""A linear median of recent returns, its own and its peers', within the quantiles of what is left of the return.

What is left is scaled by a regression of volatility.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from candlewave.ml.candidates import files
from candlewave.ml.candidates.location import RidgeLocation, fit_location
from candlewave.ml.candidates.protocol import Floats, Inputs, Training
from candlewave.ml.candidates.scale import HarScale, fit_scale, fit_spreads, of_market


@dataclass(frozen=True)
class Ridge:
    """Fitted.

    Attributes:
        location: where the price goes.
        scale: how far it may go.
        spreads: outer quantiles of what is left by the scale, by market; of all together under "".
    """

    location: RidgeLocation
    scale: HarScale
    spreads: Mapping[str, tuple[float, float]]

    def forecast(self, inputs: Inputs) -> Floats:
        """See :class:`~candlewave.ml.candidates.protocol.Fitted`."""
        spreads = of_market(self.spreads, inputs.markets) * self.scale.scale(inputs)[:, None]
        centre = self.location.location(inputs, self.scale)
        return np.stack((centre + spreads[:, 0], centre, centre + spreads[:, 1]), axis=1)

    def importance(self) -> dict[str, float]:
        """See :class:`~candlewave.ml.candidates.protocol.Fitted`."""
        return self.location.importance()

    def save(self, folder: Path) -> None:
        """See :class:`~candlewave.ml.candidates.protocol.Fitted`."""
        files.write(folder / "ridge.json", self)


def fit_ridge(training: Training) -> Ridge:
    """Fit on the rows of a training."""
    location, scale = training.once(fit_location), training.once(fit_scale)
    return Ridge(location, scale, fit_spreads(training, training.once(scaled_residuals)))


def scaled_residuals(training: Training) -> Floats:
    """Return what the location leaves of the returns of a training's rows, by the scale."""
    location, scale = training.once(fit_location), training.once(fit_scale)
    left = training.data.labels[training.horizon][training.rows] - location.location(training.fitted, scale)
    return left / scale.scale(training.fitted)


class RidgeCandidate:
    """See :class:`~candlewave.ml.candidates.protocol.Candidate`."""

    name = "ridge"

    def fit(self, training: Training) -> Ridge:
        """See :class:`~candlewave.ml.candidates.protocol.Candidate`."""
        return training.once(fit_ridge)

    def load(self, folder: Path) -> Ridge:
        """See :class:`~candlewave.ml.candidates.protocol.Candidate`."""
        return files.read(folder / "ridge.json", Ridge)


CANDIDATE = RidgeCandidate()
