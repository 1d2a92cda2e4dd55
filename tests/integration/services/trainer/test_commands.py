"""Commands with an engine and a registry: ask for a training, and go back to the champion before."""

import importlib.util
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from candlewave.bus.postgres import PostgresBus
from candlewave.cli import app
from candlewave.contracts.records import TrainingRequest, decode
from candlewave.core.settings import get_settings
from candlewave.engine.embedded import runtime
from candlewave.engine.embedded.ownership import Layout, acquire
from candlewave.ml.registry import CHAMPION, PREVIOUS, open_registry


@pytest.fixture
def bus(data_dir: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresBus]:
    """The bus of an embedded engine that commands find in the test's data directory."""
    monkeypatch.setenv("CANDLEWAVE_DATA_DIR", str(data_dir))
    with acquire(Layout(data_dir)), PostgresBus(database) as opened:
        opened.install()
        runtime.write(data_dir / "runtime.json", runtime.Runtime(os.getpid(), database, 0, datetime.now(UTC), "test"))
        yield opened


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*arguments])
    return result.exit_code, result.output


def test_ask_publishes_a_request(bus: PostgresBus) -> None:
    code, output = run("train", "--ask", "--reason", "after the fork")
    assert code == 0, output
    with bus.subscribe("test", ["training_requests"]) as subscription:
        [request] = [decode(TrainingRequest, m.value) for m in subscription.poll(timeout=5)]
    assert (request.model_name, request.reason) == ("candlewave", "after the fork")
    assert request.request_id in output


def test_rollback_swaps_the_champions_tells_and_changes_nothing_without_the_bus(
    bus: PostgresBus, data_dir: Path
) -> None:
    assert run("models", "rollback") == (1, "error: there is no champion before the present one\n")
    registry = open_registry(get_settings())
    experiment = registry.client.create_experiment("test", artifact_location=data_dir.as_uri())
    made = registry.client.create_run(experiment)
    for served in ([1], [1, 5]):
        version = registry.register(made.info.run_id, data_dir.as_uri(), {"decision": "better"}).version
        registry.promote(version, served)
        registry.complete(version)
    (data_dir / "runtime.json").rename(data_dir / "away.json")
    assert run("models", "rollback")[0] == 1
    assert registry.version(CHAMPION) == "2"
    (data_dir / "away.json").rename(data_dir / "runtime.json")

    code, output = run("models", "rollback", "--reason", "wild intervals")
    assert code == 0, output
    assert [registry.version(alias) for alias in (CHAMPION, PREVIOUS)] == ["1", "2"]
    champion = registry.metadata(CHAMPION)
    assert champion is not None
    assert champion.served_horizons == (1,)
    with bus.subscribe("test", ["model_events"]) as subscription:
        [event] = [msgspec.json.decode(m.value or b"") for m in subscription.poll(timeout=5)]
    assert (event["event"], event["reason"]) == ("rolled_back", "version 1 instead of 2: wild intervals")
    assert "champion" in run("models", "list")[1]


def test_mlflows_page_says_how_it_is_installed(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDLEWAVE_DATA_DIR", str(data_dir))
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("a server that cannot run was started"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    code, output = run("mlflow")
    assert code == 1
    assert "pip install 'candlewave[mlflow]'" in output.replace("\n", " ")
