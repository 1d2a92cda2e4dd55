"""A toy strategy on the median forecast: it shows what costs leave of a forecast's skill, and is not advice."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MINUTES_A_YEAR = 365.25 * 24 * 60


@dataclass(frozen=True)
class Costs:
    """What a change of position costs, each in basis points of the traded value and per side."""

    fee_bps: float = 5.0
    slippage_bps: float = 1.0

    @property
    def per_side(self) -> float:
        """Cost of trading one unit of value once, as a fraction."""
        return (self.fee_bps + self.slippage_bps) / 10_000


@dataclass(frozen=True)
class StrategyRun:
    """What the toy strategy would have made.

    Attributes:
        horizon_minutes: how long each position is held; decisions do not overlap.
        time: (k,) datetime64[us], UTC: end of each holding period.
        equity: (k,) value of 1 at the start, after costs, equal weights of all symbols.
        before_costs: (k,) the same without costs.
        buy_and_hold: (k,) value of 1 held in equal weights of all symbols.
        trades: changes of position.
        hit_rate: share of the periods with a position that gained before costs; NaN without any.
        sharpe: mean by standard deviation of the periods' returns after costs, a year; NaN when nothing was traded.
        max_drawdown: largest fall from a peak of ``equity``, as a fraction.
    """

    horizon_minutes: int
    time: NDArray[np.datetime64]
    equity: NDArray[np.float64]
    before_costs: NDArray[np.float64]
    buy_and_hold: NDArray[np.float64]
    trades: int
    hit_rate: float
    sharpe: float
    max_drawdown: float


def run_strategy(
    symbol: NDArray[Any],
    open_time: NDArray[np.datetime64],
    forecast: NDArray[np.float64],
    realised: NDArray[np.float64],
    horizon_minutes: int,
    costs: Costs,
) -> StrategyRun:
    """Hold the sign of the forecast for a horizon when it exceeds the cost of getting in and out, else nothing.

    Args:
        symbol: (n,) market of each row.
        open_time: (n,) feature time of each row; rows whose minute is not a multiple of the horizon are left out.
        forecast: (n,) median log return forecast.
        realised: (n,) log return that came; rows with NaN are left out.
        horizon_minutes: horizon of both.
        costs: of each change of position.
    """
    step = np.timedelta64(horizon_minutes, "m")
    minutes = open_time.astype("datetime64[m]").astype(np.int64) + 1
    usable = (minutes % horizon_minutes == 0) & np.isfinite(realised) & np.isfinite(forecast)
    times, period = np.unique(open_time[usable], return_inverse=True)
    names, market = np.unique(symbol[usable], return_inverse=True)
    shape = (len(times), len(names))
    gain, position = np.full(shape, np.nan), np.zeros(shape)
    gain[period, market] = np.expm1(realised[usable])
    wanted = forecast[usable]
    position[period, market] = np.where(np.abs(wanted) > 2 * costs.per_side, np.sign(wanted), 0.0)
    changes = np.abs(np.diff(position, axis=0, prepend=np.zeros((1, len(names)))))
    weight = 1.0 / max(len(names), 1)
    known = np.nan_to_num(gain)
    gross = (position * known).sum(axis=1) * weight
    net = gross - changes.sum(axis=1) * costs.per_side * weight
    held = (position != 0) & np.isfinite(gain)
    equity = np.cumprod(1 + net)
    spread = float(net.std()) if len(net) else 0.0
    peak = np.maximum.accumulate(np.concatenate(([1.0], equity)))[1:]
    return StrategyRun(
        horizon_minutes=horizon_minutes,
        time=(times + np.timedelta64(1, "m") + step).astype("datetime64[us]"),
        equity=equity,
        before_costs=np.cumprod(1 + gross),
        buy_and_hold=np.cumprod(1 + known.sum(axis=1) * weight),
        trades=int(np.count_nonzero(changes)),
        hit_rate=float((position * known > 0)[held].mean()) if held.any() else float("nan"),
        sharpe=float(net.mean() / spread * np.sqrt(_MINUTES_A_YEAR / horizon_minutes)) if spread else float("nan"),
        max_drawdown=float(((peak - equity) / peak).max(initial=0.0)),
    )
