"""Fixtures of the error monitor: an HTTP server that plays the receivers, a clock in the test's hand, a bus."""

from collections.abc import Callable, Iterator

import pytest
from tests.worlds.clock import Clock
from tests.worlds.web import Web, serve

from candlewave.bus.postgres import PostgresBus
from candlewave.contracts.topics import ALERTS, ALERTS_DLQ, SERVICE_LEASES, TRAINING_REQUESTS
from candlewave.core.config import Config, load_config


@pytest.fixture
def database(make_engine: Callable[[Config], str]) -> str:
    """URL of an engine with everything, whose views nobody refreshes."""
    return make_engine(load_config())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def web() -> Iterator[Web]:
    with serve() as running:
        yield running


@pytest.fixture
def bus(database: str) -> Iterator[PostgresBus]:
    with PostgresBus(database) as opened:
        opened.install()
        opened.ensure_topics([ALERTS, ALERTS_DLQ, TRAINING_REQUESTS, SERVICE_LEASES])
        yield opened
