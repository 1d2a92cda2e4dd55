"""Series of numbers, one per bar: windows, quotients, and how TA-Lib is called. NaN where there is no value."""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def in_ticks(*prices: Floats) -> tuple[float, list[Floats]]:
    """Scale prices by the power of ten that makes them whole, or by a power of two to about 8192 if none does."""
    largest = max(float(p.max()) for p in prices)
    for digits in range(19):
        scale = 10.0**digits
        whole = [np.round(p * scale) for p in prices]
        if all(np.all(np.abs(p * scale - w) <= 1e-13 * w) for p, w in zip(prices, whole, strict=True)):
            return scale, whole
    scale = 2.0 ** (13 - round(float(np.log2(largest))))
    return scale, [p * scale for p in prices]


def call_talib(function: Callable[..., Floats], *arguments: Floats | int) -> Floats:
    """Call TA-Lib, which refuses fewer bars than the period in some functions by raising."""
    series = [a for a in arguments if isinstance(a, np.ndarray)]
    if len(series[0]) < 2:
        return np.full(len(series[0]), np.nan)
    return np.asarray(function(*series, *(a for a in arguments if not isinstance(a, np.ndarray))), np.float64)


def after_nan(function: Callable[[Floats], Floats], series: Floats) -> Floats:
    """Apply a function to a series without its leading NaN."""
    lead = int(np.isnan(series).sum())
    return np.concatenate([np.full(lead, np.nan), function(series[lead:])]) if lead < len(series) else series


def rolling(function: Callable[..., Floats], series: Floats, bars: int) -> Floats:
    """Apply a function to each window of ``bars`` values; NaN for the first ones and windows with a NaN."""
    result = np.full(len(series), np.nan)
    if len(series) >= bars:
        result[bars - 1 :] = function(sliding_window_view(series, bars), axis=-1)
    return result


def quotient(dividend: Floats, divisor: Floats) -> Floats:
    """Divide; NaN where the divisor is 0."""
    result = np.full(len(dividend), np.nan)
    np.divide(dividend, divisor, out=result, where=divisor != 0)
    return result
