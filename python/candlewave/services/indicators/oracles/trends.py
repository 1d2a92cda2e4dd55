"""Lines, bands and channels."""

import numpy as np
import talib
from talib._ta_lib import MA_Type

from candlewave.services.indicators.oracles.registry import Bars, Parameters, before, oracle
from candlewave.services.indicators.series import Floats, call_talib, quotient, rolling


@oracle("linearreg")
def _linearreg(bars: Bars, p: Parameters) -> dict[str, Floats]:
    n = p["period"]
    return {
        "linearreg": call_talib(talib.LINEARREG, bars.x, n),
        "linearreg_slope": call_talib(talib.LINEARREG_SLOPE, bars.x, n),
        # An angle knows no ticks.
        "linearreg_angle": call_talib(talib.LINEARREG_ANGLE, bars.x / bars.scale, n),
        "linearreg_r2": rolling(_squared_correlation, bars.x, n),
        "linearreg_forecast": call_talib(talib.TSF, bars.x, n),
    }


def _squared_correlation(windows: Floats, axis: int) -> Floats:
    """Return the squared correlation of each window with time; NaN where it is flat."""
    time = np.arange(windows.shape[axis]) - (windows.shape[axis] - 1) / 2
    centred = windows - windows[..., :1]
    centred = centred - centred.mean(axis, keepdims=True)
    flat = windows.max(axis) == windows.min(axis)
    covariance, variance = (centred * time).sum(axis), (centred**2).sum(axis)
    return quotient(covariance**2, np.where(flat, 0, variance * (time**2).sum()))


@oracle("stddev")
def _stddev(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"stddev": call_talib(talib.STDDEV, bars.x, p["period"])}


@oracle("var")
def _var(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"var": call_talib(talib.VAR, bars.x, p["period"])}


@oracle("bollinger")
def _bollinger(bars: Bars, p: Parameters) -> dict[str, Floats]:
    n, deviations = p["period"], float(p["deviations"])
    x = bars.x
    if len(x) < n:
        return {
            f"bollinger_{name}": np.full(len(x), np.nan) for name in ("upper", "middle", "lower", "width", "percent_b")
        }
    upper, middle, lower = talib.BBANDS(x, n, deviations, deviations, MA_Type.SMA)
    flat = rolling(np.max, x, n) == rolling(np.min, x, n)
    width = 2 * deviations * np.where(flat, 0.0, rolling(np.std, x, n))
    above_mean = rolling(lambda windows, axis: (windows[..., -1:] - windows).mean(axis), x, n)
    return {
        "bollinger_upper": upper,
        "bollinger_middle": middle,
        "bollinger_lower": lower,
        "bollinger_width": width / middle,
        "bollinger_percent_b": 0.5 + quotient(above_mean, width),
    }


@oracle("donchian")
def _donchian(bars: Bars, p: Parameters) -> dict[str, Floats]:
    highest, lowest = call_talib(talib.MAX, bars.high, p["period"]), call_talib(talib.MIN, bars.low, p["period"])
    return {"donchian_upper": highest, "donchian_middle": (highest + lowest) / 2, "donchian_lower": lowest}


@oracle("atr")
def _atr(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {
        "atr": call_talib(talib.ATR, *bars.bars, p["period"]),
        "natr": call_talib(talib.NATR, *bars.bars, p["period"]),
    }


@oracle("keltner")
def _keltner(bars: Bars, p: Parameters) -> dict[str, Floats]:
    middle = call_talib(talib.EMA, bars.close, p["period"])
    reach = p["multiplier"] * call_talib(talib.ATR, *bars.bars, p["range_period"])
    return {"keltner_upper": middle + reach, "keltner_middle": middle, "keltner_lower": middle - reach}


@oracle("ichimoku")
def _ichimoku(bars: Bars, p: Parameters) -> dict[str, Floats]:
    def middle(n: int) -> Floats:
        return (rolling(np.max, bars.high, n) + rolling(np.min, bars.low, n)) / 2

    conversion, base = middle(p["conversion"]), middle(p["base"])
    known = ~np.isnan(before(middle(p["span"]), p["shift"]))
    lines = {
        "ichimoku_conversion": conversion,
        "ichimoku_base": base,
        "ichimoku_span_a": before((conversion + base) / 2, p["shift"]),
        "ichimoku_span_b": before(middle(p["span"]), p["shift"]),
    }
    return {name: np.where(known, line, np.nan) for name, line in lines.items()}


@oracle("heikin_ashi")
def _heikin_ashi(bars: Bars, _: Parameters) -> dict[str, Floats]:
    close = bars.priced("ohlc4")
    open_ = np.full(len(close), np.nan)
    for n in range(1, len(close)):
        open_[n] = ((bars.open[0] + bars.close[0]) / 2 if n == 1 else open_[n - 1]) / 2 + close[n - 1] / 2
    return {
        "heikin_ashi_open": open_,
        "heikin_ashi_high": np.maximum(np.maximum(bars.high, open_), close),
        "heikin_ashi_low": np.minimum(np.minimum(bars.low, open_), close),
        "heikin_ashi_close": np.where(np.isnan(open_), np.nan, close),
    }
