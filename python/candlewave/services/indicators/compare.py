"""Compare indicator values with the oracle's, within the tolerance that candlewave promises.

``|a - b| <= 1e-9 * max(|b|, s)``, where s is the close for prices and what is left of two of them, its square for
squares, 100 for bounded indicators, 1 for ratios, and for volumes the volume of the day so far, or the largest one of a
bar so far where older bars are remembered, times the close for turnover; only bars on which the indicator is warm are
judged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candlewave.services.indicators.oracle import Candles, Expected
from candlewave.services.indicators.series import Floats
from candlewave.sqlproject.catalog.indicators import Indicator, Kind, Unit

TOLERANCE = 1e-9
"""Largest difference relative to the value's scale."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one column compares.

    Attributes:
        judged: number of bars compared.
        worst: largest difference, in tolerances: at most 1 is equal.
        worst_at: position of that bar, None when no bar has a value on both sides.
        nulls: positions of bars where only one side is NULL.
    """

    name: str
    judged: int
    worst: float
    worst_at: int | None
    nulls: tuple[int, ...]

    @property
    def equal(self) -> bool:
        """True when every judged bar agrees."""
        return self.worst <= 1 and not self.nulls


def compare(
    candles: Candles,
    expected: Expected,
    actual: Mapping[str, Floats],
    indicators: Iterable[Indicator],
    *,
    quiet_limit: int,
    last: int | None = None,
) -> list[Comparison]:
    """Compare every indicator on every bar on which it is warm.

    Args:
        actual: column name -> value per bar, NaN for NULL.
        quiet_limit: bars without any price change, after which quotients of averages (RSI) are not judged until they
            are warm again; the configuration's ``candles.max_fill_minutes``.
        last: judge only this many bars at the end.
    """
    first = 0 if last is None else max(0, len(candles) - last)
    return [_compare(i, candles, expected, actual[i.name], quiet_limit, first) for i in indicators]


def _compare(
    indicator: Indicator, candles: Candles, expected: Expected, actual: Floats, quiet_limit: int, first: int
) -> Comparison:
    wanted = expected.values[indicator.name]
    judged = expected.run_bars >= indicator.warm_up
    if indicator.kind is Kind.EXPONENTIAL and indicator.unit is Unit.BOUNDED:
        judged &= _bars_since(expected.quiet_bars > quiet_limit) >= indicator.warm_up
    judged[:first] = False
    scale = np.maximum(np.abs(wanted), _scale(indicator, candles))
    tolerance = TOLERANCE * scale * expected.magnified.get(indicator.name, np.ones(len(candles)))
    both = judged & ~np.isnan(actual) & ~np.isnan(wanted)
    off = np.zeros(len(candles))
    np.divide(np.abs(actual - wanted), tolerance, out=off, where=both & (actual != wanted))
    worst_at = int(np.argmax(off)) if both.any() else None
    nulls = np.flatnonzero(judged & (np.isnan(actual) != np.isnan(wanted)))
    worst = 0.0 if worst_at is None else float(off[worst_at])
    return Comparison(indicator.name, int(judged.sum()), worst, worst_at, tuple(nulls.tolist()))


def _bars_since(event: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count bars since the last event; before the first one, bars are as far from it as can be."""
    bars = np.arange(len(event))
    last = np.maximum.accumulate(np.where(event, bars, -len(event)))
    return np.asarray(bars - last)


def _scale(indicator: Indicator, candles: Candles) -> Floats:
    match indicator.unit:
        case Unit.PRICE | Unit.DIFFERENCE:
            return candles.close
        case Unit.SQUARE:
            return candles.close**2
        case Unit.BOUNDED:
            return np.full(len(candles), 100.0)
        case Unit.RATIO:
            return np.ones(len(candles))
        case Unit.VOLUME if indicator.kind is Kind.EXPONENTIAL:
            return np.maximum.accumulate(candles.volume)
        case Unit.TURNOVER:
            return np.maximum.accumulate(candles.volume) * candles.close
        case Unit.VOLUME:
            return candles.volume_of_day()
