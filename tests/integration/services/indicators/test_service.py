"""The service: audits only with the lease, is ready only when the layer is as sql/ declares it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from tests.worlds import candles as support

from candlewave.bus.postgres import PostgresBus
from candlewave.core.config import Config
from candlewave.core.settings import Settings
from candlewave.services import frame
from candlewave.services.frame import Service
from candlewave.services.indicators import service as indicator_service
from candlewave.services.indicators.audit import IndicatorAudit
from candlewave.telemetry import get_logger
from candlewave.telemetry.admin import Readiness

KEY = ("kraken", "BTC/USD", "1m")


@pytest.fixture
def layer(conn: psycopg.Connection) -> support.Layer:
    made = support.Layer.make(conn, Config(), {KEY: support.simulated(31, 100, price=50)})
    conn.execute("CREATE TABLE symbols (exchange text, symbol text, base text, quote text)")
    conn.execute("INSERT INTO symbols VALUES ('kraken', 'BTC/USD', 'BTC', 'USD')")
    return made


@pytest.fixture
def service(layer: support.Layer, database: str, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The frame's service on the test's database, asking for its next turn at once."""
    assert layer.conn.info.dbname == database.rsplit("/", 1)[1]
    with PostgresBus(database) as bus:
        bus.install()

    @contextmanager
    def connect(_: Settings) -> Iterator[psycopg.Connection]:
        with psycopg.connect(database, autocommit=True) as conn:
            yield conn

    monkeypatch.setattr(indicator_service, "connect", connect)
    monkeypatch.setattr(frame, "open_bus", lambda _: PostgresBus(database))
    monkeypatch.setattr(indicator_service, "_PAUSE_SECONDS", 0.01)
    log = get_logger("test")
    return Service("technical-indicators", Settings(), threading.Event(), Readiness(), log, 0)


def test_the_holder_of_the_lease_audits_and_is_ready(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indicator_service, "deviations_from_sql", lambda *_: [])
    audited: list[int] = []
    ready: list[dict[str, str | None]] = []
    sample = IndicatorAudit.sample

    def once(audit: IndicatorAudit) -> tuple[int, list]:
        bars, differences = sample(audit)
        audited.append(bars)
        ready.append(service.readiness.problems())
        service.stop.set()
        return bars, differences

    monkeypatch.setattr(IndicatorAudit, "sample", once)

    indicator_service.main(service, Config())

    assert audited == [min(20, audited[0])]
    assert audited[0] > 0
    assert [problems["engine"] for problems in ready] == [None]
    assert service.close()


def test_a_layer_that_deviates_is_not_ready_and_not_audited(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[dict[str, str | None]] = []

    def deviations(*_: object) -> list[str]:
        found.append(service.readiness.problems())
        if len(found) == 3:
            service.stop.set()
        return ["signals: missing on the engine"]

    monkeypatch.setattr(indicator_service, "deviations_from_sql", deviations)
    monkeypatch.setattr(IndicatorAudit, "sample", lambda *_: pytest.fail("audited a layer that deviates"))

    indicator_service.main(service, Config())

    assert [problems["engine"] for problems in found] == ["starting", *["signals: missing on the engine"] * 2]
    assert service.close()


def test_it_waits_for_an_engine_that_is_away(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def away(*_: object) -> list[str]:
        tries.append(1)
        if len(tries) == 2:
            service.stop.set()
        raise psycopg.OperationalError("the engine is away")

    monkeypatch.setattr(indicator_service, "deviations_from_sql", away)

    indicator_service.main(service, Config())

    assert len(tries) == 2
    assert service.readiness.problems()["engine"] == "the engine is away"
    assert service.close()
