"""``candlewave up`` and ``down`` as a user runs them: processes, signals, kills."""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from tests.worlds.commands import Up

from candlewave.engine.embedded.cluster import postmaster

Start = Callable[..., Up]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def _put(up: Up, number: int) -> None:
    with up.connect() as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        conn.execute("INSERT INTO kept VALUES (%s)", [number])


def _kept(up: Up) -> list[int]:
    with up.connect() as conn:
        return [row[0] for row in conn.execute("SELECT number FROM kept ORDER BY number")]


def test_it_announces_itself_and_ends_in_order(up: Start, data_dir: Path) -> None:
    engine = up()
    record = engine.runtime
    assert (data_dir / "runtime.json").stat().st_mode & 0o777 == 0o600
    assert record["pid"] == engine.popen.pid
    assert record["port"] == engine.entry["port"]
    assert set(record) == {"pid", "url", "port", "started_at", "version"}
    with engine.connect() as conn:
        assert conn.execute("SELECT count(*) > 0 FROM bus.topics").fetchone() == (True,)
        assert conn.execute("SELECT count(*) FROM embedded.objects").fetchone() == (0,)
    assert engine.end(signal.SIGINT) == 0
    assert not (data_dir / "runtime.json").exists()
    assert postmaster(data_dir / "postgres") is None


def test_a_second_up_is_refused_and_names_the_first(up: Start, run: Run, data_dir: Path) -> None:
    first = up("--no-refresh")
    second = run("up", "--no-refresh")
    assert second.returncode == 1
    assert f"{data_dir} is in use by process {first.popen.pid}" in second.stderr
    _put(first, 1)
    assert _kept(first) == [1]


def test_after_kill_9_commands_say_so_and_the_next_up_has_the_data(up: Start, run: Run) -> None:
    first = up()
    _put(first, 1)
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    asked = run("sql", "-c", "SELECT 1")
    assert asked.returncode == 1
    assert f"process {first.popen.pid} of" in asked.stderr
    assert "run `candlewave up`" in asked.stderr
    second = up()
    assert _kept(second) == [1]
    assert second.runtime["port"] == first.entry["port"]
    assert second.end() == 0


@pytest.mark.parametrize("option", ["--refresh", "--no-refresh"])
def test_a_killed_postgresql_is_started_again_on_the_same_port(up: Start, option: str) -> None:
    engine = up(option)
    _put(engine, 1)
    os.kill(engine.entry["postgres_pid"], signal.SIGKILL)
    again = engine.read_until("PostgreSQL runs again")
    assert again["port"] == engine.entry["port"]
    assert again["pid"] != engine.entry["postgres_pid"]
    assert _kept(engine) == [1]
    assert engine.end() == 0


def test_a_crashed_session_does_not_end_the_engine(up: Start) -> None:
    engine = up()
    _put(engine, 1)
    engine.read_until("keeping views fresh")
    with engine.connect() as conn:
        row = conn.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        os.kill(row[0], signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT 1")
    engine.read_until("lost the connection to PostgreSQL")
    engine.read_until("keeping views fresh")
    assert _kept(engine) == [1]
    assert engine.end() == 0


def test_down_stops_and_waits(up: Start, run: Run, data_dir: Path) -> None:
    engine = up("--no-refresh")
    done = run("down")
    assert done.returncode == 0
    assert done.stdout == f"Stopped the engine (process {engine.popen.pid}).\n"
    assert postmaster(data_dir / "postgres") is None
    engine.popen.communicate(timeout=60)
    assert engine.popen.returncode == 0
    assert run("down").stdout == f"The engine of {data_dir} is not running.\n"


def test_down_stops_what_a_killed_up_left(up: Start, run: Run, data_dir: Path) -> None:
    engine = up("--no-refresh")
    engine.end(signal.SIGKILL)
    assert f"process {engine.entry['postgres_pid']}" in run("down").stdout
    assert postmaster(data_dir / "postgres") is None


@pytest.mark.parametrize("name", ["up", "down", "backup x", "restore x", "upgrade", "doctor"])
def test_with_risingwave_commands_of_the_embedded_engine_refuse(run: Run, name: str) -> None:
    done = run(*name.split(), RISINGWAVE_URL="postgresql://root@localhost:4566/dev")
    assert done.returncode == 1
    assert done.stderr.startswith("error: RISINGWAVE_URL is set")


def test_a_wrong_setting_is_named_and_no_secret_shown(run: Run) -> None:
    done = run(
        "up", CANDLEWAVE_ENV="production", KAFKA_SASL_PASSWORD="hunter2", ELASTICSEARCH_URL="http://a:changeme@b"
    )
    assert done.returncode == 1
    assert done.stderr == (
        "error: ELASTICSEARCH_URL still holds a placeholder; set a real secret or CANDLEWAVE_ENV=development\n"
    )


def test_health_and_metrics_are_served(up: Start) -> None:
    engine = up("--no-refresh")
    port = engine.admin_port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
        assert json.load(answer)["checks"]["postgresql"]["ok"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert "candlewave_build_info{" in answer.read().decode()
