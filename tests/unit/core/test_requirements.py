"""What a machine lacks is named with its cure, before anything begins."""

import ctypes
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from candlewave.cli import app
from candlewave.core.requirements import missing_requirements
from candlewave.ml.candidates.library import MissingLibraryError, load_lightgbm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="libraries have other names elsewhere")


@pytest.fixture
def without_openmp(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = ctypes.CDLL

    def load(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "libgomp.so.1":
            raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")
        return loaded(name, *arguments, **options)

    monkeypatch.setattr(ctypes, "CDLL", load)


class _Broken:
    """An import that fails as LightGBM's does without OpenMP."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")


@pytest.mark.usefixtures("without_openmp")
def test_lightgbm_without_openmp_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Broken(), *sys.meta_path])
    with pytest.raises(MissingLibraryError, match="apt-get install libgomp1"):
        load_lightgbm()


@pytest.mark.usefixtures("without_openmp")
def test_the_demo_ends_before_anything_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDLEWAVE_DATA_DIR", str(tmp_path / "data"))
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 1
    assert "libgomp.so.1, which is not installed. Debian and Ubuntu: apt-get install libgomp1" in result.output
    assert not (tmp_path / "data").exists()


@pytest.mark.usefixtures("without_openmp")
def test_doctor_names_everything_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDLEWAVE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=10**9))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    lines = [line for line in result.output.splitlines() if line.startswith("missing: ")]
    assert [word in line for word, line in zip(("libgomp1", "free space", "memory"), lines, strict=True)] == [True] * 3


def test_a_machine_with_enough_lacks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**10))
    assert missing_requirements(tmp_path / "not" / "there") == []
