"""A market with forecasts, news and alerts on a real engine, and the API in front of it on a real port."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from tests.worlds.engine import Databases
from tests.worlds.site import Site, World, open_world

from candlewave.core.config import Config, load_config
from candlewave.services.api.app import Application, create_app
from candlewave.services.api.security import keys
from candlewave.services.api.settings import ApiSettings
from candlewave.sqlproject.render import render_objects
from candlewave.sqlproject.served import served_views

_SHIPPED = load_config()
_OWN = [{"kind": "bop"}, {"kind": "ppo", "fast": 3, "slow": 5}]
CONFIG = Config.model_validate(
    {**_SHIPPED.model_dump(), "indicators": {**_SHIPPED.indicators.model_dump(), "own": _OWN}}
)
"""The shipped one, and two entries."""
SERVED = served_views(render_objects(CONFIG), ["signals", "market_clock"])
"""Candlewave's own in place of a project's: with a market and a time, and with neither."""
PEPPER = b"a pepper of sixteen"
NOW = datetime.now(UTC)
MARKET = {"exchange": "simulated", "symbol": "BTC-USD"}

Serve = Callable[..., httpx.Client]


@pytest.fixture(scope="module")
def world(databases: Databases) -> Iterator[World]:
    """A market of the module's own: some modules let it trade on."""
    with open_world(databases.engine(CONFIG), CONFIG) as opened:
        yield opened


@pytest.fixture(scope="module")
def engine(world: World) -> str:
    """URL of the engine that the world is on."""
    return world.url


@pytest.fixture(scope="module")
def make_app(world: World) -> Callable[..., Application]:
    """Make applications on the world; limits that a test does not care about are wide."""

    def make(url: Callable[[], str] = lambda: world.url, **options: Any) -> Application:
        given = {"API_RATE_LIMIT": "100000/second", **options.pop("settings", {})}
        return create_app(url, CONFIG, ApiSettings(**given), pepper=PEPPER, **{"views": lambda: SERVED, **options})

    return make


@pytest.fixture
def serve(make_app: Callable[..., Application]) -> Iterator[Serve]:
    """Serve an application with options of its own, and return a client of it."""
    opened: list[tuple[Site, httpx.Client]] = []

    def start(**options: Any) -> httpx.Client:
        site = Site(lambda: make_app(**options))
        site.start()
        client = httpx.Client(base_url=site.url, timeout=20)
        opened.append((site, client))
        return client

    yield start
    for site, client in opened:
        client.close()
        site.stop()


@pytest.fixture(scope="module")
def api(make_app: Callable[..., Application]) -> Iterator[httpx.Client]:
    """A client of the API with default options."""
    site = Site(make_app)
    site.start()
    with httpx.Client(base_url=site.url, timeout=20) as client:
        yield client
    site.stop()


@pytest.fixture
def conn(world: World) -> Iterator[psycopg.Connection]:
    with psycopg.connect(world.url, autocommit=True) as opened:
        yield opened


def issue(conn: psycopg.Connection, *scopes: str, lifetime: timedelta | None = None, now: datetime = NOW) -> str:
    text, key = keys.make_key(PEPPER, "test", scopes or ("read",), lifetime, now)
    keys.store(conn, key)
    return text


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
