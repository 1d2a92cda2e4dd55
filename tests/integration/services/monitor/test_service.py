"""The service as a process: receivers are told, a killed one goes on, SIGTERM ends it in order; and the command."""

import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from tests.integration.services.monitor.tables import Tables
from tests.worlds.web import Reply, Request, Web

from candlewave.bus.postgres import PostgresBus
from candlewave.engine.embedded import runtime
from candlewave.engine.embedded.ownership import Layout, acquire

COMMAND = [sys.executable, "-m", "candlewave", "model-error-monitor"]
CONFIG = """
[exchanges.kraken]
symbols = ["BTC/USD"]
[monitor]
interval_seconds = 0.1
resolve_after = 1
"""


@pytest.fixture
def environment(data_dir: Path, database: str) -> Iterator[dict[str, str]]:
    """Environment of commands that find the test's database as their embedded engine."""
    (data_dir / "candlewave.toml").write_text(CONFIG)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ALERT", "CANDLEWAVE_", "KAFKA_", "RISINGWAVE_"))
    }
    with acquire(Layout(data_dir)):
        runtime.write(data_dir / "runtime.json", runtime.Runtime(os.getpid(), database, 0, datetime.now(UTC), "test"))
        yield {
            **kept,
            "CANDLEWAVE_DATA_DIR": str(data_dir),
            "CANDLEWAVE_CONFIG": str(data_dir / "candlewave.toml"),
            "ADMIN_PORT": "0",
            "COLUMNS": "200",
        }


@pytest.fixture
def tables(database: str) -> Iterator[Tables]:
    """Everything in good order, except that the champion's intervals hold only half of the outcomes."""
    with psycopg.connect(database, autocommit=True) as conn:
        found = Tables(conn, datetime.now(UTC).replace(second=0, microsecond=0))
        found.outcomes("i % 2 = 0")
        yield found


@pytest.fixture
def start(environment: dict[str, str], web: Web) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def make() -> "subprocess.Popen[str]":
        urls = {"ALERTMANAGER_URL": web.url("/am"), "ALERT_WEBHOOK_URL": web.url("/hook"), "ALERT_RESEND_SECONDS": "1"}
        started.append(subprocess.Popen(COMMAND, env=environment | urls, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield make
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def told(web: Web, path: str) -> "queue.Queue[list[dict]]":
    """Return the alerts of each request to a path, as they come."""
    came: queue.Queue[list[dict]] = queue.Queue()

    def answer(request: Request) -> Reply:
        body = json.loads(request.body)
        came.put(body if isinstance(body, list) else body["alerts"])
        return Reply()

    web.answers[path] = answer
    return came


def test_receivers_are_told_across_a_kill_and_the_end_is_in_order(
    tables: Tables, bus: PostgresBus, web: Web, start: Callable[[], "subprocess.Popen[str]"]
) -> None:
    alertmanager, webhook = told(web, "/am/api/v2/alerts"), told(web, "/hook")
    first = start()
    assert [a["labels"]["alertname"] for a in alertmanager.get(timeout=30)] == ["coverage"]
    assert [a["status"] for a in webhook.get(timeout=30)] == ["firing"]
    with bus.subscribe("test", ["alerts", "training_requests"]) as stored:
        messages = stored.poll(timeout=10)
        while {message.topic for message in messages} != {"alerts", "training_requests"}:
            messages += stored.poll(timeout=10)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    for topic in ("alerts", "training_requests"):
        tables.store(topic, [message for message in messages if message.topic == topic])
    while not alertmanager.empty():
        alertmanager.get()

    second = start()
    (again,) = alertmanager.get(timeout=30)
    began = next(json.loads(m.value or b"") for m in messages if m.topic == "alerts")["occurred_at"]
    assert again["labels"]["alertname"] == "coverage"
    assert datetime.fromisoformat(again["startsAt"]) == datetime.fromisoformat(began)
    tables.outcomes("i % 5 <> 0")
    while alertmanager.get(timeout=30)[0]["endsAt"] > _text(datetime.now(UTC) + timedelta(seconds=1)):
        pass
    ended = webhook.get(timeout=30)
    while ended[0]["status"] != "resolved":  # what the kill left uncommitted may come again
        ended = webhook.get(timeout=30)
    second.send_signal(signal.SIGTERM)
    output, _ = second.communicate(timeout=30)
    assert second.returncode == 0
    assert [json.loads(line)["event"] for line in output.splitlines()][-1] == "ended"


def test_once_prints_every_rule_and_changes_nothing(
    tables: Tables, bus: PostgresBus, environment: dict[str, str]
) -> None:
    done = subprocess.run([*COMMAND, "--once"], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "the 80 % interval held 50.0% of the outcomes" in done.stdout
    assert "too little to tell" in done.stdout
    assert sum(bus.end_offsets("alerts").values()) == 0
    tables.conn.execute("DELETE FROM market_clock")
    done = subprocess.run([*COMMAND, "--once"], capture_output=True, text=True, env=environment, timeout=60)
    assert "no trades yet" in done.stdout


def test_once_says_what_to_do_without_migrations_and_without_engine(
    environment: dict[str, str], conn: psycopg.Connection, tmp_path: Path
) -> None:
    conn.execute("DROP SCHEMA public CASCADE")
    done = subprocess.run([*COMMAND, "--once"], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 1
    assert "candlewave migrate" in done.stderr
    alone = environment | {"CANDLEWAVE_DATA_DIR": str(tmp_path)}
    done = subprocess.run([*COMMAND, "--once"], capture_output=True, text=True, env=alone, timeout=60)
    assert done.returncode == 1
    assert "candlewave up" in done.stderr
    wrong = environment | {"ALERTMANAGER_URL": "alertmanager:9093"}
    done = subprocess.run([*COMMAND, "--once"], capture_output=True, text=True, env=wrong, timeout=60)
    assert done.returncode == 1
    assert "ALERTMANAGER_URL" in done.stderr
    assert "Traceback" not in done.stderr


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
