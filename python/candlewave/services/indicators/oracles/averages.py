"""Moving averages and what is made of them."""

import numpy as np
import talib

from candlewave.services.indicators.oracles.registry import Bars, Parameters, before, oracle
from candlewave.services.indicators.series import Floats, after_nan, call_talib, quotient, rolling

_EMA = 1
"""TA-Lib's number of exponential averages."""


@oracle("sma")
def _sma(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"sma": call_talib(talib.SMA, bars.x, p["period"])}


@oracle("ema")
def _ema(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"ema": call_talib(talib.EMA, bars.x, p["period"])}


@oracle("wma")
def _wma(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"wma": call_talib(talib.WMA, bars.x, p["period"])}


@oracle("dema")
def _dema(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"dema": call_talib(talib.DEMA, bars.x, p["period"])}


@oracle("tema")
def _tema(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"tema": call_talib(talib.TEMA, bars.x, p["period"])}


@oracle("trima")
def _trima(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"trima": call_talib(talib.TRIMA, bars.x, p["period"])}


@oracle("hma")
def _hma(bars: Bars, p: Parameters) -> dict[str, Floats]:
    n = p["period"]
    quick = 2 * _weighted(bars.x, n // 2) - _weighted(bars.x, n)
    return {"hma": _weighted(quick, int(n**0.5))}


def _weighted(series: Floats, n: int) -> Floats:
    weights = np.arange(1, n + 1)
    return rolling(lambda windows, axis: np.average(windows, axis, weights), series, n)


@oracle("vwma")
def _vwma(bars: Bars, p: Parameters) -> dict[str, Floats]:
    n = p["period"]
    return {"vwma": quotient(rolling(np.sum, bars.x * bars.volume, n), rolling(np.sum, bars.volume, n))}


@oracle("macd")
def _macd(bars: Bars, p: Parameters) -> dict[str, Floats]:
    macd = call_talib(talib.EMA, bars.x, p["fast"]) - call_talib(talib.EMA, bars.x, p["slow"])
    signal = after_nan(lambda series: call_talib(talib.EMA, series, p["signal"]), macd)
    return {"macd": macd, "macd_signal": signal, "macd_hist": macd - signal}


@oracle("apo")
def _apo(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"apo": call_talib(talib.APO, bars.x, p["fast"], p["slow"], _EMA)}


@oracle("ppo")
def _ppo(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"ppo": call_talib(talib.PPO, bars.x, p["fast"], p["slow"], _EMA)}


@oracle("trix")
def _trix(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"trix": call_talib(talib.TRIX, bars.x, p["period"])}


@oracle("dpo")
def _dpo(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"dpo": before(bars.x, p["period"] // 2 + 1) - rolling(np.mean, bars.x, p["period"])}


@oracle("awesome")
def _awesome(bars: Bars, p: Parameters) -> dict[str, Floats]:
    middle = (bars.high + bars.low) / 2
    return {"awesome": rolling(np.mean, middle, p["fast"]) - rolling(np.mean, middle, p["slow"])}


@oracle("elder_ray")
def _elder_ray(bars: Bars, p: Parameters) -> dict[str, Floats]:
    average = call_talib(talib.EMA, bars.close, p["period"])
    return {"elder_bull": bars.high - average, "elder_bear": bars.low - average}
