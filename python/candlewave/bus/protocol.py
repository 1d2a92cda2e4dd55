"""What a service sees of the bus: topics of keyed messages, consumer groups, at-least-once delivery.

Two implementations keep the same promises: :class:`candlewave.bus.kafka.KafkaBus` and
:class:`candlewave.bus.postgres.PostgresBus`.

- Messages of one key keep their order: they share a partition (:func:`partition_of`), which is read in order.
- A member of a group that crashes, or leaves without committing, causes redelivery, never loss.
- A commit by a member that has lost a partition is refused (:class:`CommitRefusedError`).
"""

import struct
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from types import TracebackType
from typing import NamedTuple, Protocol, Self

import msgspec

from candlewave.contracts.topics import TopicSpec
from candlewave.core.errors import CandlewaveError


class BusError(CandlewaveError):
    """The bus cannot do what was asked; the text says what to do about it."""


class BusUnavailableError(BusError):
    """The broker or database cannot be reached now; the same call may succeed later."""


class PublishError(BusError):
    """At least one message of a publish was not acknowledged; some of the others may have been stored."""


class CommitRefusedError(BusError):
    """The member no longer owns what it wanted to commit; another member reads it again. Poll to rejoin."""


class TopicPartition(NamedTuple):
    """One partition of a topic, by the topic's unprefixed name."""

    topic: str
    partition: int


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message to publish.

    Attributes:
        value: the bytes; None is a tombstone.
        key: decides the partition; messages without a key go to any partition.
        headers: small text pairs, such as the trace context.
        append_ts: append time to store instead of the bus's clock; Kafka topics with LogAppendTime ignore it.
    """

    value: bytes | None
    key: str | None = None
    headers: Mapping[str, str] | None = None
    append_ts: datetime | None = None


class Received(msgspec.Struct, frozen=True, gc=False):
    """A message as read: its place, its content, and when the bus stored it (``append_ts``, UTC)."""

    topic: str
    partition: int
    offset: int
    append_ts: datetime
    key: str | None
    value: bytes | None
    headers: Mapping[str, str] | None = None

    @property
    def position(self) -> str:
        """``partition:offset``, the position that dead letters state."""
        return f"{self.partition}:{self.offset}"


PartitionsCallback = Callable[[Sequence[TopicPartition]], None]


class Subscription(Protocol):
    """Membership of one consumer in a group. Not thread-safe: one thread polls, commits and closes."""

    @property
    def assignment(self) -> Collection[TopicPartition]:
        """The partitions this member owns now."""

    def poll(self, max_messages: int = 1000, timeout: float = 1.0) -> list[Received]:
        """Return up to ``max_messages`` messages as soon as there are any, or none after ``timeout`` seconds.

        Callbacks run inside this call. A member that does not poll for five minutes is taken for dead.

        Raises:
            BusUnavailableError: the bus cannot be reached; poll again later.
        """

    def rewind(self) -> None:
        """Hand out again everything that was not committed, after a failure in processing; asks nobody.

        So an outage of the bus, which may be that failure, does not hinder it.
        """

    def commit(self) -> None:
        """Record everything handed out by earlier polls as processed.

        Raises:
            CommitRefusedError: a partition among it has been lost; nothing of it counts as processed.
        """

    def close(self) -> None:
        """Leave the group, after the revocation callback. Uncommitted messages go to the next owner."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Bus(Protocol):
    """Topics of keyed messages. Publishing is safe from several threads."""

    def publish(self, topic: str, messages: Iterable[Message]) -> None:
        """Publish messages in order; return when all are stored durably. Pass many at once: a batch is cheap.

        Raises:
            PublishError: a message was refused.
            BusUnavailableError: the bus cannot be reached.
        """

    def subscribe(
        self,
        group: str,
        topics: Collection[str],
        *,
        on_assign: PartitionsCallback | None = None,
        on_revoke: PartitionsCallback | None = None,
    ) -> Subscription:
        """Join a group; a new group starts at the oldest message.

        The callbacks get the partitions gained or lost, within :meth:`Subscription.poll` or ``close``. A member
        that lives gives a partition up before another gets it, and ``on_revoke`` may still commit; after a
        time-out that is refused.
        """

    def ensure_topics(self, specs: Iterable[TopicSpec]) -> None:
        """Create the topics that are missing.

        Raises:
            BusError: a topic exists in a way the specification forbids.
        """

    def partitions(self, topic: str) -> int:
        """Return the number of partitions of a topic.

        Raises:
            BusError: there is no such topic.
        """

    def end_offsets(self, topic: str) -> dict[TopicPartition, int]:
        """Return the offset the next message of each partition will get."""

    def ping(self) -> None:
        """Return when the bus answers.

        Raises:
            BusError: it does not, or not as it should.
        """

    def lag(self, group: str, topics: Collection[str]) -> dict[TopicPartition, int]:
        """Return how many messages the group has not committed yet, per partition, and set the lag metric."""

    def close(self) -> None:
        """Close the connections; subscriptions must be closed first."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Closing:
    """Context manager methods for what has ``close``."""

    def close(self) -> None:
        """Release what is held."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


@lru_cache(maxsize=65536)
def partition_of(key: str, partitions: int) -> int:
    """Return the partition of a key: Kafka's murmur2, so that a key has the same partition on either bus."""
    return (_murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    mixer, mask = 0x5BD1E995, 0xFFFFFFFF
    words, rest = divmod(len(data), 4)
    result = 0x9747B28C ^ len(data)
    for word in struct.unpack_from(f"<{words}I", data):
        word = word * mixer & mask
        result = result * mixer & mask ^ (word ^ word >> 24) * mixer & mask
    if rest:
        result = (result ^ int.from_bytes(data[-rest:], "little")) * mixer & mask
    result = (result ^ result >> 13) * mixer & mask
    return result ^ result >> 15
