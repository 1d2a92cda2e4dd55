"""The command line in processes of its own, and an engine that in-process commands find."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from candlewave.core.settings import get_settings
from candlewave.engine.embedded import runtime
from candlewave.engine.embedded.cluster import stop_postmaster
from candlewave.engine.embedded.ownership import Layout, acquire

_UNSET = ("RISINGWAVE_URL", "KAFKA_BOOTSTRAP_SERVERS", "ADMIN_PORT")


class Up:
    """A running ``candlewave up``."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        self.data_dir = data_dir
        self.popen = subprocess.Popen(
            command("up", *options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(data_dir),
        )
        self.admin_port = int(self.read_until("started")["admin_port"])
        self.entry = self.read_until("engine runs")

    def read_until(self, event: str) -> dict[str, Any]:
        """Read the log up to a line of this event."""
        assert self.popen.stdout is not None
        seen = []
        for line in self.popen.stdout:
            entry: dict[str, Any] = json.loads(line)
            if entry["event"] == event:
                return entry
            seen.append(line)
        raise AssertionError(f"`up` ended with {self.popen.wait()} before {event!r}: {''.join(seen)}")

    @property
    def runtime(self) -> dict[str, Any]:
        """What it wrote for others."""
        record: dict[str, Any] = json.loads((self.data_dir / "runtime.json").read_text())
        return record

    def connect(self) -> psycopg.Connection:
        """Open a connection as any client would."""
        return psycopg.connect(self.runtime["url"], autocommit=True)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.popen.send_signal(number)
        self.popen.communicate(timeout=60)
        return self.popen.returncode


def command(*arguments: str) -> list[str]:
    """Return the command line of candlewave."""
    return [sys.executable, "-m", "candlewave", *arguments]


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """Return the environment of a command on a data directory."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    return {**kept, "CANDLEWAVE_DATA_DIR": str(data_dir), "COLUMNS": "200", **more}


@pytest.fixture
def data_dir(data_dir: Path) -> Iterator[Path]:
    """A data directory whose PostgreSQL, if any is left, is stopped afterwards."""
    yield data_dir
    for cluster in data_dir.glob("postgres*/"):
        stop_postmaster(cluster)


@pytest.fixture
def up(data_dir: Path) -> Iterator[Callable[..., Up]]:
    """Start ``candlewave up`` on the data directory."""
    started: list[Up] = []

    def start(*options: str) -> Up:
        started.append(Up(data_dir, *options))
        return started[-1]

    yield start
    for one in started:
        one.popen.kill()
        one.popen.communicate()


@pytest.fixture
def run(data_dir: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run another command on the data directory."""

    def run(*arguments: str, stdin: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            env=environment(data_dir, **more),
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def engine(data_dir: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of an engine that commands called in this process find: the test's database, announced as ``up`` does."""
    with acquire(Layout(data_dir)):
        record = runtime.Runtime(os.getpid(), database, 0, datetime.now(UTC), "test")
        runtime.write(data_dir / "runtime.json", record)
        for name in _UNSET:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("CANDLEWAVE_DATA_DIR", str(data_dir))
        get_settings.cache_clear()
        yield database
    get_settings.cache_clear()
