"""The frame of a long-running process: telemetry, health, threads, and a graceful shutdown.

Services use :class:`candlewave.services.frame.Service`, which adds the bus and the engine.

>>> def main(process: Process) -> None:
...     process.readiness.add("disk", lambda: None if folder.exists() else f"{folder} is missing")
...     process.thread("cleaner", clean)
...     process.stop.wait()
>>> sys.exit(run_process("archive", settings, main))  # doctest: +SKIP
"""

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from candlewave.core.errors import CandlewaveError
from candlewave.core.settings import Settings
from candlewave.telemetry import tracing
from candlewave.telemetry.admin import AdminPortTakenError, AdminServer, Readiness
from candlewave.telemetry.logs import configure_logging, get_logger
from candlewave.telemetry.metrics import set_build_info

P = TypeVar("P", bound="Process")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_BEGIN_DRAIN = 0  # no signal has this number


@dataclass
class Process:
    """What the main function of a long-running process gets.

    Attributes:
        name: the name of the service.
        settings: the process's settings.
        stop: set when the process has to end; main returns soon after.
        readiness: checks of ``/readyz``.
        log: the process's logger.
        admin_port: where the admin server listens.
        failed: whether a thread has ended with an error.
    """

    name: str
    settings: Settings
    stop: threading.Event
    readiness: Readiness
    log: structlog.stdlib.BoundLogger
    admin_port: int
    failed: bool = False
    _closers: list[tuple[str, Callable[[], None]]] = field(default_factory=list)

    def thread(self, name: str, run: Callable[[threading.Event], object], *, wait: bool = True) -> None:
        """Call ``run`` with :attr:`stop` in a thread; an error in it ends the process with exit code 1.

        Args:
            name: of the thread.
            run: returns soon after ``stop`` is set.
            wait: whether the process waits for it at the end, in the order of :meth:`on_close`.
        """

        def body() -> None:
            try:
                run(self.stop)
            except Exception:
                self.log.exception("failed", thread=name)
                self.failed = True
                self.stop.set()

        thread = threading.Thread(target=body, name=name, daemon=not wait)
        thread.start()
        if wait:
            self.on_close(name, thread.join)

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


def run_process(name: str, settings: Settings, main: Callable[[P], None], kind: type[P] = Process) -> int:  # type: ignore[assignment]
    """Run ``main`` in the main thread until it returns, and return the process's exit code.

    SIGTERM or SIGINT: readiness goes off, ``stop`` is set, main returns, closers run in reverse order, 0 is returned.
    An error that main or a thread raises is logged and gives 1. A process that has not ended ``shutdown_grace_seconds``
    after the signal is ended with 1, and a second signal ends it at once.
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
    process = kind(name, settings, threading.Event(), readiness, log, admin.port)
    process.on_close("traces", flush_spans)
    with _Watch(process) as watch:
        log.info("started", admin_port=admin.port, pid=os.getpid())
        failed = _run(process, main)
        watch.drain()
        failed = not process.close() or process.failed or failed
        log.info("ended", exit_code=int(failed))
    admin.stop()
    return int(failed)


def _run(process: P, main: Callable[[P], None]) -> bool:
    try:
        main(process)
    except CandlewaveError as error:
        process.log.error("failed", reason=str(error))
        return True
    except Exception:
        process.log.exception("failed")
        return True
    finally:
        process.stop.set()  # threads end, too
    return False


class _Watch:
    """Waits for signals in a thread of its own.

    A Python signal handler runs between two instructions of the main thread, which may hold the very lock that setting
    an event or writing a log needs. So the handlers do nothing; the interpreter's wake-up pipe brings the number here.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
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
        self._process.readiness.close("shutting down")
        self._writer.send(bytes([_BEGIN_DRAIN]))

    def _watch(self) -> None:
        process, deadline, signalled = self._process, None, False
        grace = process.settings.shutdown_grace_seconds
        while not self._done:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._reader], [], [], left)[0]:
                process.log.error("not ended in time, ending now", shutdown_grace_seconds=grace)
                os._exit(1)
            for number in self._reader.recv(64):
                if number in _SIGNALS and signalled:
                    os._exit(128 + number)
                if number in _SIGNALS:
                    signalled = True
                    process.log.info("stopping", signal=signal.Signals(number).name)
                process.readiness.close("shutting down")
                process.stop.set()
                deadline = deadline or time.monotonic() + grace
