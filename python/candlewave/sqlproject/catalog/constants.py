"""Numbers that the indicator templates need, worked out when they are rendered.

RisingWave has no recursion, so an exponential average with decay ``q`` is a weighted mean over bars::

    value(t) = sum(x[i] * q**(t-i)) / sum(q**(t-i))

Its sums are kept per *chunk* of 256 bars: running sums of ``x * q**-position`` inside the chunk, one total
per chunk, and a *carry*: the totals of the chunks before, each weighted by ``q**256`` once more. As many
chunks are carried as it takes for the rest to weigh less than ``1e-12``.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from candlewave.core.config import Config, ConfigError, IndicatorsConfig
from candlewave.sqlproject.catalog.indicators import Indicator, catalog

CHUNK_BARS = 256
"""Bars per chunk: fewer mean more chunks to carry, more mean more rows to read per update."""

TRUNCATION = 1e-12
"""Weight of the history that an exponential average may leave out."""

_LARGEST_INPUT = 1e18
_LARGEST_DOUBLE = 1e300


@dataclass(frozen=True, order=True)
class Smoothing:
    """An exponential average.

    Attributes:
        kind: ``ema`` (decay (n-1)/(n+1)) or ``wilder`` (decay (n-1)/n).
        period: n, in bars.
        quiet_bars: for how many bars without any change a quotient of two such averages must stay exact. What came
            before the quiet fades, but a quotient such as RSI still consists of nothing else.
    """

    kind: str
    period: int
    quiet_bars: int = 0

    @property
    def name(self) -> str:
        """Suffix of the columns that hold its sums."""
        return f"{self.kind}_{self.period}"

    @property
    def decay(self) -> float:
        """Weight of a bar relative to the bar after it."""
        return (self.period - 1) / (self.period + (1 if self.kind == "ema" else 0))

    @property
    def gain(self) -> float:
        """Weight of the newest bar once warm: 1 - decay."""
        return 1.0 - self.decay

    @property
    def carried_chunks(self) -> int:
        """Number of earlier chunks whose totals still count."""
        return math.ceil((math.log(TRUNCATION) / math.log(self.decay) + self.quiet_bars) / CHUNK_BARS)

    def chunk_decay(self, chunks: int) -> float:
        """Weight of a total that is ``chunks`` chunks old."""
        return math.pow(self.decay, CHUNK_BARS * chunks)

    def check_range(self) -> None:
        """Refuse a smoothing whose largest term leaves DOUBLE PRECISION.

        Raises:
            ConfigError: the period is too short for a chunk of 256 bars.
        """
        log_largest_input = math.log(_LARGEST_INPUT * CHUNK_BARS**3)
        decay = self.decay
        if decay <= 0 or log_largest_input - (CHUNK_BARS - 1) * math.log(decay) > math.log(_LARGEST_DOUBLE):
            raise ConfigError(
                f"indicators: {self.kind} of period {self.period} cannot be summed over {CHUNK_BARS} bars in "
                "DOUBLE PRECISION; use a longer period"
            )


@dataclass(frozen=True, order=True)
class Term:
    """One running sum: of ``source * position**moment``, weighted by a smoothing.

    Attributes:
        name: column of the sum.
        source: column of the per-bar input; None sums the weights themselves.
        moment: power of the bar's position in its chunk (0, 1, 2); DEMA and TEMA need more than 0.
        base: name of the term of moment 0.
    """

    base: str
    moment: int
    smoothing: Smoothing
    source: str | None

    @property
    def name(self) -> str:
        """Column that holds the sum."""
        return f"{self.base}_m{self.moment}" if self.moment else self.base


@dataclass(frozen=True)
class Layer:
    """What the templates of ``sql/views/indicators`` see as ``layer``."""

    config: Config

    chunk_bars = CHUNK_BARS

    @property
    def indicators(self) -> IndicatorsConfig:
        """Parameters of the indicators."""
        return self.config.indicators

    @cached_property
    def catalog(self) -> tuple[Indicator, ...]:
        """Every indicator column, in the order of the view."""
        return catalog(self.indicators)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Running sums of the first stage, without repetition."""
        c = self.indicators
        orders: dict[Smoothing, int] = {}

        def close(period: int, stages: int = 1) -> None:
            smoothing = self.ema(period)
            orders[smoothing] = max(orders.get(smoothing, 0), stages - 1)

        for period in c.ema:
            close(period)
        for period in c.dema:
            close(period, 2)
        for period in c.tema:
            close(period, 3)
        for period in (c.macd.fast, c.macd.slow):
            close(c.macd.signal, 2 if period == c.macd.signal else 1)
            close(period)
        close(c.keltner.ema)
        terms: list[Term] = []
        for smoothing, order in sorted(orders.items()):
            for source, label in (("close", "close"), (None, "bars")):
                terms += [Term(f"{label}_{smoothing.name}", m, smoothing, source) for m in range(order + 1)]
        wilder = self.wilder(c.rsi)
        terms += [Term(f"{name}_{wilder.name}", 0, wilder, name) for name in ("gain", "loss")]
        for period in (c.atr, c.keltner.atr):
            wilder = self.wilder(period)
            terms += [Term(f"true_range_{wilder.name}", 0, wilder, "true_range")]
            terms += [Term(f"ranges_{wilder.name}", 0, wilder, "has_range")]
        wilder = self.wilder(c.adx)
        terms += [Term(f"{name}_{wilder.name}", 0, wilder, name) for name in ("true_range", "plus_dm", "minus_dm")]
        return _checked(dict.fromkeys(terms))

    @cached_property
    def adx_terms(self) -> tuple[Term, ...]:
        """Running sums of the second stage: ADX smooths the directional index."""
        wilder = self.wilder(self.indicators.adx)
        return _checked(Term(f"{name}_{wilder.name}", 0, wilder, name) for name in ("dx", "has_dx"))

    @cached_property
    def close_sums(self) -> tuple[int, ...]:
        """Windows, in bars, over which closes are summed."""
        c = self.indicators
        return tuple(sorted({*c.sma, *c.wma, c.bollinger.period}))

    @cached_property
    def smoothings(self) -> tuple[Smoothing, ...]:
        """Smoothings of the first stage, without repetition."""
        return tuple(dict.fromkeys(term.smoothing for term in self.terms))

    @cached_property
    def warm_cap_chunks(self) -> int:
        """Chunks over which ``warm_bars`` is counted: enough for the slowest indicator."""
        return math.ceil(max(indicator.warm_up for indicator in self.catalog) / CHUNK_BARS)

    @property
    def warm_cap(self) -> int:
        """Largest value of ``warm_bars``."""
        return self.warm_cap_chunks * CHUNK_BARS

    @cached_property
    def signal_warm_up(self) -> int:
        """Bars until everything that view ``signals`` reads is warm."""
        labels = ("macd_hist", "adx", "plus_di", "minus_di", "rsi", "bollinger_percent_b", "keltner")
        return max(i.warm_up for i in self.catalog if i.name.startswith(labels))

    @property
    def carried_chunks(self) -> int:
        """Chunks that the carry of the first stage reaches back."""
        return max(self.warm_cap_chunks, *(s.carried_chunks for s in self.smoothings))

    @property
    def adx_carried_chunks(self) -> int:
        """Chunks that the carry of the second stage reaches back."""
        return max(term.smoothing.carried_chunks for term in self.adx_terms)

    @property
    def frame_bars(self) -> int:
        """Bars before a bar that the windows of view ``indicators`` may read."""
        return max(indicator.needs for indicator in self.catalog) - 1

    def ema(self, period: int) -> Smoothing:
        """Return the smoothing of an exponential moving average."""
        return Smoothing("ema", period)

    def wilder(self, period: int) -> Smoothing:
        """Return Wilder's smoothing; exact through the longest stretch of filled candles."""
        return Smoothing("wilder", period, self.config.candles.max_fill_minutes)

    @staticmethod
    def mean_weights(period: int, again: int = 1) -> list[int]:
        """Return how often each bar counts, newest first, in a mean of ``again`` means of ``period`` bars."""
        return [min(age, again - 1) - max(0, age - period + 1) + 1 for age in range(period + again - 1)]

    @staticmethod
    def double(value: float) -> str:
        """Write a number as SQL; RisingWave refuses small ones as plain literals.

        Raises:
            ConfigError: the number is not finite.
        """
        if not math.isfinite(value):
            raise ConfigError(f"indicators: {value} is not a number that SQL can hold")
        return f"'{value!r}'::double precision"


def _checked(terms: Iterable[Term]) -> tuple[Term, ...]:
    result = tuple(terms)
    for term in result:
        term.smoothing.check_range()
    return result
