"""A PostgreSQL server for the tests of this folder."""

from collections.abc import Iterator

import psycopg
import pytest
from tests.unit.indicators.database import empty_database, server


@pytest.fixture(scope="session")
def indicators_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server that runs for the session."""
    with server(tmp_path_factory.mktemp("indicators")) as url:
        yield url


@pytest.fixture
def database(indicators_url: str) -> Iterator[psycopg.Connection]:
    """A connection to an empty database."""
    with empty_database(indicators_url) as conn:
        yield conn
