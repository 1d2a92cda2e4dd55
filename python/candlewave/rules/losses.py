"""Losses larger than the reference's; what :mod:`~candlewave.rules.point_skill` and ``interval_skill`` share."""

from collections.abc import Callable, Iterable

from candlewave.rules.base import Finding, worst
from candlewave.rules.evidence import EvidenceLimits, loss_evidence, tests
from candlewave.rules.readings import ErrorRow, Readings, Subject
from candlewave.rules.windows import mean, newest


def judge_losses(
    readings: Readings,
    limits: EvidenceLimits,
    kind: str,
    about: Callable[[Subject], Finding],
    figure: Callable[[ErrorRow], float | None],
) -> Iterable[Finding]:
    """Judge the champion's losses by the evidence against them; a baseline has no skill to lose."""
    threshold = limits.threshold(tests(readings))
    for subject in sorted(readings.served):
        if readings.champion != (subject.model_name, subject.model_version):
            continue
        found = loss_evidence(readings.evidence, subject, kind)
        if not found.units:
            yield about(subject)
            continue
        day = newest([row for row in readings.errors if row.subject == subject], "24h").values()
        skill, _ = mean((figure(row), row.forecasts) for row in day)
        yield about(subject).decided(
            found.holds(threshold),
            skill or 0.0,
            {
                "log_evidence": found.log,
                "threshold": threshold,
                "forecasts_apart": found.units,
                "accused_markets": found.accused,
                "evidence_of_markets": worst(found.by_market.items()),
                "worst_markets": worst((row.market, -value) for row in day if (value := figure(row)) is not None),
            },
        )
