"""Forecasts on their way into Elasticsearch and back: SQL, outbox, sender, reader."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from tests.fakes.elasticsearch import FakeElasticsearch, all_documents

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import BusError, Message, TopicPartition
from candlewave.contracts.records import DeadLetter, decode
from candlewave.contracts.topics import DOCUMENTS, DOCUMENTS_DLQ, EMBEDDED_TOPICS, TOPICS
from candlewave.core.config import Config
from candlewave.core.settings import Settings
from candlewave.elastic.client import ElasticUnavailableError, SearchError, open_async_client, open_client
from candlewave.elastic.install import install
from candlewave.elastic.reader import Wanted, forecasts
from candlewave.elastic.sender import GROUP, Sender
from candlewave.elastic.settings import SearchSettings
from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.connectors import document_message
from candlewave.engine.embedded.refresh import Refresher
from candlewave.sqlproject.render import render_objects

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
VIEWS = ("predictions", "prediction_documents", "predictions_sink")


@pytest.fixture
def elastic() -> Iterator[FakeElasticsearch]:
    with FakeElasticsearch() as running:
        with open_client(settings(running)) as client:
            install(client, SearchSettings.load())
        yield running


@pytest.fixture
def bus(database: str) -> Iterator[PostgresBus]:
    with PostgresBus(database) as opened:
        opened.install()
        opened.ensure_topics([*TOPICS.values(), *EMBEDDED_TOPICS])
        yield opened


def settings(elastic: FakeElasticsearch) -> Settings:
    return Settings(ELASTICSEARCH_URL=elastic.url)  # type: ignore[call-arg,arg-type]


def forecast(minute: int = 0, **values: object) -> dict[str, Any]:
    moment = NOON + minute * MINUTE
    return {
        "exchange": "kraken",
        "symbol": "BTC/USD",
        "horizon_minutes": 5,
        "feature_time": moment,
        "target_time": moment + 6 * MINUTE,
        "model_name": "baseline",
        "model_version": "1",
        "role": "baseline",
        "q10": -0.001,
        "q50": 0.0,
        "q90": 0.001,
        "price_q10": 99.9,
        "price_q50": 100.0,
        "price_q90": 100.1,
        "reference_price": 100.0,
        "feature_set": "abc",
        "made_at": moment + timedelta(seconds=62, microseconds=250),
        **values,
    }


def message(index: str = "predictions-2026.03.02", minute: int = 0, **values: object) -> Message:
    row = msgspec.json.encode({"index_name": index, **forecast(minute, **values)}).decode()
    keys = ("exchange", "symbol", "horizon_minutes", "feature_time", "model_name", "model_version")
    return document_message(keys, {"feature_time"}, "|", row)


def send(bus: PostgresBus, elastic: FakeElasticsearch) -> int:
    with open_client(settings(elastic)) as client, bus.subscribe(GROUP, [DOCUMENTS.name]) as subscription:
        return Sender(bus, client).step(subscription, timeout=0.2)


def letters(bus: PostgresBus) -> list[DeadLetter]:
    with bus.subscribe("test", [DOCUMENTS_DLQ.name]) as subscription:
        return [decode(DeadLetter, m.value) for m in subscription.poll(timeout=5)]


def test_refresh_puts_forecasts_into_the_outbox_and_the_sender_delivers_them(
    bus: PostgresBus, database: str, elastic: FakeElasticsearch
) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        catalog.install(conn)
        objects = {o.name: o for o in render_objects(Config())}
        for name in VIEWS:
            catalog.apply(conn, objects[name].text.replace("${topic_prefix}", ""))
        bus.publish("predictions", [Message(msgspec.json.encode(forecast(minute)), "k") for minute in (0, 1, 12 * 60)])
        Refresher(conn, bus=bus).run_until_idle()
    assert send(bus, elastic) == 3
    found = elastic.documents("predictions-2026.03.02")
    assert sorted(found) == [
        "kraken|BTC/USD|5|2026-03-02 12:00:00+00:00|baseline|1",
        "kraken|BTC/USD|5|2026-03-02 12:01:00+00:00|baseline|1",
    ]
    assert list(elastic.documents("predictions-2026.03.03")) == [
        "kraken|BTC/USD|5|2026-03-03 00:00:00+00:00|baseline|1"
    ]
    document = found["kraken|BTC/USD|5|2026-03-02 12:00:00+00:00|baseline|1"]
    assert "index_name" not in document
    assert document["q90"] == 0.001
    assert document["feature_time"] == "2026-03-02T12:00:00.000000Z"


def test_repetition_changes_nothing(bus: PostgresBus, elastic: FakeElasticsearch) -> None:
    bus.publish(DOCUMENTS.name, [message(), message(), message(q50=0.5)])
    assert send(bus, elastic) == 3
    [document] = elastic.documents("predictions-2026.03.02").values()
    assert document["q50"] == 0.5, "the last one counts"
    assert send(bus, elastic) == 0


def test_refused_documents_are_kept_with_the_reason_and_the_others_arrive(
    bus: PostgresBus, elastic: FakeElasticsearch
) -> None:
    bus.publish(DOCUMENTS.name, [message(), message(minute=1, q50="much"), message(minute=2)])
    assert send(bus, elastic) == 3
    assert len(elastic.documents("predictions-2026.03.02")) == 2
    (letter,) = letters(bus)
    assert letter.reason == (
        "Elasticsearch answered 400 for predictions-2026.03.02: failed to parse field [q50] of type [double]: 'much'"
    )
    assert letter.position == "0:1"


@pytest.mark.parametrize(
    ("status", "kind"), [(503, ElasticUnavailableError), (429, ElasticUnavailableError), (403, SearchError)]
)
def test_nothing_is_committed_until_it_is_written(
    bus: PostgresBus, elastic: FakeElasticsearch, status: int, kind: type[Exception]
) -> None:
    bus.publish(DOCUMENTS.name, [message()])
    elastic.fail(status, times=3)  # the client itself tries thrice
    with pytest.raises(kind, match=str(status)):
        send(bus, elastic)
    elastic.fail(status, times=0)
    elastic._failures.clear()
    assert send(bus, elastic) == 1
    assert len(list(all_documents(elastic))) == 1


def test_run_goes_on_after_an_outage_and_any_error_of_the_bus(
    bus: PostgresBus, elastic: FakeElasticsearch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bus.publish(DOCUMENTS.name, [message()])
    elastic.fail(503, times=3)
    stop = threading.Event()
    troubles, lag = [BusError("the database is full")], bus.lag

    def failing(group: str, topics: Collection[str]) -> dict[TopicPartition, int]:
        if troubles:
            raise troubles.pop()
        return lag(group, topics)

    monkeypatch.setattr(bus, "lag", failing)
    with open_client(settings(elastic)) as client:
        thread = threading.Thread(target=Sender(bus, client).run, args=(stop,))
        thread.start()
        try:
            elastic.wait_for(lambda s: len(s.indices.get("predictions-2026.03.02", {})) == 1)
            bus.publish(DOCUMENTS.name, [message(minute=1)])
            elastic.wait_for(lambda s: len(s.indices["predictions-2026.03.02"]) == 2)
        finally:
            stop.set()
            thread.join()
    assert sum(lag(GROUP, [DOCUMENTS.name]).values()) == 0
    assert not [record for record in caplog.records if record.levelno < logging.WARNING], "a line for each request"


_CHILD = """
import sys, threading
from candlewave.bus.postgres import PostgresBus
from candlewave.elastic.client import open_client
from candlewave.elastic.sender import Sender
from candlewave.core.settings import Settings
settings = Settings(ELASTICSEARCH_URL=sys.argv[2])
with PostgresBus(sys.argv[1]) as bus, open_client(settings) as client:
    Sender(bus, client).run(threading.Event())
