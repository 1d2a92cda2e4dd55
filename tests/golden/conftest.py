"""Golden cases as tests, one each: ``<view>/<case>``. ``docs/golden-tests.md`` says how to write one."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from candlewave.core.settings import get_settings
from candlewave.engine.connect import connect_url
from candlewave.engine.embedded.server import EmbeddedServer
from candlewave.engine.golden.case import find_cases
from candlewave.engine.golden.engines import EmbeddedEngine, Engine, RisingWaveEngine


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-update", action="store_true", help="write the engine's rows into the expected files of golden cases"
    )
    parser.addoption("--golden-cases", type=Path, metavar="DIR", help="run the golden cases of this folder instead")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "golden_folder" in metafunc.fixturenames:
        root = metafunc.config.getoption("golden_cases", default=None) or Path(__file__).parent
        if not root.is_dir():
            raise pytest.UsageError(f"--golden-cases {root}: no such folder")
        folders = find_cases(root)
        metafunc.parametrize("golden_folder", folders, ids=[f"{f.parent.name}/{f.name}" for f in folders])


@pytest.fixture(scope="session")
def golden_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """RisingWave when RISINGWAVE_URL is set, otherwise an embedded engine of the session's own."""
    url = get_settings().risingwave_url
    if url is not None:
        with connect_url(url.get_secret_value()) as conn:
            yield RisingWaveEngine(conn)
        return
    server: EmbeddedServer = request.getfixturevalue("server")
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE golden TEMPLATE template0"))
    with connect_url(server.url.rsplit("/", 1)[0] + "/golden") as conn:
        yield EmbeddedEngine(conn)


@pytest.fixture(scope="session")
def golden_update(request: pytest.FixtureRequest) -> bool:
    """Whether expected files are to be rewritten."""
    return bool(request.config.getoption("golden_update", default=False))


class ClosingLine:
    """Ends the output with what became of the golden cases, also when other tests ran."""

    def __init__(self) -> None:
        self._outcomes: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if "golden" in report.keywords:
            self._outcomes[report.nodeid] = self._outcomes.get(report.nodeid, True) and not report.failed

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        if self._outcomes:
            counts = Counter(self._outcomes.values())
            config.get_terminal_writer().line(f"golden: {counts[True]} passed, {counts[False]} failed")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "golden: a golden case of the SQL model")
    if not hasattr(config, "workerinput"):  # workers of pytest-xdist report to the main process
        config.pluginmanager.register(ClosingLine())
