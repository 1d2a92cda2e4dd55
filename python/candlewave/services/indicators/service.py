"""The service ``technical-indicators``: answers for the indicator layer, which SQL computes.

Every replica exports freshness and the check against sql/; the one that holds the lease audits.
"""

import threading
from collections.abc import Sequence

import psycopg

from candlewave.bus import open_bus
from candlewave.bus.shards import Lease
from candlewave.contracts.topics import SERVICE_LEASES
from candlewave.core.config import Config
from candlewave.engine.connect import EngineError, connect
from candlewave.engine.migrate import MigrationError
from candlewave.services.indicators.audit import OBJECTS, IndicatorAudit
from candlewave.telemetry.service import Service

_PAUSE_SECONDS = 15.0


def main(service: Service, config: Config) -> None:
    """Run until the service stops; the engine may come and go.

    Raises:
        EngineError, BusError: the engine or the bus cannot be reached at the start.
    """
    bus = open_bus(service.settings)
    service.on_close("bus", bus.close)
    bus.ensure_topics([SERVICE_LEASES])
    lease = Lease(bus, "auditor", lambda held: service.log.info("audit lease", held=held))
    holder = threading.Thread(target=lease.run, args=(service.stop,), name="audit-lease")
    holder.start()
    service.on_close("audit lease", holder.join)
    problem: list[str | None] = ["not checked yet"]
    service.readiness.add("engine", lambda: problem[0])
    try:
        while not service.stop.is_set():
            try:
                with connect(service.settings) as conn:
                    _answer(service, config, conn, lease, problem)
            except (psycopg.Error, EngineError, MigrationError) as error:
                problem[0] = str(error)
                service.log.warning("waiting for the engine", error=str(error))
                service.stop.wait(_PAUSE_SECONDS)
    finally:
        service.stop.set()


def _answer(
    service: Service, config: Config, conn: psycopg.Connection, lease: Lease, problem: list[str | None]
) -> None:
    audit = IndicatorAudit(
        conn,
        config,
        structure=deviations_from_head,
        on_difference=lambda d: service.log.error("indicator differs from its recomputation", difference=str(d)),
    )
    known: list[str] = []
    while not service.stop.is_set():
        deviations = audit.deviations()
        if deviations != known:
            for line in deviations:
                service.log.error("layer deviates from sql/", deviation=line)
            known = deviations
        problem[0] = "; ".join(deviations) or None
        if not deviations:
            audit.measure()
            if lease.held:
                bars, differences = audit.sample()
                service.log.info("audited indicators", bars=bars, differences=len(differences))
        service.stop.wait(_PAUSE_SECONDS)


def deviations_from_head(conn: psycopg.Connection) -> Sequence[str]:
    """Return what of the indicator layer differs from sql/."""
    from candlewave.engine.migrate.check import deviations

    return deviations(conn, OBJECTS)
