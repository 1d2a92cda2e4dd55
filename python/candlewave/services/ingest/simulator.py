"""Seeded market simulator: synthetic trades of several correlated symbols, as awkward as real ones.

Everything it makes carries ``exchange = 'simulated'``. Times are UTC; inside, they are microseconds since
1970.

A run is cut into *blocks* of whole minutes whose length depends on the symbols only. Each block draws from
generators seeded by (seed, stream, block), so the same seed gives the same trades whatever the batch size,
and disturbances (late, duplicate, out-of-order) change when a trade arrives but never which trades exist.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from candlewave.core.times import to_us

EXCHANGE = "simulated"
MINUTE_US = 60_000_000
_LATENCY_US = 40_000
_BLOCK_TRADES = 200_000
_DAY_SECONDS = 86_400
_MARKET, _TRADES, _DISTURBANCES = 0, 1, 2
_FLOW_TO_BUYERS = 0.2

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SimulatedSymbol:
    """One synthetic market.

    Attributes:
        symbol: such as BTC/USD.
        price: at the start, in units of quote.
        tick: smallest price step, a decimal text such as "0.1".
        lot: smallest quantity step, likewise.
        rate: mean trades per second, bursts included.
        volatility: standard deviation of a day's log return in the ordinary regime.
        spread: ask less bid, as a fraction of the price (never less than a tick).
        beta: correlation with the common market factor, 0 to 1.
        size: median value of a trade, in units of quote.
    """

    symbol: str
    price: float
    tick: str
    lot: str = "0.00000001"
    rate: float = 1.0
    volatility: float = 0.03
    spread: float = 0.0002
    beta: float = 0.7
    size: float = 500.0


DEFAULT_SYMBOLS = (
    SimulatedSymbol("BTC/USD", 65_000.0, "0.1", rate=1.2, volatility=0.025, spread=0.00004, beta=0.85),
    SimulatedSymbol("ETH/USD", 3_200.0, "0.01", rate=0.9, volatility=0.032, spread=0.00008, beta=0.8),
    SimulatedSymbol("SOL/USD", 150.0, "0.01", rate=0.6, volatility=0.045, spread=0.0002, beta=0.7),
)


def make_symbols(count: int, rate: float = 1.0) -> tuple[SimulatedSymbol, ...]:
    """Return ``count`` different symbols (S000/USD, S001/USD, …) of ``rate`` trades per second each."""
    return tuple(
        SimulatedSymbol(
            f"S{i:03d}/USD",
            price=10.0 ** (4 - i % 5),
            tick=("0.1", "0.01", "0.001", "0.0001", "0.00001")[i % 5],
            rate=rate,
            volatility=0.02 + 0.002 * (i % 10),
            beta=0.5 + 0.04 * (i % 10),
        )
        for i in range(count)
    )


@dataclass(frozen=True)
class Disturbances:
    """Shares of trades that arrive badly, each 0 to 1.

    Attributes:
        late: arrive after their minute's end plus ``grace_seconds``, by up to ``late_seconds``.
        duplicate: arrive a second time, up to a minute after the first.
        out_of_order: arrive after later trades, but still in time.
    """

    late: float = 0.0
    duplicate: float = 0.0
    out_of_order: float = 0.0
    late_seconds: float = 300.0
    grace_seconds: float = 2.0

    def __post_init__(self) -> None:
        """Validate that every share is in [0, 1]."""
        for name in ("late", "duplicate", "out_of_order"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} = {getattr(self, name)} is not a share between 0 and 1")
        if self.late + self.out_of_order > 1:
            raise ValueError(f"late ({self.late}) and out_of_order ({self.out_of_order}) together exceed 1")


@dataclass(frozen=True)
class RegimeChange:
    """From ``at`` (a whole minute) on, volatility and the planted signal are multiplied by these factors."""

    at: datetime
    volatility: float = 3.0
    signal: float = -1.0


@dataclass(frozen=True)
class _Regime:
    name: str
    volatility: float
    activity: float
    drift: float  # of a minute's return, in its standard deviations; the sign is drawn at entry
    reversion_minutes: float  # time constant towards the price at entry; 0 = none
    mean_minutes: float


_REGIMES = (
    _Regime("trend", 1.0, 1.2, 0.12, 0.0, 45.0),
    _Regime("mean-revert", 0.8, 0.8, 0.0, 15.0, 60.0),
    _Regime("volatile", 3.0, 2.0, 0.0, 0.0, 12.0),
)
_PLAIN = _Regime("plain", 1.0, 1.0, 0.0, 0.0, float("inf"))


@dataclass(frozen=True)
class Batch:
    """Consecutive arrivals as columns of equal length; a heartbeat is a row with ``seq`` 0.

    Attributes:
        symbols: what ``symbol`` indexes.
        symbol: index into ``symbols``.
        seq: running number per symbol from 1, also the trade id; 0 marks a heartbeat.
        ts_us: event time.
        arrival_us: when the feed delivers it; rows are ordered by this.
        buy: True when the taker bought.
        price_ticks, quantity_lots: whole multiples of the symbol's tick and lot, so that decimals are exact.
    """

    symbols: tuple[SimulatedSymbol, ...]
    symbol: Ints
    seq: Ints
    ts_us: Ints
    arrival_us: Ints
    buy: npt.NDArray[np.bool_]
    price_ticks: Ints
    quantity_lots: Ints

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.seq)

    @property
    def trades(self) -> int:
        """Number of rows that are trades, duplicates included."""
        return int(np.count_nonzero(self.seq))

    def take(self, rows: Any) -> "Batch":
        """Return the rows chosen by a slice, mask or index array."""
        return Batch(self.symbols, **{name: getattr(self, name)[rows] for name in _COLUMNS})

    def prices(self) -> Floats:
        """Return prices as numbers (NaN for heartbeats)."""
        ticks = np.array([float(s.tick) for s in self.symbols])
        return np.where(self.seq > 0, self.price_ticks * ticks[self.symbol], np.nan)


_COLUMNS = ("symbol", "seq", "ts_us", "arrival_us", "buy", "price_ticks", "quantity_lots")


def concatenate(batches: Sequence[Batch]) -> Batch:
    """Return the batches' rows one after the other."""
    columns = {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in _COLUMNS}
    return Batch(batches[0].symbols, **columns)


