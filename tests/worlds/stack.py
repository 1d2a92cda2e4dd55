"""Databases of servers that run already: RisingWave, above all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql


def risingwave_url() -> str:
    """Return where RisingWave is; a test skips when it or Kafka is not named."""
    if not {"RISINGWAVE_URL", "KAFKA_BOOTSTRAP_SERVERS"} <= os.environ.keys():
        pytest.skip("RISINGWAVE_URL and KAFKA_BOOTSTRAP_SERVERS are not set")
    return os.environ["RISINGWAVE_URL"]


@contextmanager
def new_database(url: str, prefix: str, *, force: bool) -> Iterator[str]:
    """Lend an empty database, by its name; ``force`` drops it with its sessions, which only PostgreSQL can do."""
    name = f"{prefix}_{uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield name
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE {}" + (" WITH (FORCE)" if force else "")).format(sql.Identifier(name)))
