"""Programs that other packages bring: found, or the reason why their checks did not run."""

import shutil
import subprocess
from pathlib import Path

import pytest

_PACKAGES = {"promtool": "prometheus", "amtool": "prometheus-alertmanager"}


def find(name: str) -> str:
    """Return a program's path; without it the test is skipped and says which package has it."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian package {_PACKAGES[name]}): this check was not run")
    return path


def run(*command: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program and return how it ended and what it said."""
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
