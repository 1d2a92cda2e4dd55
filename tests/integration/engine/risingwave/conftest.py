"""Fixtures of the comparison of RisingWave with the embedded engine."""

import os
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from tests.integration.engine.risingwave.pair import Pair

from candlewave.engine.connect import connect_url
from candlewave.engine.embedded.server import EmbeddedServer
from candlewave.engine.golden.engines import EmbeddedEngine, RisingWaveEngine


@pytest.fixture
def pair(server: EmbeddedServer) -> Iterator[Pair]:
    if "RISINGWAVE_URL" not in os.environ:
        pytest.skip("RISINGWAVE_URL is not set")
    name = f"same_{uuid4().hex[:12]}"
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    with (
        connect_url(server.url.rsplit("/", 1)[0] + "/" + name) as embedded,
        connect_url(os.environ["RISINGWAVE_URL"]) as risingwave,
    ):
        pair = Pair(EmbeddedEngine(embedded), RisingWaveEngine(risingwave))
        yield pair
        pair.close()
