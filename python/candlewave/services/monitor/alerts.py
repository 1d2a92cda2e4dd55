"""Which alerts fire: conditions become alerts that begin once, last, and end."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from candlewave.contracts.records import AlertRecord, AlertStatus, Severity


@dataclass(frozen=True)
class Verdict:
    """What a rule found about one subject.

    Attributes:
        rule: the rule's name.
        severity: of the alert.
        labels: the subject; with the rule they are the alert's identity.
        holds: True when the condition holds, False when not, None when there is too little to tell.
        value: the figure that was compared with the threshold.
        evidence: what else a person or the trainer wants to know; JSON types.
        training: whether a new training may help.
    """

    rule: str
    severity: Severity
    labels: Mapping[str, str]
    holds: bool | None
    value: float
    evidence: Mapping[str, object] = field(default_factory=dict)
    training: bool = False

    @property
    def fingerprint(self) -> str:
        """The alert's identity."""
        return fingerprint(self.rule, self.labels)


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
        """Return the alert of a record, which says when it began only if that is what it tells."""
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

    def judge(self, verdicts: Iterable[Verdict], now: datetime) -> list[Alert]:
        """Return the alerts that begin and end with these verdicts.

        A subject that no verdict speaks of any more, such as a version that was replaced, counts as one without the
        condition; one of which too little is known stays as it is.
        """
        changes = []
        found = {verdict.fingerprint: verdict for verdict in verdicts}
        for identity, verdict in found.items():
            entry = self._open.get(identity)
            if entry is None and verdict.holds:
                changes.append(_alert(verdict, "firing", now, now))
            elif entry is not None and verdict.holds:
                entry.misses = 0
                entry.alert = _alert(verdict, "firing", entry.alert.occurred_at, entry.alert.began_at)
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


def fingerprint(rule: str, labels: Mapping[str, str]) -> str:
    """Return 16 hexadecimal digits that identify an alert, whatever the order of its labels."""
    text = json.dumps([rule, sorted(labels.items())], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _alert(verdict: Verdict, status: AlertStatus, at: datetime, began_at: datetime | None) -> Alert:
    return Alert(
        verdict.fingerprint, verdict.rule, verdict.severity, verdict.labels, verdict.value, status, at, began_at
    )
