"""docs/own-project.md as a newcomer follows it: from an empty folder to an own indicator that is served."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pyarrow import parquet
from tests.worlds.commands import UNSET, command

from candlewave.core.paths import project_root

PAGE = project_root() / "docs" / "own-project.md"
TIMEOUT = 240
START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTES = 43
WORKED_OUT = {
    "range_7": (r"differs .*T00:06:00Z +range_7 +NULL +0\.22\n", ("range_7/first", {7: "0.22", 8: "0.25"})),
    "bar_features/trend": (r"differs .*T00:01:00Z +trend +NULL +0\.03\n", ("bar_features/trend", {2: "0.03"})),
}
"""How a case fails at first, and what the page works out, by line of the expected file."""


def commands_of_the_page() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines() if line.strip()]


class Desk:
    """A shell of a newcomer: a working directory, and no settings but those of the machine."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if name not in UNSET}
        kept.pop("CANDLEWAVE_DATA_DIR", None)
        self.environment = {**kept, "API_PORT": str(port), "ADMIN_PORT": "0", "COLUMNS": "200"}

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it said."""
        return self._end_of(command(*arguments))

    def python(self, program: str) -> tuple[int, str]:
        """Run a program to its end."""
        return self._end_of([sys.executable, "-c", program + "\nassert len(frame) and len(bars)"])

    def _end_of(self, arguments: list[str]) -> tuple[int, str]:
        done = subprocess.run(
            arguments, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=TIMEOUT, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    @contextmanager
    def running(self, event: str, *arguments: str) -> Iterator[None]:
        """Keep a command running, from the moment at which it logs an event."""
        process = subprocess.Popen(
            command(*arguments), cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if line.startswith("{") and json.loads(line)["event"] == event:
                    break
            else:
                raise AssertionError(f"{arguments} ended: {''.join(said)}")
            yield
        finally:
            process.terminate()
            process.communicate(timeout=TIMEOUT)


@pytest.fixture
def desk(data_root: Path) -> Iterator[Desk]:
    folder = data_root / "own-project"
    folder.mkdir(mode=0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    yield Desk(folder, port)
    shutil.rmtree(folder)


def trades() -> str:
    """Return a trade a minute whose price is 100 and one more each minute."""
    lines = ["symbol,trade_id,ts,side,price,quantity"]
    for minute in range(MINUTES):
        lines.append(
            f"BTC/USD,{minute},{(START + timedelta(minutes=minute, seconds=30)).isoformat()},buy,{100 + minute},1"
        )
    return "\n".join(lines) + "\n"


def test_the_page_leads_from_an_empty_folder_to_a_served_indicator(desk: Desk) -> None:
    commands = commands_of_the_page()
    assert len(commands) <= 15
    seen: list[str] = []
    with_services = iter(commands)
    for name, *arguments in with_services:
        if name == "cd":
            desk.folder /= arguments[0]
        elif arguments == ["up"]:
            break
        else:
            assert name == "candlewave"
            code, said = desk.run(*arguments)
            seen.append(said)
            if arguments[0] == "golden" and len(arguments) == 2:
                assert code == 1, said
                assert re.search(WORKED_OUT[arguments[1]][0], said), said
                fill_in(desk.folder / "golden", *WORKED_OUT[arguments[1]][1])
            else:
                assert code == 0, said
    assert any("golden: 2 passed, 0 failed" in said for said in seen)
    with desk.running("engine runs", "up"):
        for name, *arguments in with_services:
            if name == "curl":
                check_answers(desk, [arguments[0], next(with_services)[1]])
                continue
            code, said = desk.run(*arguments)
            assert code == 0, said
            if arguments == ["plan"]:
                assert re.search(r"added +materialized view +range_7 +new in sql/", said)
            if arguments == ["migrate"]:
                (desk.folder.parent / "trades.csv").write_text(trades())
                code, said = desk.run("replay", "../trades.csv", "--exchange", "simulated")
                assert code == 0, said
                code, said = desk.run(
                    "sql", "--csv", "-c", "SELECT trend_1m > 0 FROM features WHERE trend_1m IS NOT NULL"
                )
                assert said.splitlines() == ["?column?", *["t"] * (said.count("\n") - 1)], said
                assert said.count("\nt") >= 1
            if arguments[0] == "export":
                bars = parquet.read_table(desk.folder / "candles.parquet")
                assert bars["close"].to_pylist() == [float(100 + 5 * number + 4) for number in range(8)]
                code, said = desk.python(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)[0])
                assert code == 0, said
            if arguments[0] == "sql":
                assert "(5 rows)" in said


def fill_in(golden: Path, case: str, values: dict[int, str]) -> None:
    """Write values into lines of a case's expected file."""
    expected = golden / case / "01-expected.csv"
    lines = expected.read_text().splitlines()
    for number, value in values.items():
        lines[number] += value
    expected.write_text("\n".join(lines) + "\n")


def check_answers(desk: Desk, addresses: list[str]) -> None:
    """Ask the API for the list of views and for rows of one, as the page does."""
    port = desk.environment["API_PORT"]
    listing, rows = (address.replace(":8000", f":{port}") for address in addresses)
    with desk.running("serving", "predictions-api"):
        [view] = httpx.get(listing, timeout=20).raise_for_status().json()["data"]
        assert view["name"] == "range_7"
        found = httpx.get(rows, timeout=20).raise_for_status().json()["data"]
    assert [row["open_time"] for row in found] == [f"2026-03-02T12:{minute}:00Z" for minute in (35, 30, 25)]
    # The last seven bars of five minutes: the highest high 139, the lowest low 105, the close 139.
    assert [row["range_7"] for row in found] == [pytest.approx(34 / 139), pytest.approx(34 / 134), None]
