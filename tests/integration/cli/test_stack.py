"""``candlewave stack doctor``: it names what is unhealthy, and why."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest
from tests.worlds import web as web_module
from tests.worlds.web import Reply, Web
from typer.testing import CliRunner, Result

from candlewave.bus.postgres import PostgresBus
from candlewave.cli import app
from candlewave.contracts.topics import TOPICS
from candlewave.core.settings import get_settings
from candlewave.core.times import utc_now
from candlewave.telemetry.admin import AdminServer, Readiness

Doctor = Callable[..., Result]


@pytest.fixture
def readiness() -> Readiness:
    """Checks of the one service."""
    return Readiness()


@pytest.fixture
def web() -> Iterator[Web]:
    """MLflow, Elasticsearch and Alertmanager."""
    with web_module.serve() as running:
        running.reply("/mlflow/health", Reply(body=b"OK"))
        running.reply("/am/-/healthy", Reply(body=b"OK"))
        yield running


@pytest.fixture
def stack(engine: str, readiness: Readiness, web: Web, monkeypatch: pytest.MonkeyPatch) -> Iterator[Doctor]:
    """Call the doctor of a stack in which all is well."""
    with PostgresBus(engine) as bus:
        bus.install()
        bus.ensure_topics(TOPICS.values())
    with psycopg.connect(engine, autocommit=True) as conn:
        conn.execute("CREATE TABLE market_clock (exchange text, closed_until timestamptz)")
        conn.execute("INSERT INTO market_clock VALUES ('kraken', %s)", (utc_now(),))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", web.url("/mlflow"))
    monkeypatch.setenv("ALERTMANAGER_URL", web.url("/am"))
    get_settings.cache_clear()
    admin = AdminServer("127.0.0.1", 0, readiness)
    yield lambda *more: CliRunner().invoke(
        app, ["stack", "doctor", "--service", f"price-predictor=http://127.0.0.1:{admin.port}", *more]
    )
    admin.stop()


def assert_bad(done: Result, line: str) -> None:
    """The one bad line, which the exit code says too."""
    assert done.exit_code == 1, done.output
    assert [text for text in done.output.splitlines() if text.startswith("BAD")] == [line]


def test_all_is_well(stack: Doctor) -> None:
    done = stack()
    assert done.exit_code == 0, done.output
    parts = [line.partition(":")[0] for line in done.output.splitlines() if line.startswith(("ok ", "BAD"))]
    assert parts == [
        "ok  bus", "ok  embedded engine", "ok  candles of kraken", "ok  MLflow", "ok  Alertmanager",
        "ok  price-predictor",
    ]  # fmt: skip


def test_a_service_says_why_it_is_not_ready(stack: Doctor, readiness: Readiness) -> None:
    readiness.add("registry", lambda: "the registry cannot be reached")
    readiness.add("engine", lambda: None)
    assert_bad(stack(), "BAD price-predictor: registry: the registry cannot be reached")


def test_a_service_that_does_not_answer_is_named(stack: Doctor) -> None:
    done = stack("--service", "model-trainer=http://127.0.0.1:9")
    assert done.exit_code == 1
    assert "BAD model-trainer: does not answer at http://127.0.0.1:9 (" in done.output


def test_something_else_at_the_address_is_no_service(stack: Doctor, web: Web) -> None:
    web.reply("/other/readyz", Reply(body=b"<html>"))
    line = f"BAD model-trainer: what answers at {web.url('/other')} is not a service of candlewave"
    assert_bad(stack("--service", f"model-trainer={web.url('/other')}"), line)


def test_old_candles_are_named(stack: Doctor, engine: str) -> None:
    when = utc_now() - timedelta(minutes=20)
    with psycopg.connect(engine, autocommit=True) as conn:
        conn.execute("INSERT INTO market_clock VALUES ('coinbase', %s)", (when,))
    line = f"BAD candles of coinbase: closed until {when:%Y-%m-%d %H:%M} UTC, 20 minutes ago"
    assert_bad(stack(), f"{line}: no trade of it has come since")


def test_an_engine_without_objects_says_what_to_do(stack: Doctor, engine: str) -> None:
    with psycopg.connect(engine, autocommit=True) as conn:
        conn.execute("DROP TABLE market_clock")
    done = stack()
    assert done.exit_code == 1
    assert "BAD embedded engine: " in done.output
    assert "candlewave migrate" in done.output


def test_each_part_has_one_line(stack: Doctor, readiness: Readiness) -> None:
    readiness.add("engine", lambda: "connection refused\n\tIs the server running?")
    assert_bad(stack(), "BAD price-predictor: engine: connection refused Is the server running?")


def test_missing_topics_are_named(stack: Doctor, engine: str) -> None:
    with psycopg.connect(engine, autocommit=True) as conn:
        conn.execute("DELETE FROM bus.partitions WHERE topic = 'predictions'")
        conn.execute("DELETE FROM bus.topics WHERE topic = 'predictions'")
    done = stack()
    assert done.exit_code == 1
    assert "BAD bus: topics are missing: predictions; `candlewave migrate` creates them" in done.output


def test_other_parts_are_asked(stack: Doctor, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    web.reply("/mlflow/health", Reply(500))
    assert_bad(stack(), f"BAD MLflow: answers 500 at {web.url('/mlflow/health')}")
    web.reply("/mlflow/health", Reply())
    monkeypatch.setenv("ELASTICSEARCH_URL", "http://elastic:secret@127.0.0.1:9")
    get_settings.cache_clear()
    done = stack()
    assert "BAD Elasticsearch: cannot ask for its version" in done.output
    assert "secret" not in done.output


def test_a_red_cluster_is_unhealthy(stack: Doctor, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json"}
    web.reply("/", Reply(body=b'{"version": {"number": "8.19.0"}}', headers=headers))
    web.reply("/_cluster/health", Reply(body=b'{"status": "red"}', headers=headers))
    monkeypatch.setenv("ELASTICSEARCH_URL", web.base)
    get_settings.cache_clear()
    done = stack()
    assert "BAD Elasticsearch: its health is red" in done.output


def test_a_service_needs_name_and_address(stack: Doctor) -> None:
    done = stack("--service", "model-trainer")
    assert done.exit_code == 1
    assert "NAME=URL" in done.output
