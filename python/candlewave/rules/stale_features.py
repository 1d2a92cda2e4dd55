"""A market's newest closed candle that could be forecast from is older than ``max_feature_age_seconds``: its feed is
down, or the engine does not keep up. One alert per exchange. Markets of ``candlewave.toml`` count; others,
such as simulated ones, until an hour after their last forecast.
"""

from collections.abc import Iterable

from candlewave.rules.ages import AgeLimits, judge_ages
from candlewave.rules.base import Finding, Rule, span
from candlewave.rules.readings import Readings


def judge(readings: Readings, limits: AgeLimits) -> Iterable[Finding]:
    """Notice markets whose feed brings no new candle."""
    yield from judge_ages(readings, limits, RULE.about, lambda market: (readings.now - market.due).total_seconds() - 60)


RULE = Rule(
    "stale-features",
    "critical",
    AgeLimits,
    judge,
    lambda seconds: f"newest candle to forecast from is {span(seconds)} old",
)
