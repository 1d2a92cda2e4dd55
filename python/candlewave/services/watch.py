"""Readiness of what a service depends on, from asking it: the last use of it may be long ago, or wait for it still."""

import threading
import time
from collections.abc import Callable

import psycopg

from candlewave.core.errors import CandlewaveError
from candlewave.engine.connect import explain
from candlewave.telemetry.logs import get_logger

ASK_SECONDS = 5.0
_SILENT_SECONDS = 30.0
_log = get_logger(__name__)


class Watch:
    """Asks a dependency every few seconds, in a thread of its own.

    Args:
        name: of the dependency, for the log.
        ask: returns when the dependency answers.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, name: str, ask: Callable[[], object], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._ask, self._clock = name, ask, clock
        self._problem: str | None = "not asked yet"
        self._asked = clock()

    def problem(self) -> str | None:
        """Return why the dependency cannot be used, None when it answered a moment ago."""
        silent = self._clock() - self._asked
        if silent > _SILENT_SECONDS:  # a question without end raises no error
            return f"no answer for {silent:.0f} s"
        return self._problem

    def run(self, stop: threading.Event) -> None:
        """Ask until ``stop`` is set."""
        while True:
            self.ask()
            if stop.wait(ASK_SECONDS):
                return

    def ask(self) -> None:
        """Ask once."""
        try:
            self._ask()
        except (psycopg.Error, CandlewaveError) as error:
            self._note(explain(error))
        except Exception as error:  # noqa: BLE001 (whatever it is, this thread must go on asking)
            _log.exception("unexpected error", part=self._name)
            self._note(f"unexpected {type(error).__name__}: {error}")
        else:
            self._note(None)

    def _note(self, problem: str | None) -> None:
        before, self._problem, self._asked = self._problem, problem, self._clock()
        if problem is not None and before != problem:
            _log.warning(f"the {self._name} does not answer", reason=problem)
        elif problem is None and before is not None:
            _log.info(f"the {self._name} answers")
