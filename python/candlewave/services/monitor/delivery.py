"""Deliver alerts to receivers, and retry until they are accepted.

Alertmanager wants the present state again and again; :class:`AlertmanagerSender` keeps it. A webhook wants each change
once; :class:`WebhookRelay` reads them from topic ``alerts`` as a consumer group of its own, whose offset moves when the
webhook has answered, so that a restart forgets nothing and repeats at most the last batch. An alert that the webhook
will never take goes to ``alerts.dlq`` and does not block those behind it.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from candlewave.bus.messages import to_message
from candlewave.bus.protocol import Bus, BusError, CommitRefusedError, Received
from candlewave.contracts.records import AlertRecord, MalformedMessageError, dead_letter, decode
from candlewave.contracts.topics import ALERTS, ALERTS_DLQ
from candlewave.core.backoff import doubled
from candlewave.services.monitor import metrics
from candlewave.services.monitor.alerts import Alert
from candlewave.services.monitor.receivers import DeliveryError, Poster, alertmanager_body
from candlewave.telemetry import get_logger, tracing

WEBHOOK_GROUP = "model-error-monitor.webhook"
_FIRST_PAUSE = 1.0
_MAX_PAUSE = 60.0
_POLL_SECONDS = 1.0
_LOOK_SECONDS = 0.2
_MAX_ALERTS = 100

_log = get_logger(__name__)


def pause(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row."""
    return doubled(_FIRST_PAUSE, failures - 1, _MAX_PAUSE)


class AlertmanagerSender:
    """Keep one Alertmanager informed: changes at once, what fires at each interval, failures with growing pauses.

    Args:
        poster: of the address that takes alerts.
        resend: the interval.
        clock: present time, UTC.
    """

    def __init__(self, poster: Poster, resend: timedelta, clock: Callable[[], datetime]) -> None:
        self._poster = poster
        self._resend = resend
        self._clock = clock
        self._lock = threading.Lock()
        self._firing: Sequence[Alert] = ()
        self._ended: dict[str, Alert] = {}
        self._next: datetime | None = None
        self._failures = 0

    def update(self, firing: Sequence[Alert], changes: Sequence[Alert]) -> None:
        """Take over what fires now, and what began or ended; changes are sent with the next :meth:`step`."""
        with self._lock:
            self._firing = list(firing)
            for alert in self._firing:
                self._ended.pop(alert.fingerprint, None)
            self._ended.update((alert.fingerprint, alert) for alert in changes if alert.status == "resolved")
            if changes:
                self._next = None

    def step(self) -> bool:
        """Send if it is time; return whether the receiver has everything it should."""
        now = self._clock()
        with self._lock:
            if self._next is not None and now < self._next:
                return self._failures == 0
            ended = list(self._ended.values())
            batch = [*self._firing, *ended]
            self._next = now + self._resend
        if not batch:
            self._failures = 0
            return True
        try:
            self._post(batch, now)
        except DeliveryError as error:
            self._failures += 1
            with self._lock:
                self._next = now + timedelta(seconds=min(pause(self._failures), self._resend.total_seconds()))
            _log.warning("alerts wait for their receiver", receiver=self._poster.name, error=str(error))
            return False
        self._failures = 0
        self._told(ended)
        return True

    def _post(self, batch: Sequence[Alert], now: datetime) -> None:
        """Post alerts together; singly when that is refused, so that one that is never taken hinders no other.

        Raises:
            DeliveryError: the receiver is away, or refused at least one of those that fire.
        """
        try:
            self._poster.post(alertmanager_body(batch, now, self._resend))
            return
        except DeliveryError as error:
            if error.outcome != "refused" or not error.about_content:
                raise
        last: DeliveryError | None = None
        for alert in batch:
            try:
                self._poster.post(alertmanager_body([alert], now, self._resend))
            except DeliveryError as error:
                if error.outcome != "refused":
                    raise
                _log.error("alert refused", receiver=self._poster.name, alert=alert.fingerprint, error=str(error))
                if alert.status == "firing":
                    last = error
                    continue
                metrics.NOTIFICATIONS.labels(self._poster.name, "dropped").inc()
            self._told([alert])
        if last is not None:
            raise last

    def _told(self, alerts: Sequence[Alert]) -> None:
        """Forget the ends that the receiver has heard of."""
        with self._lock:
            for alert in alerts:
                if self._ended.get(alert.fingerprint) is alert:
                    del self._ended[alert.fingerprint]

    def run(self, stop: threading.Event) -> None:
        """Send until ``stop`` is set, and once more what is waiting then."""
        try:
            while not stop.wait(_LOOK_SECONDS):
                self.step()
            self.step()
        finally:
            self._poster.close()