"""


def test_killed_between_writing_and_committing_loses_and_doubles_nothing(
    bus: PostgresBus, database: str, elastic: FakeElasticsearch
) -> None:
    """The server kills the sender when the documents are in, before it hears so."""
    bus.publish(DOCUMENTS.name, [message(minute=minute) for minute in range(50)])
    child = subprocess.Popen([sys.executable, "-c", _CHILD, database, elastic.url])
    elastic.after_bulk = lambda: os.kill(child.pid, signal.SIGKILL)
    assert child.wait(60) == -signal.SIGKILL
    elastic.after_bulk = lambda: None
    assert len(elastic.documents("predictions-2026.03.02")) == 50
    assert sum(bus.lag(GROUP, [DOCUMENTS.name]).values()) == 50, "nothing was committed"
    bus.publish(DOCUMENTS.name, [message(minute=50)])
    with open_client(settings(elastic)) as client, bus.subscribe(GROUP, [DOCUMENTS.name]) as subscription:
        sender = Sender(bus, client)
        while sender.step(subscription, timeout=1.0) == 0:  # until the dead member's share is given on
            pass
    assert len(elastic.documents("predictions-2026.03.02")) == 51


def read(
    elastic: FakeElasticsearch, after: list[str] | None = None, limit: int = 10, **more: Any
) -> list[dict[str, Any]]:
    async def ask() -> list[dict[str, Any]]:
        async with open_async_client(settings(elastic)) as client:
            return await forecasts(client, Wanted("kraken", "BTC/USD", 5, **more), after, limit)

    return asyncio.run(ask())


def error(minute: int = 0) -> Message:
    return message(
        "prediction-errors-2026.03.02",
        minute,
        realised_price=101.0,
        realised_return=0.00995,
        error=-0.00995,
        absolute_error=0.00995,
        last_price_absolute_error=0.00995,
        pinball=0.0033,
        is_covered=False,
        is_direction_right=False,
    )


def test_reader_pages_newest_first_with_outcomes(bus: PostgresBus, elastic: FakeElasticsearch) -> None:
    bus.publish(
        DOCUMENTS.name,
        [
            *(message(minute=minute) for minute in range(5)),
            *(message(minute=minute, model_name="candlewave", role="champion") for minute in (3, 4)),
            message(symbol="ETH/USD"),
            message(horizon_minutes=60),
            error(minute=0),
        ],
    )
    send(bus, elastic)
    rows, after = [], None
    while page := read(elastic, after, limit=3):
        rows += page
        after = [page[-1]["feature_time"].isoformat(), page[-1]["model_name"], page[-1]["model_version"]]
    assert [(row["feature_time"], row["model_name"]) for row in rows] == [
        (NOON + 4 * MINUTE, "candlewave"),
        (NOON + 4 * MINUTE, "baseline"),
        (NOON + 3 * MINUTE, "candlewave"),
        (NOON + 3 * MINUTE, "baseline"),
        (NOON + 2 * MINUTE, "baseline"),
        (NOON + 1 * MINUTE, "baseline"),
        (NOON, "baseline"),
    ]
    assert rows[-1]["realised_price"] == 101.0
    assert rows[-1]["is_covered"] is False
    assert rows[0]["realised_price"] is None
    assert rows[0]["made_at"] == NOON + 4 * MINUTE + timedelta(seconds=62, microseconds=250)


def test_reader_filters(bus: PostgresBus, elastic: FakeElasticsearch) -> None:
    bus.publish(DOCUMENTS.name, [message(minute=minute) for minute in range(5)])
    bus.publish(DOCUMENTS.name, [message(minute=2, model_name="candlewave", model_version="7", role="champion")])
    send(bus, elastic)
    assert len(read(elastic, begin=NOON + MINUTE, end=NOON + 3 * MINUTE)) == 3
    assert [row["model_version"] for row in read(elastic, roles=["champion"])] == ["7"]
    assert [row["role"] for row in read(elastic, model_name="candlewave")] == ["champion"]
    assert read(elastic, model_version="8") == []


def test_documents_of_risingwave_are_read_alike(elastic: FakeElasticsearch) -> None:
    """It leaves the zone out of times."""
    document = {name: value for name, value in forecast().items() if not isinstance(value, datetime)}
    for name in ("feature_time", "target_time", "made_at"):
        document[name] = forecast()[name].strftime("%Y-%m-%d %H:%M:%S.%f")
    elastic.indices["predictions-2026.03.02"] = {"an id": document}
    [row] = read(elastic)
    assert row["feature_time"] == NOON
    assert row["made_at"] == forecast()["made_at"]


def test_reader_says_when_elasticsearch_is_away() -> None:
    with FakeElasticsearch() as elastic:
        pass
    with pytest.raises(ElasticUnavailableError, match="cannot read forecasts: Elasticsearch cannot be reached"):
        read(elastic)


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("2026-03-02T12:00:00.000000Z", "2026-03-02 12:00:00+00:00"),
        ("2026-03-02T12:00:00.120000Z", "2026-03-02 12:00:00.120+00:00"),
        ("2026-03-02T12:00:00.120034Z", "2026-03-02 12:00:00.120034+00:00"),
    ],
)
def test_ids_are_spelt_as_risingwave_spells_them(text: str, spelt: str) -> None:
    row = msgspec.json.encode({"a": text, "b": 5, "c": "20260101T000000Z"}).decode()
    assert document_message(["a", "b", "c"], {"a"}, "|", row).key == f"{spelt}|5|20260101T000000Z"


def test_a_batch_that_is_too_large_is_sent_in_parts(bus: PostgresBus, elastic: FakeElasticsearch) -> None:
    bus.publish(DOCUMENTS.name, [message(minute=minute) for minute in range(8)])
    elastic.fail(413, times=3)  # of eight, of the first four, of the first two
    assert send(bus, elastic) == 8
    assert len(elastic.documents("predictions-2026.03.02")) == 8
    bus.publish(DOCUMENTS.name, [message(minute=9)])
    elastic.fail(413)
    assert send(bus, elastic) == 1
    assert [letter.reason for letter in letters(bus)] == ["Elasticsearch takes no document of this size"]


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"no json",
        b"[]",
        b'{"q50": 1}',
        b'{"index_name": 7}',
        b'{"index_name": "predictions-2026.03.02", "q50": NaN}',
        b'{"index_name": "predictions-2026.03.02", "role": "\\ud800"}',
        b"\xff",
        b"[" * 20_000,
    ],
)
def test_what_is_no_document_is_rejected_and_the_others_arrive(
    bus: PostgresBus, elastic: FakeElasticsearch, junk: bytes
) -> None:
    bus.publish(DOCUMENTS.name, [message(), Message(junk, "a|b"), message(minute=2)])
    assert send(bus, elastic) == 3
    assert len(elastic.documents("predictions-2026.03.02")) == 2
    (letter,) = letters(bus)
    assert letter.reason.startswith("not a document")
    assert letter.position == "0:1"
