"""The command line in processes of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

UNSET = ("RISINGWAVE_URL", "KAFKA_BOOTSTRAP_SERVERS", "ADMIN_PORT")
"""Settings of the developer's shell that a command of a test must not see."""


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
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    return {**kept, "CANDLEWAVE_DATA_DIR": str(data_dir), "COLUMNS": "200", **more}
