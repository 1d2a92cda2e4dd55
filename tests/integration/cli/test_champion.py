"""A changed indicator switches the champion off: plan warns, migrate asks for a training, models list says so."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.integration.ml.conftest import CONFIG as MODEL_CONFIG
from tests.integration.ml.conftest import SETTINGS as TRAIN_SETTINGS
from tests.worlds.commands import Up
from tests.worlds.processes import planted

from candlewave.bus.postgres import PostgresBus
from candlewave.core.paths import project_root
from candlewave.core.settings import Settings
from candlewave.ml.registry import artifact_root, open_registry
from candlewave.ml.train import train

Start = Callable[..., Up]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def other_rsi(tmp_path: Path) -> Path:
    """The configuration of the README's first example."""
    shipped = (project_root() / "candlewave.toml").read_text()
    assert "rsi = 14" in shipped
    path = tmp_path / "candlewave.toml"
    path.write_text(shipped.replace("rsi = 14", "rsi = 21"))
    return path


def test_a_changed_indicator_is_said_to_switch_the_champion_off(
    up: Start, run: Run, data_dir: Path, other_rsi: Path
) -> None:
    engine = up("--no-refresh")
    first = run("migrate", "--yes", "--no-diff")
    assert first.returncode == 0, first.stderr
    settings = Settings(CANDLEWAVE_DATA_DIR=data_dir)  # type: ignore[call-arg]
    end = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=2_600)
    with PostgresBus(engine.runtime["url"]) as bus:
        trained = train(
            planted(2_600, 0.5), bus, open_registry(settings), MODEL_CONFIG, TRAIN_SETTINGS, reason="test", end=end,
            artifact_root=artifact_root(settings),
        )  # fmt: skip
        assert trained.decision.promoted
        with bus.subscribe("test", ["training_requests"]) as requests:
            planned = run("plan", "--no-diff", CANDLEWAVE_CONFIG=str(other_rsi))
            assert "Switches the champion off: version 1 was trained on other features" in planned.stdout
            assert requests.poll(timeout=0.0) == []
            done = run("migrate", "--yes", "--no-diff", CANDLEWAVE_CONFIG=str(other_rsi))
            assert done.returncode == 0, done.stderr
            assert "Switches the champion off" in done.stdout
            [request] = [msgspec.json.decode(m.value or b"") for m in requests.poll(timeout=10)]
    assert request["request_id"] in done.stdout.replace("\n", "")
    assert request["evidence"] == {"urgent": True}
    listed = run("models", "list")
    assert "nothing" in listed.stdout
    assert "The champion is switched off, the last price is served: version 1" in listed.stdout
    again = run("migrate", "--yes", "--no-diff", CANDLEWAVE_CONFIG=str(other_rsi))
    assert "Asked for a training" not in again.stdout  # nothing has changed since
