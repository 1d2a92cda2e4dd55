"""A dependency is ready as long as it answers, not as long as it was used without an error."""

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from candlewave.bus.protocol import BusUnavailableError
from candlewave.core.settings import Settings
from candlewave.services import frame
from candlewave.services.frame import Service
from candlewave.services.watch import Watch
from candlewave.telemetry.admin import Readiness
from candlewave.telemetry.logs import get_logger

PATIENCE = 10.0


class Broker:
    """Answers, refuses, or says nothing."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.silent = threading.Event()
        self.released = threading.Event()
        self.asked = threading.Semaphore(0)

    def ping(self) -> None:
        self.asked.release()
        if self.silent.is_set():
            self.released.wait(PATIENCE)
        if self.error is not None:
            raise self.error


def test_what_it_says_follows_the_dependency() -> None:
    broker = Broker()
    watch = Watch("bus", broker.ping)
    assert watch.problem() == "not asked yet"
    said = []
    with capture_logs() as logs:
        for error in (None, BusUnavailableError("no broker"), BusUnavailableError("no broker"), KeyError("x"), None):
            broker.error = error
            watch.ask()
            said.append(watch.problem())
    assert said == [None, "no broker", "no broker", "unexpected KeyError: 'x'", None]
    assert [(e["log_level"], e.get("reason")) for e in logs if e["event"].startswith("the bus")] == [
        ("info", None),
        ("warning", "no broker"),
        ("warning", "unexpected KeyError: 'x'"),
        ("info", None),
    ]


def test_a_question_without_an_answer_is_a_problem() -> None:
    broker, now = Broker(), 0.0
    watch = Watch("bus", broker.ping, clock=lambda: now)
    watch.ask()
    broker.silent.set()
    asking = threading.Thread(target=watch.ask)
    asking.start()
    now = 30.0
    assert watch.problem() is None
    now = 31.0
    assert watch.problem() == "no answer for 31 s"
    broker.released.set()
    asking.join(PATIENCE)
    assert watch.problem() is None


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Broker], Service]]:
    """Start a service on a bus."""
    service = Service("test", Settings(), threading.Event(), Readiness(), get_logger("test"), 0)
    # The next question follows at once; the broker counts them.
    monkeypatch.setattr("candlewave.services.watch.ASK_SECONDS", 0.001)

    def on(broker: Broker) -> Service:
        bus = SimpleNamespace(close=lambda: None, ping=broker.ping)
        monkeypatch.setattr(frame, "open_bus", lambda _: bus)
        assert service.bus is bus
        return service

    yield on
    service.stop.set()
    assert service.close()


def test_a_service_is_unready_while_its_bus_is_away_and_idle(start: Callable[[Broker], Service]) -> None:
    broker = Broker()
    service = start(broker)

    def after(error: Exception | None) -> str | None:
        broker.error = error
        while broker.asked.acquire(blocking=False):
            pass  # questions of before
        for _ in range(3):  # the third begins after the second was answered
            assert broker.asked.acquire(timeout=PATIENCE)
        return service.readiness.problems()["bus"]

    assert [after(None), after(BusUnavailableError("no broker")), after(None)] == [None, "no broker", None]
