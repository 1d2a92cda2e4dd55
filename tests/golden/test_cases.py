"""Every golden case on the engine."""

from pathlib import Path

import pytest

from candlewave.engine.golden.case import load_case
from candlewave.engine.golden.engines import Engine
from candlewave.engine.golden.run import MismatchError, run_case
from candlewave.engine.golden.table import CaseError


@pytest.mark.golden
def test_case(golden_folder: Path, golden_engine: Engine, golden_update: bool) -> None:
    problem = ""
    try:
        run_case(load_case(golden_folder), golden_engine, update=golden_update)
    except (MismatchError, CaseError) as error:
        problem = str(error)
    if problem:
        pytest.fail(problem, pytrace=False)
