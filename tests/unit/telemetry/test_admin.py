"""The admin server: health, named readiness checks, metrics."""

import http.client
import json
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from candlewave.telemetry.admin import AdminPortTakenError, AdminServer, Readiness


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def admin(readiness: Readiness) -> Iterator[AdminServer]:
    registry = CollectorRegistry()
    Counter("candlewave_test_things_total", "Things", registry=registry).inc(3)
    server = AdminServer("127.0.0.1", 0, readiness, registry)
    yield server
    server.stop()


def _get(admin: AdminServer, path: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", admin.port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.headers["Content-Type"], body


def test_alive_whatever_the_checks_say(admin: AdminServer, readiness: Readiness) -> None:
    readiness.add("engine", lambda: "down")
    assert _get(admin, "/healthz") == (200, "application/json", '{"status": "ok"}\n')


def test_ready_when_every_check_is_well(admin: AdminServer, readiness: Readiness) -> None:
    readiness.add("engine", lambda: None)
    status, _, body = _get(admin, "/readyz?verbose")
    checks = {"engine": {"ok": True, "problem": None}}
    assert (status, json.loads(body)) == (200, {"ready": True, "checks": checks, "notes": {}})


def test_a_failing_check_is_named_with_its_reason(admin: AdminServer, readiness: Readiness) -> None:
    readiness.add("engine", lambda: None)
    readiness.add("bus", lambda: "no broker answers")
    status, _, body = _get(admin, "/readyz")
    assert status == 503
    assert json.loads(body)["checks"]["bus"] == {"ok": False, "problem": "no broker answers"}


def test_a_check_that_breaks_makes_unready_and_tells_no_password(admin: AdminServer, readiness: Readiness) -> None:
    def broken() -> str | None:
        raise ConnectionError("postgresql://me:hunter2@db is away")

    readiness.add("engine", broken)
    status, _, body = _get(admin, "/readyz")
    assert status == 503
    assert json.loads(body)["checks"]["engine"]["problem"] == "ConnectionError: postgresql://me:***@db is away"


def test_shutting_down_is_unready(admin: AdminServer, readiness: Readiness) -> None:
    readiness.add("engine", lambda: None)
    readiness.close("shutting down")
    status, _, body = _get(admin, "/readyz")
    assert status == 503
    assert json.loads(body)["checks"]["service"]["problem"] == "shutting down"


def test_metrics_are_in_prometheus_text(admin: AdminServer) -> None:
    status, content_type, body = _get(admin, "/metrics")
    assert status == 200
    assert content_type.startswith("text/plain")
    assert "candlewave_test_things_total 3.0" in body


def test_other_paths_say_what_there_is(admin: AdminServer) -> None:
    status, _, body = _get(admin, "/")
    assert status == 404
    assert "/healthz, /readyz and /metrics" in body


def test_a_taken_port_is_explained(admin: AdminServer) -> None:
    with pytest.raises(
        AdminPortTakenError, match=rf"the admin port {admin.port} on 127.0.0.1 is taken; set ADMIN_PORT"
    ):
        AdminServer("127.0.0.1", admin.port, Readiness())
