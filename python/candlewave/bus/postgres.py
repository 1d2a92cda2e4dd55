"""The bus on PostgreSQL, for the embedded engine.

A batch takes an advisory lock per partition before it gets its offsets and holds it until it commits: offsets
become visible in order, so that a reader never passes a slower writer.
"""

import itertools
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from candlewave.bus import metrics
from candlewave.bus.messages import traced
from candlewave.bus.postgres_connection import Reconnecting, reaching
from candlewave.bus.postgres_group import PostgresSubscription
from candlewave.bus.postgres_schema import Topic, ensure_topics, find_topic, install
from candlewave.bus.protocol import (
    BusError,
    Closing,
    Message,
    PartitionsCallback,
    PublishError,
    TopicPartition,
    partition_of,
)
from candlewave.bus.refused import Refused, set_aside
from candlewave.contracts.topics import TopicSpec
from candlewave.core.times import utc_now

Clock = Callable[[], datetime]

BATCH = 5000
"""Messages per transaction of :meth:`PostgresBus.publish`."""

GROUP_PATIENCE = timedelta(days=7)
"""How long a group without a member holds back the retention of messages it has not read."""
_MAX_CHECK_GAP = timedelta(hours=1)
"""Retention is applied every ten minutes; of a longer pause, in which no member could have joined, only this counts."""

_LOCK = """
SELECT pg_advisory_xact_lock(hashtextextended('candlewave.bus.topic ' || partition || ' ' || %s, 0))
FROM unnest(%s::integer[]) AS partition
"""
_TAKE_OFFSETS = """
UPDATE bus.partitions AS p SET next_offset = p.next_offset + taken.messages
FROM unnest(%s::integer[], %s::bigint[]) AS taken (partition, messages)
WHERE p.topic = %s AND p.partition = taken.partition
RETURNING p.partition, p.next_offset - taken.messages, clock_timestamp()
"""
_CHECK_GROUPS = """
UPDATE bus.offsets AS o SET
    checked_at = %(now)s,
    unattended = CASE
        WHEN o.next_offset < p.next_offset
            AND pg_try_advisory_xact_lock(bus.owner_key(o.group_id, o.topic, o.partition))
            THEN o.unattended + greatest('0', least(%(now)s - o.checked_at, %(max_gap)s))
        ELSE '0'
    END
FROM bus.partitions AS p
WHERE p.topic = o.topic AND p.partition = o.partition
"""
_COPY = """
COPY {relation} (partition, "offset", append_ts, key, value, raw, headers) FROM STDIN WITH (FORMAT binary)
"""
_COPIED = ("int4", "int8", "timestamptz", "text", "text", "bytea", "jsonb")


