"""The service ``technical-indicators``: watches over the indicator layer, which SQL computes.

Every replica exports freshness and the check against sql/; the one that holds the lease audits.
"""

from collections.abc import Sequence

import psycopg

from candlewave.bus.shards import Lease
from candlewave.core.config import Config
from candlewave.engine.connect import connect
from candlewave.services.frame import Service
from candlewave.services.indicators.audit import IndicatorAudit, objects_of
from candlewave.telemetry.admin import Status

_PAUSE_SECONDS = 15.0


def main(service: Service, config: Config) -> None:
    """Run until the service stops; the engine may come and go.

    Raises:
        BusError: the bus cannot be reached at the start.
    """
    lease = service.lease("auditor")
    service.supervise("engine", lambda status: _watch(service, config, lease, status), pause_seconds=_PAUSE_SECONDS)


def _watch(service: Service, config: Config, lease: Lease, status: Status) -> None:
    reported: list[str] = []
    with connect(service.settings) as conn:
        audit = IndicatorAudit(
            conn,
            config,
            structure=lambda conn: deviations_from_sql(conn, objects_of(config)),
            on_difference=lambda d: service.log.error("indicator differs from its recomputation", difference=str(d)),
        )
        while not service.stop.is_set():
            deviations = audit.deviations()
            if deviations != reported:
                for line in deviations:
                    service.log.error("layer deviates from sql/", deviation=line)
                reported = deviations
            status.problem = "; ".join(deviations) or None
            if not deviations:
                audit.measure()
                if lease.held:
                    bars, differences = audit.sample()
                    service.log.info("audited indicators", bars=bars, differences=len(differences))
            service.stop.wait(_PAUSE_SECONDS)


def deviations_from_sql(conn: psycopg.Connection, names: Sequence[str]) -> Sequence[str]:
    """Return what of the indicator layer differs from sql/."""
    from candlewave.engine.migrate.check import deviations

    return deviations(conn, names)
