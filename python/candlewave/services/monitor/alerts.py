"""Which alerts fire: conditions become alerts that begin once, last, and end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from candlewave.contracts.records import AlertRecord, AlertStatus, Severity
from candlewave.rules.base import Finding


@dataclass(frozen=True)
class Alert:
    """An alert at one moment.

    Attributes:
        fingerprint: identity of rule and labels.
        began_at: when it began to fire, UTC; None when that is not known any more.
        occurred_at: when it took this status, UTC.
    """

    fingerprint: str
    rule: str
    severity: Severity
    labels: Mapping[str, str]
    value: float
    status: AlertStatus
    occurred_at: datetime
    began_at: datetime | None = None

    def record(self) -> AlertRecord:
        """Return the record of this change."""
        return AlertRecord(
            self.fingerprint, self.rule, self.severity, dict(self.labels), self.value, self.status, self.occurred_at
        )

    @classmethod
    def of(cls, record: AlertRecord) -> Self:
        """Return the alert of a record, with the time it began if the record has it."""
        return cls(
            record.fingerprint,
            record.rule,
            record.severity,
            record.labels,
            record.value,
            record.status,
            record.occurred_at,
            record.occurred_at if record.status == "firing" else None,
        )


@dataclass
class _Open:
    alert: Alert
    misses: int = 0


class AlertBook:
    """The alerts that fire. Changes are proposed first and count once they are stored.

    Args:
        resolve_after: evaluations in a row without the condition before an alert ends.
        firing: those that fired when the monitor ended.
    """

    def __init__(self, resolve_after: int, firing: Iterable[Alert] = ()) -> None:
        self._resolve_after = resolve_after
        self._open = {alert.fingerprint: _Open(alert) for alert in firing}

    @property
    def firing(self) -> list[Alert]:
        """The alerts that fire, with their newest values."""
        return [entry.alert for entry in self._open.values()]

    def judge(self, findings: Iterable[Finding], now: datetime) -> list[Alert]:
        """Return the alerts that begin and end with these findings.

        A subject that no finding speaks of any more, such as a version that was replaced, counts as one without the
        condition; one of which too little is known stays as it is.
        """
        changes = []
        found = {finding.fingerprint: finding for finding in findings}
        for identity, finding in found.items():
            entry = self._open.get(identity)
            if entry is None and finding.holds:
                changes.append(_alert(finding, "firing", now, now))
            elif entry is not None and finding.holds:
                entry.misses = 0
                entry.alert = _alert(finding, "firing", entry.alert.occurred_at, entry.alert.began_at)
        for identity, entry in self._open.items():
            last = found.get(identity)
            if last is None or last.holds is False:
                entry.misses += 1
            if entry.misses >= self._resolve_after:
                old = entry.alert
                changes.append(
                    Alert(
                        identity,
                        old.rule,
                        old.severity,
                        old.labels,
                        last.value if last else old.value,
                        "resolved",
                        now,
                        old.began_at,
                    )
                )
        return changes

    def accept(self, changes: Iterable[Alert]) -> None:
        """Take over changes that are stored."""
        for alert in changes:
            if alert.status == "firing":
                self._open[alert.fingerprint] = _Open(alert)
            else:
                self._open.pop(alert.fingerprint, None)


def _alert(finding: Finding, status: AlertStatus, at: datetime, began_at: datetime | None) -> Alert:
    return Alert(
        finding.fingerprint, finding.rule, finding.severity, finding.labels, finding.value, status, at, began_at
    )