class WebhookRelay:
    """Post what topic ``alerts`` brings.

    Args:
        bus: either bus.
        poster: of the webhook.
        body: makes the request's body from alerts.
        max_age: older alerts are skipped: a webhook that is new gets no history.
        clock: present time, UTC.
    """

    def __init__(
        self,
        bus: Bus,
        poster: Poster,
        body: Callable[[Sequence[Alert]], dict[str, Any]],
        max_age: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._bus = bus
        self._poster = poster
        self._body = body
        self._max_age = max_age
        self._clock = clock
        self._subscription = bus.subscribe(WEBHOOK_GROUP, [ALERTS.name])
        self._failures = 0
        self._settled: set[str] = set()
        """Positions of what is dealt with but not committed: read again, it is passed over."""
        self._takes_some = False
        """Whether the webhook took one of these alone, so that what it refuses is about the alert."""

    def step(self, timeout: float = _POLL_SECONDS) -> float:
        """Relay what is there; return the seconds to wait before the next step.

        Raises:
            BusError: try again later.
        """
        received = self._subscription.poll(_MAX_ALERTS, timeout)
        if not received:
            return 0.0
        try:
            with tracing.consuming("notify", [message.headers for message in received]):
                self._deliver(self._readable(received))
        except DeliveryError as error:
            self._failures += 1
            self._subscription.rewind()
            _log.warning("alerts wait for their receiver", receiver=self._poster.name, error=str(error))
            return pause(self._failures)
        except BusError:
            self._subscription.rewind()
            raise
        self._failures = 0
        self._takes_some = False
        self._settled.clear()
        try:
            self._subscription.commit()
        except CommitRefusedError as error:
            _log.warning("another monitor repeats these alerts", error=str(error))
        return 0.0

    def _deliver(self, alerts: Sequence[tuple[Received, Alert]]) -> None:
        """Post alerts together; singly when that is refused, and reject those that are refused alone.

        Raises:
            DeliveryError: the webhook is away, or refuses whatever it is sent.
            BusError: what was rejected cannot be published.
        """
        if not alerts:
            return
        try:
            self._poster.post(self._body([alert for _, alert in alerts]))
            return
        except DeliveryError as error:
            if error.outcome != "refused":
                raise
            refused = [(alerts[0][0], error)]
        if len(alerts) > 1:
            refused = self._post_singly(alerts)
        lasting = [(message, str(why)) for message, why in refused if why.about_content or self._takes_some]
        for message, reason in lasting:
            _log.error("alert refused", receiver=self._poster.name, position=message.position, error=reason)
        self._reject(lasting, "dropped")
        if len(lasting) < len(refused):
            raise refused[-1][1]

    def _post_singly(self, alerts: Sequence[tuple[Received, Alert]]) -> list[tuple[Received, DeliveryError]]:
        """Post each alert by itself; return those that were refused."""
        refused = []
        for message, alert in alerts:
            try:
                self._poster.post(self._body([alert]))
            except DeliveryError as error:
                if error.outcome != "refused":
                    raise
                refused.append((message, error))
            else:
                self._takes_some = True
                self._settled.add(message.position)
        return refused

    def _reject(self, rejected: Sequence[tuple[Received, str]], outcome: str) -> None:
        """Put messages on ``alerts.dlq`` with a reason, and count them."""
        if not rejected:
            return
        letters = [
            dead_letter(
                ALERTS.name,
                message.value,
                reason=reason,
                source=f"webhook, topic {ALERTS.name}",
                position=message.position,
                occurred_at=self._clock(),
            )
            for message, reason in rejected
        ]
        self._bus.publish(ALERTS_DLQ.name, map(to_message, letters))
        metrics.NOTIFICATIONS.labels(self._poster.name, outcome).inc(len(rejected))
        self._settled.update(message.position for message, _ in rejected)

    def run(self, stop: threading.Event) -> None:
        """Relay until ``stop`` is set; the bus may come and go."""
        try:
            while not stop.is_set():
                try:
                    wait = self.step()
                except BusError as error:
                    _log.warning("the webhook waits for the bus", error=str(error))
                    wait = _FIRST_PAUSE
                stop.wait(wait)
        finally:
            self.close()

    def close(self) -> None:
        """Leave the group and close the connections."""
        self._subscription.close()
        self._poster.close()

    def _readable(self, received: Sequence[Received]) -> list[tuple[Received, Alert]]:
        """Return the alerts to post; what is not a valid alert is rejected, what is too old passed over."""
        alerts, malformed = [], []
        for message in received:
            if message.position in self._settled:
                continue
            try:
                alert = Alert.of(decode(AlertRecord, message.value))
                self._body([alert])
            except MalformedMessageError as error:
                malformed.append((message, f"not a valid alert: {error}"))
                continue
            except Exception as error:  # noqa: BLE001 (whatever a foreign record breaks, it is this record's)
                malformed.append((message, f"not a valid alert: {type(error).__name__}: {error}"))
                continue
            if self._clock() - alert.occurred_at > self._max_age:
                metrics.NOTIFICATIONS.labels(self._poster.name, "expired").inc()
                self._settled.add(message.position)
            else:
                alerts.append((message, alert))
        for message, reason in malformed:
            _log.error("alert rejected", position=message.position, reason=reason)
        self._reject(malformed, "malformed")
        return alerts
