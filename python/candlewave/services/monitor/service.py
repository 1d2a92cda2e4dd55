"""The service ``model-error-monitor``: of several replicas one evaluates, the others stand by."""

from datetime import timedelta

from candlewave.bus.protocol import Bus
from candlewave.bus.shards import Lease
from candlewave.contracts.topics import ALERTS, ALERTS_DLQ, TRAINING_REQUESTS
from candlewave.core.config import Config
from candlewave.core.settings import Settings
from candlewave.core.times import utc_now
from candlewave.engine.connect import connect
from candlewave.rules import judge, monitor_config
from candlewave.rules.base import Finding
from candlewave.services.frame import Service
from candlewave.services.monitor.delivery import AlertmanagerSender, WebhookRelay
from candlewave.services.monitor.monitor import Monitor, withdraw
from candlewave.services.monitor.reading import read
from candlewave.services.monitor.receivers import Poster, alertmanager_url, body_for
from candlewave.services.monitor.settings import MonitorSettings
from candlewave.telemetry.admin import Status

_PAUSE_SECONDS = 5.0
_STANDBY_SECONDS = 1.0


def main(service: Service, config: Config, settings: MonitorSettings) -> None:
    """Run until the service stops; engine, bus and receivers may come and go.

    Raises:
        BusError: the bus cannot be reached at the start.
    """
    service.bus.ensure_topics([ALERTS, ALERTS_DLQ, TRAINING_REQUESTS])
    lease = service.lease("monitor")
    senders = make_senders(settings)
    for number, sender in enumerate(senders):
        service.thread(f"alertmanager-{number}", sender.run)
    relay = make_relay(service.bus, settings)
    if relay is not None:
        service.thread("webhook", relay.run)
    elif not senders:
        service.log.warning(
            "no receiver of alerts: set ALERTMANAGER_URL or ALERT_WEBHOOK_URL; topic alerts has them all"
        )

    def watch(status: Status) -> None:
        if not lease.held:  # while the engine is down, the standby loop is never reached
            withdraw(senders)
        with connect(service.settings) as conn:
            conn.execute("SELECT 1")
            while not service.stop.is_set():
                if lease.held:
                    monitor = Monitor(conn, service.bus, config, settings.model_name, senders)
                    service.log.info("watching the forecasts", firing=len(monitor.firing))
                    _evaluate(service, monitor, lease, monitor_config(config).interval_seconds, status)
                else:
                    withdraw(senders)
                    conn.execute("SELECT 1")  # whoever may take over any moment is ready only with an engine
                    status.problem = None
                    service.stop.wait(_STANDBY_SECONDS)

    service.supervise("engine", watch, pause_seconds=_PAUSE_SECONDS)


def _evaluate(service: Service, monitor: Monitor, lease: Lease, seconds: float, status: Status) -> None:
    """Evaluate every so many seconds while this process holds the lease."""
    status.problem = None
    # What started together with it, above all the predictor after a downtime, catches up first.
    while not service.stop.wait(seconds) and lease.held:
        monitor.evaluate()
        status.problem = None


def judge_once(settings: Settings, config: Config) -> list[Finding] | None:
    """Evaluate all rules now, and change nothing; None when there are no data yet.

    Raises:
        EngineError, psycopg.Error: the engine cannot be used.
    """
    with connect(settings) as conn:
        readings = read(conn, config, utc_now())
    return None if readings is None else judge(readings, monitor_config(config))


def make_senders(settings: MonitorSettings) -> list[AlertmanagerSender]:
    """Return a sender for each Alertmanager."""
    return [
        AlertmanagerSender(
            Poster("alertmanager", alertmanager_url(url), settings.timeout_seconds),
            timedelta(seconds=settings.resend_seconds),
            utc_now,
        )
        for url in settings.alertmanager_urls
    ]


def make_relay(bus: Bus, settings: MonitorSettings) -> WebhookRelay | None:
    """Return the relay to the webhook, if there is one."""
    if settings.webhook_url is None:
        return None
    url = settings.webhook_url.get_secret_value().strip()
    return WebhookRelay(
        bus,
        Poster("webhook", url, settings.timeout_seconds),
        lambda alerts: body_for(settings.webhook_format, url, alerts),
        timedelta(hours=settings.webhook_max_age_hours),
        utc_now,
    )
