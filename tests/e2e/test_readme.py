"""What a stranger does: every command of the README and of pages that teach, as printed, against a running demo."""

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from tests.e2e.test_demo import Demo, free_port, make, started
from tests.worlds.commands import UNSET

from candlewave.core.paths import project_root

README = (project_root() / "README.md").read_text(encoding="utf-8")
DOCS = project_root() / "docs"
SECTION = re.compile(r"##+ (?P<title>[^\n]+)\n(?P<text>.*?)(?=\n##+ |\Z)", re.DOTALL)
BLOCK = re.compile(r"```(?:sh)?\n(.*?)```", re.DOTALL)
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
PROGRAM = ".venv/bin/candlewave"
THREE_DAYS = 600.0
"""Seconds that loading or learning them may take; idle machines need a tenth."""


def section(page: str, title: str) -> str:
    """Return the text under a heading."""
    [text] = [found["text"] for found in SECTION.finditer(page) if found["title"] == title]
    return text


def commands(page: str, title: str) -> list[str]:
    """Return the commands in a section's blocks, without comments and outputs."""
    lines = [line for block in BLOCK.findall(section(page, title)) for line in block.splitlines() if line.strip()]
    return [re.sub(r"\s{2,}# .*$", "", line) for line in lines]


def page(name: str) -> str:
    """Return a page of the documentation."""
    return (DOCS / name).read_text(encoding="utf-8")


SHAPES = {
    "candlewave predictions": r"horizon minutes.*price q50",
    "candles BTC-USD": r"open time.*simulated|open time.*feed state",
    "candlewave performance": r"model name.*skill|Nothing yet",
    "FROM candles WHERE timeframe = '5m'": r"symbol.*close.*volume.*\(5 rows\)",
    "median, round(price_q90": r"minutes.*low.*median.*high.*role.*\(12 rows\)",
    "models list": r"Versions; times in UTC.* 1 ",
    "audit": r"\d+ candles computed again from raw trades, 0 values differ",
    "doctor": r"This machine has what candlewave needs\..*",
    "FROM market_clock": r"\Aexchange,closed_until\nsimulated,20\d\d-",
    "> candles.csv": r"\A\Z",
    "> forecasts.json": r"\A\Z",
    "price-predictor --once": r"\S",
    "price_q50, price_q90, role FROM served": r"exchange.*price_q50.*\(12 rows\)",
    "model-error-monitor --once": r"coverage",
    "FROM alerts ORDER BY": r"rule.*status.*value.*\(\d+ rows?\)",
    "sentiment score": r"ADA.*-0\.\d",
    "backtest --days 1": r"(?:beats the last price|No skill).*Report: \S*backtest\.html",
    "curl": r"\A\{",
}
"""What the output of a command looks like, by a part of the command."""

TAUGHT = [
    ("exporting.md", "CSV and JSON"),
    ("predictions.md", "Try it"),
    ("monitoring.md", "Try it"),
    ("sentiment.md", "Try it"),
]
"""Sections of pages whose commands a reader types while the demo runs."""

