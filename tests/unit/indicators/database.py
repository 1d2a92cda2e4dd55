"""A PostgreSQL server for tests, and empty databases in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from candlewave.embedded.server import start

_NUMBERS = count()


@contextmanager
def server(data_dir: Path) -> Iterator[str]:
    """Run a server without durability; yields its URL."""
    with start(data_dir, conf={"fsync": "off", "full_page_writes": "off"}) as running:
        yield running.url


@contextmanager
def empty_database(url: str) -> Iterator[psycopg.Connection]:
    """Make a database, and drop it afterwards."""
    name = f"indicators_{next(_NUMBERS)}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            with psycopg.connect(url, dbname=name, autocommit=True) as conn:
                yield conn
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
