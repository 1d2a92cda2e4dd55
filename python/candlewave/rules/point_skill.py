"""The median is worse than the last price, by evidence that stays valid however often one looks (an e-detector:
``candlewave.rules.evidence``, docs/adr/0041). Each forecast has the same weight: the difference between its loss and
that of the last price, divided by the largest value that this can take, the size of the median. Useless but honest
medians, together with the other rules on skill, raise at most ``false_alarms_a_month`` alerts in thirty days; a median
whose sign has flipped is found within hours. *Requests a training.*
"""

from collections.abc import Iterable

from candlewave.rules.base import Finding, Rule
from candlewave.rules.evidence import EvidenceLimits
from candlewave.rules.losses import judge_losses
from candlewave.rules.readings import Readings


def judge(readings: Readings, limits: EvidenceLimits) -> Iterable[Finding]:
    """Notice a median that is worse than the last price, by more than chance explains."""
    yield from judge_losses(
        readings,
        limits,
        "point",
        lambda subject: RULE.about(subject.labels, training=subject.is_trained),
        lambda row: row.skill,
    )


RULE = Rule(
    "point-skill",
    "warning",
    EvidenceLimits,
    judge,
    lambda skill: f"the median is worse than the last price, skill of the last day {skill:+.1%}",
)
