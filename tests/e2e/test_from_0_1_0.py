"""An engine that candlewave 0.1.0 made, at revision 0003 or on a branch of a user's own, is upgraded with all rows."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.worlds.commands import Up, command, environment

from candlewave.core.paths import project_root
from candlewave.engine.embedded.refresh import differences

RELEASED = "36bfc4c"
"""The commit of 0.1.0."""
DEADLINE = 120.0
COMPARED = (
    "SELECT * FROM trades",
    "SELECT exchange, symbol, base, quote FROM symbols",
    "SELECT exchange, symbol, timeframe, open_time, open, high, low, close, volume, trades FROM candles",
    "SELECT exchange, symbol, open_time, close, obv FROM indicators WHERE timeframe = '1m'",
)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of 0.1.0, from the clone's history."""
    folder = tmp_path_factory.mktemp("released")
    archive = subprocess.run(["git", "archive", RELEASED], cwd=project_root(), capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"the clone's history does not reach back to {RELEASED}: {archive.stderr.decode().strip()}")
    subprocess.run(["tar", "x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


class Old:
    """0.1.0 at work on a data directory."""

    def __init__(self, code: Path, data_dir: Path, config: Path) -> None:
        self._environment = environment(
            data_dir, PYTHONPATH=str(code / "python"), CANDLEWAVE_CONFIG=str(config), ADMIN_PORT="0"
        )
        self._code = code
        self._data_dir = data_dir
        self.up = subprocess.Popen(self._command("up"), env=self._environment, cwd=code, stderr=subprocess.DEVNULL)

    def run(self, *arguments: str) -> None:
        """Run a command to its end."""
        subprocess.run(
            self._command(*arguments), env=self._environment, cwd=self._code, check=True, stdout=subprocess.DEVNULL
        )

    def end(self) -> None:
        """Stop the engine."""
        self.up.terminate()
        self.up.wait(DEADLINE)

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "candlewave", *arguments]


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.fixture(params=["shipped", "own branch"])
def old_engine(request: pytest.FixtureRequest, released: Path, data_dir: Path, tmp_path: Path) -> Iterator[Path]:
    """A data directory with ten minutes of trades; returns the configuration that it was made with."""
    config = tmp_path / "candlewave.toml"
    text = (released / "candlewave.toml").read_text()
    branch = released / "migrations" / "versions" / "local"
    if request.param == "own branch":
        assert "rsi = 14" in text
        text = text.replace("rsi = 14", "rsi = 9")
    config.write_text(text)
    old = Old(released, data_dir, config)
    try:
        until((data_dir / "runtime.json").exists, "0.1.0 announces its engine")
        if request.param == "own branch":
            old.run("migration", "-m", "my period", "--yes")
        old.run("migrate")
        old.run("simulate", "--days", "0.03", "--no-live")
        with psycopg.connect(url_of(data_dir), autocommit=True) as conn:
            until(lambda: has_followed(conn), "views have followed all trades")
            at = conn.execute("SELECT version_num FROM alembic_version").fetchall()
            assert at == [("local_0001" if request.param == "own branch" else "0003",)]
        yield config
    finally:
        old.end()
        for path in branch.glob("local_*.py"):
            path.unlink()


def runtime_of(data_dir: Path) -> dict[str, Any]:
    """Return what the running engine wrote for others."""
    record: dict[str, Any] = json.loads((data_dir / "runtime.json").read_text())
    return record


def url_of(data_dir: Path) -> str:
    return str(runtime_of(data_dir)["url"])


def has_followed(conn: psycopg.Connection) -> bool:
    """Tell whether every published trade is in the table, and every view is done with it."""
    (topic,) = conn.execute("SELECT relation FROM bus.topics WHERE topic = 'trades'").fetchone() or ("",)
    return one(
        conn,
        f"SELECT (SELECT count(*) FROM {topic}) = (SELECT sum(next_offset) FROM bus.offsets"
        " WHERE group_id = 'engine.public.trades') AND NOT EXISTS (SELECT 1 FROM embedded.dirty)",
    )


def one(conn: psycopg.Connection, query: str) -> bool:
    row = conn.execute(query).fetchone()  # type: ignore[call-overload]
    return row is not None and bool(row[0])


def test_upgrade_keeps_every_row(old_engine: Path, data_dir: Path) -> None:
    """Two migrations: the first brings the engine up to date, the second finds nothing to do."""
    with psycopg.connect(url_of(data_dir), autocommit=True) as conn:
        conn.execute("SET timezone = 'UTC'")
        before = [sorted(conn.execute(query).fetchall()) for query in COMPARED]  # type: ignore[call-overload]
    assert all(before)
    os.kill(runtime_of(data_dir)["pid"], signal.SIGTERM)
    until(lambda: not (data_dir / "runtime.json").exists(), "0.1.0 ends")
    running = Up(data_dir)
    try:
        for _ in range(2):
            done = subprocess.run(
                command("migrate"), env=environment(data_dir, CANDLEWAVE_CONFIG=str(old_engine)), capture_output=True,
                text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        assert "build" not in done.stdout
        with running.connect() as conn:
            conn.execute("SET timezone = 'UTC'")
            assert [sorted(conn.execute(query).fetchall()) for query in COMPARED] == before  # type: ignore[call-overload]
            newest = max(path.name[:4] for path in (project_root() / "migrations" / "versions").glob("[0-9]*.py"))
            assert conn.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest,)]
            assert differences(conn) == []
        assert running.end() == 0
    finally:
        running.popen.kill()
        running.popen.communicate()
