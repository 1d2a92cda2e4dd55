"""The median was worse than the last price in each of the last ``skill_windows`` hours, and by more than
``skill_margin`` on average. The margin is there because a median near the last price has a skill of ±0.1 % by chance,
which is below zero for six hours every few days. *Asks for a training.*
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from candlewave.rules.base import Finding, Rule
from candlewave.rules.readings import Readings
from candlewave.rules.skill import SkillLimits, judge_skill


class PointSkillLimits(SkillLimits):
    """Thresholds.

    Attributes:
        skill_margin: by how much the point forecast must be worse than the last price, on average over the hours.
    """

    skill_margin: Annotated[float, Field(ge=0, lt=1)] = 0.01


def judge(readings: Readings, limits: PointSkillLimits) -> Iterable[Finding]:
    """Notice a median that is worse than the last price for hours, and by more than noise."""
    yield from judge_skill(
        readings,
        limits,
        lambda subject: RULE.about(subject.labels, training=subject.is_trained),
        lambda row: row.skill,
        -limits.skill_margin,
    )


RULE = Rule(
    "point-skill",
    "warning",
    PointSkillLimits,
    judge,
    lambda skill: f"worse than the last price for hours, skill {skill:+.1%}",
)
