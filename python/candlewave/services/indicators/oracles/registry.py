"""What an oracle of a kind gets and returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from candlewave.services.indicators.series import Floats

Parameters = Mapping[str, int]
"""Of an entry, by name; a few are floats."""


@dataclass(frozen=True)
class Bars:
    """Bars in a row, without a hole.

    TA-Lib treats numbers below 1e-14 as zero, and its comparisons of price differences see the rounding of decimals. So
    prices are whole numbers of ticks, ``scale`` of them to a unit of price. Turnover is in units of price.

    Attributes:
        x: the price of the bar that the entry averages.
    """

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    turnover: Floats
    buy_volume: Floats
    x: Floats
    scale: float

    @property
    def previous_close(self) -> Floats:
        """The close of the bar before."""
        return before(self.close)

    @property
    def true_range(self) -> Floats:
        """The range of the bar and the close before; unknown of the first bar."""
        return np.maximum(self.high, self.previous_close) - np.minimum(self.low, self.previous_close)

    @property
    def bars(self) -> tuple[Floats, Floats, Floats]:
        """High, low and close, as TA-Lib wants them."""
        return self.high, self.low, self.close

    def priced(self, name: str | None) -> Floats:
        """Return a price that an entry's ``source`` names."""
        match name:
            case None | "close":
                return self.close
            case "open" | "high" | "low":
                found: Floats = getattr(self, name)
                return found
            case "hl2":
                return (self.high + self.low) / 2
            case "hlc3":
                return (self.high + self.low + self.close) / 3
            case "ohlc4":
                return (self.open + self.high + self.low + self.close) / 4
        raise ValueError(f"{name} is no price of a bar")


Oracle = Callable[[Bars, Parameters], dict[str, Floats]]
ORACLES: dict[str, Oracle] = {}
"""By kind."""


def oracle(kind: str) -> Callable[[Oracle], Oracle]:
    """Register the oracle of a kind."""

    def register(function: Oracle) -> Oracle:
        ORACLES[kind] = function
        return function

    return register


def before(series: Floats, bars: int = 1) -> Floats:
    """Return what a series was some bars before; NaN for the first ones."""
    return np.concatenate([np.full(min(bars, len(series)), np.nan), series[: max(0, len(series) - bars)]])
