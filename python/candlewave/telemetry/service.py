"""The frame that every service runs in: telemetry, health, and an end in order.

>>> def main(service: Service) -> None:
...     bus = open_bus(service.settings)
...     service.on_close("bus", bus.close)
...     service.readiness.add("bus", bus.problem)
...     while not service.stop.is_set():
...         ...
>>> sys.exit(run_service("trade-to-ohlc", settings, main))  # doctest: +SKIP
"""

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from candlewave.core.errors import CandlewaveError
from candlewave.core.settings import Settings
from candlewave.telemetry import tracing
from candlewave.telemetry.admin import AdminPortTakenError, AdminServer, Readiness
from candlewave.telemetry.logs import configure_logging, get_logger
from candlewave.telemetry.metrics import set_build_info

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_BEGIN_DRAIN = 0  # no signal has this number


@dataclass
class Service:
    """What a service's main function gets.

    Attributes:
        name: the service's name.
        settings: the process's settings.
        stop: set when the service has to end; main returns soon after.
        readiness: checks of ``/readyz``.
        log: the service's logger.
        admin_port: where the admin server listens.
    """

    name: str
    settings: Settings
    stop: threading.Event
    readiness: Readiness
    log: structlog.stdlib.BoundLogger
    admin_port: int
    _closers: list[tuple[str, Callable[[], None]]] = field(default_factory=list)

    def on_close(self, name: str, close: Callable[[], None]) -> None:
        """Call ``close`` at the end, before everything that was registered earlier."""
        self._closers.append((name, close))

    def close(self) -> bool:
        """Call all closers, last registered first, and return False when one failed; the others run all the same."""
        well = True
        while self._closers:
            name, close = self._closers.pop()
            try:
                close()
            except Exception:
                self.log.exception("closing failed", closing=name)
                well = False
        return well


def run_service(name: str, settings: Settings, main: Callable[[Service], None]) -> int:
    """Run ``main`` in the main thread until it returns, and return the process's exit code.

    SIGTERM or SIGINT: readiness goes off, ``stop`` is set, main returns, closers run in reverse order, 0 is returned.
    An error that main raises is logged and gives 1. Whoever has not ended ``shutdown_grace_seconds`` after the signal
    is ended with 1, and a second signal ends the process at once.
    """
    configure_logging(settings, name)
    log = get_logger(f"candlewave.{name}")
    set_build_info(name)
    flush_spans = tracing.configure(settings, name)
    readiness = Readiness()
    try:
        admin = AdminServer(settings.admin_host, settings.admin_port, readiness)
    except AdminPortTakenError as error:
        log.error("cannot start", reason=str(error))
        return 1
    service = Service(name, settings, threading.Event(), readiness, log, admin.port)
    service.on_close("traces", flush_spans)
    with _Watch(service) as watch:
        log.info("started", admin_port=admin.port, pid=os.getpid())
        failed = _run(service, main)
        watch.drain()
        failed = not service.close() or failed
        log.info("ended", exit_code=int(failed))
    admin.stop()
    return int(failed)


def _run(service: Service, main: Callable[[Service], None]) -> bool:
    try:
        main(service)
    except CandlewaveError as error:
        service.log.error("failed", reason=str(error))
        return True
    except Exception:
        service.log.exception("failed")
        return True
    return False


class _Watch:
    """Waits for signals in a thread of its own.

    A Python signal handler runs between two instructions of the main thread, which may hold the very lock that setting
    an event or writing a log needs. So the handlers do nothing; the interpreter's wake-up pipe brings the number here.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._done = False
        self._thread = threading.Thread(target=self._watch, name="signals", daemon=True)

    def __enter__(self) -> "_Watch":
        self._old_wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done = True
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_wakeup)
        self._writer.close()
        self._thread.join()
        self._reader.close()

    def drain(self) -> None:
        """Main has returned: from now the closers' time runs."""
        self._service.readiness.close("shutting down")
        self._writer.send(bytes([_BEGIN_DRAIN]))

    def _watch(self) -> None:
        service, deadline, signalled = self._service, None, False
        grace = service.settings.shutdown_grace_seconds
        while not self._done:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._reader], [], [], left)[0]:
                service.log.error("not ended in time, ending now", shutdown_grace_seconds=grace)
                os._exit(1)
            for number in self._reader.recv(64):
                if number in _SIGNALS and signalled:
                    os._exit(128 + number)
                if number in _SIGNALS:
                    signalled = True
                    service.log.info("stopping", signal=signal.Signals(number).name)
                service.readiness.close("shutting down")
                service.stop.set()
                deadline = deadline or time.monotonic() + grace
