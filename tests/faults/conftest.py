"""Runs with seeds: ``make faults SEEDS=1-200`` runs many, ``SEEDS=17`` one again."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.worlds.killable import Engine

_LINES = 40
SAMPLE = "1"
"""What runs with all other tests."""


def seeds() -> list[int]:
    """Return the seeds of ``FAULT_SEEDS``, such as ``1-200`` or ``3,17``."""
    found: list[int] = []
    for part in os.environ.get("FAULT_SEEDS", SAMPLE).split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", seeds())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Iterator[None]:
    """Say of a run that failed how to run it again, and what the engine said."""
    report: pytest.TestReport = yield  # type: ignore[misc]
    seed = item.callspec.params.get("seed") if hasattr(item, "callspec") else None
    if report.failed and seed is not None:
        report.sections.append(("replay", f"make faults SEEDS={seed} ONLY={item.originalname}"))
        if isinstance(engine := item.funcargs.get("engine"), Engine):
            lines = engine.log_file.read_text(errors="replace").splitlines()
            report.sections.append(("end of the engine's log", "\n".join(lines[-_LINES:])))
    return report  # type: ignore[return-value]


@pytest.fixture
def chance(seed: int) -> Random:
    """The run's chance."""
    return Random(seed)


@pytest.fixture(scope="module")
def engine(data_root: Path) -> Iterator[Engine]:
    """An engine with every view that the runs of a module share; each has markets of its own."""
    started = Engine(Path(tempfile.mkdtemp(dir=data_root)))
    started.start()
    started.run("migrate")
    yield started
    started.revive()
    started.stop()
