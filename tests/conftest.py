"""Fixtures shared by all tests: data directories and databases of an embedded server of the test session's own."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from candlewave.embedded import server as embedded
from candlewave.embedded.server import EmbeddedServer

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "'64MB'"}
"""PostgreSQL settings for servers whose data need not survive the machine."""

_numbers = itertools.count(1)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """An empty data directory.

    It is not pytest's own temporary folder: PostgreSQL's user must reach it, and pytest takes that right away again.
    """
    with tempfile.TemporaryDirectory(prefix="candlewave-test-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """One embedded server for the session (for each worker under xdist)."""
    folder = Path(tempfile.mkdtemp(prefix="candlewave-test-"))
    try:
        with embedded.start(folder, conf=FAST) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(server: EmbeddedServer) -> Iterator[str]:
    """URL of an empty database of the test's own; dropped afterwards together with its sessions."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 STRATEGY wal_log").format(sql.Identifier(name)))
    yield server.url.rsplit("/", 1)[0] + "/" + name
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
