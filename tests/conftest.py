"""Fixtures shared by all tests: data directories and databases of an embedded server of the test session's own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from tests import reaper as reaper_module
from tests.worlds import kafka
from tests.worlds.engine import Databases

from candlewave.core.config import Config
from candlewave.core.settings import Settings, get_settings
from candlewave.engine.embedded import server as embedded
from candlewave.engine.embedded.server import EmbeddedServer
from candlewave.engine.golden.engines import FAST

hypothesis.settings.register_profile("candlewave", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("candlewave")
"""An example may take long on a busy machine; on CI the same examples are drawn in every run."""

_SETTINGS = [str(field.alias) for field in Settings.model_fields.values()]


@pytest.fixture(autouse=True)
def no_trace() -> Iterator[None]:
    """Read settings afresh in each test, and fail one that leaves a setting changed for the next.

    ``mlflow.set_tracking_uri``, for one, writes to the environment.
    """
    get_settings.cache_clear()
    before = {name: os.environ.get(name) for name in _SETTINGS}
    yield
    get_settings.cache_clear()
    assert {name: os.environ.get(name) for name in _SETTINGS} == before


@pytest.fixture(scope="session")
def data_root() -> Iterator[Path]:
    """Folder of the session's data directories; emptied at its end, even when it is killed.

    It is not pytest's own temporary folder: PostgreSQL's user must reach it, and pytest takes that right away again.
    """
    root = Path(tempfile.mkdtemp(prefix="candlewave-test-"))
    reaper = subprocess.Popen(
        [sys.executable, reaper_module.__file__, str(root)], stdin=subprocess.PIPE, start_new_session=True
    )
    yield root
    reaper.communicate()
    assert not root.exists()


@pytest.fixture
def data_dir(data_root: Path) -> Path:
    """An empty data directory."""
    return Path(tempfile.mkdtemp(dir=data_root))


@pytest.fixture(scope="session")
def server(data_root: Path) -> Iterator[EmbeddedServer]:
    """One embedded server for the session (for each worker under xdist)."""
    with embedded.start(data_root / "session", conf=FAST) as running:
        yield running


@pytest.fixture(scope="session")
def kafka_servers(request: pytest.FixtureRequest) -> Iterator[str]:
    """Addresses of a real Kafka: those of KAFKA_BOOTSTRAP_SERVERS, else of a broker of the session's own."""
    if servers := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield servers
        return
    with kafka.running(failed=lambda: bool(request.session.testsfailed)) as broker:
        yield broker.address


@pytest.fixture(scope="session")
def databases(server: EmbeddedServer) -> Databases:
    """The databases of the session's server."""
    return Databases(server)


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    """URL of an empty database of the test's own; dropped afterwards together with its sessions."""
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture
def make_engine(databases: Databases) -> Iterator[Callable[[Config], str]]:
    """Make databases of the test's own with the bus and all of ``sql/`` as a configuration renders it."""
    made: list[str] = []

    def make(config: Config) -> str:
        made.append(databases.engine(config))
        return made[-1]

    yield make
    for url in made:
        databases.drop(url)


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    """A connection to the test's database: autocommit, in UTC."""
    with psycopg.connect(database, autocommit=True) as opened:
        opened.execute("SET timezone = 'UTC'")
        yield opened