class PostgresBus(Closing):
    """A :class:`candlewave.bus.protocol.Bus` in schema ``bus`` of a PostgreSQL database.

    Args:
        url: where the database is, or a function that finds it again after a restart has moved it.
        clock: append time of messages, with time zone; the database's clock when None. For tests.
        max_poll_interval: a member that does not poll for so long loses its partitions.
    """

    def __init__(
        self,
        url: str | Callable[[], str],
        *,
        clock: Clock | None = None,
        max_poll_interval: timedelta = timedelta(minutes=5),
    ) -> None:
        self._url = url
        self._clock = clock
        self._connection = Reconnecting(url)
        self._lock = threading.Lock()
        self._topics: dict[str, Topic] = {}
        self._keyless = itertools.count()
        self._max_poll_interval = max_poll_interval

    def publish(self, topic: str, messages: Iterable[Message]) -> None:
        """Publish messages in order, in transactions of 5,000; each is stored when it returns.

        Messages whose key or headers PostgreSQL cannot hold go to the topic's dead-letter topic instead.

        Raises:
            PublishError: PostgreSQL cannot store a batch; nothing of that transaction is stored.
            BusUnavailableError: the database cannot be reached; of the last transaction it is unknown.
        """
        refused: list[Refused] = []
        remaining = iter(traced(messages))
        while batch := list(itertools.islice(remaining, BATCH)):
            try:
                self._publish(topic, batch)
            except PublishError:
                storable, unstorable = _parted(batch)
                if not unstorable:
                    raise
                refused += unstorable
                if storable:
                    self._publish(topic, storable)
        set_aside(topic, refused, utc_now(), self._publish)

    def _publish(self, topic: str, messages: Iterable[Message]) -> None:
        batch = list(messages)
        with metrics.publishing(topic, len(batch)), self._lock, reaching("publish to the bus"):
            conn = self._connection.get()
            with conn.transaction():
                self._append(conn, topic, batch)

    def publish_in(self, conn: psycopg.Connection, topic: str, messages: Iterable[Message]) -> int:
        """Publish within the caller's open transaction: stored when that commits, gone when it rolls back.

        Until then it holds up other publishers of the same partitions. Publish to several topics in
        alphabetical order: two transactions in opposite orders are a deadlock. What PostgreSQL cannot hold is looked
        for before, as an error would end the caller's transaction; it goes to the topic's dead-letter topic instead.

        Returns:
            the number of messages stored. Metrics count them now.
        """
        remaining = iter(messages)
        refused: list[Refused] = []
        total = 0
        while batch := list(itertools.islice(remaining, BATCH)):
            storable, unstorable = _parted(batch)
            refused += unstorable
            if storable:
                with metrics.publishing(topic, len(storable)):
                    self._append(conn, topic, storable)
                total += len(storable)
        set_aside(topic, refused, utc_now(), lambda letters, made: self.publish_in(conn, letters, made))
        return total

    def subscribe(
        self,
        group: str,
        topics: Collection[str],
        *,
        on_assign: PartitionsCallback | None = None,
        on_revoke: PartitionsCallback | None = None,
    ) -> PostgresSubscription:
        """Join a group with the first poll; see :meth:`candlewave.bus.protocol.Bus.subscribe`."""
        with self._lock, reaching("subscribe"):
            found = [self._topic(self._connection.get(), name) for name in topics]
        return PostgresSubscription(
            self._url,
            group,
            found,
            max_poll_interval=self._max_poll_interval,
            on_assign=on_assign,
            on_revoke=on_revoke,
        )

    def install(self) -> None:
        """Create the bus's tables where they are missing."""
        with self._lock, reaching("install the bus"):
            install(self._connection.get())

    def ensure_topics(self, specs: Iterable[TopicSpec]) -> None:
        """Create missing topics.

        Raises:
            BusError: a topic exists with another number of partitions.
        """
        with self._lock, reaching("create topics"):
            ensure_topics(self._connection.get(), specs)

    def partitions(self, topic: str) -> int:
        """Return the number of partitions of a topic."""
        with self._lock, reaching("read a topic"):
            return self._topic(self._connection.get(), topic).partitions

    def end_offsets(self, topic: str) -> dict[TopicPartition, int]:
        """Return the offset the next message of each partition will get."""
        with self._lock, reaching("read end offsets"):
            conn = self._connection.get()
            self._topic(conn, topic)
            rows = conn.execute(
                "SELECT partition, next_offset FROM bus.partitions WHERE topic = %s ORDER BY partition",
                (topic,),
            ).fetchall()
        return {TopicPartition(topic, partition): offset for partition, offset in rows}

    def ping(self) -> None:
        """Return when the database answers.

        Raises:
            BusUnavailableError: it does not.
        """
        with self._lock, reaching("ask the bus"):
            self._connection.get().execute("SELECT 1")

    def lag(self, group: str, topics: Collection[str]) -> dict[TopicPartition, int]:
        """Return how many messages the group has not committed yet, per partition, and set the lag metric."""
        with self._lock, reaching("read lag"):
            rows = (
                self._connection.get()
                .execute(
                    """
                    SELECT p.topic, p.partition,
                        p.next_offset - greatest(p.first_offset, coalesce(o.next_offset, 0))
                    FROM bus.partitions AS p
                    LEFT JOIN bus.offsets AS o
                        ON o.topic = p.topic AND o.partition = p.partition AND o.group_id = %s
                    WHERE p.topic = ANY(%s)
                    ORDER BY p.topic, p.partition
                    """,
                    (group, list(topics)),
                )
                .fetchall()
            )
        lag = {TopicPartition(topic, partition): behind for topic, partition, behind in rows}
        metrics.set_lag(group, lag)
        return lag

    def retain(self) -> int:
        """Delete what retention and compaction allow, and return how many messages went.

        A message goes when it is older than its topic's retention, or when a compacted topic has a newer one
        of its key; in both cases only if every group that reads the topic has committed past it. A group that
        leaves messages unread without a member for :data:`GROUP_PATIENCE`, as long as the engine runs, no longer
        counts: when it comes back, it goes on with the oldest message that is left.
        """
        with self._lock, reaching("apply retention"):
            conn = self._connection.get()
            now = self._clock() if self._clock else _database_time(conn)
            conn.execute(_CHECK_GROUPS, {"now": now, "max_gap": _MAX_CHECK_GAP})
            rows = conn.execute(
                """
                SELECT t.topic, t.partitions, t.relation, t.compact, %s - t.retention
                FROM bus.topics AS t
                WHERE t.compact OR t.retention IS NOT NULL
                ORDER BY t.topic
                """,
                (now,),
            ).fetchall()
            return sum(
                _retain(conn, Topic(topic, partitions, relation), partition, oldest, compact)
                for topic, partitions, relation, compact, oldest in rows
                for partition in range(partitions)
            )

    def close(self) -> None:
        """Close the connections; subscriptions must be closed first."""
        with self._lock:
            self._connection.close()

    def _topic(self, conn: psycopg.Connection, name: str) -> Topic:
        topic = self._topics.get(name)
        if topic is None:
            topic = find_topic(conn, name)
            if topic is None:
                raise BusError(f"there is no topic {name!r}; create it with ensure_topics")
            self._topics[name] = topic
        return topic

    def _append(self, conn: psycopg.Connection, name: str, messages: Sequence[Message]) -> None:
        topic = self._topic(conn, name)
        try:
            self._store(conn, topic, self._shares(topic, messages))
        except (psycopg.DataError, UnicodeEncodeError) as error:
            raise PublishError(f"topic {name} cannot take these messages: {error}") from error
        conn.execute("SELECT pg_notify('bus', %s)", (name,))

    def _shares(self, topic: Topic, messages: Iterable[Message]) -> dict[int, list[Message]]:
        """Return the messages of each partition, in order."""
        shares: dict[int, list[Message]] = defaultdict(list)
        keyless = next(self._keyless) % topic.partitions
        for message in messages:
            key = message.key
            shares[keyless if key is None else partition_of(key, topic.partitions)].append(message)
        return shares

    def _store(self, conn: psycopg.Connection, topic: Topic, shares: Mapping[int, Sequence[Message]]) -> None:
        partitions = sorted(shares)
        conn.execute(_LOCK, (topic.topic, partitions))
        starts = conn.execute(_TAKE_OFFSETS, (partitions, [len(shares[p]) for p in partitions], topic.topic)).fetchall()
        fixed = self._clock() if self._clock else None
        statement = sql.SQL(_COPY).format(relation=topic.table)
        with conn.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(_COPIED)
            for partition, start, now in starts:
                for row in _rows(partition, start, fixed or now, shares[partition]):
                    copy.write_row(row)


