"""`pytest tests/golden` and `candlewave golden` as people call them: own cases, the closing line, the update."""

import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from candlewave.cli import app
from candlewave.core.paths import project_root

HEADER = "exchange,symbol,minute,last_ts,heartbeats\n"
TRADES = "exchange,symbol,trade_id,kind,ts,ingest_ts\n"


def golden(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "tests/golden", "-p", "no:cacheprovider", *arguments],
        cwd=project_root(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def write_case(folder: Path, count: int) -> None:
    """Write a case of one heartbeat, which is right when ``count`` is 1."""
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("# One heartbeat\n")
    (folder / "01-trades.csv").write_text(f"{TRADES}x,A/B,hb:1,heartbeat,2024-01-01T00:00:10Z,2024-01-01T00:00:10Z\n")
    (folder / "01-expected.csv").write_text(f"{HEADER}x,A/B,2024-01-01T00:00:00Z,2024-01-01T00:00:10Z,{count}\n")


def test_cases_of_another_folder_run_report_and_update(tmp_path: Path) -> None:
    for name, count in (("right", 1), ("wrong", 2)):
        write_case(tmp_path / "clock_minutes" / name, count)
    first = golden("--golden-cases", str(tmp_path))
    assert first.returncode == 1
    assert "test_case[clock_minutes/wrong]" in first.stdout
    assert "clock_minutes/wrong 01-expected.csv: 1 row differs" in first.stdout
    assert first.stdout.splitlines()[-1] == "golden: 1 passed, 1 failed"

    update = golden("--golden-cases", str(tmp_path), "--golden-update")
    assert update.stdout.splitlines()[-1] == "golden: 2 passed, 0 failed"
    assert (tmp_path / "clock_minutes" / "wrong" / "01-expected.csv").read_text() == (
        tmp_path / "clock_minutes" / "right" / "01-expected.csv"
    ).read_text()


def test_without_pytest_the_same(tmp_path: Path) -> None:
    for name, count in (("right", 1), ("wrong", 2)):
        write_case(tmp_path / "clock_minutes" / name, count)
    runner = CliRunner()
    first = runner.invoke(app, ["golden", "--cases", str(tmp_path)])
    assert first.exit_code == 1
    assert "ok      clock_minutes/right" in first.output
    assert "clock_minutes/wrong 01-expected.csv: 1 row differs" in first.output
    assert first.output.splitlines()[-1] == "golden: 1 passed, 1 failed"
    one = runner.invoke(app, ["golden", "clock_minutes/right", "--cases", str(tmp_path)])
    assert (one.exit_code, one.output.splitlines()[-1]) == (0, "golden: 1 passed, 0 failed")
    update = runner.invoke(app, ["golden", "clock_minutes", "--cases", str(tmp_path), "--update"])
    assert update.output.splitlines()[-1] == "golden: 2 passed, 0 failed"
    unknown = runner.invoke(app, ["golden", "clocks", "--cases", str(tmp_path)])
    assert (unknown.exit_code, "there are cases of clock_minutes" in unknown.output) == (1, True)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = golden("--golden-cases", str(tmp_path / "nowhere"))
    assert result.returncode != 0
    assert "nowhere: no such folder" in result.stdout + result.stderr
