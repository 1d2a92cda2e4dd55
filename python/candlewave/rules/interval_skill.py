"""The pinball loss was worse than the baseline's in each of the last ``skill_windows`` hours. *Asks for a training.*"""

from collections.abc import Iterable

from candlewave.rules.base import Finding, Rule
from candlewave.rules.readings import Readings
from candlewave.rules.skill import SkillLimits, judge_skill


def judge(readings: Readings, limits: SkillLimits) -> Iterable[Finding]:
    """Notice quantiles that are worse than the baseline's for hours."""
    yield from judge_skill(
        readings,
        limits,
        lambda subject: RULE.about(subject.labels, training=subject.is_trained),
        lambda row: row.interval_skill,
        0.0,
    )


RULE = Rule(
    "interval-skill",
    "warning",
    SkillLimits,
    judge,
    lambda skill: f"intervals worse than the baseline's for hours, skill {skill:+.1%}",
)