def _database_time(conn: psycopg.Connection) -> datetime:
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


def _parted(batch: Iterable[Message]) -> tuple[list[Message], list[Refused]]:
    """Return the messages that PostgreSQL can hold, and the others."""
    storable: list[Message] = []
    refused: list[Refused] = []
    for message in batch:
        reason = _unstorable(message)
        if reason is None:
            storable.append(message)
        else:
            refused.append(Refused(message, reason))
    return storable, refused


def _unstorable(message: Message) -> str | None:
    """Return why PostgreSQL cannot hold a message's key or headers, None when it can."""
    for text in (message.key or "", *(message.headers or {}), *(message.headers or {}).values()):
        if "\0" in text:
            return "a key or header holds the character NUL"
        if not text.isascii():
            try:
                text.encode("utf-8")
            except UnicodeEncodeError:
                return "a key or header is not valid Unicode"
    return None


def _rows(partition: int, start: int, now: datetime, messages: Iterable[Message]) -> Iterator[tuple[object, ...]]:
    for offset, message in enumerate(messages, start):
        value = message.value
        text = None if value is None else _text(value)
        yield (
            partition,
            offset,
            message.append_ts or now,
            message.key,
            text,
            value if text is None else None,
            None if message.headers is None else Jsonb(message.headers, dumps=msgspec.json.encode),
        )


def _text(value: bytes) -> str | None:
    """Return bytes as text if PostgreSQL can store them so, else None."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _retain(conn: psycopg.Connection, topic: Topic, partition: int, oldest: datetime | None, compact: bool) -> int:
    place = {"topic": topic.topic, "partition": partition, "patience": GROUP_PATIENCE}
    with conn.transaction():
        row = conn.execute(
            """
            SELECT least(p.next_offset, (
                SELECT min(o.next_offset) FROM bus.offsets AS o
                WHERE o.topic = p.topic AND o.partition = p.partition AND o.unattended < %(patience)s
            ))
            FROM bus.partitions AS p WHERE p.topic = %(topic)s AND p.partition = %(partition)s
            """,
            place,
        ).fetchone()
        assert row is not None
        read = row[0]
        deleted = 0
        if oldest is not None:
            # Only the run of old messages at the start: one scan that stops at the first young one.
            deleted += conn.execute(
                sql.SQL("""
                DELETE FROM {relation}
                WHERE partition = %(partition)s AND "offset" < least(%(read)s, (
                    SELECT m."offset" FROM {relation} AS m
                    WHERE m.partition = %(partition)s AND m.append_ts >= %(oldest)s
                    ORDER BY m."offset" LIMIT 1
                ))
                """).format(relation=topic.table),
                {**place, "read": read, "oldest": oldest},
            ).rowcount
        if compact:
            deleted += conn.execute(
                sql.SQL("""
                DELETE FROM {relation} AS old
                WHERE old.partition = %(partition)s AND old."offset" < %(read)s AND EXISTS (
                    SELECT FROM {relation} AS new
                    WHERE new.partition = old.partition AND new.key = old.key AND new."offset" > old."offset"
                )
                """).format(relation=topic.table),
                {**place, "read": read},
            ).rowcount
        if deleted:
            conn.execute(
                sql.SQL("""
                UPDATE bus.partitions SET first_offset = coalesce(
                    (SELECT min("offset") FROM {relation} WHERE partition = %(partition)s), next_offset
                )
                WHERE topic = %(topic)s AND partition = %(partition)s
                """).format(relation=topic.table),
                place,
            )
    return deleted