@dataclass
class _State:
    """What one block hands to the next. Small, so that a run can be resumed from it."""

    block: int
    regime: int
    direction: float
    log_price: Floats
    anchor: Floats
    flow: Floats
    next_seq: Ints
    quiet_until: Ints
    offspring: list[tuple[int, int]] = field(default_factory=list)


class Simulator:
    """Make the trades of several symbols from ``start`` on.

    *Prices*: log mid prices are random walks on a grid of one second, sharing a market factor; the market
    switches between a trend, a mean-reverting and a volatile regime (minutes to hours each). A trade happens
    half a spread above or below the mid by its taker's side (bid-ask bounce), rounded to the tick.

    *Arrivals*: a self-exciting (Hawkes) process as clusters: each trade begets ``burstiness`` others on
    average, two seconds later on average; a symbol falls silent ``quiet_spells`` times a day for 2 to 12
    minutes.

    *Sides*: in each minute the buyers' share is 0.5 + 0.2·f, f standard normal and new every minute.

    *Planted signal*: with ``signal`` = ρ the mid's return in minute m+1 is ``σ·(ρ·f_m + sqrt(1−ρ²)·noise)``.
    So the best forecast of a minute's return from all that is known before is ``ρ·σ·f_m``: it explains R² =
    ρ² of the variance, and its mean absolute error is ``sqrt(1−ρ²)`` of that of forecasting no change, a
    skill of ``1 − sqrt(1−ρ²)``; over h minutes at most ρ²/h of the variance. No model can do better. Any
    does somewhat worse: f is seen only through n trades a minute (their buy share has reliability
    0.04 / (0.04 + 0.25/n)), and the last trade of a minute with many buyers is likely at the ask, half a
    spread above the mid. The bound is exact for ``regimes=False``; trends and mean reversion are small
    signals of their own.

    Args:
        symbols: the markets.
        start: first minute, a whole minute with a time zone.
        seed: equal seeds give equal trades.
        signal: ρ, 0 to 1.
        change: multiplies volatility and ρ from a point in time on.
        regimes: False keeps one plain regime: no drift, no mean reversion, constant volatility.

    Raises:
        ValueError: a value makes no sense; the text says which.
    """

    def __init__(
        self,
        symbols: Sequence[SimulatedSymbol] = DEFAULT_SYMBOLS,
        *,
        start: datetime,
        seed: int = 1,
        disturbances: Disturbances | None = None,
        signal: float = 0.0,
        change: RegimeChange | None = None,
        regimes: bool = True,
        burstiness: float = 0.5,
        quiet_spells: float = 6.0,
    ) -> None:
        if not symbols:
            raise ValueError("the simulator needs at least one symbol")
        if not -1 <= signal <= 1 or (change and abs(signal * change.signal) > 1):
            raise ValueError(f"signal {signal} is not a correlation: it must be in -1 to 1, also after the change")
        if not 0 <= burstiness < 0.95:
            raise ValueError(f"burstiness {burstiness} must be in 0 to 0.95 (at 1 a burst never ends)")
        for moment in (start, change.at if change else start):
            if to_us(moment) % MINUTE_US:
                raise ValueError(f"{moment} is not a whole minute")
        self.symbols = tuple(symbols)
        self.start = start
        self.seed = seed
        self._start_us = to_us(start)
        self._disturbances = disturbances or Disturbances()
        self._signal = signal
        self._change = change
        self._burstiness = burstiness
        self._quiet_spells = quiet_spells
        self._regimes = _REGIMES if regimes else (_PLAIN,)
        total_rate = sum(s.rate for s in symbols) * 1.5
        self.block_minutes = int(np.clip(_BLOCK_TRADES / (total_rate * 60), 1, 60))
        self._rate = np.array([s.rate for s in symbols])
        self._sigma_second = np.array([s.volatility for s in symbols]) / np.sqrt(_DAY_SECONDS)
        self._beta = np.array([s.beta for s in symbols])[:, None]
        self._tick = np.array([float(s.tick) for s in symbols])
        self._lot = np.array([float(s.lot) for s in symbols])
        self._half_spread = np.array([s.spread for s in symbols]) / 2
        self._size = np.array([s.size for s in symbols])
        log_price = np.log([s.price for s in symbols])
        count = len(symbols)
        self._state = _State(
            block=0,
            regime=0,
            direction=1.0,
            log_price=log_price,
            anchor=log_price.copy(),
            flow=np.zeros(count),
            next_seq=np.ones(count, np.int64),
            quiet_until=np.zeros(count, np.int64),
        )
        self._pending = self._empty()

    def batches(self, until: datetime, *, size: int = 20_000, finish: bool = True) -> Iterator[Batch]:
        """Yield arrivals in order, at most ``size`` rows at a time, continuing where the last call ended.

        Args:
            until: end of the range, exclusive.
            size: maximum number of rows in a batch; it does not change the trades.
            finish: True yields every trade with an event time before ``until``, however late it arrives,
                and ends the run; False yields what has *arrived* before ``until`` and keeps the rest for the
                next call.
        """
        until_us = to_us(until)
        while self._block_start_us() < until_us:
            made = concatenate([self._pending, self._next_block()])
            if finish:
                made = made.take(made.ts_us < until_us)
            made = made.take(np.argsort(made.arrival_us, kind="stable"))
            # Later blocks hold later event times, hence later arrivals: what is before the boundary is
            # complete.
            ready = int(np.searchsorted(made.arrival_us, self._block_start_us()))
            self._pending = made.take(slice(ready, None))
            due = made.take(slice(0, ready))
            if not finish and self._block_start_us() > until_us:
                cut = int(np.searchsorted(due.arrival_us, until_us))
                self._pending = concatenate([due.take(slice(cut, None)), self._pending])
                due = due.take(slice(0, cut))
            yield from _slices(due, size)
        if finish:
            rest, self._pending = self._pending, self._empty()
            yield from _slices(rest.take(rest.ts_us < until_us), size)
        elif len(self._pending):
            cut = int(np.searchsorted(self._pending.arrival_us, until_us))
            due, self._pending = self._pending.take(slice(0, cut)), self._pending.take(slice(cut, None))
            yield from _slices(due, size)

    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on later, as plain JSON values; call it between :meth:`batches`."""
        s, pending = self._state, self._pending
        return {
            "block": s.block,
            "regime": s.regime,
            "direction": s.direction,
            **{name: [float(v).hex() for v in getattr(s, name)] for name in ("log_price", "anchor", "flow")},
            **{name: getattr(s, name).tolist() for name in ("next_seq", "quiet_until")},
            "offspring": s.offspring,
            "pending": {n: base64.b64encode(getattr(pending, n).tobytes()).decode() for n in _COLUMNS},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state` of a simulator made with the same arguments."""
        self._state = _State(
            block=state["block"],
            regime=state["regime"],
            direction=state["direction"],
            log_price=_from_hex(state["log_price"]),
            anchor=_from_hex(state["anchor"]),
            flow=_from_hex(state["flow"]),
            next_seq=np.array(state["next_seq"], np.int64),
            quiet_until=np.array(state["quiet_until"], np.int64),
            offspring=[(int(time), int(symbol)) for time, symbol in state["offspring"]],
        )
        raw = {name: base64.b64decode(state["pending"][name]) for name in _COLUMNS}
        columns: dict[str, Any] = {
            name: np.frombuffer(raw[name], np.bool_ if name == "buy" else np.int64) for name in _COLUMNS
        }
        self._pending = Batch(self.symbols, **columns)

    def _block_start_us(self) -> int:
        return self._start_us + self._state.block * self.block_minutes * MINUTE_US

    def _empty(self) -> Batch:
        none = np.zeros(0, np.int64)
        return Batch(self.symbols, none, none, none, none, np.zeros(0, np.bool_), none, none)

    def _generator(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, stream, self._state.block])

    def _next_block(self) -> Batch:
        begin = self._block_start_us()
        minutes = begin + np.arange(self.block_minutes, dtype=np.int64) * MINUTE_US
        mids, flow, activity = self._market(minutes)
        trades = self._trades(begin, mids, flow, activity)
        heartbeats = self._heartbeats(trades, minutes)
        arrived = self._arrivals(trades)
        self._state.block += 1
        return concatenate([arrived, heartbeats])

    def _market(self, minutes: Ints) -> tuple[Floats, Floats, Floats]:
        """Walk a block: log mids per symbol and second (one more than seconds), flow, activity per minute."""
        rng, state, count = self._generator(_MARKET), self._state, len(self.symbols)
        seconds = len(minutes) * 60
        noise = self._beta * rng.standard_normal(seconds) + np.sqrt(1 - self._beta**2) * rng.standard_normal(
            (count, seconds)
        )
        flow = rng.standard_normal((count, len(minutes)))
        before = np.concatenate([state.flow[:, None], flow[:, :-1]], axis=1)
        switch, target, sign = rng.random((3, len(minutes)))
        mids = np.empty((count, seconds + 1))
        mids[:, 0] = state.log_price
        activity = np.empty(len(minutes))
        for m, minute in enumerate(minutes):
            self._switch_regime(switch[m], target[m], sign[m])
            regime = self._regimes[state.regime]
            changed = self._change is not None and minute >= to_us(self._change.at)
            rho = self._signal * (self._change.signal if changed and self._change else 1.0)
            sigma = self._sigma_second * regime.volatility
            if changed and self._change:
                sigma = sigma * self._change.volatility
            drift = (regime.drift * state.direction + rho * before[:, m]) * sigma / np.sqrt(60)
            here = slice(m * 60, m * 60 + 60)
            steps = drift[:, None] + np.sqrt(1 - rho**2) * sigma[:, None] * noise[:, here]
            mids[:, here.start + 1 : here.stop + 1] = self._walk(mids[:, here.start], steps, regime)
            state.log_price = mids[:, here.stop].copy()
            activity[m] = regime.activity
        state.flow = flow[:, -1].copy()
        return mids, flow, activity

    def _walk(self, origin: Floats, steps: Floats, regime: _Regime) -> Floats:
        """Sum steps from ``origin``, pulled towards the anchor when the regime reverts."""
        if not regime.reversion_minutes:
            walked: Floats = origin[:, None] + np.cumsum(steps, axis=1)
            return walked
        decay = np.exp(-1.0 / (regime.reversion_minutes * 60)) ** np.arange(1, steps.shape[1] + 1)
        anchor = self._state.anchor[:, None]
        reverted: Floats = anchor + decay * (origin[:, None] - anchor + np.cumsum(steps / decay, axis=1))
        return reverted

    def _switch_regime(self, switch: float, target: float, sign: float) -> None:
        state = self._state
        if switch < 1 / self._regimes[state.regime].mean_minutes:
            others = [i for i in range(len(self._regimes)) if i != state.regime]
            state.regime = others[int(target * len(others))]
            state.direction = 1.0 if sign < 0.5 else -1.0
            state.anchor = state.log_price.copy()

    def _trades(self, begin: int, mids: Floats, flow: Floats, activity: Floats) -> Batch:
        rng, state = self._generator(_TRADES), self._state
        time, symbol = self._event_times(rng, begin, activity)
        order = np.argsort(time, kind="stable")
        time, symbol = time[order], symbol[order]
        offset = (time - begin) / 1e6
        second = offset.astype(np.int64)
        low, high = mids[symbol, second], mids[symbol, second + 1]
        mid = np.exp(low + (high - low) * (offset - second))
        buyers = np.clip(0.5 + _FLOW_TO_BUYERS * flow, 0.02, 0.98)[symbol, second // 60]
        buy = rng.random(len(time)) < buyers
        half = np.maximum(self._half_spread[symbol] * mid, self._tick[symbol] / 2)
        ticks = np.rint((mid + np.where(buy, half, -half)) / self._tick[symbol]).astype(np.int64)
        quantity = self._size[symbol] / mid * np.exp(0.8 * rng.standard_normal(len(time)))
        lots = np.ceil(quantity / self._lot[symbol]).astype(np.int64)
        counts = np.bincount(symbol, minlength=len(self.symbols))
        by_symbol = np.argsort(symbol, kind="stable")
        seq = np.empty(len(time), np.int64)
        first = state.next_seq - (np.cumsum(counts) - counts)
        seq[by_symbol] = np.arange(len(time)) + np.repeat(first, counts)
        state.next_seq = state.next_seq + counts
        ticks = np.maximum(ticks, 1)
        return Batch(self.symbols, symbol, seq, time, time + _LATENCY_US, buy, ticks, np.maximum(lots, 1))

    def _event_times(self, rng: np.random.Generator, begin: int, activity: Floats) -> tuple[Ints, Ints]:
        """Draw when which symbol trades: Poisson seeds, then generations of what they set off."""
        state, end = self._state, begin + len(activity) * MINUTE_US
        expected = np.outer(self._rate * (1 - self._burstiness) * 60, activity)
        cells = rng.poisson(expected).ravel()
        cell = np.repeat(np.arange(cells.size), cells)
        time = begin + (cell % len(activity)) * MINUTE_US + (rng.random(cell.size) * MINUTE_US).astype(np.int64)
        symbol = cell // len(activity)
        carried = np.array(state.offspring, np.int64).reshape(-1, 2)
        now = carried[:, 0] < end
        beyond = [carried[~now]]
        generation = (np.concatenate([time, carried[now, 0]]), np.concatenate([symbol, carried[now, 1]]))
        generations = []
        while generation[0].size:
            generations.append(generation)
            children = rng.poisson(self._burstiness, generation[0].size)
            born = np.repeat(generation[0], children)
            born = born + (rng.exponential(2e6, born.size)).astype(np.int64)
            of = np.repeat(generation[1], children)
            inside = born < end
            beyond.append(np.stack([born[~inside], of[~inside]], axis=1))
            generation = (born[inside], of[inside])
        state.offspring = [(int(t), int(s)) for t, s in np.concatenate(beyond)]
        if not generations:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        time, symbol = (np.concatenate(columns) for columns in zip(*generations, strict=True))
        loud = self._loud(rng, begin, end, time, symbol)
        return time[loud], symbol[loud]

    def _loud(self, rng: np.random.Generator, begin: int, end: int, time: Ints, symbol: Ints) -> npt.NDArray[np.bool_]:
        """Return which trades do not fall into a quiet spell of their symbol."""
        state = self._state
        loud = time >= state.quiet_until[symbol]
        spells = rng.poisson(self._quiet_spells * (end - begin) / (_DAY_SECONDS * 1e6), len(self.symbols))
        for index in np.repeat(np.arange(len(self.symbols)), spells):
            silent_from = begin + int(rng.random() * (end - begin))
            silent_to = silent_from + int(rng.uniform(2, 12) * MINUTE_US)
            loud &= (symbol != index) | (time < silent_from) | (time >= silent_to)
            state.quiet_until[index] = max(state.quiet_until[index], silent_to)
        return loud

    def _heartbeats(self, trades: Batch, minutes: Ints) -> Batch:
        """Return one heartbeat per symbol and minute without a trade, arriving when the minute is over."""
        traded = np.zeros((len(self.symbols), len(minutes)), np.bool_)
        traded[trades.symbol, (trades.ts_us - minutes[0]) // MINUTE_US] = True
        symbol, minute = np.nonzero(~traded)
        zero = np.zeros(symbol.size, np.int64)
        ts = minutes[minute]
        arrival = ts + MINUTE_US + _LATENCY_US
        return Batch(self.symbols, symbol.astype(np.int64), zero, ts, arrival, zero.astype(np.bool_), zero, zero)

    def _arrivals(self, trades: Batch) -> Batch:
        """Delay and repeat the given shares of trades."""
        rng, d, count = self._generator(_DISTURBANCES), self._disturbances, len(trades)
        chance, amount = rng.random(count), rng.random(count)
        again, wait = rng.random(count), rng.random(count)
        closed = (trades.ts_us // MINUTE_US + 1) * MINUTE_US + int(d.grace_seconds * 1e6)
        late = chance < d.late
        shuffled = ~late & (chance < d.late + d.out_of_order)
        arrival = trades.arrival_us.copy()
        arrival[late] = (closed + 1_000_000 + amount * d.late_seconds * 1e6).astype(np.int64)[late]
        in_time = np.minimum(arrival + (200_000 + amount * 3_000_000).astype(np.int64), closed)
        arrival[shuffled] = in_time[shuffled]
        repeated = np.flatnonzero(again < d.duplicate)
        second = arrival[repeated] + (10_000 + wait[repeated] * MINUTE_US).astype(np.int64)
        copies = trades.take(repeated)
        return concatenate([replace(trades, arrival_us=arrival), replace(copies, arrival_us=second)])


def _from_hex(texts: Sequence[str]) -> Floats:
    return np.array([float.fromhex(text) for text in texts])


def _slices(batch: Batch, size: int) -> Iterator[Batch]:
    for begin in range(0, len(batch), size):
        yield batch.take(slice(begin, begin + size))


def decimals(step: str) -> int:
    """Return how many digits after the point multiples of ``step`` need."""
    exponent = Decimal(step).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def multiples(counts: Ints, step: str) -> list[str]:
    """Return ``counts`` times ``step`` as exact decimal texts."""
    places = decimals(step)
    unit = int(Decimal(step).scaleb(places))
    scaled = (counts * unit).tolist()
    if not places:
        return [str(n) for n in scaled]
    whole, part = 10**places, f"0{places}d"
    return [f"{n // whole}.{n % whole:{part}}" for n in scaled]


def iso_times(times_us: Ints) -> list[str]:
    """Return times as the wire writes them: UTC, microseconds, ``Z``."""
    texts = np.datetime_as_string(times_us.astype("datetime64[us]"), unit="us")
    return [text + "Z" for text in texts.tolist()]
