"""The price stays, within the empirical quantiles of returns scaled by a regression of volatility."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from candlewave.ml.candidates import files
from candlewave.ml.candidates.protocol import Floats, Inputs, Training
from candlewave.ml.candidates.scale import HarScale, fit_scale, fit_spreads, of_market


@dataclass(frozen=True)
class Har:
    """Fitted.

    Attributes:
        scale: how far the price may go.
        spreads: outer quantiles of the return by the scale, by market; of all together under "".
    """

    scale: HarScale
    spreads: Mapping[str, tuple[float, float]]

    def forecast(self, inputs: Inputs) -> Floats:
        """See :class:`~candlewave.ml.candidates.protocol.Fitted`."""
        spreads = of_market(self.spreads, inputs.markets)
        answers = np.stack((spreads[:, 0], np.zeros(len(spreads)), spreads[:, 1]), axis=1)
        return answers * self.scale.scale(inputs)[:, None]

    def importance(self) -> dict[str, float]:
        """See :class:`~candlewave.ml.candidates.protocol.Fitted`."""
        return self.scale.importance()

    def save(self, folder: Path) -> None:
        """See :class:`~candlewave.ml.candidates.protocol.Fitted`."""
        files.write(folder / "har.json", self)


class HarCandidate:
    """See :class:`~candlewave.ml.candidates.protocol.Candidate`."""

    name = "har"

    def fit(self, training: Training) -> Har:
        """See :class:`~candlewave.ml.candidates.protocol.Candidate`."""
        scale = training.once(fit_scale)
        inputs = training.fitted
        scaled = training.data.labels[training.horizon][training.rows] / scale.scale(inputs)
        return Har(scale, fit_spreads(training, scaled))

    def load(self, folder: Path) -> Har:
        """See :class:`~candlewave.ml.candidates.protocol.Candidate`."""
        return files.read(folder / "har.json", Har)


CANDIDATE = HarCandidate()
