"""``candlewave predictions-api`` and ``candlewave apikey`` as processes, on an engine that goes and comes back."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.worlds.commands import Up, command, environment

Run = Callable[..., "subprocess.CompletedProcess[str]"]
DEADLINE = 60.0


class Service:
    """A running ``candlewave predictions-api``."""

    def __init__(self, data_dir: Path, log: Path, **settings: str) -> None:
        self._log = log
        with log.open("w") as out:
            self.popen = subprocess.Popen(
                command("predictions-api"),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment(data_dir, API_PORT="0", ADMIN_PORT="0", **settings),
            )
        self.address = ""
        self.wait(lambda: self.said("serving") == 1)
        told = {entry["event"]: entry for entry in self.entries}
        self.address = told["serving"]["address"].rstrip("/")
        self.admin = f"http://127.0.0.1:{told['started']['admin_port']}"

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def entries(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.log.splitlines(keepends=True) if line.endswith("\n")]

    def said(self, event: str) -> int:
        return sum(entry["event"] == event for entry in self.entries)

    def get(self, path: str, key: str = "") -> httpx.Response:
        return httpx.get(self.address + path, headers={"X-API-Key": key} if key else {}, timeout=30)

    def status(self, path: str, key: str = "") -> int:
        return self.get(path, key).status_code

    def is_ready(self) -> bool:
        return httpx.get(f"{self.admin}/readyz").status_code == 200

    def wait(self, reached: Callable[[], bool]) -> None:
        until = time.monotonic() + DEADLINE
        while not reached():
            assert self.popen.poll() is None, self.log
            assert time.monotonic() < until, self.log
            time.sleep(0.05)


@pytest.fixture
def start(data_dir: Path, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def start(**settings: str) -> Service:
        started.append(Service(data_dir, tmp_path / "api.log", **settings))
        return started[-1]

    yield start
    for one in started:
        one.popen.kill()
        one.popen.wait()


def test_it_outlives_the_engine_knows_its_keys_and_ends_in_order(
    up: Callable[..., Up], run: Run, start: Callable[..., Service]
) -> None:
    pepper = "a-pepper-that-nobody-may-see"
    engine = up()
    assert run("migrate").returncode == 0
    password = httpx.URL(engine.runtime["url"]).password
    api = start(API_ANONYMOUS="false", API_KEY_PEPPER=pepper)
    api.wait(api.is_ready)

    made = run("apikey", "create", "alice", "--scope", "read", "--expires", "1h", API_KEY_PEPPER=pepper)
    key = made.stdout.strip()
    prefix = key.split("_")[1]
    assert "is not shown again" in made.stderr
    assert api.status("/v1/symbols") == 401
    assert api.status("/v1/symbols", key) == 200
    assert api.status("/v1/symbols", key[:-1]) == 401
    listed = run("apikey", "list").stdout
    assert prefix in listed
    assert key not in listed
    assert "holds" in listed

    outages = api.said("engine not available")
    assert engine.end() == 0
    answer = api.get("/v1/symbols", key)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert int(answer.headers["retry-after"]) >= 1
    api.wait(lambda: not api.is_ready())
    assert api.status("/") == 200
    up()
    api.wait(api.is_ready)
    assert api.status("/v1/symbols", key) == 200

    with socket.create_connection((httpx.URL(api.address).host, httpx.URL(api.address).port)) as stream:
        stream.sendall(f"GET /v1/stream HTTP/1.1\r\nHost: api\r\nX-API-Key: {key}\r\n\r\n".encode())
        assert stream.recv(15) == b"HTTP/1.1 200 OK"
        assert run("apikey", "revoke", prefix).returncode == 0
        api.wait(lambda: api.status("/v1/symbols", key) == 401)
        assert run("apikey", "revoke", prefix).stderr == f"error: no key with prefix {prefix} holds\n"
        asked_at = time.monotonic()
        api.popen.send_signal(signal.SIGTERM)
        received = b""
        while piece := stream.recv(65_536):
            received += piece
        assert received.endswith(b"0\r\n\r\n"), "the stream has an end"
    assert api.popen.wait(30) == 0
    assert time.monotonic() - asked_at < 10
    for secret in (key, key.split("_")[2], pepper, password):
        assert secret not in api.log
    assert api.said("engine not available") == outages + 1, "told once, however many ask"
    assert api.said("engine available again") == outages + 1


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[31mred", "x" * 101])
def test_names_of_keys_are_names(run: Run, name: str) -> None:
    done = run("apikey", "create", name)
    assert done.returncode == 1
    assert "expected 1 to 100 printable characters" in done.stderr
