"""Connections to empty databases."""

from collections.abc import Iterator

import psycopg
import pytest


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    """A connection, in autocommit mode, to an empty database of the test's own."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection
