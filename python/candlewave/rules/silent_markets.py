"""A market has not traded for longer than `silence_factor` times what is usual for it: the 95 % quantile of its pauses
that began at this time of day (an hour earlier or later counts too) in the last `silence_days`, or of all its pauses
while fewer than twelve are known. A market that trades once an hour is not late after ten minutes; one that trades each
second is after `min_silence_minutes`. Its subscription may have died, or the exchange has halted it. One alert per
exchange. Markets of `candlewave.toml` count.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from candlewave.rules.base import Finding, Limits, Rule, span, worst
from candlewave.rules.readings import MarketPace, Readings

MIN_PAUSES = 12
"""Of fewer pauses no quantile is taken."""


class PaceLimits(Limits):
    """Thresholds.

    Attributes:
        silence_factor: how many times a market's usual pauses count as silence.
        silence_days: how far back pauses are looked at.
        min_silence_minutes: shorter pauses are never silence.
    """

    silence_factor: Annotated[float, Field(ge=1)] = 3
    silence_days: Annotated[int, Field(ge=1, le=90)] = 14
    min_silence_minutes: Annotated[float, Field(ge=2)] = 5


def judge(readings: Readings, limits: PaceLimits) -> Iterable[Finding]:
    """Notice markets that are silent against their own pace."""
    by_exchange: dict[str, list[tuple[MarketPace, float]]] = defaultdict(list)
    for pace in readings.paces:
        if pace.pauses >= MIN_PAUSES and pace.usual_pause is not None:
            threshold = max(limits.silence_factor * pace.usual_pause, limits.min_silence_minutes * 60)
            by_exchange[pace.exchange].append((pace, threshold))
    for exchange, paces in sorted(by_exchange.items()):
        ages = {pace.symbol: (readings.now - pace.last_trade).total_seconds() for pace, _ in paces}
        silent = {pace.symbol: threshold for pace, threshold in paces if ages[pace.symbol] > threshold}
        yield RULE.about({"exchange": exchange}).decided(
            bool(silent),
            max((ages[symbol] for symbol in silent), default=0.0),
            {
                "symbols": worst((symbol, ages[symbol]) for symbol in silent),
                "threshold_seconds": {s: silent[s] for s in worst((s, ages[s]) for s in silent)},
                "markets": len(paces),
            },
        )


RULE = Rule(
    "silent-markets",
    "warning",
    PaceLimits,
    judge,
    lambda seconds: f"no trade for {span(seconds)}, far longer than usual",
)
