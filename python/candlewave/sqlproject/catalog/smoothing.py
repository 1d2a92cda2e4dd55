"""Exponential averages without recursion: decay, weights, and the running sums that they need.

RisingWave has no recursion, so an exponential average with decay ``q`` is a weighted mean over bars::

    value(t) = sum(x[i] * q**(t-i)) / sum(q**(t-i))

Its sums are kept per *chunk* of 256 bars: running sums of ``x * q**-position`` inside the chunk, one total
per chunk, and a *carry*: the totals of the chunks before, each weighted by ``q**256`` once more. As many
chunks are carried as it takes for the rest to weigh less than ``1e-12``.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from candlewave.core.config import ConfigError

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


def ema(period: int) -> Smoothing:
    """Return the smoothing of an exponential moving average."""
    return Smoothing("ema", period)


def wilder(period: int, quiet_bars: int) -> Smoothing:
    """Return Wilder's smoothing; exact through so many bars without any change."""
    return Smoothing("wilder", period, quiet_bars)


def double(value: float) -> str:
    """Write a number as SQL; RisingWave refuses small ones as plain literals.

    Raises:
        ConfigError: the number is not finite.
    """
    if not math.isfinite(value):
        raise ConfigError(f"indicators: {value} is not a number that SQL can hold")
    return f"'{value!r}'::double precision"


def mean_weights(period: int, again: int = 1) -> list[int]:
    """Return how often each bar counts, newest first, in a mean of ``again`` means of ``period`` bars."""
    return [min(age, again - 1) - max(0, age - period + 1) + 1 for age in range(period + again - 1)]


def checked(terms: Iterable[Term]) -> tuple[Term, ...]:
    """Return terms, none of which leaves DOUBLE PRECISION.

    Raises:
        ConfigError: one would.
    """
    result = tuple(terms)
    for term in result:
        term.smoothing.check_range()
    return result