ELSEWHERE = {
    "candlewave price-predictor": "runs until it is stopped; the demo runs it",
    "ALERT_WEBHOOK_URL=https://hooks.slack.com/services/... candlewave model-error-monitor": "needs Slack",
    "candlewave sentiment evaluate labelled.csv --worst 10": "needs labelled headlines",
}
"""Commands of these sections that are not run here, and why."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, Path]]:
    """Run ``make demo`` as a stranger does, up to the first model; Ctrl-C has to stop it and leave nothing."""
    folder = tmp_path_factory.mktemp("readme")
    begun = time.monotonic()
    with started(folder, by_make=True) as demo:
        demo.wait("page", lambda: bool(demo.get("about")), patience=THREE_DAYS)
        print(f"page after {time.monotonic() - begun:.0f} s")  # noqa: T201
        demo.wait("forecasts of all markets", lambda: len(demo.get("predictions/latest")["data"]) == 3 * 4)
        demo.wait("decision of the trainer", lambda: "candlewave 1 " in demo.said, patience=THREE_DAYS)
        print(f"first model after {time.monotonic() - begun:.0f} s")  # noqa: T201
        yield demo, folder
        children = psutil.Process(demo.process.pid).children(recursive=True)
        os.killpg(demo.process.pid, signal.SIGINT)  # as the terminal does: make and the demo hear it
        demo.process.wait(60)
        assert psutil.wait_procs(children, timeout=20)[1] == []
        assert "Stopping: services first, the engine last" in demo.said
        assert "continues where this ended" in demo.said


def environment(demo: Demo, folder: Path) -> dict[str, str]:
    """Return the environment of a shell next to the demo."""
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    return {
        **kept,
        "CANDLEWAVE_DATA_DIR": str(folder / "data"),
        "CANDLEWAVE_API_URL": demo.address,
        "API": demo.address,
        "COLUMNS": "200",
        "TRAIN_TREES": "10",
    }


def run(command: str, demo: Demo, folder: Path, said: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command as printed, but with this environment's program and this demo's port."""
    program = f"{shlex.quote(sys.executable)} -m candlewave"
    command = re.sub(r"(?:\.venv/bin/|(?<![\w/.-]))candlewave (?=[a-z])", f"{program} ", command)
    command = command.replace("http://127.0.0.1:8000", demo.address)
    return subprocess.run(
        ["bash", "-c", command],
        env=environment(demo, folder), cwd=folder, input=said, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


def check(command: str, demo: tuple[Demo, Path]) -> str:
    """Run a command and compare what it prints in shape; return that."""
    done = run(command, *demo)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    [shape] = [shape for part, shape in SHAPES.items() if part in command]
    assert re.search(shape, done.stdout, re.DOTALL), done.stdout
    return done.stdout


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("command", commands(README, "Ask it"))
def test_what_the_readme_asks_is_answered(command: str, demo: tuple[Demo, Path]) -> None:
    out = check(command, demo)
    if "--csv" in command:
        assert [set(row) for row in csv.DictReader(io.StringIO(out))] == [{"exchange", "closed_until"}]
    if command.startswith("curl"):
        data = json.loads(out)["data"]
        assert [row["horizon_minutes"] for row in data] == [1, 5, 15, 60]
        assert {row["symbol"] for row in data} == {"BTC/USD"}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "command",
    [
        command
        for name, title in TAUGHT
        for command in commands(page(name), title)
        if command not in ELSEWHERE
    ],
)  # fmt: skip
def test_what_a_page_teaches_works(command: str, demo: tuple[Demo, Path]) -> None:
    check(command, demo)
    if found := re.search(r"> (\S+)$", command):
        written = (demo[1] / found[1]).read_text()
        rows = json.loads(written) if found[1].endswith(".json") else list(csv.DictReader(io.StringIO(written)))
        assert len(rows) >= 12


def test_each_exception_is_in_its_page() -> None:
    taught = {command for name, title in TAUGHT for command in commands(page(name), title)}
    assert taught >= set(ELSEWHERE)


@pytest.mark.timeout(1200)
def test_the_prompt_of_sql_prints_its_address_and_answers(demo: tuple[Demo, Path]) -> None:
    assert f"`{PROGRAM} sql` alone" in README
    done = run(f"{PROGRAM} sql", *demo, said="SELECT count(*) > 0 AS filled FROM candles;\n")
    assert done.returncode == 0, done.stderr
    assert re.search(r"postgresql://\S+@127\.0\.0\.1:\d+/", done.stdout + done.stderr)
    assert re.search(r"filled.*t\n", done.stdout, re.DOTALL), done.stdout


@pytest.mark.timeout(1200)
def test_the_first_panel_of_grafana_has_rows(demo: tuple[Demo, Path]) -> None:
    [query] = re.findall(r"```sql\n(.*?)```", page("exporting.md"), re.DOTALL)
    done = run(f"{PROGRAM} sql --csv -c {shlex.quote(query)}", *demo)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) > 100
    assert set(rows[0]) == {"time", "close"}


