"""The population stability index of a feature compares a day with the training data (``feature_drift``). In each of the
last ``psi_windows`` hours, the median index of the champion's important features was above ``psi``, averaged over all
markets. A single feature above 0.2 means little: within a day, a slow one such as the volatility of sixty hours visits
only one or two of its ten buckets. ``candlewave_model_drift_psi{feature}`` shows every feature, for the market where it
drifts most. *Requests a training.*
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from statistics import median
from typing import Annotated

from pydantic import Field

from candlewave.rules.base import Finding, Limits, Rule, worst
from candlewave.rules.readings import Readings
from candlewave.rules.windows import in_a_row


class DriftLimits(Limits):
    """Thresholds.

    Attributes:
        psi: median of the population stability indices of the model's important features, each over a day.
        psi_windows: hours in a row above it.
    """

    psi: Annotated[float, Field(gt=0)] = 0.2
    psi_windows: Annotated[int, Field(ge=1, le=168)] = 6


def judge(readings: Readings, limits: DriftLimits) -> Iterable[Finding]:
    """Notice a market that is unlike the one the champion was trained on: half of its important features, for hours."""
    if readings.champion is None:
        return
    by_hour: dict[datetime, dict[str, float]] = defaultdict(dict)
    for row in readings.drift:
        if row.model_version == readings.champion[1]:
            by_hour[row.hour][row.feature] = row.psi
    last = [by_hour[hour] for hour in sorted(by_hour)][-limits.psi_windows :]
    medians = [median(found.values()) for found in last]
    yield in_a_row(
        RULE.about({"model_name": readings.champion[0], "model_version": readings.champion[1]}, training=True),
        medians if len(last) == limits.psi_windows else [None, *medians],
        lambda psi: psi > limits.psi,
        {
            "median_psi_by_hour": medians,
            "threshold": limits.psi,
            "features": len(last[-1]) if last else 0,
            "worst_features": worst(last[-1].items()) if last else {},
        },
    )


RULE = Rule(
    "feature-drift",
    "warning",
    DriftLimits,
    judge,
    lambda psi: f"the market is unlike the one it was trained on, median PSI {psi:.2f}",
)
