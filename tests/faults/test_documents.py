"""Documents on their way to Elasticsearch under faults: each is in its index or among the dead letters, not in both."""

import base64
import json
import threading
from collections.abc import Iterator
from random import Random
from urllib.parse import urlsplit

import pytest
from tests.fakes.elasticsearch import FakeElasticsearch
from tests.worlds.link import Link

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Message
from candlewave.contracts.records import DeadLetter, decode
from candlewave.contracts.topics import DOCUMENTS, DOCUMENTS_DLQ, EMBEDDED_TOPICS
from candlewave.core.settings import Settings
from candlewave.elastic import sender
from candlewave.elastic.client import open_client
from candlewave.elastic.install import install
from candlewave.elastic.settings import SearchSettings

BATCHES, EACH = 10, 20
INDEX = "predictions-2026.03.02"
PATIENCE = 120.0


@pytest.fixture
def elastic() -> Iterator[FakeElasticsearch]:
    with FakeElasticsearch() as running:
        with open_client(Settings(ELASTICSEARCH_URL=running.url)) as client:  # type: ignore[call-arg,arg-type]
            install(client, SearchSettings.load())
        yield running


@pytest.fixture
def link(elastic: FakeElasticsearch) -> Iterator[Link]:
    with Link(urlsplit(elastic.url).port or 0) as opened:
        yield opened


def test_each_document_is_in_one_place(
    database: str, elastic: FakeElasticsearch, link: Link, chance: Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(sender, "_LONGEST_PAUSE", 0.1)
    produced: dict[str, tuple[str, bytes]] = {}
    stop = threading.Event()
    with PostgresBus(database) as bus, PostgresBus(database) as reading:
        bus.install()
        bus.ensure_topics(EMBEDDED_TOPICS)
        client = open_client(Settings(ELASTICSEARCH_URL=f"http://{link.address}"))  # type: ignore[call-arg,arg-type]
        sending = threading.Thread(target=sender.Sender(reading, client).run, args=(stop,))
        sending.start()
        for number in range(BATCHES):
            fault = chance.choice(("none", "429", "503", "away", "cut inside", "slow"))
            link.mend()
            if fault in ("429", "503"):
                elastic.fail(int(fault), times=chance.randint(1, 5))
            elif fault == "away":
                link.cut()
            elif fault == "cut inside":
                link.cut_after(chance.randrange(30_000))
            elif fault == "slow":
                link.slow(0.01)
            batch = {f"{number}-{index}": _document(chance, f"{number}-{index}") for index in range(EACH)}
            produced |= batch
            bus.publish(DOCUMENTS.name, [Message(value, key) for key, (_, value) in batch.items()])
            stop.wait(chance.random() / 10)
        link.mend()
        _wait_until_sent(bus)
        stop.set()
        sending.join(PATIENCE)
        client.close()
        letters = _letters(bus)
    indexed = elastic.documents(INDEX).keys()
    places = {
        key: [place for place, there in (("index", key in indexed), ("letters", value in letters)) if there]
        for key, (_, value) in produced.items()
    }
    assert {key: where for key, where in places.items() if where != [produced[key][0]]} == {}
    assert indexed <= produced.keys()
    assert letters <= {value for _, value in produced.values()}


def _document(chance: Random, key: str) -> tuple[str, bytes]:
    """Return where a document belongs, and the document."""
    good = {"index_name": INDEX, "model_name": key, "q50": chance.random(), "horizon_minutes": 5}
    match chance.choices(("good", "misfit", "no document", "cut"), (7, 1, 1, 1))[0]:
        case "misfit":
            return "letters", json.dumps({**good, "q50": f"much {key}"}).encode()
        case "no document":
            return "letters", json.dumps([key]).encode()
        case "cut":
            return "letters", json.dumps(good).encode()[:-1]
        case _:
            return "index", json.dumps(good).encode()


def _wait_until_sent(bus: PostgresBus) -> None:
    wait, waited = threading.Event(), 0.0
    while sum(bus.lag(sender.GROUP, [DOCUMENTS.name]).values()):
        assert waited < PATIENCE, "the sender does not go on"
        wait.wait(0.1)
        waited += 0.1


def _letters(bus: PostgresBus) -> set[bytes]:
    """Return the payloads of all dead letters, each of which is there once."""
    found: dict[str, bytes] = {}
    with bus.subscribe("letters", [DOCUMENTS_DLQ.name]) as subscription:
        while got := subscription.poll(1_000, 1.0):
            for message in got:
                letter = decode(DeadLetter, message.value)
                found[letter.id] = base64.b64decode(letter.payload_base64)
    payloads = list(found.values())
    assert len(payloads) == len(set(payloads)), "a refusal that is repeated is the same letter"
    return set(payloads)
