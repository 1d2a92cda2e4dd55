"""`pytest tests/golden` as people call it: cases of their own, the closing line, the update."""

import subprocess
import sys
from pathlib import Path

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


def test_cases_of_another_folder_run_report_and_update(tmp_path: Path) -> None:
    for name, count in (("right", 1), ("wrong", 2)):
        folder = tmp_path / "clock_minutes" / name
        folder.mkdir(parents=True)
        (folder / "README.md").write_text("# One heartbeat\n")
        (folder / "01-trades.csv").write_text(
            f"{TRADES}x,A/B,hb:1,heartbeat,2024-01-01T00:00:10Z,2024-01-01T00:00:10Z\n"
        )
        (folder / "01-expected.csv").write_text(f"{HEADER}x,A/B,2024-01-01T00:00:00Z,2024-01-01T00:00:10Z,{count}\n")
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


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = golden("--golden-cases", str(tmp_path / "nowhere"))
    assert result.returncode != 0
    assert "nowhere: no such folder" in result.stdout + result.stderr
