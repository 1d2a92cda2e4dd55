"""Oscillators: bounded, or around a balance."""

import numpy as np
import talib

from candlewave.services.indicators.oracles.registry import Bars, Parameters, before, oracle
from candlewave.services.indicators.series import Floats, call_talib, quotient, rolling


def _since_first_change(values: Floats, series: Floats) -> Floats:
    """Leave out bars before the first change: nothing is remembered, and TA-Lib gives 0."""
    changed = np.concatenate([[False], np.diff(series) != 0])
    return np.where(np.logical_or.accumulate(changed), values, np.nan)


@oracle("rsi")
def _rsi(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"rsi": _since_first_change(call_talib(talib.RSI, bars.x, p["period"]), bars.x)}


@oracle("cmo")
def _cmo(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"cmo": _since_first_change(call_talib(talib.CMO, bars.x, p["period"]), bars.x)}


@oracle("stochastic")
def _stochastic(bars: Bars, p: Parameters) -> dict[str, Floats]:
    lowest, highest = rolling(np.min, bars.low, p["period"]), rolling(np.max, bars.high, p["period"])
    k = rolling(np.mean, 100 * quotient(bars.close - lowest, highest - lowest), p["smooth"])
    return {"stochastic_k": k, "stochastic_d": rolling(np.mean, k, p["d"])}


@oracle("williams_r")
def _williams_r(bars: Bars, p: Parameters) -> dict[str, Floats]:
    n = p["period"]
    flat = rolling(np.max, bars.high, n) == rolling(np.min, bars.low, n)
    return {"williams_r": np.where(flat, np.nan, call_talib(talib.WILLR, *bars.bars, n))}


@oracle("roc")
def _roc(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"roc": call_talib(talib.ROC, bars.x, p["period"])}


@oracle("mom")
def _mom(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"mom": call_talib(talib.MOM, bars.x, p["period"])}


@oracle("ultimate")
def _ultimate(bars: Bars, p: Parameters) -> dict[str, Floats]:
    value = call_talib(talib.ULTOSC, *bars.bars, p["short"], p["middle"], p["long"])
    flat = rolling(np.max, bars.true_range, p["short"]) == 0
    return {"ultimate": np.where(flat, np.nan, value)}


@oracle("bop")
def _bop(bars: Bars, _: Parameters) -> dict[str, Floats]:
    value = call_talib(talib.BOP, bars.open, bars.high, bars.low, bars.close)
    value = np.where(np.isnan(value), quotient(bars.close - bars.open, bars.high - bars.low), value)
    return {"bop": np.where(bars.high > bars.low, value, np.nan)}


@oracle("vortex")
def _vortex(bars: Bars, p: Parameters) -> dict[str, Floats]:
    n = p["period"]
    path = rolling(np.sum, bars.true_range, n)
    upward = rolling(np.sum, np.abs(bars.high - before(bars.low)), n)
    downward = rolling(np.sum, np.abs(bars.low - before(bars.high)), n)
    return {"vortex_plus": quotient(upward, path), "vortex_minus": quotient(downward, path)}


@oracle("choppiness")
def _choppiness(bars: Bars, p: Parameters) -> dict[str, Floats]:
    n = p["period"]
    reach = rolling(np.max, bars.high, n) - rolling(np.min, bars.low, n)
    path = quotient(rolling(np.sum, bars.true_range, n), reach)
    return {"choppiness": 100 * np.log10(np.where(path > 0, path, np.nan)) / np.log10(n)}


@oracle("aroon")
def _aroon(bars: Bars, p: Parameters) -> dict[str, Floats]:
    n = p["period"]
    if len(bars.close) <= n:
        nothing = np.full(len(bars.close), np.nan)
        return {"aroon_up": nothing, "aroon_down": nothing, "aroon_oscillator": nothing}
    down, up = talib.AROON(bars.high, bars.low, n)
    return {"aroon_up": up, "aroon_down": down, "aroon_oscillator": talib.AROONOSC(bars.high, bars.low, n)}


@oracle("mass_index")
def _mass_index(bars: Bars, p: Parameters) -> dict[str, Floats]:
    first = call_talib(talib.EMA, bars.high - bars.low, p["period"])
    lead = int(np.isnan(first).sum())
    second = (
        np.concatenate([first[:lead], call_talib(talib.EMA, first[lead:], p["period"])]) if lead < len(first) else first
    )
    return {"mass_index": rolling(np.sum, quotient(first, second), p["window"])}


@oracle("kst")
def _kst(bars: Bars, p: Parameters) -> dict[str, Floats]:
    parts = ((1, 10, 10), (2, 15, 10), (3, 20, 10), (4, 30, 15))
    line = sum(
        (weight * rolling(np.mean, call_talib(talib.ROC, bars.x, back), n) for weight, back, n in parts),
        start=np.zeros(len(bars.x)),
    )
    signal = rolling(np.mean, line, p["signal"])
    return {"kst": np.where(np.isnan(signal), np.nan, line), "kst_signal": signal}
