"""When to ask for a training: an alert that a new model may end, and none asked for too recently."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from candlewave.contracts.records import TrainingRequest
from candlewave.core.times import EPOCH
from candlewave.rules import summary
from candlewave.rules.base import Finding
from candlewave.services.monitor import metrics


class TrainingDesk:
    """Request at most one training per interval, counting requests of other origin.

    Args:
        model_name: the registered model.
        interval: minimum time between two requests.
        stored: returns the time of the last request, of any origin; None if there was none.
    """

    def __init__(self, model_name: str, interval: timedelta, stored: Callable[[], datetime | None]) -> None:
        self._model_name = model_name
        self._interval = interval
        self._stored = stored
        self._own: datetime | None = None
        self._withheld: set[str] = set()

    def consider(self, findings: Iterable[Finding], now: datetime) -> TrainingRequest | None:
        """Return the request that the alerts of these findings call for, None when there is no need or it is too soon.

        An alert that lasts asks again after the interval. Two monitors that both believe to be the active one make
        the same request.
        """
        causes = sorted(
            (finding for finding in findings if finding.holds and finding.training),
            key=lambda finding: (finding.rule, finding.fingerprint),
        )
        if not causes:
            self._withheld.clear()
            return None
        # An own request may not have reached the table yet.
        asked = [when for when in (self._own, self._stored()) if when is not None]
        if asked and now - max(asked) < self._interval:
            for cause in causes:
                if cause.fingerprint not in self._withheld:
                    self._withheld.add(cause.fingerprint)
                    metrics.TRAINING_WITHHELD.labels(cause.rule).inc()
            return None
        period = (now - EPOCH) // self._interval
        key = f"{self._model_name}|{period}|{','.join(cause.fingerprint for cause in causes)}"
        return TrainingRequest(
            f"monitor-{hashlib.sha256(key.encode()).hexdigest()[:16]}",
            self._model_name,
            causes[0].rule,
            {"alerts": _evidence(causes)},
            now,
        )

    def accept(self, request: TrainingRequest) -> None:
        """Note a request that is stored."""
        self._own = request.requested_at
        self._withheld.clear()
        metrics.TRAINING_REQUESTS.labels(request.reason).inc()


def _evidence(causes: Sequence[Finding]) -> list[dict[str, object]]:
    return [
        {
            "fingerprint": cause.fingerprint,
            "rule": cause.rule,
            "labels": dict(cause.labels),
            "value": cause.value,
            "summary": summary(cause.rule, cause.labels, cause.value),
            **cause.evidence,
        }
        for cause in causes
    ]
