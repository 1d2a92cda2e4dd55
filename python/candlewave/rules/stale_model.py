"""The champion was promoted, put back by a rollback, or confirmed by a training whose candidate was not better, more
than ``max_model_age_hours`` ago.

*Requests a training.*
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from candlewave.rules.base import Finding, Limits, Rule, span
from candlewave.rules.readings import Readings

_HOUR = timedelta(hours=1)


class ModelAgeLimits(Limits):
    """Thresholds.

    Attributes:
        max_model_age_hours: time since the champion was promoted or confirmed.
    """

    max_model_age_hours: Annotated[float, Field(gt=0)] = 336


def judge(readings: Readings, limits: ModelAgeLimits) -> Iterable[Finding]:
    """Notice a champion that has not been replaced or confirmed for a long time."""
    if readings.champion is None:
        return
    unknown = RULE.about({"model_name": readings.champion[0], "model_version": readings.champion[1]}, training=True)
    if readings.champion_since is None:
        yield unknown
        return
    hours = (readings.now - readings.champion_since) / _HOUR
    yield unknown.decided(
        hours > limits.max_model_age_hours,
        hours,
        {"confirmed_at": readings.champion_since.isoformat(), "threshold_hours": limits.max_model_age_hours},
    )


RULE = Rule(
    "stale-model",
    "warning",
    ModelAgeLimits,
    judge,
    lambda hours: f"neither replaced nor confirmed for {span(hours * 3600)}",
)
