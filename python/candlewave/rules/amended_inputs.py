"""Late trades changed the inputs of more than ``amended_share`` of the last day's forecasts after these were made, and
changed them substantially: a feature moved by more than 0.05 of its unit, or of itself if it is above one
(``input_amendments.inputs_amended``). A small late trade moves an hour's averages by less than that. Check the delay of
the feeds, and ``grace_seconds``.
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from candlewave.rules.base import Finding, Limits, Rule
from candlewave.rules.readings import Readings


class AmendedLimits(Limits):
    """Thresholds.

    Attributes:
        amended_share: share of forecasts whose inputs moved by more than 0.05 afterwards.
    """

    amended_share: Annotated[float, Field(gt=0, le=1)] = 0.05


def judge(readings: Readings, limits: AmendedLimits) -> Iterable[Finding]:
    """Notice forecasts that rested on data which late trades changed afterwards."""
    unknown = RULE.about({})
    if readings.judged < limits.min_forecasts:
        yield unknown
        return
    share = readings.amended / readings.judged
    yield unknown.decided(
        share > limits.amended_share,
        share,
        {"forecasts": readings.judged, "amended": readings.amended, "threshold": limits.amended_share},
    )


RULE = Rule(
    "amended-inputs",
    "warning",
    AmendedLimits,
    judge,
    lambda share: f"inputs of {share:.1%} of the forecasts were amended later",
)
