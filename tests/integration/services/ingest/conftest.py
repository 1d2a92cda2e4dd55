"""An engine with the bus and the OHLC layer, whose refresh loop runs beside the test."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from tests.worlds.engine import Databases, install

from candlewave.bus.postgres import PostgresBus
from candlewave.contracts.topics import INGEST_SHARDS, LOADED_CANDLES, LOADED_CANDLES_DLQ, TRADES, TRADES_DLQ
from candlewave.core.config import Config, load_config
from candlewave.engine.connect import connect_url
from candlewave.engine.embedded.refresh import Refresher

_LAYERS = ("sources", "views/ohlc")
_LEFT_OUT = ("news_dlq", "dead_letters")


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


@pytest.fixture
def engine(databases: Databases, config: Config) -> Iterator[Engine]:
    """The OHLC layer on an empty database; views move when the test calls ``refresh``."""

    def fill(url: str) -> None:
        with connect_url(url) as conn, PostgresBus(url) as bus:
            bus.install()
            bus.ensure_topics([TRADES, TRADES_DLQ, LOADED_CANDLES, LOADED_CANDLES_DLQ, INGEST_SHARDS])
            install(conn, config, layers=_LAYERS, without=_LEFT_OUT)

    url = databases.copy("ingest", fill)
    with connect_url(url) as conn, PostgresBus(url) as bus:
        yield Engine(url, bus, conn, config)
    databases.drop(url)


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
