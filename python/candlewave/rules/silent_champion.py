"""The champion has made no forecast for ``max_champion_silence_minutes`` while the baseline has: a migration has
changed the features that it was trained on, or it fails. Meanwhile users get the baseline. *Requests a training.*
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from candlewave.core.times import MINUTE
from candlewave.rules.base import Finding, Limits, Rule, span
from candlewave.rules.readings import Readings


class SilenceLimits(Limits):
    """Thresholds.

    Attributes:
        max_champion_silence_minutes: minutes that the baseline forecasts and the champion does not.
    """

    max_champion_silence_minutes: Annotated[float, Field(gt=0)] = 5


def judge(readings: Readings, limits: SilenceLimits) -> Iterable[Finding]:
    """Notice a champion that the predictor cannot use."""
    standing = readings.standing
    if standing is None:
        return
    unknown = RULE.about({"model_name": standing.model_name, "model_version": standing.model_version}, training=True)
    if standing.baseline is None:
        yield unknown
        return
    minutes = (standing.baseline - max(standing.forecast or standing.since, standing.since)) / MINUTE
    yield unknown.decided(
        minutes > limits.max_champion_silence_minutes,
        max(minutes, 0.0) * 60,
        {
            "newest_forecast": None if standing.forecast is None else standing.forecast.isoformat(),
            "newest_of_baseline": standing.baseline.isoformat(),
            "threshold_minutes": limits.max_champion_silence_minutes,
        },
    )


RULE = Rule(
    "silent-champion",
    "critical",
    SilenceLimits,
    judge,
    lambda seconds: f"has not forecast for {span(seconds)}, so the last price is served: train a new model",
)
