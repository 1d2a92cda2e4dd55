"""Ages of markets, exchange by exchange; what :mod:`~candlewave.rules.stale_features` and ``stale_forecasts`` share."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Annotated

from pydantic import Field

from candlewave.rules.base import Finding, Limits, worst
from candlewave.rules.readings import MarketAge, Readings


class AgeLimits(Limits):
    """Thresholds.

    Attributes:
        max_feature_age_seconds: age of a market's newest closed candle that a forecast can be made from.
    """

    max_feature_age_seconds: Annotated[float, Field(gt=0)] = 300


def judge_ages(
    readings: Readings,
    limits: AgeLimits,
    about: Callable[[dict[str, str]], Finding],
    age_of: Callable[[MarketAge], float | None],
) -> Iterable[Finding]:
    """Judge markets by exchange: the oldest counts."""
    by_exchange: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for market in readings.markets:
        age = age_of(market)
        if age is not None:
            by_exchange[market.exchange].append((market.symbol, age))
    for exchange, ages in sorted(by_exchange.items()):
        old = [(symbol, age) for symbol, age in ages if age > limits.max_feature_age_seconds]
        yield about({"exchange": exchange}).decided(
            bool(old),
            max(age for _, age in ages),
            {"symbols": worst(old), "markets": len(ages), "threshold_seconds": limits.max_feature_age_seconds},
        )
