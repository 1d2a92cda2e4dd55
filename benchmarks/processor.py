"""Time of the clock and of the processor that a piece of work takes, in this process and in PostgreSQL."""

import time
from contextlib import suppress
from types import TracebackType

import psutil


class Processor:
    """What a ``with`` block takes.

    A busy machine stretches the clock far more than processor seconds, which therefore tell more of two runs.

    Attributes:
        seconds: by the clock.
        cpu_seconds: of the processor: this process and every process of the PostgreSQL server, ended ones included.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def __init__(self, server_pid: int) -> None:
        self._server = psutil.Process(server_pid)
        self._mine = psutil.Process()

    def __enter__(self) -> "Processor":
        self.seconds -= time.perf_counter()
        self.cpu_seconds -= self._used()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cpu_seconds += self._used()
        self.seconds += time.perf_counter()

    def _used(self) -> float:
        mine, server = self._mine.cpu_times(), self._server.cpu_times()
        used = mine.user + mine.system + server.user + server.system + server.children_user + server.children_system
        for session in self._server.children():
            with suppress(psutil.NoSuchProcess):  # one that has just ended
                times = session.cpu_times()
                used += times.user + times.system
        return float(used)
