"""Work that a service supervises is begun again after every error, named and counted."""

import threading
from collections.abc import Callable

import psycopg
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from candlewave.bus.protocol import BusError, BusUnavailableError
from candlewave.core.settings import Settings
from candlewave.services.frame import Service
from candlewave.telemetry.admin import Readiness, Status
from candlewave.telemetry.logs import get_logger


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    made = Service("test", Settings(), threading.Event(), Readiness(), get_logger("test"), 0)
    monkeypatch.setattr(made.stop, "wait", lambda _=None: made.stop.is_set())
    return made


def failing(service: Service, *errors: Exception) -> Callable[[Status], None]:
    waiting = list(errors)

    def work(_: Status) -> None:
        if waiting:
            raise waiting.pop(0)
        service.stop.set()

    return work


def unexpected(error: str) -> float:
    labels = {"part": "engine", "error": error}
    return REGISTRY.get_sample_value("candlewave_unexpected_errors_total", labels) or 0.0


def test_work_begins_again_after_any_error(service: Service) -> None:
    before = unexpected("ZeroDivisionError")
    work = failing(service, psycopg.OperationalError("gone"), ZeroDivisionError("by zero"), KeyError("symbol"))
    with capture_logs() as said:
        service.supervise("engine", work, pause_seconds=0.0)
    assert [(e["event"], e["reason"]) for e in said] == [
        ("waiting for the engine", "gone"),
        ("unexpected error", "unexpected ZeroDivisionError: by zero"),
        ("unexpected error", "unexpected KeyError: 'symbol'"),
    ]
    assert unexpected("ZeroDivisionError") - before == 1
    assert service.readiness.problems()["engine"] == "unexpected KeyError: 'symbol'"


def test_an_error_of_ours_that_is_not_to_be_retried_ends_it(service: Service) -> None:
    work = failing(service, BusUnavailableError("away"), BusError("no such topic"))
    with pytest.raises(BusError, match="no such topic"):
        service.supervise("bus", work, retry=(BusUnavailableError,), pause_seconds=0.0)
