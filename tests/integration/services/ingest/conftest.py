"""An engine with the bus and the OHLC layer, whose refresh loop runs beside the test."""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.postgres_schema import install as install_bus
from candlewave.contracts.topics import INGEST_SHARDS, TRADES, TRADES_DLQ
from candlewave.core.config import Config, load_config
from candlewave.engine.connect import connect_url
from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.refresh import Refresher
from candlewave.engine.embedded.server import EmbeddedServer
from candlewave.sqlproject.render import render_objects

_LAYERS = ("sources", "views/ohlc")
_LEFT_OUT = ("news_dlq", "dead_letters")
_numbers = itertools.count(1)


@dataclass
class Engine:
    """A running engine."""

    url: str
    bus: PostgresBus
    conn: psycopg.Connection
    config: Config

    def connect(self) -> psycopg.Connection:
        return connect_url(self.url)

    def rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        return self.conn.execute(query, parameters).fetchall()  # type: ignore[call-overload, no-any-return]

    def value(self, query: str, *parameters: object) -> object:
        return self.rows(query, *parameters)[0][0]

    def refresh(self) -> None:
        with self.connect() as conn:
            Refresher(conn).run_until_idle()

    def wait(self, condition: Callable[[], bool], timeout: float = 30) -> None:
        """Return when a condition on the engine's state holds, looking again after every change of the bus."""
        done = threading.Event()
        with psycopg.connect(self.url, autocommit=True) as listening:
            listening.execute("LISTEN bus")
            for _ in range(int(timeout / 0.1)):
                if condition():
                    done.set()
                    break
                next(iter(listening.notifies(timeout=0.1, stop_after=1)), None)
        if not done.is_set():
            raise TimeoutError("the engine never reached the state that was waited for")


@pytest.fixture(scope="session")
def config() -> Config:
    return load_config()


@pytest.fixture(scope="session")
def template(server: EmbeddedServer, config: Config) -> str:
    """Name of a database with the bus and the OHLC layer, to be copied for each test."""
    name = "ingest_template"
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY wal_log")
    url = server.url.rsplit("/", 1)[0] + "/" + name
    with connect_url(url) as conn, PostgresBus(url) as bus:
        install_bus(conn)
        bus.ensure_topics([TRADES, TRADES_DLQ, INGEST_SHARDS])
        catalog.install(conn)
        for sql_object in render_objects(config):
            if sql_object.layer in _LAYERS and sql_object.name not in _LEFT_OUT:
                text = sql_object.text.replace("${kafka_properties}", "properties.bootstrap.server = 'none'")
                catalog.apply(conn, text.replace("${topic_prefix}", ""))
    return name


@pytest.fixture
def engine(server: EmbeddedServer, template: str, config: Config) -> Iterator[Engine]:
    """The OHLC layer on an empty database; views move when the test calls ``refresh``."""
    name = f"ingest_{next(_numbers)}"
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")
    url = server.url.rsplit("/", 1)[0] + "/" + name
    with connect_url(url) as conn, PostgresBus(url) as bus:
        yield Engine(url, bus, conn, config)
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def running(engine: Engine) -> Iterator[Engine]:
    """As ``engine``, with its refresh loop running."""
    stop = threading.Event()
    with engine.connect() as conn:
        loop = threading.Thread(target=Refresher(conn).run, args=(stop,))
        loop.start()
        yield engine
        stop.set()
        loop.join(30)
