"""Skill that is negative for hours; what :mod:`~candlewave.rules.point_skill` and ``interval_skill`` share."""

from collections.abc import Callable, Iterable
from typing import Annotated

from pydantic import Field

from candlewave.rules.base import Finding, Limits, worst
from candlewave.rules.readings import ErrorRow, Readings, Subject
from candlewave.rules.windows import by_subject, in_a_row, last_hours, mean


class SkillLimits(Limits):
    """Thresholds.

    Attributes:
        skill_windows: hours in a row whose skill is below zero.
    """

    skill_windows: Annotated[int, Field(ge=1, le=168)] = 6


def judge_skill(
    readings: Readings,
    limits: SkillLimits,
    about: Callable[[Subject], Finding],
    figure: Callable[[ErrorRow], float | None],
    max_average: float,
) -> Iterable[Finding]:
    """Judge a figure that must be below zero in each of the last hours, and below ``max_average`` on average."""
    for subject, rows in by_subject(readings).items():
        if readings.champion != (subject.model_name, subject.model_version):
            continue  # a baseline has no skill to lose
        hours = last_hours(readings, rows, limits.skill_windows)
        found = [mean((figure(row), row.forecasts) for row in hour) for hour in hours]
        means = [None if value is None or n < limits.min_forecasts else value for value, n in found]
        average, _ = mean(found)
        finding = in_a_row(
            about(subject),
            means,
            lambda skill: skill < 0,
            {
                "skill_by_hour": means,
                "worst_markets": worst(
                    (row.market, -skill) for row in (hours[-1] if hours else ()) if (skill := figure(row)) is not None
                ),
            },
        )
        if finding.holds is None or average is None:
            yield finding
        else:
            yield finding.decided(finding.holds and average < max_average, average, finding.evidence)