@pytest.mark.timeout(1200)
def test_the_backtest_of_the_readme_writes_its_report(demo: tuple[Demo, Path]) -> None:
    [command] = re.findall(rf"`({PROGRAM} backtest [^`]+)`", README)
    check(command, demo)
    assert "<svg" in (demo[1] / "backtest.html").read_text() or "<img" in (demo[1] / "backtest.html").read_text()


@pytest.mark.timeout(1200)
def test_make_mlflow_serves_the_trainings_of_the_demo(demo: tuple[Demo, Path]) -> None:
    assert "`make mlflow`" in README
    port = free_port()
    process = subprocess.Popen(
        make("mlflow", f"PORT={port}"),
        env=environment(*demo), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:

            def answers() -> bool:
                assert process.poll() is None, "make mlflow ended by itself"
                return "MLflow" in client.get("/").raise_for_status().text

            demo[0].wait("page of MLflow", answers)
            found = client.get("/ajax-api/2.0/mlflow/registered-models/search").raise_for_status().json()
            assert [model["name"] for model in found["registered_models"]] == ["candlewave"]
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
        gone, alive = psutil.wait_procs(children, timeout=30)
        for child in alive:
            child.kill()
    assert alive == [], gone


@pytest.mark.timeout(1200)
def test_a_market_without_a_signal_runs_in_a_directory_of_its_own(demo: tuple[Demo, Path]) -> None:
    """Beside the first demo, whose port is taken: the page says where it is."""
    [command] = [line for line in commands(README, "Two commands") if "--signal 0" in line]
    setting, program, *arguments = shlex.split(command)
    assert program == PROGRAM
    name, value = setting.split("=")
    with started(demo[1], *arguments[1:], **{name: str(demo[1] / value)}) as second:
        second.wait("page", lambda: bool(second.get("about")), patience=THREE_DAYS)
        assert {row["exchange"] for row in second.get("symbols")["data"]} >= {"simulated"}
        second.process.send_signal(signal.SIGINT)
        assert second.process.wait(60) == 0, second.said


@pytest.mark.parametrize("command", commands(README, "On the real stack"))
def test_a_service_of_the_real_stack_is_a_command(command: str) -> None:
    """They need RisingWave and Kafka, which ``make test-stack`` has."""
    if command.startswith("export "):
        assert set(re.findall(r"(\w+)=", command)) == {"RISINGWAVE_URL", "KAFKA_BOOTSTRAP_SERVERS"}
        return
    program, *arguments = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-m", program, *arguments, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{arguments[0]} [OPTIONS]" in done.stdout


def test_every_command_of_the_readme_is_run() -> None:
    """A block in a section that no test reads would go stale unseen; test_demo has the sources of real trades."""
    with_blocks = {found["title"] for found in SECTION.finditer(README) if "```sh" in found["text"]}
    assert with_blocks == {"Two commands", "Real trades", "Ask it", "On the real stack"}
    assert commands(README, "Two commands")[:2] == ["make demo", "make test"]
    sources = [command.split()[2:] for command in commands(README, "Real trades")]
    assert sources == [["SOURCE=kraken"], ["SOURCE=file", "FILE=trades.csv.gz"]]
    tested = (project_root() / "tests" / "e2e" / "test_demo.py").read_text(encoding="utf-8")
    assert '"SOURCE=kraken"' in tested
    assert '"SOURCE=file"' in tested


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


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("name", "number"),
    [
        (name, number)
        for name in ("exporting.md", "own-model.md")
        for number in range(len(PYTHON_BLOCK.findall(page(name))))
    ],
)
def test_the_python_of_a_page_runs_as_printed(name: str, number: int, demo: tuple[Demo, Path]) -> None:
    block = PYTHON_BLOCK.findall(page(name))[number]
    done = subprocess.run(
        [sys.executable, "-c", block],
        env=environment(*demo), cwd=demo[1], capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "False" not in done.stdout
    if "bus.publish" in block:
        stored = "SELECT count(*) FROM predictions WHERE model_name = 'mymodel'"
        demo[0].wait(
            "forecast of the own model", lambda: "\n1\n" in run(f'{PROGRAM} sql --csv -c "{stored}"', *demo).stdout
        )
