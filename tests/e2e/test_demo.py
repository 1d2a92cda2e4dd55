"""``candlewave demo`` as a newcomer runs it: from nothing to forecasts, stopped with Ctrl-C, and gone on with."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

DEADLINE = 240.0
SMALL = {"TRAIN_MIN_HISTORY_MINUTES": "600", "TRAIN_TREES": "10", "TRAIN_FOLDS": "2"}
"""A training that half a day of history is enough for."""


class Demo:
    """A running ``candlewave demo``."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, log: Path) -> None:
        self.process, self.address, self._log = process, address, log

    @property
    def said(self) -> str:
        return self._log.read_text()

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self.address}/v1/{path}", timeout=10)
        answer.raise_for_status()
        return answer.json()

    def wait(self, what: str, reached: Callable[[], bool]) -> None:
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            assert self.process.poll() is None, f"the demo ended by itself:\n{self.said}"
            try:
                if reached():
                    return
            except httpx.HTTPError:
                pass  # the API is not up yet; the deadline tells when it never comes
            time.sleep(0.2)
        raise AssertionError(f"no {what} after {DEADLINE:.0f} s:\n{self.said}")


def _hear_the_terminal() -> None:
    """Whoever runs these tests under nohup hands down that its end is ignored, and the demo would heed that."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextmanager
def started(folder: Path, days: float) -> Iterator[Demo]:
    """Start a demo; nothing of it is left in any case."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "demo.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "candlewave", "demo", "--days", str(days), "--port", str(port)],
            env={**os.environ, **SMALL, "CANDLEWAVE_DATA_DIR": str(folder / "data")},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_hear_the_terminal,
        )
    try:
        yield Demo(process, f"http://127.0.0.1:{port}", log)
    finally:
        if process.poll() is None:
            for child in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                child.kill()


@contextmanager
def running(folder: Path, ended_by: signal.Signals) -> Iterator[Demo]:
    """Start a demo with half a day of history; on leaving the signal has to stop it and leave nothing running."""
    with started(folder, 0.5) as demo:
        yield demo
        children = psutil.Process(demo.process.pid).children(recursive=True)
        demo.process.send_signal(ended_by)
        assert demo.process.wait(60) == 0, demo.said
        assert psutil.wait_procs(children, timeout=20)[1] == []
        assert "Stopping: services first, the engine last" in demo.said
        assert "continues where this ended" in demo.said


def simulated(demo: Demo) -> dict[str, Any]:
    return {row["symbol"]: row for row in demo.get("symbols")["data"] if row["exchange"] == "simulated"}


@pytest.mark.timeout(600)
def test_from_nothing_to_forecasts_and_on(data_dir: Path) -> None:
    with running(data_dir, signal.SIGINT) as demo:  # Ctrl-C
        demo.wait("forecasts of all markets", lambda: len(demo.get("predictions/latest")["data"]) == 3 * 4)
        demo.wait("decision of the trainer", lambda: "candlewave 1 " in demo.said)
        before = simulated(demo)
        assert set(before) == {"BTC/USD", "ETH/USD", "SOL/USD"}
        assert all(row["is_synthetic"] for row in before.values())
        page = httpx.get(f"{demo.address}/").raise_for_status()
        assert "candlewave" in page.text

    with running(data_dir, signal.SIGHUP) as demo:  # its terminal is closed
        demo.wait("forecasts of all markets", lambda: len(demo.get("predictions/latest")["data"]) == 3 * 4)
        after = simulated(demo)
        for symbol, row in before.items():
            assert after[symbol]["first_candle"] == row["first_candle"]
            assert after[symbol]["last_candle"] >= row["last_candle"]
        assert {model["model_version"] for model in demo.get("models")["data"] if model["events"]} == {"1"}


def test_an_engine_that_dies_ends_it_with_its_name(data_dir: Path) -> None:
    with started(data_dir, 0) as demo:
        demo.wait("page", lambda: bool(demo.get("about")))
        children = psutil.Process(demo.process.pid).children(recursive=True)
        engine = next(child for child in children if child.cmdline()[-1] == "up")
        engine.kill()
        assert demo.process.wait(60) == 1
        assert psutil.wait_procs(children, timeout=20)[1] == []
    assert "up ended by itself; its log is" in demo.said
    assert "Traceback" not in demo.said
