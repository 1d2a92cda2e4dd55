"""Payloads that are no records, on each topic: tables and services go on, and none is lost from view."""

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random

import psycopg
import pytest
from tests.worlds.engine import Databases
from tests.worlds.foreign import NOW, RECORDS, fuzzed, good

from candlewave.bus.metrics import REFUSED
from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Message
from candlewave.contracts.records import AssetScore, MalformedMessageError, decode
from candlewave.contracts.topics import ALERTS, DEAD_LETTER_SUFFIX, NEWS, NEWS_SENTIMENT, TOPICS, TRAINING_REQUESTS
from candlewave.core.config import Config, ExchangeConfig
from candlewave.core.times import utc_now
from candlewave.engine.connect import connect_url
from candlewave.engine.embedded.refresh import Refresher
from candlewave.services.monitor.delivery import WEBHOOK_GROUP, WebhookRelay
from candlewave.services.monitor.receivers import Poster, webhook_body
from candlewave.services.sentiment.config import load_news_config
from candlewave.services.sentiment.entities import Recogniser
from candlewave.services.sentiment.extract import OfflineExtractor
from candlewave.services.sentiment.score import GROUP, Scoring
from candlewave.services.trainer import service as trainer

pytestmark = pytest.mark.timeout(900)

COUNT = int(os.environ.get("FAULT_PAYLOADS", "40"))
"""Payloads of a topic; ``make faults`` takes a thousand."""
GOOD_EVERY = 10
"""After so many of them comes a good record."""


@pytest.fixture(scope="module")
def url(databases: Databases) -> Iterator[str]:
    made = databases.engine(Config(exchanges={"x": ExchangeConfig(symbols=["A/B"])}))
    with connect_url(made) as conn:
        conn.execute("INSERT INTO symbols (exchange, symbol, base, quote) VALUES ('x', 'A/B', 'A', 'B')")
    yield made
    databases.drop(made)


@pytest.fixture
def bus(url: str) -> Iterator[PostgresBus]:
    with PostgresBus(url) as opened:
        yield opened


def payloads(chance: Random, topic: str, run: str) -> tuple[list[Message], list[str]]:
    """Return messages, and the keys of the good ones among them."""
    messages, keys = [], []
    for number in range(COUNT):
        key = f"{run}-{number}"
        if number % GOOD_EVERY:
            value = fuzzed(chance, topic, key)
        else:
            value = json.dumps(good(topic, key)).encode()
            keys.append(key)
        messages.append(Message(value, "k", append_ts=NOW + number * timedelta(microseconds=1)))
    return messages, keys


@pytest.mark.parametrize("topic", RECORDS)
def test_no_payload_stops_a_table(bus: PostgresBus, url: str, topic: str, chance: Random, seed: int) -> None:
    """All of a topic are read; the good ones are rows; where there are dead letters, those without a row are there."""
    messages, keys = payloads(chance, topic, f"s{seed}")
    table, letters = topic.replace(".", "_"), topic + DEAD_LETTER_SUFFIX
    before = sum(bus.end_offsets(letters).values()) if letters in TOPICS else 0
    refused = REFUSED.labels(topic)._value.get()
    with connect_url(url) as conn:
        rows = _count(conn, table)
        bus.publish(topic, messages)
        Refresher(conn, bus=bus, batch=200).run_until_idle()
        assert sum(bus.lag(f"engine.public.{table}", [topic]).values()) == 0
        names = {row[0] for row in conn.execute(f"SELECT {RECORDS[topic][0]} FROM {table}").fetchall()}  # type: ignore[arg-type]
        assert set(keys) <= names
        set_aside = int(REFUSED.labels(topic)._value.get() - refused)
        assert 0 < set_aside < COUNT
        assert _count(conn, table) - rows <= COUNT - set_aside
    if letters in TOPICS:
        assert sum(bus.end_offsets(letters).values()) - before == set_aside


def _count(conn: psycopg.Connection, table: str) -> int:
    row = conn.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


def _scoring(bus: PostgresBus, stop: threading.Event) -> None:
    Scoring(bus, OfflineExtractor(Recogniser(load_news_config().assets, ["BTC"])), clock=utc_now, batch=200).run(stop)


def _relay(bus: PostgresBus, stop: threading.Event) -> None:
    class Taking(Poster):
        def post(self, body: object) -> None:
            json.dumps(body)

    poster = Taking("webhook", "http://127.0.0.1:1/", 1.0)
    WebhookRelay(bus, poster, webhook_body, timedelta(days=36_500), utc_now).run(stop)


def _trainer(bus: PostgresBus, stop: threading.Event) -> None:
    class Nothing:
        def newest(self) -> None: ...

        def metadata(self, _: str) -> None: ...

    def run(*_: object) -> object:
        raise trainer.TooLittleDataError("a test trains nothing")

    trains = trainer.Trainer(bus, Nothing(), run, trainer.TrainSettings.load(), clock=utc_now)  # type: ignore[arg-type]
    with bus.subscribe(trainer.GROUP, [TRAINING_REQUESTS.name]) as requests:
        while not stop.is_set():
            trains.step(requests, timeout=0.2)


@pytest.mark.parametrize(
    ("topic", "group", "serve"),
    [(NEWS.name, GROUP, _scoring), (ALERTS.name, WEBHOOK_GROUP, _relay), (TRAINING_REQUESTS.name, None, _trainer)],
)
def test_no_payload_stops_a_service(
    bus: PostgresBus,
    url: str,
    topic: str,
    group: str | None,
    serve: Callable[[PostgresBus, threading.Event], None],
    chance: Random,
    seed: int,
) -> None:
    """It reads to the end, and refuses by a dead letter what it cannot read; the good ones get their answer."""
    messages, keys = payloads(chance, topic, f"v{seed}")
    letters = topic + DEAD_LETTER_SUFFIX
    before = sum(bus.end_offsets(letters).values())
    bus.publish(topic, messages)
    stop, failed = threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            with PostgresBus(url) as own:
                serve(own, stop)
        except BaseException as error:  # noqa: BLE001 (said by the test)
            failed.append(error)

    working = threading.Thread(target=work)
    working.start()
    with PostgresBus(url) as watching:
        for _ in range(600):
            read = (
                sum(watching.lag(group, [topic]).values()) == 0
                if group
                else sum(watching.end_offsets(letters).values()) - before >= COUNT / 4
            )
            if read or failed:
                break
            stop.wait(0.1)
    stop.set()
    working.join(60)
    assert failed == []
    assert read
    assert sum(bus.end_offsets(letters).values()) - before > COUNT / 4
    if topic == NEWS.name:
        with bus.subscribe(f"reads-{seed}", [NEWS_SENTIMENT.name]) as scores:
            found: set[str] = set()
            while got := scores.poll(1_000, 1.0):
                for message in got:
                    with contextlib.suppress(MalformedMessageError):  # what another test put there
                        found.add(decode(AssetScore, message.value).article_id)
        assert set(keys) <= found
