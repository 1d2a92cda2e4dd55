"""The service as a process: forecasts by itself, shares markets, ends in order; and the command."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from tests.integration.services.predictor.conftest import MARKETS, MINUTE, Views

from candlewave.bus.postgres import PostgresBus
from candlewave.engine.embedded import runtime
from candlewave.engine.embedded.ownership import Layout, acquire

COMMAND = [sys.executable, "-m", "candlewave", "price-predictor"]


@pytest.fixture
def environment(data_dir: Path, database: str) -> Iterator[dict[str, str]]:
    """Environment of commands that find the test's database as their embedded engine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CANDLEWAVE_", "KAFKA_", "MLFLOW_", "PREDICT_", "RISINGWAVE_"))
    }
    with acquire(Layout(data_dir)):
        runtime.write(data_dir / "runtime.json", runtime.Runtime(os.getpid(), database, 0, datetime.now(UTC), "test"))
        yield {
            **kept,
            "CANDLEWAVE_DATA_DIR": str(data_dir),
            "ADMIN_PORT": "0",
            "COLUMNS": "200",
            "PREDICT_MAX_FEATURE_AGE_SECONDS": "0",
        }


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def make(**settings: str) -> "subprocess.Popen[str]":
        started.append(subprocess.Popen(COMMAND, env=environment | settings, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield make
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def read_until(process: "subprocess.Popen[str]", event: str) -> dict:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        entry = json.loads(line)
        if entry["event"] == event:
            return entry
        seen.append(line)
    raise AssertionError(f"ended with {process.wait()} before {event!r}: {''.join(seen)}")


def minute(number: int) -> datetime:
    return datetime(2026, 5, 4, 12, 0, tzinfo=UTC) + number * MINUTE


def test_replicas_forecast_each_minute_once_and_end_in_order(
    views: Views, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    views.close_minute(minute(0))
    first = start()
    assert read_until(first, "forecast")["candles"] == 2
    second = start()
    read_until(second, "owned shards changed")
    read_until(first, "owned shards changed")
    views.store_predictions()
    views.close_minute(minute(1))
    records: list[dict] = []
    while len({(r["symbol"], r["horizon_minutes"]) for r in records}) < 2 * 4:
        records += views.wait("predictions")
    assert {r["feature_time"] for r in records} == {"2026-05-04T12:01:00Z"}
    assert {r["role"] for r in records} == {"baseline"}
    for process in (first, second):
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 0, output
        assert json.loads(output.splitlines()[-1])["event"] == "ended"


def test_an_engine_that_is_not_migrated_is_waited_for(
    bus: PostgresBus, conn: psycopg.Connection, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    process = start()
    assert "candlewave migrate" in read_until(process, "waiting for the engine")["reason"]
    views = Views(conn, bus)
    views.close_minute(minute(0))
    assert read_until(process, "forecast")["forecasts"] == len(MARKETS) * 4
    views.close()


def test_a_registry_that_hangs_does_not_delay_the_end(
    views: Views, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    """A request to it lasts ten seconds, and one more in its second try."""
    assert views is not None
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = start(MLFLOW_TRACKING_URI=f"http://127.0.0.1:{silent.getsockname()[1]}")
        asked, _ = silent.accept()
        with asked:
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=8)
    assert process.returncode == 0, output
    assert json.loads(output.splitlines()[-1])["event"] == "ended"


def test_once_publishes_and_prints_and_says_when_there_is_nothing(views: Views, environment: dict[str, str]) -> None:
    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*COMMAND, "--once"], capture_output=True, text=True, env=environment, timeout=60)

    views.close_minute(minute(0))
    done = run()
    assert done.returncode == 0, done.stderr
    assert "kraken BTC/USD" in done.stdout
    assert "60 min" in done.stdout
    views.store_predictions()
    done = run()
    assert "Nothing new to forecast" in done.stdout


def test_once_says_what_to_do_without_migrations_and_without_engine(
    environment: dict[str, str], bus: PostgresBus, tmp_path: Path
) -> None:
    assert bus.partitions("predictions")
    done = subprocess.run([*COMMAND, "--once"], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 1
    assert "candlewave migrate" in done.stderr
    alone = environment | {"CANDLEWAVE_DATA_DIR": str(tmp_path)}
    done = subprocess.run([*COMMAND, "--once"], capture_output=True, text=True, env=alone, timeout=60)
    assert done.returncode == 1
    assert "candlewave up" in done.stderr
    wrong = environment | {"PREDICT_POLL_SECONDS": "never"}
    done = subprocess.run([*COMMAND, "--once"], capture_output=True, text=True, env=wrong, timeout=60)
    assert done.returncode == 1
    assert "PREDICT_POLL_SECONDS" in done.stderr
    assert "Traceback" not in done.stderr
