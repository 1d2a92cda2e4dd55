"""The outer quantiles lose more than the baseline's, of which a bettor who may look at any time has made sure (an
e-detector: :mod:`candlewave.rules.evidence`, docs/adr/0041), each forecast's difference divided by the most it can be.
*Asks for a training.*
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
