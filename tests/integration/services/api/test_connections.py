"""Connections that are slow, endless or no HTTP cost little and end."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from prometheus_client import REGISTRY
from tests.integration.services.api.conftest import Serve, issue

from candlewave.services.api.protocol import MAX_HEAD_BYTES, Protocol

BEGIN = b"GET /v1/about HTTP/1.1\r\nHost: api\r\n"
WHOLE = BEGIN + b"\r\n"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protocol, "request_seconds", 0.5)
    monkeypatch.setattr(Protocol, "stall_seconds", 0.5)


@contextmanager
def connect(api: httpx.Client, receive_buffer: int | None = None) -> Iterator[socket.socket]:
    place = urlsplit(str(api.base_url))
    with socket.socket() as opened:
        if receive_buffer is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        opened.settimeout(10)
        opened.connect((place.hostname, place.port))
        yield opened


def rest(opened: socket.socket) -> bytes:
    """Read until the other side ends the connection."""
    found = b""
    while piece := opened.recv(65_536):
        found += piece
    return found


def ended(reason: str) -> float:
    return REGISTRY.get_sample_value("candlewave_api_refused_connections_total", {"reason": reason}) or 0.0


def test_a_connection_on_which_nothing_comes_is_closed(api: httpx.Client) -> None:
    before = ended("idle")
    with connect(api) as opened:
        assert rest(opened) == b""
    assert ended("idle") == before + 1


@pytest.mark.parametrize("earlier", [b"", WHOLE], ids=["first", "second"])
def test_a_head_that_does_not_end_is_refused(api: httpx.Client, earlier: bytes) -> None:
    with connect(api) as opened:
        opened.sendall(earlier + BEGIN)
        answers = rest(opened)
    assert answers.count(b"HTTP/1.1 200 OK") == bool(earlier)
    head, _, body = answers[answers.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"content-type: application/problem+json" in head
    assert b"x-content-type-options: nosniff" in head
    assert b"It was not complete after 0.5 s." in body


def test_a_complete_request_may_be_followed_by_another(api: httpx.Client) -> None:
    """The deadline is a request's, not the connection's."""
    with connect(api) as opened:
        opened.sendall(WHOLE)
        assert opened.recv(65_536).startswith(b"HTTP/1.1 200 OK")
        threading.Event().wait(3 * Protocol.request_seconds)
        opened.sendall(WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert rest(opened).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("begin", [BEGIN + b"X-Long: ", b"GET /v1/"], ids=["header", "address"])
def test_a_head_without_end_is_not_kept(api: httpx.Client, begin: bytes) -> None:
    before, sent = ended("head-too-large"), 0
    with connect(api) as opened:
        opened.sendall(begin)
        with suppress(ConnectionError):
            while sent < 100 * 2**20:
                opened.sendall(b"x" * 65_536)
                sent += 65_536
    assert sent < 20 * 2**20
    assert ended("head-too-large") == before + 1


def test_a_head_that_is_just_too_large_is_told_so(api: httpx.Client) -> None:
    with connect(api) as opened:
        opened.sendall(BEGIN + b"X-Long: ")
        answer = httpx.get(f"{api.base_url}/v1/about")  # the server has read the beginning
        assert answer.status_code == 200
        opened.sendall(b"x" * (MAX_HEAD_BYTES + 1))
        assert rest(opened).startswith(b"HTTP/1.1 431 ")


def test_what_is_no_http_is_a_problem(api: httpx.Client) -> None:
    with connect(api) as opened:
        opened.sendall(b"FOO / HTTP/1.1\r\n\r\n")
        answer = rest(opened)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"content-type: application/problem+json" in answer


def test_a_websocket_is_an_ordinary_request(api: httpx.Client) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "13"}
    assert api.get("/v1/nothing", headers=upgrade).status_code == 404


def test_a_body_that_drips_is_408_and_the_connection_ends(
    serve: Serve, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Protocol, "request_seconds", 60.0)
    api = serve(settings={"API_TIMEOUT_SECONDS": "0.5"})
    key = issue(conn, "train").encode()
    with connect(api) as opened:
        opened.sendall(
            b"POST /v1/training-requests HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"
            b"X-API-Key: " + key + b"\r\nContent-Length: 100\r\n\r\n{"
        )
        answer = rest(opened)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Body too slow" in answer


def test_a_client_that_takes_nothing_is_let_go(api: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    """More waits than the network buffers, and the client reads none of it."""
    requests, size = 40, 1_000_000
    before = ended("stalled")
    path = b"/v1/features?symbol=BTC-USD&exchange=simulated&limit=700"
    with connect(api, receive_buffer=4_096) as opened:
        opened.sendall((b"GET " + path + b" HTTP/1.1\r\nHost: api\r\n\r\n") * requests)
        for _ in range(400):
            if ended("stalled") > before:
                break
            threading.Event().wait(0.05)
        assert ended("stalled") == before + 1
        assert len(rest(opened)) < requests * size / 4
    assert api.get("/v1/about").status_code == 200
    assert not caplog.records, "nothing of it is an error"
