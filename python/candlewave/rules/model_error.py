"""The mean absolute error in each of the last ``error_windows`` hours, measured in widths of the forecasts' own
intervals, is more than ``error_ratio`` times that of the last seven days; each market is compared with its own week. A
volatile day that the forecasts anticipate does not count as an error, because their intervals are wide. *Requests a
training*, unless the forecasts are the baseline's, which no training changes.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from candlewave.rules.base import Finding, Limits, Rule, worst
from candlewave.rules.readings import ErrorRow, Readings
from candlewave.rules.windows import by_subject, in_a_row, last_hours, mean, newest


class ErrorLimits(Limits):
    """Thresholds.

    Attributes:
        error_ratio: error of an hour in widths of the interval, against that of the last seven days.
        error_windows: hours in a row above it.
    """

    error_ratio: Annotated[float, Field(gt=1)] = 2.5
    error_windows: Annotated[int, Field(ge=1, le=168)] = 3


def judge(readings: Readings, limits: ErrorLimits) -> Iterable[Finding]:
    """Compare the error of each of the last hours with that of the last seven days, market by market."""
    for subject, rows in by_subject(readings).items():
        usual = newest(rows, "7d")
        hours = last_hours(readings, rows, limits.error_windows)
        ratios = [
            mean((ratio, row.forecasts) for row in hour if (ratio := _ratio(usual, row)) is not None) for hour in hours
        ]
        yield in_a_row(
            RULE.about(subject.labels, training=subject.is_trained),
            [None if ratio is None or n < limits.min_forecasts else ratio for ratio, n in ratios],
            lambda ratio: ratio > limits.error_ratio,
            {
                "ratio_by_hour": [ratio for ratio, _ in ratios],
                "threshold": limits.error_ratio,
                "worst_markets": worst(
                    (row.market, ratio)
                    for row in (hours[-1] if hours else ())
                    if (ratio := _ratio(usual, row)) is not None
                ),
            },
        )


def _ratio(usual: Mapping[str, ErrorRow], row: ErrorRow) -> float | None:
    """Return the error by that of the market's week; None where one of the two is not known, or there was none."""
    week = usual[row.market].scaled_error if row.market in usual else None
    return row.scaled_error / week if week and row.scaled_error is not None else None


RULE = Rule(
    "model-error",
    "warning",
    ErrorLimits,
    judge,
    lambda ratio: f"for hours the error was {ratio:.2f} times that of the last week",
)
