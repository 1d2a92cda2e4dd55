"""A market has newer candles than forecasts, by more than ``max_feature_age_seconds``: the predictor is down or
behind. One alert per exchange.
"""

from collections.abc import Iterable

from candlewave.rules.ages import AgeLimits, judge_ages
from candlewave.rules.base import Finding, Rule, span
from candlewave.rules.readings import Readings


def judge(readings: Readings, limits: AgeLimits) -> Iterable[Finding]:
    """Notice markets that have new candles and no forecasts from them: the predictor's trouble, not the feed's."""
    yield from judge_ages(
        readings,
        limits,
        RULE.about,
        lambda market: None if market.forecast is None else (market.due - market.forecast).total_seconds(),
    )


RULE = Rule(
    "stale-forecasts",
    "critical",
    AgeLimits,
    judge,
    lambda seconds: f"newest forecast is {span(seconds)} behind the candles",
)
