"""What a stranger does: every command of the README, as printed, against a running demo; outputs in their shape."""

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.test_demo import Demo, running

from candlewave.core.paths import project_root

README = (project_root() / "README.md").read_text(encoding="utf-8")
SECTION = re.compile(r"## (?P<title>[^\n]+)\n(?P<text>.*?)(?=\n## |\Z)", re.DOTALL)
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PROGRAM = ".venv/bin/candlewave"


def commands(title: str) -> list[str]:
    """Return the commands in a section's blocks, without comments."""
    [text] = [found["text"] for found in SECTION.finditer(README) if found["title"] == title]
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines() if line.strip()]
    return [re.sub(r"\s{2,}# .*$", "", line) for line in lines]


SHAPES = {
    "candlewave predictions": r"horizon minutes.*price q50",
    "candles BTC-USD": r"open time.*simulated|open time.*feed state",
    "candlewave performance": r"model name.*skill|Nothing yet",
    "FROM candles WHERE": r"symbol.*close.*volume.*\(5 rows\)",
    "FROM served_predictions": r"minutes.*low.*median.*high.*role.*\(12 rows\)",
    "models list": r"Versions; times in UTC|No model is registered",
    "audit": r"\d+ candles computed again from raw trades, 0 values differ",
    "doctor": r"This machine has what candlewave needs\..*",
}
"""What the output of a command looks like, by a part of the command."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, Path]]:
    folder = tmp_path_factory.mktemp("readme")
    with running(folder, signal.SIGINT) as demo:
        demo.wait("forecasts of all markets", lambda: len(demo.get("predictions/latest")["data"]) == 3 * 4)
        yield demo, folder


def run(command: str, demo: Demo, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as printed, but with this environment's program and this demo's port."""
    command = command.replace(PROGRAM, f"{shlex.quote(sys.executable)} -m candlewave")
    command = command.replace("http://127.0.0.1:8000", demo.address)
    environment = {**os.environ, "CANDLEWAVE_DATA_DIR": str(folder / "data"), "CANDLEWAVE_API_URL": demo.address}
    return subprocess.run(
        ["bash", "-c", command], env=environment, cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", commands("Ask it"))
def test_what_the_readme_asks_is_answered(command: str, demo: tuple[Demo, Path]) -> None:
    done = run(command, *demo)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if "--csv" in command:
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        assert [set(row) for row in rows] == [{"exchange", "closed_until"}]
        return
    if command.startswith("curl"):
        data = json.loads(done.stdout)["data"]
        assert [row["horizon_minutes"] for row in data] == [1, 5, 15, 60]
        assert {row["symbol"] for row in data} == {"BTC/USD"}
        return
    [shape] = [shape for part, shape in SHAPES.items() if part in command]
    assert re.search(shape, done.stdout, re.DOTALL), done.stdout


def test_the_commands_of_make_exist() -> None:
    known = set(re.findall(r"(?m)^([a-z0-9-]+):.*## ", (project_root() / "Makefile").read_text()))
    named = set(re.findall(r"(?<![\w/-])make ([a-z][a-z0-9-]*)", README))
    assert named <= known, named - known


def test_the_commands_of_candlewave_exist() -> None:
    out = subprocess.run([sys.executable, "-m", "candlewave", "--help"], capture_output=True, text=True, check=True)
    known = set(re.findall(r"(?m)^│ ([a-z][a-z-]*)", out.stdout))
    table = README[README.index("| for | commands |") : README.index("`make test` needs nothing")]
    named = {command for row in table.splitlines() for command in re.findall(r"`([a-z-]+)`", row)}
    assert named <= known, named - known


PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("page", "number"),
    [
        (page, number)
        for page in ("exporting.md", "own-model.md")
        for number in range(len(PYTHON_BLOCK.findall((project_root() / "docs" / page).read_text(encoding="utf-8"))))
    ],
)
def test_the_python_of_a_page_runs_as_printed(page: str, number: int, demo: tuple[Demo, Path]) -> None:
    block = PYTHON_BLOCK.findall((project_root() / "docs" / page).read_text(encoding="utf-8"))[number]
    environment = {**os.environ, "CANDLEWAVE_DATA_DIR": str(demo[1] / "data")}
    done = subprocess.run(
        [sys.executable, "-c", block],
        env=environment,
        cwd=demo[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "False" not in done.stdout
    if "bus.publish" in block:
        stored = "SELECT count(*) FROM predictions WHERE model_name = 'mymodel'"
        demo[0].wait(
            "forecast of the own model", lambda: "\n1\n" in run(f'{PROGRAM} sql --csv -c "{stored}"', *demo).stdout
        )
