"""Indicators computed a second way, to check the SQL against: TA-Lib where it has them, NumPy where not.

Nothing here follows the SQL: averages are TA-Lib's recursions, windows are taken row by row from the bars.
Values differ from the SQL's until an exponential average is warm (TA-Lib starts it with a simple mean), so
compare only bars with ``warm_bars >= warm_up``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import cast

import numpy as np
import talib
from numpy.typing import NDArray
from talib._ta_lib import MA_Type

from candlewave.core.config import IndicatorsConfig
from candlewave.services.indicators.oracles import ORACLES, Bars
from candlewave.services.indicators.series import Floats, after_nan, call_talib, in_ticks, quotient, rolling
from candlewave.sqlproject.catalog.indicators import Unit
from candlewave.sqlproject.catalog.own_indicators import Entry

_DAY_SECONDS = 86400
_VERY_MANY = 1_000_000_000
_PRICE_POWERS = {Unit.PRICE: 1, Unit.DIFFERENCE: 1, Unit.SQUARE: 2, Unit.TURNOVER: 1}


@dataclass(frozen=True)
class Candles:
    """Candles of one exchange, symbol and timeframe in order of time; unknown buy volume is NaN.

    Attributes:
        bar_index: seconds since 1970-01-01 UTC divided by the timeframe's seconds.
        timeframe_seconds: length of a bar.
    """

    bar_index: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    turnover: Floats
    buy_volume: Floats
    timeframe_seconds: int

    def __len__(self) -> int:
        return len(self.bar_index)

    def part(self, rows: slice) -> "Candles":
        """Return some of the rows."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        seconds = columns.pop("timeframe_seconds")
        return Candles(**{name: column[rows] for name, column in columns.items()}, timeframe_seconds=seconds)

    def days(self) -> NDArray[np.int64]:
        """Return the number of each bar's UTC day."""
        return np.asarray(self.bar_index * self.timeframe_seconds // _DAY_SECONDS)

    def volume_of_day(self) -> Floats:
        """Return the volume of each bar's UTC day up to and with the bar."""
        running = np.cumsum(self.volume)
        first = np.searchsorted(self.days(), self.days())
        return np.asarray(running - running[first] + self.volume[first])

    def runs(self) -> Iterator[slice]:
        """Yield the stretches without a hole."""
        edges = np.flatnonzero(np.diff(self.bar_index) != 1) + 1
        bounds = [0, *edges.tolist(), len(self)]
        for start, stop in pairwise(bounds):
            if stop > start:
                yield slice(start, stop)


@dataclass(frozen=True)
class Expected:
    """Oracle values.

    Attributes:
        values: column name -> value per bar, NaN where the indicator is NULL.
        run_bars: bars since the last hole, the current one included.
        quiet_bars: bars since price last moved. Quotients of fading averages consist of what came before; the SQL
            forgets that in the end and gives NULL, TA-Lib never does.
        magnified: column name -> how much rounding of the inputs is magnified, per bar (1 if absent).
    """

    values: dict[str, Floats]
    run_bars: NDArray[np.int64]
    quiet_bars: NDArray[np.int64]
    magnified: dict[str, Floats]


def compute(candles: Candles, config: IndicatorsConfig, entries: Sequence[Entry] = ()) -> Expected:
    """Compute every indicator for every bar: those of the short form, and of the entries whose kinds have an oracle."""
    runs = [_Run(candles.part(rows), config, entries) for rows in candles.runs()]
    if not runs:
        return Expected({}, np.empty(0, np.int64), np.empty(0, np.int64), {})
    values = {name: np.concatenate([r.values[name] for r in runs]) for name in runs[0].values}
    values["obv"] = _obv_by_day(candles, runs)
    return Expected(
        values,
        np.concatenate([np.arange(1, len(r.candles) + 1) for r in runs]),
        np.concatenate([r.quiet_bars() for r in runs]),
        {name: np.concatenate([r.magnified[name] for r in runs]) for name in runs[0].magnified},
    )


class _Run:
    """Indicators of bars without a hole.

    TA-Lib treats numbers below 1e-14 as zero and money flow below 1 as none, and its comparisons of price differences
    see the rounding of decimals. So prices become whole numbers of ticks first, and results are scaled back.
    """

    def __init__(self, candles: Candles, config: IndicatorsConfig, entries: Sequence[Entry]) -> None:
        self.candles = candles
        self.config = config
        self.scale, (self.high, self.low, self.close) = in_ticks(candles.high, candles.low, candles.close)
        self.volume = candles.volume * 2.0**60
        self.typical = (self.high + self.low + self.close) / 3
        self.values: dict[str, Floats] = {}
        self.magnified: dict[str, Floats] = {}
        for part in (self._averages, self._oscillators, self._trend, self._bands, self._flows, self._returns):
            part()
        for entry in entries:
            if entry.kind.name in ORACLES:
                self.values |= _of_entry(candles, entry)

    def quiet_bars(self) -> NDArray[np.int64]:
        """Count bars since the last one that had a range or another close; very many before the first."""
        bars = np.arange(len(self.close))
        moved = self.high > self.low
        moved[1:] |= np.diff(self.close) != 0
        return np.asarray(bars - np.maximum.accumulate(np.where(moved, bars, -_VERY_MANY)))

    def _price(self, name: str, values: Floats) -> None:
        self.values[name] = values / self.scale

    def _averages(self) -> None:
        c, close = self.config, self.close
        for function, label, periods in (
            (talib.SMA, "sma", c.sma),
            (talib.EMA, "ema", c.ema),
            (talib.WMA, "wma", c.wma),
            (talib.DEMA, "dema", c.dema),
            (talib.TEMA, "tema", c.tema),
        ):
            for n in periods:
                self._price(f"{label}_{n}", call_talib(function, close, n))
        m = c.macd
        macd = call_talib(talib.EMA, close, m.fast) - call_talib(talib.EMA, close, m.slow)
        signal = after_nan(lambda x: call_talib(talib.EMA, x, m.signal), macd)
        for name, series in (("macd", macd), ("macd_signal", signal), ("macd_hist", macd - signal)):
            self._price(f"{name}_{m.fast}_{m.slow}_{m.signal}", series)

    def _oscillators(self) -> None:
        c = self.config
        rsi = call_talib(talib.RSI, self.close, c.rsi)
        changed = np.concatenate([[False], np.diff(self.close) != 0])
        rsi[~np.logical_or.accumulate(changed)] = np.nan
        self.values[f"rsi_{c.rsi}"] = rsi
        s = c.stoch_rsi
        suffix = f"{s.period}_{s.k}_{s.d}"
        rsi_high, rsi_low = rolling(np.max, rsi, s.period), rolling(np.min, rsi, s.period)
        rsi_range = np.where(rsi_high - rsi_low > 1e-7, rsi_high - rsi_low, np.nan)
        fast = 100 * (rsi - rsi_low) / rsi_range
        k = rolling(np.mean, fast, s.k)
        self.values[f"stoch_rsi_k_{suffix}"] = k
        self.values[f"stoch_rsi_d_{suffix}"] = rolling(np.mean, k, s.d)
        # A narrow range of RSI magnifies the rounding of RSI itself.
        magnified = 1 + 200 / rsi_range
        self.magnified[f"stoch_rsi_k_{suffix}"] = rolling(np.max, magnified, s.k)
        self.magnified[f"stoch_rsi_d_{suffix}"] = rolling(np.max, magnified, s.k + s.d - 1)
        p = c.stochastic
        suffix = f"{p.k}_{p.smooth}_{p.d}"
        fast = 100 * _position(self.close, rolling(np.min, self.low, p.k), rolling(np.max, self.high, p.k))
        k = rolling(np.mean, fast, p.smooth)
        talib_k, talib_d = talib.STOCH(
            self.high, self.low, self.close, fastk_period=p.k, slowk_period=p.smooth,
            slowk_matype=MA_Type.SMA, slowd_period=p.d, slowd_matype=MA_Type.SMA,
        )  # fmt: skip
        self.values[f"stochastic_k_{suffix}"] = np.where(np.isnan(k) | np.isnan(talib_k), k, talib_k)
        d = rolling(np.mean, k, p.d)
        self.values[f"stochastic_d_{suffix}"] = np.where(np.isnan(d), np.nan, talib_d)
        cci = call_talib(talib.CCI, self.high, self.low, self.close, c.cci)
        flat = rolling(np.max, self.typical, c.cci) == rolling(np.min, self.typical, c.cci)
        self.values[f"cci_{c.cci}"] = np.where(flat, np.nan, cci)
        deviation = rolling(_mean_deviation, self.typical, c.cci)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.magnified[f"cci_{c.cci}"] = 1 + 1e-5 * self.typical / deviation
        self.values[f"roc_{c.roc}"] = call_talib(talib.ROC, self.close, c.roc)
        self._price(f"mom_{c.mom}", call_talib(talib.MOM, self.close, c.mom))
        n = c.williams_r
        williams = call_talib(talib.WILLR, self.high, self.low, self.close, n)
        flat = rolling(np.max, self.high, n) == rolling(np.min, self.low, n)
        self.values[f"williams_r_{n}"] = np.where(flat, np.nan, williams)

    def _trend(self) -> None:
        n = self.config.adx
        bars = (self.high, self.low, self.close)
        moved = np.concatenate([[False], (np.diff(self.high) > 0) | (np.diff(self.low) < 0)])
        ranged = np.concatenate(
            [[False], np.maximum(self.high[1:], self.close[:-1]) > np.minimum(self.low[1:], self.close[:-1])]
        )
        directed = np.logical_or.accumulate(moved)
        ranged = np.logical_or.accumulate(ranged)
        for function, label, known in (
            (talib.ADX, "adx", directed),
            (talib.PLUS_DI, "plus_di", ranged),
            (talib.MINUS_DI, "minus_di", ranged),
        ):
            self.values[f"{label}_{n}"] = np.where(known, call_talib(function, *bars, n), np.nan)

    def _bands(self) -> None:
        c = self.config
        b, k = c.bollinger, c.keltner
        upper, middle, lower = _bollinger(self.close, b.period, b.deviations)
        deviation = rolling(np.std, self.close, b.period)
        flat = rolling(np.max, self.close, b.period) == rolling(np.min, self.close, b.period)
        deviation = np.where(flat, 0.0, deviation)
        for name, series in (("upper", upper), ("middle", middle), ("lower", lower)):
            self._price(f"bollinger_{name}_{b.period}", series)
        width = 2 * b.deviations * deviation
        self.values[f"bollinger_width_{b.period}"] = width / middle
        above_mean = rolling(_newest_above_mean, self.close, b.period)
        self.values[f"bollinger_percent_b_{b.period}"] = 0.5 + quotient(above_mean, width)
        bars = (self.high, self.low, self.close)
        self._price(f"atr_{c.atr}", call_talib(talib.ATR, *bars, c.atr))
        self.values[f"natr_{c.atr}"] = call_talib(talib.NATR, *bars, c.atr)
        average = call_talib(talib.EMA, self.close, k.ema)
        reach = k.multiplier * call_talib(talib.ATR, *bars, k.atr)
        for name, series in (("upper", average + reach), ("middle", average), ("lower", average - reach)):
            self._price(f"keltner_{name}_{k.ema}_{k.atr}", series)
        n = c.donchian
        highest, lowest = call_talib(talib.MAX, self.high, n), call_talib(talib.MIN, self.low, n)
        for name, series in (("upper", highest), ("middle", (highest + lowest) / 2), ("lower", lowest)):
            self._price(f"donchian_{name}_{n}", series)

    def _flows(self) -> None:
        c, candles = self.config, self.candles
        self.values[f"vwap_{c.vwap}"] = quotient(
            rolling(np.sum, candles.turnover, c.vwap), rolling(np.sum, candles.volume, c.vwap)
        )
        mfi = call_talib(talib.MFI, self.high, self.low, self.close, self.volume, c.mfi)
        moved = np.concatenate([[0.0], (np.diff(self.typical) != 0) & (self.volume[1:] > 0)])
        self.values[f"mfi_{c.mfi}"] = np.where(rolling(np.sum, moved, c.mfi) > 0, mfi, np.nan)
        spread = self.high - self.low
        with np.errstate(divide="ignore", invalid="ignore"):
            multiplier = np.where(spread > 0, (2 * self.close - self.low - self.high) / spread, 0.0)
        self.values[f"cmf_{c.cmf}"] = quotient(
            rolling(np.sum, multiplier * candles.volume, c.cmf), rolling(np.sum, candles.volume, c.cmf)
        )
        sided = np.where(np.isnan(candles.buy_volume), 0.0, candles.volume)
        self.values[f"order_flow_{c.order_flow}"] = quotient(
            rolling(np.sum, np.nan_to_num(candles.buy_volume), c.order_flow),
            rolling(np.sum, sided, c.order_flow),
        )

    def _returns(self) -> None:
        c = self.config
        returns = np.full(len(self.close), np.nan)
        returns[1:] = np.log(self.close[1:] / self.close[:-1])
        self.values["log_return"] = returns
        n = c.realised_volatility
        self.values[f"realised_volatility_{n}"] = np.sqrt(rolling(np.sum, returns**2, n))
        n = c.return_zscore
        mean, deviation = rolling(np.mean, returns, n), rolling(np.std, returns, n)
        self.values[f"return_zscore_{n}"] = quotient(returns - mean, deviation)
        n = c.amihud
        traded = self.candles.turnover > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            impact = np.where(traded, np.abs(returns) / self.candles.turnover, 0.0)
        impact[:1] = np.nan
        self.values[f"amihud_{n}"] = 1e6 * quotient(
            rolling(np.sum, impact, n), rolling(np.sum, traded.astype(float), n)
        )
        # A small number by nature: judged relative to itself.
        self.magnified[f"amihud_{n}"] = np.minimum(self.values[f"amihud_{n}"], 1.0)


def _of_entry(candles: Candles, entry: Entry) -> dict[str, Floats]:
    """Compute the columns of an entry for bars without a hole."""
    scale, (open_, high, low, close) = in_ticks(candles.open, candles.high, candles.low, candles.close)
    bars = Bars(open_, high, low, close, candles.volume, candles.turnover, candles.buy_volume, close, scale)
    bars = replace(bars, x=bars.priced(entry.price))
    found = ORACLES[entry.kind.name](bars, {name: cast(int, value) for name, value in entry.parameters.items()})
    return {
        entry.column(column): found[column.name] / scale ** _PRICE_POWERS.get(column.unit, 0)
        for column in entry.computed.columns
    }


def _obv_by_day(candles: Candles, runs: list[_Run]) -> Floats:
    """TA-Lib's OBV, taken relative to its value before 00:00 UTC of each bar's day."""
    steps = []
    for run in runs:
        running = talib.OBV(run.close, run.candles.volume)
        steps.append(np.concatenate([[np.nan], np.diff(running)]))
    step = np.concatenate(steps)
    day = candles.days()
    result = np.full(len(step), np.nan)
    for value in np.unique(day):
        rows = np.flatnonzero(day == value)
        known = ~np.isnan(step[rows])
        result[rows] = np.where(np.logical_or.accumulate(known), np.cumsum(np.nan_to_num(step[rows])), np.nan)
    return result


def _bollinger(close: Floats, period: int, deviations: float) -> tuple[Floats, Floats, Floats]:
    if len(close) < period:
        nothing = np.full(len(close), np.nan)
        return nothing, nothing, nothing
    upper, middle, lower = talib.BBANDS(close, period, deviations, deviations, MA_Type.SMA)
    return upper, middle, lower


def _mean_deviation(windows: Floats, axis: int) -> Floats:
    return np.asarray(np.mean(np.abs(windows - windows.mean(axis, keepdims=True)), axis))


def _newest_above_mean(windows: Floats, axis: int) -> Floats:
    return np.asarray((windows[..., -1:] - windows).mean(axis))


def _position(value: Floats, lowest: Floats, highest: Floats) -> Floats:
    return quotient(value - lowest, highest - lowest)
