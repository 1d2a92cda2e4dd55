"""What volume says."""

import numpy as np
import talib

from candlewave.services.indicators.oracles.registry import Bars, Parameters, oracle
from candlewave.services.indicators.series import Floats, call_talib, quotient, rolling


@oracle("adosc")
def _adosc(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"adosc": call_talib(talib.ADOSC, *bars.bars, bars.volume, p["fast"], p["slow"])}


@oracle("force_index")
def _force_index(bars: Bars, p: Parameters) -> dict[str, Floats]:
    force = (np.diff(bars.close) * bars.volume[1:]) if len(bars.close) > 1 else np.empty(0)
    smooth = call_talib(talib.EMA, force, p["period"]) if len(force) else force
    return {"force_index": np.concatenate([[np.nan], smooth])}


@oracle("mfi")
def _mfi(bars: Bars, p: Parameters) -> dict[str, Floats]:
    n = p["period"]
    # TA-Lib takes money below 1 for none.
    value = call_talib(talib.MFI, *bars.bars, bars.volume * 2.0**60, n)
    typical = bars.high + bars.low + bars.close
    flowed = np.concatenate([[0.0], (np.diff(typical) != 0) & (bars.volume[1:] > 0)])
    return {"mfi": np.where(rolling(np.sum, flowed, n) > 0, value, np.nan)}


@oracle("cmf")
def _cmf(bars: Bars, p: Parameters) -> dict[str, Floats]:
    share = np.nan_to_num(quotient(2 * bars.close - bars.low - bars.high, bars.high - bars.low))
    n = p["period"]
    return {"cmf": quotient(rolling(np.sum, share * bars.volume, n), rolling(np.sum, bars.volume, n))}


@oracle("vwap")
def _vwap(bars: Bars, p: Parameters) -> dict[str, Floats]:
    n = p["period"]
    return {"vwap": bars.scale * quotient(rolling(np.sum, bars.turnover, n), rolling(np.sum, bars.volume, n))}


@oracle("order_flow")
def _order_flow(bars: Bars, p: Parameters) -> dict[str, Floats]:
    n = p["period"]
    sided = np.where(np.isnan(bars.buy_volume), 0.0, bars.volume)
    bought = rolling(np.sum, np.nan_to_num(bars.buy_volume), n)
    return {"order_flow": quotient(bought, rolling(np.sum, sided, n))}
