"""A ``candlewave up`` in a process of its own that a test may kill at any moment and start again."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from candlewave.core.settings import Settings
from candlewave.engine.embedded import runtime

DEADLINE = 90.0


class Engine:
    """A ``candlewave up`` that a test may kill and start again."""

    def __init__(self, data_dir: Path) -> None:
        self.settings = Settings(CANDLEWAVE_DATA_DIR=data_dir)
        self._environment = {**os.environ, "CANDLEWAVE_DATA_DIR": str(data_dir), "ADMIN_PORT": "0"}
        self.log_file = data_dir.parent / f"{data_dir.name}.log"
        self._log = self.log_file.open("ab")

    def run(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "candlewave", *arguments], env=self._environment, check=True, stdout=self._log
        )

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "candlewave", "up"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            assert self.process.poll() is None, "candlewave up ended by itself"
            try:
                if runtime.read(self.settings).pid == self.process.pid:
                    return
            except runtime.EngineNotRunningError:
                pass
            time.sleep(0.05)
        raise AssertionError("candlewave up did not announce itself")

    @property
    def url(self) -> str:
        return runtime.read(self.settings).url

    def revive(self) -> None:
        """Start it again if it has ended."""
        if self.process.poll() is not None:
            self.start()

    def kill(self, choice: str) -> None:
        """Kill -9: the owner, or one of PostgreSQL's processes, or the postmaster."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        servers = [
            p
            for p in psutil.process_iter(["cmdline"])
            if str(self.settings.data_dir) in " ".join(p.info["cmdline"] or [])
        ]
        if choice == "owner":
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        else:
            postmaster = next(p for p in [*children, *servers] if "postgres" in p.name())
            target = random.choice(postmaster.children() or [postmaster]) if choice == "backend" else postmaster
            target.kill()

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(DEADLINE) == 0
        self._log.close()
