"""Commands as processes, and an engine that commands called in this process find."""

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.worlds.commands import UNSET, Up, command, environment

from candlewave.core.settings import get_settings
from candlewave.engine.embedded import runtime
from candlewave.engine.embedded.cluster import stop_postmaster
from candlewave.engine.embedded.ownership import Layout, acquire


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
        for name in UNSET:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("CANDLEWAVE_DATA_DIR", str(data_dir))
        get_settings.cache_clear()
        yield database
    get_settings.cache_clear()
