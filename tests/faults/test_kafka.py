"""A real Kafka under faults: each article is scored or a dead letter, whoever was killed meanwhile."""

import base64
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest
from tests.worlds import kafka
from tests.worlds.commands import command, environment
from tests.worlds.foreign import good
from tests.worlds.link import Link

from candlewave.bus.kafka import KafkaBus
from candlewave.bus.protocol import BusError, BusUnavailableError, Message
from candlewave.contracts.records import AssetScore, DeadLetter, decode
from candlewave.contracts.topics import INGEST_SHARDS, NEWS, NEWS_DLQ, NEWS_SENTIMENT
from candlewave.services.sentiment.score import GROUP

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

BATCHES, EACH = 6, 20
PATIENCE = 180.0
FAULTS = ("none", "service", "broker", "away", "cut inside", "slow")


class Extractors:
    """Two replicas of sentiment-extractor."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self._address = folder, address
        self._running: list[subprocess.Popen[bytes]] = []

    def revive(self) -> None:
        """Start what does not run."""
        self._running = [process for process in self._running if process.poll() is None]
        while len(self._running) < 2:
            number = len(self._running)
            settings = environment(
                self._folder / str(number),
                KAFKA_BOOTSTRAP_SERVERS=self._address,
                RISINGWAVE_URL="postgresql://nobody@127.0.0.1:1/none",  # no service may have a broker without an engine
                ADMIN_PORT="0",
            )
            with (self._folder / f"{number}.log").open("ab") as log:
                self._running.append(
                    subprocess.Popen(command("sentiment-extractor"), env=settings, stdout=log, stderr=log)
                )

    def kill(self, chance: Random) -> None:
        """End one as a lost machine would."""
        victim = chance.choice(self._running)
        victim.kill()
        victim.wait()

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def link() -> Iterator[Link]:
    with Link() as opened:
        yield opened


@pytest.fixture(scope="module")
def broker(request: pytest.FixtureRequest, link: Link) -> Iterator[kafka.Broker]:
    with kafka.running(lambda: bool(request.session.testsfailed), link) as running:
        yield running


@pytest.fixture
def extractors(data_dir: Path, link: Link, broker: kafka.Broker) -> Iterator[Extractors]:  # noqa: ARG001
    made = Extractors(data_dir, link.address)
    yield made
    made.end()


def test_each_article_is_in_one_place(
    broker: kafka.Broker, link: Link, extractors: Extractors, chance: Random, seed: int
) -> None:
    link.mend()
    with KafkaBus({"bootstrap.servers": broker.address}) as direct:
        direct.ensure_topics([NEWS, NEWS_DLQ, NEWS_SENTIMENT, INGEST_SHARDS])
    produced: dict[str, tuple[str, bytes]] = {}
    extractors.revive()
    for number in range(BATCHES):
        fault = chance.choice(FAULTS)
        batch = {key: _article(chance, key) for key in (f"s{seed}-{number}-{index}" for index in range(EACH))}
        produced |= batch
        if fault == "service":
            extractors.kill(chance)
        elif fault == "broker":
            broker.kill()
        elif fault == "away":
            link.cut()
        elif fault == "cut inside":
            link.cut_after(chance.randrange(20_000))
        elif fault == "slow":
            link.slow(0.02)
        _publish(broker, link, [Message(value, key) for key, (_, value) in batch.items()], is_dead=fault == "broker")
        link.mend()
        extractors.revive()
    with KafkaBus({"bootstrap.servers": broker.address}) as bus:
        _wait_until_read(bus, extractors)
        scored, letters = _scored(bus, seed), _letters(bus, seed)
    places = {
        key: [place for place, there in (("scores", key in scored), ("letters", value in letters)) if there]
        for key, (_, value) in produced.items()
    }
    assert {key: where for key, where in places.items() if where != [produced[key][0]]} == {}
    of_this_run = {key for key in scored if key.startswith(f"s{seed}-")}
    assert of_this_run <= produced.keys()


def _article(chance: Random, key: str) -> tuple[str, bytes]:
    """Return where an article belongs, and the article, or what is none."""
    payload = json.dumps(good(NEWS.name, key)).encode()
    kind = chance.choices(("good", "cut", "list", "bytes"), (7, 1, 1, 1))[0]
    if kind == "cut":
        return "letters", payload[: -chance.randint(1, 20)]
    if kind == "list":
        return "letters", b"[" + payload + b"]"
    if kind == "bytes":
        return "letters", b"\xff" + key.encode()
    return "scores", payload


def _publish(broker: kafka.Broker, link: Link, messages: Sequence[Message], *, is_dead: bool) -> None:
    """Publish as a service does, again until it is taken; a broker that was killed is back while that waits."""
    starting = threading.Thread(target=broker.start) if is_dead else None
    if starting is not None:
        starting.start()
    until = time.monotonic() + PATIENCE
    with KafkaBus({"bootstrap.servers": link.address}) as bus:
        mending = threading.Timer(3.0, link.mend)
        mending.start()
        while True:
            try:
                bus.publish(NEWS.name, messages)
            except BusError:
                assert time.monotonic() < until, "the broker does not come back"
            else:
                break
        mending.cancel()
    if starting is not None:
        starting.join(PATIENCE)


def _wait_until_read(bus: KafkaBus, extractors: Extractors) -> None:
    wait, until = threading.Event(), time.monotonic() + PATIENCE
    lag: object = None
    while time.monotonic() < until:
        extractors.revive()
        try:
            lag = sum(bus.lag(GROUP, [NEWS.name]).values())
        except BusUnavailableError as error:  # a broker that was killed loads the group's state first
            lag = error
        if lag == 0:
            return
        wait.wait(0.5)
    raise AssertionError(f"articles are not read: {lag}")


def _scored(bus: KafkaBus, seed: int) -> set[str]:
    return {
        score.article_id
        for score in (decode(AssetScore, value) for value in _all(bus, NEWS_SENTIMENT.name, f"scores-{seed}"))
    }


def _letters(bus: KafkaBus, seed: int) -> set[bytes]:
    return {
        base64.b64decode(letter.payload_base64)
        for letter in (decode(DeadLetter, value) for value in _all(bus, NEWS_DLQ.name, f"letters-{seed}"))
    }


def _all(bus: KafkaBus, topic: str, group: str) -> list[bytes]:
    """Return the values of all messages of a topic."""
    count, found = sum(bus.end_offsets(topic).values()), list[bytes]()
    until = time.monotonic() + PATIENCE
    with bus.subscribe(group, [topic]) as subscription:
        while len(found) < count:
            assert time.monotonic() < until, f"{len(found)} of {count} messages of {topic}"
            found += [message.value or b"" for message in subscription.poll(1_000, 1.0)]
    return found
