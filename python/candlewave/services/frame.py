"""The frame that every service runs in: bus, leases, and work that is retried until the service stops."""

import time
from collections.abc import Callable
from functools import cached_property

import psycopg
from prometheus_client import Counter

from candlewave.bus import open_bus
from candlewave.bus.protocol import Bus
from candlewave.bus.shards import Lease, ShardOwnership
from candlewave.contracts.topics import INGEST_SHARDS, SERVICE_LEASES
from candlewave.core.backoff import doubled
from candlewave.core.errors import CandlewaveError
from candlewave.core.settings import Settings
from candlewave.engine.connect import explain
from candlewave.services.watch import Watch
from candlewave.telemetry.admin import Status
from candlewave.telemetry.process import Process, run_process

_AWAY = (psycopg.Error, CandlewaveError)
"""Errors worth another attempt: what is missing comes back, or a person mends it."""

_MAX_PAUSE_SECONDS = 60.0
UNEXPECTED = Counter(
    "candlewave_unexpected_errors_total", "Errors that nobody foresaw, after which work began again", ["part", "error"]
)


class Service(Process):
    """What a service's main function gets."""

    @cached_property
    def bus(self) -> Bus:
        """The bus, opened at first use and closed at the end; while it does not answer, the service is not ready.

        Raises:
            BusError: it cannot be reached.
        """
        bus = open_bus(self.settings)
        self.on_close("bus", bus.close)
        self.watch("bus", bus.ping)
        return bus

    def watch(self, name: str, ask: Callable[[], object]) -> None:
        """Be unready while a dependency does not answer; see :class:`candlewave.services.watch.Watch`."""
        watch = Watch(name, ask)
        self.readiness.add(name, watch.problem)
        self.thread(f"{name}-watch", watch.run)

    def lease(self, singleton: str) -> Lease:
        """Take part, until the end, in the choice of the one active replica; see :class:`candlewave.bus.shards.Lease`.

        Raises:
            BusError: the bus cannot be reached.
        """
        self.bus.ensure_topics([SERVICE_LEASES])
        lease = Lease(self.bus, singleton, lambda held: self.log.info("lease changed", singleton=singleton, held=held))
        self.thread(f"{singleton}-lease", lease.run)
        return lease

    def shards(self, group: str) -> ShardOwnership:
        """Share work with the other replicas until the end; see :class:`candlewave.bus.shards.ShardOwnership`.

        Raises:
            BusError: the bus cannot be reached.
        """
        self.bus.ensure_topics([INGEST_SHARDS])
        shards = ShardOwnership(
            self.bus, group, lambda owned: self.log.info("owned shards changed", shards=sorted(owned))
        )
        self.thread("shards", shards.run)
        return shards

    def supervise(
        self,
        part: str,
        work: Callable[[Status], None],
        *,
        pause_seconds: float,
        retry: tuple[type[psycopg.Error | CandlewaveError], ...] = _AWAY,
        ready: bool = True,
    ) -> None:
        """Do work until the service stops, and start it again after errors that may go away.

        An error that nobody foresaw is logged with its trace, counted in ``candlewave_unexpected_errors_total`` and
        makes the service unready; the pauses after it grow.

        Args:
            part: what the work depends on, such as the engine; the name of its readiness check.
            work: gets the status to clear when all is well; it returns only when the service stops.
            pause_seconds: between an error and the next attempt.
            retry: errors of database, bus and our own after which it is started again; others of them end the service.
            ready: whether the service is unready while the work fails.
        """
        status = self.readiness.status(part) if ready else Status()
        unexpected = 0
        while not self.stop.is_set():
            begun = time.monotonic()
            try:
                work(status)
            except retry as error:
                status.problem = explain(error)
                self.log.warning(f"waiting for the {part}", reason=status.problem)
                self.stop.wait(pause_seconds)
            except _AWAY:
                raise
            except Exception as error:
                unexpected = 1 if time.monotonic() - begun > _MAX_PAUSE_SECONDS else unexpected + 1
                status.problem = f"unexpected {type(error).__name__}: {error}"
                UNEXPECTED.labels(part, type(error).__name__).inc()
                self.log.exception("unexpected error", part=part, reason=status.problem)
                self.stop.wait(doubled(pause_seconds, unexpected - 1, _MAX_PAUSE_SECONDS))


def run_service(name: str, settings: Settings, main: Callable[[Service], None]) -> int:
    """Run a service; see :func:`candlewave.telemetry.process.run_process`."""
    return run_process(name, settings, main, Service)
