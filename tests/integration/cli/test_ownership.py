"""Nothing touches a data directory before it is certain whose it is."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.worlds.commands import Up
from typer.testing import CliRunner

from candlewave.cli import app
from candlewave.cli import demo as demo_module
from candlewave.core.settings import Settings, get_settings

Start = Callable[..., Up]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

TRADES = "symbol,trade_id,ts,side,price,quantity\nBTC/USD,1,2019-05-01T00:00:00Z,buy,5000,1\n"


@pytest.fixture
def trades(tmp_path: Path) -> Path:
    """A file of trades."""
    path = tmp_path / "trades.csv"
    path.write_text(TRADES)
    return path


def state_of(engine: Up) -> list[tuple[object, ...]]:
    """Return what a migration, or a published trade, would change."""
    with engine.connect() as conn:
        (relation,) = conn.execute("SELECT relation FROM bus.topics WHERE topic = 'trades'").fetchone() or ("",)
        return conn.execute(
            f"SELECT (SELECT count(*) FROM embedded.objects), (SELECT count(*) FROM {relation}),"  # type: ignore[call-overload]
            " (SELECT count(*) FROM pg_class)"
        ).fetchall()


def files_of(folder: Path) -> dict[str, bytes]:
    """Return all files but PostgreSQL's own."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_relative_to(folder / "postgres")
    }


@pytest.fixture
def owner(up: Start, data_dir: Path) -> Up:
    """A running engine, with logs of the demo that runs it."""
    engine = up("--no-refresh")
    (data_dir / "logs").mkdir()
    for name in ("up", "simulate", "price-predictor"):
        (data_dir / "logs" / f"{name}.log").write_text(f"log of the running {name}")
    return engine


def test_a_second_demo_is_refused_and_touches_nothing(owner: Up, run: Run, data_dir: Path, trades: Path) -> None:
    state, files = state_of(owner), files_of(data_dir)
    for options in (["--days", "0.01"], ["--source", "file", "--file", str(trades)]):
        second = run("demo", *options)
        assert second.returncode == 1
        assert f"{data_dir} is in use by process {owner.popen.pid}" in second.stderr
        assert state_of(owner) == state
        assert files_of(data_dir) == files


def test_of_two_demos_that_start_together_the_loser_touches_nothing(
    owner: Up, data_dir: Path, trades: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both see a free directory; the engine's lock decides."""
    state, files = state_of(owner), files_of(data_dir)
    monkeypatch.setenv("CANDLEWAVE_DATA_DIR", str(data_dir))
    get_settings.cache_clear()

    def pass_both(settings: Settings) -> None:
        assert settings.data_dir == data_dir

    monkeypatch.setattr(demo_module, "refuse_owned", pass_both)
    result = CliRunner().invoke(app, ["demo", "--source", "file", "--file", str(trades)])
    assert result.exit_code == 1
    assert f"{data_dir} is in use by process {owner.popen.pid}" in result.output
    assert state_of(owner) == state
    assert files_of(data_dir) == files


@pytest.mark.parametrize(
    "command",
    [
        ("migrate", "--yes"),
        ("simulate", "--days", "0.01", "--no-live"),
        ("replay", "{trades}", "--exchange", "x"),
        ("backfill", "--symbol", "BTC/USD", "--archive", "{trades}", "--format", "kraken"),
        ("train",),
        ("train", "--ask"),
        ("models", "rollback"),
        ("apikey", "create", "somebody"),
        ("price-predictor", "--once"),
        ("audit",),
    ],
    ids=" ".join,
)
def test_a_command_without_an_engine_leaves_the_directory_as_it_is(
    command: tuple[str, ...], run: Run, data_dir: Path, trades: Path
) -> None:
    done = run(*(word.format(trades=trades) for word in command))
    assert done.returncode == 1
    assert "candlewave up" in done.stderr
    assert list(data_dir.iterdir()) == []
