"""The service frame, seen from outside: a real process, real signals."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

Start = Callable[..., "Process"]


class Process:
    """A service in a process of its own, and its log."""

    def __init__(self, body: str, **environment: str) -> None:
        source = textwrap.dedent(
            """
            import sys, threading
            from candlewave.core.settings import Settings
            from candlewave.telemetry.process import run_process

            """
        ) + textwrap.dedent(body)
        self.popen = subprocess.Popen(
            [sys.executable, "-c", source + "\nsys.exit(run_process('probe', Settings(), main))\n"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "ADMIN_PORT": "0", **environment},
        )

    def read_until(self, event: str) -> dict[str, Any]:
        """Read the log up to a line of this event."""
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            entry: dict[str, Any] = json.loads(line)
            if entry["event"] == event:
                return entry
        assert self.popen.stderr is not None
        raise AssertionError(f"the process ended without {event!r}: {self.popen.stderr.read()}")

    def rest(self) -> tuple[int, list[dict[str, Any]]]:
        """Wait for the end; return the exit code and the remaining log."""
        out, err = self.popen.communicate(timeout=60)
        assert "Traceback" not in err
        return self.popen.returncode, [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def run() -> Iterator[Start]:
    running: list[Process] = []

    def start(body: str, **environment: str) -> Process:
        running.append(Process(body, **environment))
        return running[-1]

    yield start
    for process in running:
        process.popen.kill()
        process.popen.communicate()


WAITING = """
    def main(service):
        service.on_close("first", lambda: service.log.info("first closed"))
        service.on_close("second", lambda: service.log.info("second closed"))
        service.readiness.add("work", lambda: None)
        service.log.info("working")
        service.stop.wait()
        service.log.info("main returned")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_in_order(run: Start, number: signal.Signals) -> None:
    process = run(WAITING)
    process.read_until("working")
    process.popen.send_signal(number)
    code, log = process.rest()
    assert code == 0
    assert [line["event"] for line in log] == ["stopping", "main returned", "second closed", "first closed", "ended"]


def _readyz(port: int) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_readiness_is_off_while_it_drains(run: Start) -> None:
    process = run(
        """
        def main(service):
            service.readiness.add("work", lambda: None)
            service.on_close("gate", lambda: (service.log.info("draining"), sys.stdin.readline()))
            service.log.info("working")
            service.stop.wait()
        """
    )
    port = process.read_until("started")["admin_port"]
    process.read_until("working")
    assert _readyz(port)[0] == 200
    process.popen.send_signal(signal.SIGTERM)
    process.read_until("draining")
    status, body = _readyz(port)
    assert status == 503
    assert body["checks"]["service"]["problem"] == "shutting down"


def test_an_error_is_logged_and_gives_1_after_the_closers(run: Start) -> None:
    process = run(
        """
        def main(service):
            service.on_close("bus", lambda: service.log.info("bus closed"))
            raise RuntimeError("no such thing")
        """
    )
    code, log = process.rest()
    assert code == 1
    assert [line["event"] for line in log] == ["started", "failed", "bus closed", "ended"]
    assert log[1]["exception"][0]["exc_value"] == "no such thing"


def test_a_closer_that_breaks_does_not_keep_the_others_from_closing(run: Start) -> None:
    process = run(
        """
        def main(service):
            service.on_close("first", lambda: service.log.info("first closed"))
            service.on_close("second", lambda: 1 / 0)
        """
    )
    code, log = process.rest()
    assert code == 1
    assert [line["event"] for line in log] == ["started", "closing failed", "first closed", "ended"]
    assert log[1]["closing"] == "second"


def test_a_thread_that_fails_ends_the_process_with_1(run: Start) -> None:
    process = run(
        """
        def broken(stop):
            raise RuntimeError("no such thing")

        def main(service):
            service.on_close("bus", lambda: service.log.info("bus closed"))
            service.thread("other", lambda stop: (stop.wait(), service.log.info("other ended")))
            service.thread("broken", broken)
            service.stop.wait()
            service.log.info("main returned")
        """
    )
    code, log = process.rest()
    events = [line["event"] for line in log]
    assert code == 1
    assert set(events) == {"started", "failed", "main returned", "other ended", "bus closed", "ended"}
    assert events[-2:] == ["bus closed", "ended"]
    assert next(line["thread"] for line in log if line["event"] == "failed") == "broken"


def test_an_error_for_people_is_logged_without_a_traceback(run: Start) -> None:
    process = run(
        """
        from candlewave.core.errors import CandlewaveError

        def main(service):
            raise CandlewaveError("start the engine first")
        """
    )
    code, log = process.rest()
    assert code == 1
    assert [(line["event"], line.get("reason")) for line in log][1] == ("failed", "start the engine first")
    assert "exception" not in log[1]


STUCK = """
    def main(service):
        service.log.info("working")
        service.stop.wait()
        service.log.info("stuck")
        threading.Event().wait()
"""


def test_who_does_not_end_within_the_grace_is_ended(run: Start) -> None:
    process = run(STUCK, SHUTDOWN_GRACE_SECONDS="0.2")
    process.read_until("working")
    process.popen.send_signal(signal.SIGTERM)
    code, log = process.rest()
    assert code == 1
    assert [line["event"] for line in log] == ["stopping", "stuck", "not ended in time, ending now"]


def test_a_second_signal_ends_at_once(run: Start) -> None:
    process = run(STUCK, SHUTDOWN_GRACE_SECONDS="1000")
    process.read_until("working")
    process.popen.send_signal(signal.SIGTERM)
    process.read_until("stuck")
    process.popen.send_signal(signal.SIGINT)
    code, _ = process.rest()
    assert code == 128 + signal.SIGINT


def test_a_taken_admin_port_is_explained(run: Start) -> None:
    first = run(WAITING)
    port = first.read_until("started")["admin_port"]
    code, log = run(WAITING, ADMIN_PORT=str(port)).rest()
    assert code == 1
    assert [line["event"] for line in log] == ["cannot start"]
    assert f"the admin port {port} on 127.0.0.1 is taken" in log[0]["reason"]
