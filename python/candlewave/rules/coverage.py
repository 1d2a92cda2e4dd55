"""The 80 % interval contains fewer than 77 or more than 83 % of the outcomes, by evidence that stays valid however
often one looks (an e-detector: ``candlewave.rules.evidence``, docs/adr/0041). Forecasts overlap (those an hour ahead
share 59 minutes with the next), so only those count whose time is a multiple of the horizon. Markets move together, so
their evidence is averaged, not added. Honest intervals, together with the other rules on skill, raise at most
``false_alarms_a_month`` alerts in thirty days; an interval half as wide as it should be is found within two or three
hours. *Requests a training*, unless the interval is the baseline's.
"""

from collections.abc import Iterable

from candlewave.rules.base import Finding, Rule, worst
from candlewave.rules.evidence import EvidenceLimits, coverage_evidence, tests
from candlewave.rules.readings import Readings
from candlewave.rules.windows import newest

NOMINAL_COVERAGE = 0.8
TOLERANCE = 0.03
"""What a calibration of a month ago may be wrong by in a market that has changed a little."""


def judge(readings: Readings, limits: EvidenceLimits) -> Iterable[Finding]:
    """Notice an 80 % interval whose coverage differs from 80 % by more than chance and a tolerance explain."""
    threshold = limits.threshold(tests(readings))
    for subject in sorted(readings.served):
        low, high = NOMINAL_COVERAGE - TOLERANCE, NOMINAL_COVERAGE + TOLERANCE
        found = coverage_evidence(readings.evidence, subject, low, high)
        unknown = RULE.about(subject.labels, training=subject.is_trained)
        rows = [row for row in readings.evidence if row.subject == subject]
        last_day = sorted({row.hour for row in rows})[-24:]
        recent = [row for row in rows if row.hour in last_day]
        units = sum(row.units for row in recent)
        if not units:
            yield unknown
            continue
        yield unknown.decided(
            found.holds(threshold),
            sum(row.units_covered for row in recent) / units,
            {
                "nominal": NOMINAL_COVERAGE,
                "log_evidence": found.log,
                "threshold": threshold,
                "forecasts_apart": found.units,
                "accused_markets": found.accused,
                "evidence_of_markets": worst(found.by_market.items()),
                "worst_markets": worst(
                    (row.market, abs(row.coverage - NOMINAL_COVERAGE))
                    for row in newest([row for row in readings.errors if row.subject == subject], "24h").values()
                ),
            },
        )


RULE = Rule(
    "coverage",
    "warning",
    EvidenceLimits,
    judge,
    lambda share: f"the 80 % interval held {share:.1%} of the outcomes",
)
