"""The median is worse than the last price, of which a bettor who may look at any time has made sure (an e-detector:
:mod:`candlewave.rules.evidence`, docs/adr/0041). Each forecast counts alike: its loss less that of the last price,
divided by the most this can be, the size of the median. A median that is honest but of no use raises, with the other
rules on skill, at most ``false_alarms_a_month`` in thirty days; one whose sign has flipped is found within hours.
*Asks for a training.*
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
