"""Fixtures of the sentiment extractor: a web server, a clock in the test's hand, a bus."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.worlds.clock import Clock
from tests.worlds.web import Web, serve

from candlewave.bus.postgres import PostgresBus
from candlewave.contracts.topics import NEWS, NEWS_DLQ, NEWS_SENTIMENT
from candlewave.services.sentiment.store import ArticleStore


@pytest.fixture
def web() -> Iterator[Web]:
    with serve() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ArticleStore]:
    opened = ArticleStore(tmp_path / "sentiment.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def bus(database: str) -> Iterator[PostgresBus]:
    with PostgresBus(database) as opened:
        opened.install()
        opened.ensure_topics([NEWS, NEWS_DLQ, NEWS_SENTIMENT])
        yield opened
