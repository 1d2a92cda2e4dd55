"""A broker that dies while records are written and read: none is lost, none is there twice, order stays."""

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from threading import Thread

import pytest
from tests.integration.bus.helpers import poll_until, receive
from tests.worlds import kafka

from candlewave.bus.kafka import KafkaBus
from candlewave.bus.protocol import Message, Received
from candlewave.contracts.topics import TopicSpec

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

COUNT, BATCH, KEYS = 4_000, 50, 7
TOPIC = TopicSpec("numbers", 4)


@pytest.fixture(scope="module")
def broker(request: pytest.FixtureRequest) -> Iterator[kafka.Broker]:
    """A broker that may be killed."""
    with kafka.running(failed=lambda: bool(request.session.testsfailed)) as running:
        yield running


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_broker_loses_and_doubles_nothing(broker: kafka.Broker, seed: int) -> None:
    chance = random.Random(seed)
    kills = sorted(chance.sample(range(BATCH, COUNT, BATCH), 2))
    config = {"bootstrap.servers": broker.address}
    with (
        closing(KafkaBus(config, topic_prefix=f"{seed}-")) as writer,
        closing(KafkaBus(config, topic_prefix=f"{seed}-", session_timeout=timedelta(seconds=6))) as reader,
    ):
        writer.ensure_topics([TOPIC])

        def write() -> None:
            for start in range(0, COUNT, BATCH):
                numbers = range(start, start + BATCH)
                writer.publish(TOPIC.name, [Message(str(i).encode(), f"key-{i % KEYS}") for i in numbers])

        writing = Thread(target=write)
        with reader.subscribe("readers", [TOPIC.name]) as subscription:
            writing.start()
            received: list[Received] = []
            for kill in kills:
                received += receive(max(1, kill - len(received)), subscription, max_messages=BATCH)
                broker.kill()
                broker.start()
            received += poll_until(lambda more: len({_place(m) for m in received + more}) == COUNT, [subscription])
        writing.join()

        stored = sum(writer.end_offsets(TOPIC.name).values())
        assert stored == COUNT, "as many as were published"
        numbers = {_place(message): int(message.value or b"") for message in received}
        assert sorted(numbers.values()) == list(range(COUNT))
        for partition in range(TOPIC.partitions):
            ordered = [number for place, number in sorted(numbers.items()) if place[0] == partition]
            for key in range(KEYS):
                of_key = [number for number in ordered if number % KEYS == key]
                assert of_key == sorted(of_key)


def _place(message: Received) -> tuple[int, int]:
    return message.partition, message.offset
