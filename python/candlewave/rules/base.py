"""What a rule is, and what rules find."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from candlewave.contracts.records import Severity
from candlewave.rules.readings import Readings

_MAX_SHOWN = 5


class Limits(BaseModel):
    """What all rules share of table ``[monitor]``; a rule adds its thresholds in a class of its own.

    Attributes:
        min_forecasts: judged forecasts that a window needs before it counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_forecasts: Annotated[int, Field(ge=1)] = 30


L = TypeVar("L", bound=Limits)


@dataclass(frozen=True)
class Finding:
    """What a rule found about one subject.

    Attributes:
        rule: the rule's name.
        severity: of the alert.
        labels: the subject; with the rule they are the alert's identity.
        holds: True when the condition holds, False when not, None when there are too few data.
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

    def decided(self, holds: bool | None, value: float, evidence: Mapping[str, object]) -> "Finding":
        """Return the finding with what the rule decided about its subject."""
        return replace(self, holds=holds, value=value, evidence=evidence)


@dataclass(frozen=True)
class Rule(Generic[L]):
    """One thing that can be wrong with forecasts.

    Attributes:
        name: in kebab-case; the rules of Prometheus are in CamelCase. Also the name of its runbook.
        severity: of its alerts.
        limits: its thresholds.
        judge: returns findings; with too few data, one whose ``holds`` is None.
        sentence: the value of an alert in words, which follow the subject and a colon.
    """

    name: str
    severity: Severity
    limits: type[L]
    judge: Callable[[Readings, L], Iterable[Finding]]
    sentence: Callable[[float], str]

    def about(self, labels: Mapping[str, str], *, training: bool = False) -> Finding:
        """Return a finding about a subject of which too little is known."""
        return Finding(self.name, self.severity, labels, None, 0.0, training=training)


def fingerprint(rule: str, labels: Mapping[str, str]) -> str:
    """Return 16 hexadecimal digits that identify an alert, whatever the order of its labels."""
    text = json.dumps([rule, sorted(labels.items())], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def worst(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the largest few, largest first, for the evidence."""
    return dict(sorted(pairs, key=lambda pair: -pair[1])[:_MAX_SHOWN])


def span(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:.1f} days"
    if seconds >= 2 * 3_600:
        return f"{seconds / 3_600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
