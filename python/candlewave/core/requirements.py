"""What candlewave needs of a machine besides Python packages, and how to get what is missing."""

import ctypes
import shutil
import sys
from pathlib import Path

MIN_DISK = 2 * 1024**3
"""Free bytes that a few days of three markets, their models and logs take."""

MIN_MEMORY = 2 * 1024**3
"""Bytes of memory that engine, services and a training take together."""

_OPENMP = {
    "linux": (
        "libgomp.so.1",
        "Debian and Ubuntu: apt-get install libgomp1; Fedora: dnf install libgomp; Arch: pacman -S gcc-libs",
    ),
    "darwin": ("libomp.dylib", "brew install libomp"),
}


def openmp_problem() -> str | None:
    """Return why LightGBM cannot start here, and which package cures it; None when it can."""
    library, cure = _OPENMP.get(sys.platform, (None, ""))
    if library is None:
        return None
    try:
        ctypes.CDLL(library)
    except OSError:
        return f"LightGBM needs the OpenMP library {library}, which is not installed. {cure}"
    return None


def missing_requirements(data_dir: Path) -> list[str]:
    """Return what is missing to run candlewave on this machine, each with what to do."""
    import psutil

    problems = [openmp_problem()]
    place = next(folder for folder in (data_dir.absolute(), *data_dir.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if free < MIN_DISK:
        problems.append(
            f"{place} has {free / 1024**3:.1f} GB of free space, {MIN_DISK / 1024**3:.0f} are needed."
            " Free some, or choose another place with CANDLEWAVE_DATA_DIR"
        )
    memory = psutil.virtual_memory().total
    if memory < MIN_MEMORY:
        problems.append(
            f"this machine has {memory / 1024**3:.1f} GB of memory, {MIN_MEMORY / 1024**3:.0f} are needed"
            " for engine, services and a training together"
        )
    return [problem for problem in problems if problem is not None]
