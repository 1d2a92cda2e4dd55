"""The service trade-to-ohlc: replicas share symbols through the bus, hand over, audit, and stop in order."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from tests.fakes.kraken import FakeKraken
from tests.integration.services.ingest.conftest import Engine

import candlewave.services.ingest.service as service_module
from candlewave.bus.postgres import PostgresBus
from candlewave.core.config import Config, ExchangeConfig
from candlewave.core.settings import Settings
from candlewave.services import frame
from candlewave.services.frame import Service
from candlewave.telemetry import get_logger
from candlewave.telemetry.admin import Readiness

SYMBOLS = [f"S{i:02d}/USD" for i in range(12)]


@pytest.fixture
def kraken(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKraken]:
    with FakeKraken(SYMBOLS) as fake:
        monkeypatch.setenv("CANDLEWAVE_EXCHANGE_URLS", json.dumps({"kraken": {"rest": fake.rest, "ws": fake.ws}}))
        monkeypatch.setenv("CANDLEWAVE_EXCHANGE_REQUEST_INTERVAL_MS", "1")
        monkeypatch.setenv("CANDLEWAVE_EXCHANGE_RETRY_FIRST_SECONDS", "0.05")
        yield fake


class Replica:
    """One member of the service, on a thread."""

    def __init__(self, name: str, config: Config) -> None:
        settings = Settings()  # type: ignore[call-arg]
        self.service = Service(name, settings, threading.Event(), Readiness(), get_logger(name), 0)
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(config,))
        self._thread.start()

    def stop(self) -> None:
        self.service.stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        assert self.error is None

    def _run(self, config: Config) -> None:
        try:
            service_module.main(self.service, config)
        except Exception as error:  # noqa: BLE001 (shown by the test)
            self.error = error
        finally:
            self.service.stop.set()  # as the frame of a service does, or its threads would go on for ever
            self.service.close()


@pytest.fixture
def markets(running: Engine, config: Config, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(service_module, "connect", lambda _settings: running.connect())
    monkeypatch.setattr(frame, "open_bus", lambda _settings: PostgresBus(running.url))
    monkeypatch.setattr(service_module, "deviations_from_sql", lambda _conn: [])
    return config.model_copy(update={"exchanges": {"kraken": ExchangeConfig(symbols=SYMBOLS)}})


@pytest.fixture
def start(markets: Config) -> Iterator[Callable[[str], Replica]]:
    """Start replicas; whatever becomes of the test, they end with it."""
    started: list[Replica] = []

    def make(name: str) -> Replica:
        started.append(Replica(name, markets))
        return started[-1]

    yield make
    for replica in started:
        replica.service.stop.set()


def everyone_is_heard_once(kraken: FakeKraken) -> bool:
    return all(kraken.subscribers(symbol) == 1 for symbol in SYMBOLS)


def test_replicas_share_the_symbols_and_take_over_from_each_other(
    running: Engine, kraken: FakeKraken, start: Callable[[str], Replica]
) -> None:
    first = start("first")
    kraken.wait_for(everyone_is_heard_once, 40)
    second = start("second")
    kraken.wait_for(lambda k: len(k._connections) == 2 and everyone_is_heard_once(k), 60)
    for _ in range(3):
        for symbol in SYMBOLS:
            kraken.trade(symbol, datetime.now(UTC))
    count = "SELECT count(*), count(DISTINCT (symbol, trade_id)) FROM trades WHERE kind = 'trade'"
    running.wait(lambda: running.rows(count) == [(36, 36)])
    assert [r.service.readiness.problems() for r in (first, second)] == [{"bus": None, "feeds": None}] * 2
    first.stop()
    kraken.wait_for(lambda k: len(k._connections) == 1 and everyone_is_heard_once(k), 60)
    for symbol in SYMBOLS:
        kraken.trade(symbol, datetime.now(UTC))
    running.wait(lambda: running.rows(count) == [(48, 48)])
    second.stop()
    relation = running.value("SELECT relation FROM bus.topics WHERE topic = 'trades'")
    published = f"SELECT count(*) FROM {relation} WHERE value::jsonb ->> 'kind' = 'trade'"
    assert running.value(published) == 48
    assert running.value("SELECT count(*) FROM symbols") == 12


@pytest.mark.usefixtures("kraken")
def test_a_symbol_the_exchange_does_not_trade_ends_the_service(markets: Config) -> None:
    wrong = markets.model_copy(update={"exchanges": {"kraken": ExchangeConfig(symbols=["NO/USD"])}})
    replica = Replica("wrong", wrong)
    replica._thread.join(60)
    assert not replica._thread.is_alive()
    assert "kraken does not trade NO/USD" in str(replica.error)
