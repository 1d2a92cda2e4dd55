"""How far this host's clock is from an exchange's.

Two kinds of evidence, both measured on the host's monotonic clock, so that setting its wall clock disturbs neither:

- The exchange's answer to "what time is it?" bounds the difference by the request's duration and the answer's unit.
- A live trade arrives after it happened, so arrival less event time is the difference plus the time on the way. The low
  quantile of many is close to the difference from above: the fastest trades were on their way for milliseconds, and a
  few with a wrong date do not matter.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from candlewave.core.times import EPOCH, utc_now

NAMED = timedelta(seconds=2)
"""From where on a difference is named: trades that far ahead of their receipt would be refused."""

_APPLIED = timedelta(seconds=0.5)
"""From where on a difference is applied: less is within what the evidence leaves open."""

_WINDOW_SECONDS = 120.0
_MAX_TRADES = 2_000
_MIN_TRADES = 5
_QUANTILE = 0.05
_ANSWER_SECONDS = 1_800.0
_TRADES_MAY_SHIFT = 3_600.0
"""Without an answer of the exchange, dates of trades are believed up to an hour ahead."""


class ExchangeClock:
    """An exchange's clock, as far as it is known.

    Args:
        clock: the host's wall clock, UTC.
        monotonic: seconds that nobody sets.
    """

    def __init__(
        self, clock: Callable[[], datetime] = utc_now, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._trades: deque[tuple[float, float]] = deque(maxlen=_MAX_TRADES)
        self._bounds: tuple[float, float, float] | None = None
        self._difference: float | None = None

    def traded(self, event: datetime) -> None:
        """Note a live trade that arrives now."""
        now = self._monotonic()
        while self._trades and now - self._trades[0][0] > _WINDOW_SECONDS:
            self._trades.popleft()
        self._trades.append((now, now - _seconds(event)))
        # The quantile of thousands is not needed for each of them.
        if len(self._trades) < 50 or len(self._trades) % 20 == 0:
            self._estimate(now)

    def asked(self) -> float:
        """Return the moment of a question, for :meth:`answered`."""
        return self._monotonic()

    def answered(self, asked: float, server: datetime, unit: timedelta) -> None:
        """Note the exchange's answer.

        Args:
            asked: what :meth:`asked` returned.
            server: the exchange's time.
            unit: what its time is cut to.
        """
        now = self._monotonic()
        at = _seconds(server)
        self._bounds = (now, asked - at - unit.total_seconds(), now - at)
        self._estimate(now)

    def settle(self) -> None:
        """Take the host's clock for right if nothing has shown more by now."""
        if self._difference is None:
            self._difference = self._monotonic() - _seconds(self._clock())

    @property
    def skew(self) -> timedelta | None:
        """The host's clock less the exchange's; None while nothing is known."""
        if self._difference is None:
            return None
        return self._clock() - self._exchange_time(self._difference)

    @property
    def correction(self) -> timedelta:
        """What to add to the host's time to get the exchange's; zero while they agree within half a second."""
        skew = self.skew
        return -skew if skew is not None and abs(skew) > _APPLIED else timedelta(0)

    def now(self) -> datetime:
        """Return the exchange's time, as well as it is known."""
        return self._clock() + self.correction

    def problem(self, exchange: str) -> str | None:
        """Say how far the clocks are apart; None when that does not matter."""
        skew = self.skew
        if skew is None or abs(skew) < NAMED:
            return None
        side = "behind" if skew < timedelta(0) else "ahead of"
        return f"this host's clock is {abs(skew).total_seconds():.1f} s {side} {exchange}'s"

    def _exchange_time(self, difference: float) -> datetime:
        return EPOCH + timedelta(seconds=self._monotonic() - difference)

    def _estimate(self, now: float) -> None:
        """Take the difference nearest to the host's own clock that the evidence allows, or the one it points at."""
        fastest, host = self._fastest(), now - _seconds(self._clock())
        low, high = -math.inf, math.inf
        if self._bounds is not None and now - self._bounds[0] <= _ANSWER_SECONDS:
            _, low, high = self._bounds
        elif fastest is None:
            return
        likely = (low + high) / 2
        reference = host if math.isinf(low) else low
        if fastest is not None and reference - fastest <= _TRADES_MAY_SHIFT and fastest <= high:
            # Below the bounds trades are dated by another clock than the answer; it is theirs that they are judged by.
            low, high, likely = min(low, fastest), fastest, fastest
        self._difference = host if low <= host <= high or math.isinf(likely) or math.isnan(likely) else likely

    def _fastest(self) -> float | None:
        if len(self._trades) < _MIN_TRADES:
            return None
        ordered = sorted(difference for _, difference in self._trades)
        return ordered[int(len(ordered) * _QUANTILE)]


def _seconds(moment: datetime) -> float:
    return (moment - EPOCH) / timedelta(seconds=1)
