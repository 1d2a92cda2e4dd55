"""Every golden case on the engine."""

from pathlib import Path

import pytest
from tests.harness.case import load_case
from tests.harness.engines import Engine
from tests.harness.run import MismatchError, run_case
from tests.harness.table import CaseError


@pytest.mark.golden
def test_case(golden_folder: Path, golden_engine: Engine, golden_update: bool) -> None:
    problem = ""
    try:
        run_case(load_case(golden_folder), golden_engine, update=golden_update)
    except (MismatchError, CaseError) as error:
        problem = str(error)
    if problem:
        pytest.fail(problem, pytrace=False)
