"""The service ``model-error-monitor``: of several replicas one evaluates, the others stand by."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg

from candlewave.bus import BusError, open_bus
from candlewave.bus.protocol import Bus
from candlewave.bus.shards import Lease
from candlewave.contracts.topics import ALERTS, SERVICE_LEASES, TRAINING_REQUESTS
from candlewave.core.config import Config
from candlewave.core.settings import Settings
from candlewave.engine.connect import EngineError, connect, explain
from candlewave.services.monitor.alerts import Verdict
from candlewave.services.monitor.delivery import AlertmanagerSender, WebhookRelay
from candlewave.services.monitor.monitor import Monitor, withdraw
from candlewave.services.monitor.reading import read
from candlewave.services.monitor.receivers import Poster, alertmanager_url, body_for
from candlewave.services.monitor.rules import judge
from candlewave.services.monitor.settings import MonitorSettings
from candlewave.telemetry.service import Service

_PAUSE_SECONDS = 5.0
_STANDBY_SECONDS = 1.0


def main(service: Service, config: Config, own: MonitorSettings) -> None:
    """Run until the service stops; engine, bus and receivers may come and go.

    Raises:
        BusError: the bus cannot be reached at the start.
    """
    bus = open_bus(service.settings)
    service.on_close("bus", bus.close)
    bus.ensure_topics([ALERTS, TRAINING_REQUESTS, SERVICE_LEASES])
    lease = Lease(bus, "monitor", lambda held: service.log.info("monitor lease", held=held))
    senders = make_senders(own)
    relay = make_relay(bus, own)
    threads: dict[str, Callable[[threading.Event], None]] = {"monitor-lease": lease.run}
    threads |= {f"alertmanager-{number}": sender.run for number, sender in enumerate(senders)}
    if relay is not None:
        threads["webhook"] = relay.run
    for name, run in threads.items():
        thread = threading.Thread(target=run, args=(service.stop,), name=name)
        thread.start()
        service.on_close(name, thread.join)
    problem: list[str | None] = ["not connected yet"]
    service.readiness.add("engine", lambda: problem[0])
    if not senders and relay is None:
        service.log.warning(
            "no receiver of alerts: set ALERTMANAGER_URL or ALERT_WEBHOOK_URL; topic alerts has them all"
        )
    try:
        while not service.stop.is_set():
            try:
                with connect(service.settings) as conn:
                    conn.execute("SELECT 1")
                    _watch(service, config, own, conn, bus, lease, senders, problem)
            except (psycopg.Error, EngineError, BusError) as error:
                problem[0] = explain(error) if isinstance(error, psycopg.Error) else str(error)
                service.log.warning("waiting for the engine", error=problem[0])
                if not lease.held:
                    withdraw(senders)
                service.stop.wait(_PAUSE_SECONDS)
    finally:
        service.stop.set()


def judge_once(settings: Settings, config: Config) -> list[Verdict] | None:
    """Evaluate all rules now, and change nothing; None when there are no data yet.

    Raises:
        EngineError, psycopg.Error: the engine cannot be used.
    """
    with connect(settings) as conn:
        readings = read(conn, config, datetime.now(UTC))
    return None if readings is None else judge(readings, config.monitor)


def make_senders(own: MonitorSettings) -> list[AlertmanagerSender]:
    """Return a sender for each Alertmanager."""
    return [
        AlertmanagerSender(
            Poster("alertmanager", alertmanager_url(url), own.timeout_seconds),
            timedelta(seconds=own.resend_seconds),
            lambda: datetime.now(UTC),
        )
        for url in own.alertmanager_urls
    ]


def make_relay(bus: Bus, own: MonitorSettings) -> WebhookRelay | None:
    """Return the relay to the webhook, if there is one."""
    if own.webhook_url is None:
        return None
    url = own.webhook_url.get_secret_value().strip()
    return WebhookRelay(
        bus,
        Poster("webhook", url, own.timeout_seconds),
        lambda alerts: body_for(own.webhook_format, url, alerts),
        timedelta(hours=own.webhook_max_age_hours),
        lambda: datetime.now(UTC),
    )


def _watch(
    service: Service,
    config: Config,
    own: MonitorSettings,
    conn: psycopg.Connection,
    bus: Bus,
    lease: Lease,
    senders: list[AlertmanagerSender],
    problem: list[str | None],
) -> None:
    """Evaluate while this process holds the lease; stand by otherwise."""
    monitor: Monitor | None = None
    while not service.stop.is_set():
        if not lease.held:
            # Also when the lease went while the engine was away and nobody watched it.
            withdraw(senders)
            monitor = None
            problem[0] = None
            service.stop.wait(_STANDBY_SECONDS)
            continue
        if monitor is None:
            monitor = Monitor(conn, bus, config, own.model_name, senders)
            problem[0] = None
            service.log.info("watching the forecasts", firing=len(monitor.firing))
            # Whoever started together with it, above all the predictor after a downtime, catches up first.
            service.stop.wait(config.monitor.interval_seconds)
            continue
        monitor.evaluate()
        problem[0] = None
        service.stop.wait(config.monitor.interval_seconds)
