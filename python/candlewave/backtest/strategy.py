"""A toy strategy on the median forecast: it shows what costs leave of a forecast's skill, and is not advice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candlewave.backtest.costs import Terms
from candlewave.backtest.fills import Fills
from candlewave.ml.scores import Floats, Interval, ratio_interval

_MINUTES_A_YEAR = 365.25 * 24 * 60
_LARGEST = 0.1
_FUNDING = np.timedelta64(8, "h")
"""Perpetual contracts settle funding at 00:00, 08:00 and 16:00 UTC."""

Times = NDArray[np.datetime64]


@dataclass(frozen=True)
class Decisions:
    """What is forecast for one market; n rows, ascending in time.

    Attributes:
        made_at: (n,) datetime64[us], UTC: when each forecast is known; orders are sent then.
        forecast: (n,) log return expected over the horizon.
    """

    made_at: Times
    forecast: Floats


@dataclass(frozen=True)
class Ledger:
    """What became of one market's orders, fill by fill; k rows, ascending in time.

    Attributes:
        time: (k,) of the fill.
        price: (k,) of the fill, without costs.
        position: (k,) share of the market's capital held from this fill to the next, negative when short; the last: 0.
        traded: (k,) value traded, as a share of the market's capital.
        gain: (k,) return from this fill to the next, before costs.
        fundings: (k,) times of funding that the position was held over.
        unfilled: orders that no known trade followed.
    """

    time: Times
    price: Floats
    position: Floats
    traded: Floats
    gain: Floats
    fundings: Floats
    unfilled: int

    def value(self, terms: Terms | None) -> Floats:
        """Return (k,) what 1 has become just after each fill; without ``terms`` before costs."""
        side, funding = (terms.per_side, terms.funding) if terms else (0.0, 0.0)
        held = np.maximum(1 + self.gain - self.fundings * np.abs(self.position) * funding, 0.0)
        paid: Floats = (1 - side) ** self.traded
        before: Floats = np.concatenate((np.ones(min(len(held), 1)), np.cumprod(held)[:-1]))
        return np.asarray(np.cumprod(paid) * before, np.float64)

    def holding(self, terms: Terms) -> Floats:
        """Return (k,) what 1 has become that was bought at the first fill and sold at the last, costs included."""
        value = (1 - terms.per_side) * self.price / self.price[:1]
        value[-1:] *= 1 - terms.per_side
        return value


@dataclass(frozen=True)
class StrategyRun:
    """What the toy strategy would have made.

    Attributes:
        horizon_minutes: how long each position is held; decisions do not overlap.
        time: (k,) datetime64[us], UTC: of every fill of any market.
        equity: (k,) value of 1 at the start, after costs; each market has an equal share of it.
        before_costs: (k,) the same trades without costs.
        buy_and_hold: (k,) value of 1 that bought equal shares of all markets at the first fill and sold at the last,
            costs included.
        trades: fills that changed a position.
        hit_rate: share of the periods with a position that gained before costs; NaN without any.
        sharpe: mean by standard deviation of the returns of all horizons after costs, a year; NaN without a trade.
        max_drawdown: largest fall from a peak of ``equity``, as a fraction.
        break_even: cost per side, as a fraction, at which trading every forecast gains nothing: what it gains by what
            it trades. NaN without a trade.
        break_even_largest: the same of the tenth of each market's forecasts that is largest, which is known in
            hindsight only.
        unfilled: orders that no known trade followed.
    """

    horizon_minutes: int
    time: Times
    equity: Floats
    before_costs: Floats
    buy_and_hold: Floats
    trades: int
    hit_rate: float
    sharpe: float
    max_drawdown: float
    break_even: Interval
    break_even_largest: Interval
    unfilled: int


def run_strategy(
    horizon_minutes: int,
    decisions: Mapping[str, Decisions],
    fills: Mapping[str, Fills],
    terms: Mapping[str, Terms],
) -> StrategyRun:
    """Hold the sign of the forecast for a horizon when it exceeds the cost of getting in and out, else nothing.

    Args:
        horizon_minutes: of the forecasts; of a market those count whose candle ends at a multiple of it.
        decisions: by market; markets without a forecast are left out.
        fills: by market, what orders can meet.
        terms: by market; those that refuse are left out.
    """
    used = [name for name, found in decisions.items() if terms[name].refusal is None and len(found.made_at)]
    step = np.timedelta64(horizon_minutes, "m")
    whole: list[tuple[Terms, Ledger]] = []
    every: list[tuple[Terms, Ledger]] = []
    largest: list[tuple[Terms, Ledger]] = []
    for name in used:
        market, forecast = terms[name], decisions[name].forecast
        size = np.abs(np.expm1(forecast))
        big = size >= np.quantile(size, 1 - _LARGEST)
        round_trip = (1 - market.per_side) ** -2 - 1
        for ledgers, taken in ((whole, size > round_trip), (every, size > 0), (largest, big & (size > 0))):
            target = np.where(taken, np.sign(forecast), 0.0)
            target = target if market.may_short else np.maximum(target, 0.0)
            ledgers.append((market, trade(decisions[name].made_at, target, step, fills[name])))
    time = _union([ledger.time for _, ledger in whole])
    equity = _together(time, [(ledger.time, ledger.value(market)) for market, ledger in whole])
    held = [ledger.gain[ledger.position != 0] > 0 for _, ledger in whole]
    periods = int(sum(len(one) for one in held))
    ends = _union([times for name in used for times in (decisions[name].made_at, decisions[name].made_at + step)])
    return StrategyRun(
        horizon_minutes=horizon_minutes,
        time=time,
        equity=equity,
        before_costs=_together(time, [(ledger.time, ledger.value(None)) for _, ledger in whole]),
        buy_and_hold=_together(time, [(ledger.time, ledger.holding(market)) for market, ledger in whole]),
        trades=int(sum(np.count_nonzero(ledger.traded) for _, ledger in whole)),
        hit_rate=float(sum(one.sum() for one in held)) / periods if periods else float("nan"),
        sharpe=_sharpe(_together(ends, [(time, equity)]), horizon_minutes),
        max_drawdown=_drawdown(equity),
        break_even=_break_even(every, horizon_minutes),
        break_even_largest=_break_even(largest, horizon_minutes),
        unfilled=sum(ledger.unfilled for _, ledger in whole),
    )


def decided(made_at: Times, close_time: Times, forecast: Floats, horizon_minutes: int) -> Decisions:
    """Return the forecasts that do not overlap: those whose candle closes at a multiple of the horizon."""
    minutes = close_time.astype("datetime64[m]").astype(np.int64)
    kept = (minutes % horizon_minutes == 0) & np.isfinite(forecast)
    return Decisions(made_at[kept], forecast[kept])


def trade(made_at: Times, target: Floats, step: np.timedelta64, fills: Fills) -> Ledger:
    """Return what became of orders, each filled by the first trade after it.

    A position ends a step after the last forecast that wanted it: none is left open at the end or across a hole. A
    newer order replaces one that nothing has filled yet. What no trade follows is closed at the last trade known.

    Args:
        made_at: (n,) when each order is sent, ascending.
        target: (n,) position wanted.
        step: how long a forecast holds.
        fills: what orders can meet.
    """
    flat = np.setdiff1d(made_at + step, made_at)
    moments = np.concatenate((made_at, flat))
    order = np.argsort(moments, kind="stable")
    rows = fills.after(moments[order])
    wanted = np.concatenate((target, np.zeros(len(flat))))[order]
    met = rows < len(fills.time)
    # A position that is given up in vain is closed below; one that was never opened is an order that is left.
    unfilled = int(np.count_nonzero(wanted[~met]))
    rows, wanted = rows[met], wanted[met]
    newest = np.append(rows[1:] != rows[:-1], np.ones(min(len(rows), 1), bool))
    rows, wanted = rows[newest], wanted[newest].copy()
    last = len(fills.time) - 1
    if len(wanted) and wanted[-1] != 0:
        if rows[-1] == last:
            wanted[-1] = 0.0
        else:
            rows, wanted = np.append(rows, last), np.append(wanted, 0.0)
    time, price = fills.time[rows], fills.price[rows]
    moved = np.append(price[1:] / price[:-1] - 1, np.zeros(min(len(price), 1)))
    settled = (time - np.datetime64(0, "us")) // _FUNDING
    return Ledger(
        time=time,
        price=price,
        position=wanted,
        traded=np.abs(np.diff(wanted, prepend=0.0)),
        gain=wanted * moved,
        fundings=np.append(np.diff(settled), np.zeros(min(len(settled), 1), np.int64)).astype(np.float64),
        unfilled=unfilled,
    )


def _union(times: Sequence[Times]) -> Times:
    return np.unique(np.concatenate([np.array([], "datetime64[us]"), *times]))


def _together(time: Times, curves: Sequence[tuple[Times, Floats]]) -> Floats:
    """Return the mean of curves that each begin at 1 and keep their value until their next point."""
    total = np.zeros(len(time))
    for moments, value in curves:
        total += np.concatenate(([1.0], value))[np.searchsorted(moments, time, side="right")]
    return total / max(len(curves), 1)


def _sharpe(value: Floats, horizon_minutes: int) -> float:
    returns = np.diff(value) / value[:-1] if len(value) else np.array([])
    spread = float(returns.std()) if len(returns) else 0.0
    return float(returns.mean() / spread * np.sqrt(_MINUTES_A_YEAR / horizon_minutes)) if spread else float("nan")


def _drawdown(equity: Floats) -> float:
    peak = np.maximum.accumulate(np.concatenate(([1.0], equity)))[1:]
    return float(((peak - equity) / peak).max(initial=0.0))


def _break_even(ledgers: Sequence[tuple[Terms, Ledger]], horizon_minutes: int) -> Interval:
    if not any(ledger.traded.any() for _, ledger in ledgers):
        return Interval(float("nan"), float("nan"), float("nan"))
    gain = [ledger.gain - ledger.fundings * np.abs(ledger.position) * market.funding for market, ledger in ledgers]
    return ratio_interval(
        np.concatenate(gain),
        np.concatenate([ledger.traded for _, ledger in ledgers]),
        np.concatenate([ledger.time for _, ledger in ledgers]),
        horizon_minutes,
    )
