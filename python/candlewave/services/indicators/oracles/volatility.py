"""Volatility by the ranges of bars, and by falls."""

import numpy as np

from candlewave.services.indicators.oracles.registry import Bars, Parameters, before, oracle
from candlewave.services.indicators.series import Floats, quotient, rolling


def _rogers_satchell(bars: Bars) -> Floats:
    h, o, low, c = (np.log(price) for price in (bars.high, bars.open, bars.low, bars.close))
    return np.asarray((h - c) * (h - o) + (low - c) * (low - o))


@oracle("parkinson")
def _parkinson(bars: Bars, p: Parameters) -> dict[str, Floats]:
    squares = np.log(bars.high / bars.low) ** 2 / (4 * np.log(2))
    return {"parkinson": np.sqrt(rolling(np.mean, squares, p["period"]))}


@oracle("garman_klass")
def _garman_klass(bars: Bars, p: Parameters) -> dict[str, Floats]:
    squares = np.log(bars.high / bars.low) ** 2 / 2 - (2 * np.log(2) - 1) * np.log(bars.close / bars.open) ** 2
    return {"garman_klass": np.sqrt(np.maximum(rolling(np.mean, squares, p["period"]), 0))}


@oracle("rogers_satchell")
def _rogers_satchell_volatility(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"rogers_satchell": np.sqrt(np.maximum(rolling(np.mean, _rogers_satchell(bars), p["period"]), 0))}


@oracle("yang_zhang")
def _yang_zhang(bars: Bars, p: Parameters) -> dict[str, Floats]:
    n = p["period"]
    share = 0.34 / (1.34 + (n + 1) / (n - 1))
    leaps = np.log(bars.open / bars.previous_close)
    bodies = np.log(bars.close / bars.open)
    variance = (
        rolling(_sample_variance, leaps, n)
        + share * rolling(_sample_variance, bodies, n)
        + (1 - share) * rolling(np.mean, _rogers_satchell(bars), n)
    )
    return {"yang_zhang": np.sqrt(np.maximum(variance, 0))}


def _sample_variance(windows: Floats, axis: int) -> Floats:
    return np.asarray(windows.var(axis, ddof=1))


@oracle("ulcer")
def _ulcer(bars: Bars, p: Parameters) -> dict[str, Floats]:
    n = p["period"]
    falls = 100 * (bars.x / rolling(np.max, bars.x, n) - 1)
    return {"ulcer": np.sqrt(rolling(np.mean, falls**2, n))}


@oracle("realised_volatility")
def _realised_volatility(bars: Bars, p: Parameters) -> dict[str, Floats]:
    returns = np.log(bars.x / before(bars.x))
    return {"realised_volatility": np.sqrt(rolling(np.sum, returns**2, p["period"]))}


@oracle("squeeze")
def _squeeze(bars: Bars, p: Parameters) -> dict[str, Floats]:
    n = p["period"]
    flat = rolling(np.max, bars.x, n) == rolling(np.min, bars.x, n)
    deviation = np.where(flat, 0.0, rolling(np.std, bars.x, n))
    return {"squeeze": quotient(p["deviations"] * deviation, p["multiplier"] * rolling(np.mean, bars.true_range, n))}
