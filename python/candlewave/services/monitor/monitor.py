"""One evaluation: read the views, judge, store what changed, notify receivers, request a training."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import nan

import psycopg

from candlewave.bus.messages import to_message
from candlewave.bus.protocol import Bus
from candlewave.contracts.records import TrainingRequest
from candlewave.contracts.topics import ALERTS, TRAINING_REQUESTS
from candlewave.core.config import Config
from candlewave.core.times import utc_now
from candlewave.rules import judge, monitor_config, summary
from candlewave.rules.base import Finding
from candlewave.rules.readings import ErrorRow, Readings
from candlewave.services.monitor import metrics
from candlewave.services.monitor.alerts import Alert, AlertBook
from candlewave.services.monitor.delivery import AlertmanagerSender
from candlewave.services.monitor.reading import firing_alerts, last_training_request, read
from candlewave.services.monitor.training import TrainingDesk
from candlewave.telemetry import get_logger, tracing

_log = get_logger(__name__)

_ALERTS = metrics.Family(metrics.ALERTS)
_MODEL = {
    "mae": metrics.Family(metrics.MAE),
    "bias": metrics.Family(metrics.BIAS),
    "coverage": metrics.Family(metrics.COVERAGE),
    "skill": metrics.Family(metrics.SKILL),
    "interval_skill": metrics.Family(metrics.INTERVAL_SKILL),
}
_DRIFT = metrics.Family(metrics.DRIFT)


@dataclass
class Evaluation:
    """What one evaluation found and did.

    Attributes:
        findings: of every rule; none when there are no data yet.
        changes: alerts that began or ended.
        request: the training that was asked for.
    """

    findings: list[Finding] = field(default_factory=list)
    changes: list[Alert] = field(default_factory=list)
    request: TrainingRequest | None = None


class Monitor:
    """The active monitor: firing alerts are read from the tables, so that a restart or another replica continues.

    Args:
        conn: to the engine.
        bus: where alerts and requests are stored.
        config: thresholds.
        model_name: the registered model.
        senders: get what fires after each evaluation.
        clock: present time, UTC.

    Raises:
        psycopg.Error: the engine is down, or lacks a table.
    """

    def __init__(
        self,
        conn: psycopg.Connection,
        bus: Bus,
        config: Config,
        model_name: str,
        senders: Sequence[AlertmanagerSender] = (),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._conn = conn
        self._bus = bus
        self._config = config
        self._limits = monitor_config(config)
        self._senders = senders
        self._clock = clock
        self._book = AlertBook(self._limits.resolve_after, firing_alerts(conn))
        self._desk = TrainingDesk(
            model_name,
            timedelta(hours=self._limits.training_interval_hours),
            lambda: last_training_request(conn, model_name),
        )
        self._tell([])

    @property
    def firing(self) -> list[Alert]:
        """The alerts that fire now."""
        return self._book.firing

    def evaluate(self) -> Evaluation:
        """Evaluate all rules once.

        Raises:
            psycopg.Error: the engine is down, or lacks a view.
            BusError: the bus did not store an alert or a request; the next evaluation proposes it again.
        """
        with metrics.CYCLE_SECONDS.time(), tracing.tracer(__name__).start_as_current_span("evaluate") as span:
            now = self._clock()
            readings = read(self._conn, self._config, now)
            if readings is None:
                return Evaluation()
            for market in readings.markets:
                if market.forecast is not None:
                    tracing.minute_link(span, (market.exchange, market.symbol, market.forecast))
            findings = judge(readings, self._limits)
            changes = self._book.judge(findings, now)
            if changes:
                self._bus.publish(ALERTS.name, [to_message(alert.record()) for alert in changes])
                self._book.accept(changes)
            self._tell(changes)
            export(readings)
            request = self._desk.consider(findings, now)
            if request is not None:
                self._bus.publish(TRAINING_REQUESTS.name, [to_message(request)])
                self._desk.accept(request)
                _log.warning("training asked for", request_id=request.request_id, reason=request.reason)
            span.set_attribute("candlewave.alerts", len(self._book.firing))
        by_fingerprint = {finding.fingerprint: finding for finding in findings}
        for alert in changes:
            cause = by_fingerprint.get(alert.fingerprint)
            _log.warning(
                f"alert {alert.status}",
                rule=alert.rule,
                severity=alert.severity,
                labels=dict(alert.labels),
                value=alert.value,
                summary=summary(alert.rule, alert.labels, alert.value),
                evidence=None if cause is None else dict(cause.evidence),
            )
        return Evaluation(findings, changes, request)

    def _tell(self, changes: Sequence[Alert]) -> None:
        firing = self._book.firing
        counts = Counter((alert.rule, alert.severity) for alert in firing)
        _ALERTS.replace({labels: float(count) for labels, count in counts.items()})
        for sender in self._senders:
            sender.update(firing, changes)


def export(readings: Readings) -> None:
    """Set the ``candlewave_model_*`` gauges: the newest row of each model, market, horizon and span."""
    newest: dict[tuple[str, ...], ErrorRow] = {}
    for row in readings.errors:
        labels = (
            row.exchange,
            row.symbol,
            str(row.subject.horizon_minutes),
            row.subject.model_name,
            row.subject.model_version,
            row.span,
        )
        if labels not in newest or newest[labels].hour < row.hour:
            newest[labels] = row
    for name, family in _MODEL.items():
        values = ((labels, getattr(row, name)) for labels, row in newest.items())
        family.replace({labels: value for labels, value in values if value is not None})
    version = None if readings.champion is None else readings.champion[1]
    drift: dict[tuple[str, ...], float] = {}
    for found in sorted(readings.drift, key=lambda row: row.hour):
        if found.model_version == version:
            drift[(found.feature,)] = found.worst
    _DRIFT.replace(drift)
    metrics.AMENDED.set(readings.amended / readings.judged if readings.judged else nan)


def withdraw(senders: Sequence[AlertmanagerSender]) -> None:
    """Another replica reports from now on: export nothing, and let nothing end."""
    for family in (_ALERTS, _DRIFT, *_MODEL.values()):
        family.replace({})
    metrics.AMENDED.set(nan)
    for sender in senders:
        sender.update([], [])
