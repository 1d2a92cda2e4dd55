"""The outer quantiles lose more than the baseline's, by evidence that stays valid however often one looks (an
e-detector: ``candlewave.rules.evidence``, docs/adr/0041). Each forecast's difference is divided by the largest value
that it can take. *Requests a training.*
"""

from collections.abc import Iterable

from candlewave.rules.base import Finding, Rule
from candlewave.rules.evidence import EvidenceLimits
from candlewave.rules.losses import judge_losses
from candlewave.rules.readings import Readings


def judge(readings: Readings, limits: EvidenceLimits) -> Iterable[Finding]:
    """Notice outer quantiles that are worse than the baseline's, by more than chance explains."""
    yield from judge_losses(
        readings,
        limits,
        "interval",
        lambda subject: RULE.about(subject.labels, training=subject.is_trained),
        lambda row: row.interval_skill,
    )


RULE = Rule(
    "interval-skill",
    "warning",
    EvidenceLimits,
    judge,
    lambda skill: f"intervals are worse than the baseline's, skill of the last day {skill:+.1%}",
)
