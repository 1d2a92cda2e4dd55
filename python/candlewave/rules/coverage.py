"""The 80 % interval held a share of outcomes that chance does not explain: the 99 % interval of that share, over
``coverage_hours``, excludes 80 %. Forecasts overlap (those an hour ahead share 59 minutes with the next) and markets
move together, so they are far from independent: counted as if they were, a well-calibrated hourly interval would raise
a false alarm on 62 % of days. Here all markets of a minute are one observation, time is cut into batches of at least
thirty minutes and at least two horizons, and Student's t of the batches' spread gives the interval: on simulated
well-calibrated forecasts it raises a false alarm on 0.6 % of days one minute ahead, 1.9 % at fifteen minutes, 3 % at an
hour (3,000 days each; a test repeats a part). With fewer than eight batches it decides nothing. *Asks for a training*,
unless it is the baseline's.
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from candlewave.rules.base import Finding, Limits, Rule, worst
from candlewave.rules.readings import Hits, Readings
from candlewave.rules.windows import newest

NOMINAL_COVERAGE = 0.8


class CoverageLimits(Limits):
    """Thresholds.

    Attributes:
        coverage_hours: length of the window in which hits of the 80 % interval are counted.
    """

    coverage_hours: Annotated[int, Field(ge=1, le=168)] = 24


def judge(readings: Readings, limits: CoverageLimits) -> Iterable[Finding]:
    """Notice an 80 % interval whose coverage differs from 80 % by more than chance in dependent data explains."""
    from candlewave.rules.statistics import coverage_interval  # those who only want the sentences need no SciPy

    for subject in sorted(readings.served):
        hits = readings.hits.get(subject, Hits((), (), ()))
        batch = max(30, 2 * subject.horizon_minutes)
        found = coverage_interval(hits.minutes, hits.hits, hits.counts, batch)
        unknown = RULE.about(subject.labels, training=subject.is_trained)
        if found is None or sum(hits.counts) < limits.min_forecasts:
            yield unknown
            continue
        yield unknown.decided(
            not found.low <= NOMINAL_COVERAGE <= found.high,
            found.mean,
            {
                "nominal": NOMINAL_COVERAGE,
                "interval_99": [found.low, found.high],
                "batches": found.batches,
                "batch_minutes": batch,
                "forecasts": sum(hits.counts),
                "worst_markets": worst(
                    (row.market, abs(row.coverage - NOMINAL_COVERAGE))
                    for row in newest([row for row in readings.errors if row.subject == subject], "24h").values()
                ),
            },
        )


RULE = Rule(
    "coverage",
    "warning",
    CoverageLimits,
    judge,
    lambda share: f"the 80 % interval held {share:.1%} of the outcomes",
)
