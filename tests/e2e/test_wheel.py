"""The wheel is complete: everything that candlewave reads is in it, and it works far away from any checkout."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.worlds.commands import UNSET

from candlewave.core.paths import project_root

TIMEOUT = 240


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=project_root(), check=True, capture_output=True, timeout=TIMEOUT)
    [built] = folder.glob("*.whl")
    return built


def tracked(*paths: str) -> set[str]:
    """Return the files of the checkout that git knows."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths]
    done = subprocess.run(command, cwd=project_root(), check=True, capture_output=True, text=True)
    return {path for path in done.stdout.splitlines() if (project_root() / path).is_file()}


def test_every_file_that_candlewave_reads_is_in_the_wheel(wheel: Path) -> None:
    places = {path: path.removeprefix("python/") for path in tracked("python/candlewave")}
    places |= {path: f"candlewave/_project/{path}" for path in tracked("sql", "migrations", "candlewave.toml")}
    assert len(places) > 400
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        assert sorted(place for place in places.values() if place not in held) == []
        for path, place in places.items():
            assert archive.read(place) == (project_root() / path).read_bytes(), path


class Installed:
    """The wheel in a folder of its own, used from an empty one with the packages of the tests' environment."""

    def __init__(self, packages: Path, folder: Path, data_dir: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if name not in UNSET}
        self.environment = {
            **kept, "PYTHONPATH": str(packages), "CANDLEWAVE_DATA_DIR": str(data_dir), "COLUMNS": "200"
        }  # fmt: skip

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "candlewave", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """Run a command to its end and return what it said."""
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, said
        return said


@pytest.fixture
def installed(wheel: Path, tmp_path: Path, data_dir: Path) -> Iterator[Installed]:
    packages, folder = tmp_path / "packages", tmp_path / "empty"
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    yield Installed(packages, folder, data_dir)
    assert list(folder.iterdir()) == []


def test_the_wheel_works_in_an_empty_folder(installed: Installed) -> None:
    place = "import candlewave; print(candlewave.__file__)"
    where = subprocess.run(
        [sys.executable, "-c", place], cwd=installed.folder, env=installed.environment, capture_output=True, text=True
    )
    assert where.stdout.strip() == str(installed.folder.parent / "packages" / "candlewave" / "__init__.py")
    assert "no violation" in installed.run("lint")
    up = installed.start("up", "--no-refresh")
    try:
        assert up.stdout is not None
        for line in up.stdout:
            if line.startswith("{") and json.loads(line)["event"] == "engine runs":
                break
        assert "The engine has what sql/ declares." in installed.run("migrate", "--yes", "--no-diff")
        assert installed.run("sql", "--csv", "-c", "SELECT count(*) FROM features") == "count\n0\n"
        assert "The engine has what sql/ declares." in installed.run("check")
    finally:
        up.terminate()
        up.communicate(timeout=TIMEOUT)
