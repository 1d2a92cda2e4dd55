"""Consumer groups on PostgreSQL: members with leases, claims on partitions, fenced commits.

Each member, under the group's lock, removes members whose heartbeat is too old, works out its fair share of
every topic, gives up what is above it (callback first) and takes free partitions up to it. Shares add up to
all partitions and depend only on who is there: members settle without a leader, and keep what they can.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import NamedTuple

import psycopg
from psycopg import sql

from candlewave.bus import metrics
from candlewave.bus.postgres_connection import Reconnecting, reaching
from candlewave.bus.postgres_schema import Topic
from candlewave.bus.protocol import (
    BusUnavailableError,
    Closing,
    CommitRefusedError,
    PartitionsCallback,
    Received,
    TopicPartition,
)

_log = logging.getLogger(__name__)

SAFETY_POLL = 1.0
"""Longest wait for a notification, in seconds, before the tables are looked at anyway."""

MESSAGES_CHANNEL = "bus"
GROUPS_CHANNEL = "bus_groups"

_LOCK_GROUP = "SELECT pg_advisory_xact_lock(hashtextextended('candlewave.bus.group ' || %s, 0))"
_BEAT = """
UPDATE bus.members SET heartbeat_at = clock_timestamp() WHERE member_id = ANY(%s)
"""
_FETCH = """
SELECT "offset", append_ts, key, value, raw, headers FROM {relation}
WHERE partition = %s AND "offset" >= %s ORDER BY "offset" LIMIT %s
"""


class Heart:
    """Keeps the leases of all members of one process alive, from a thread of its own.

    It stops doing so for a member that has not polled for ``max_poll_interval``: such a member hangs.
    """

    def __init__(self, url: str | Callable[[], str], session_timeout: timedelta, max_poll_interval: timedelta) -> None:
        self._connection = Reconnecting(url)
        self._interval = session_timeout.total_seconds() / 4
        self._max_poll_interval = max_poll_interval.total_seconds()
        self._last_poll: dict[str, float] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def interval(self) -> float:
        """Seconds between beats."""
        return self._interval

    def polled(self, member_id: str) -> None:
        """Note that a member is at work; the first note starts its heartbeat."""
        self._last_poll[member_id] = time.monotonic()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bus-heartbeat", daemon=True)
                self._thread.start()

    def forget(self, member_id: str) -> None:
        """Stop the heartbeat of a member."""
        self._last_poll.pop(member_id, None)

    def beat(self) -> None:
        """Renew the leases now."""
        oldest = time.monotonic() - self._max_poll_interval
        living = [member for member, polled in list(self._last_poll.items()) if polled >= oldest]
        with reaching("renew leases"):
            self._connection.get().execute(_BEAT, (living,))

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self.beat()
            except BusUnavailableError:
                # Polling meets the same outage and reports it; leases are renewed once the server is back.
                metrics.HEARTBEATS_MISSED.inc()


class _Shares(NamedTuple):
    take: list[TopicPartition]
    give_up: list[TopicPartition]


def fair_share(
    me: str,
    members: Sequence[tuple[str, Collection[str]]],
    partitions: int,
    topic: str,
    owners: dict[int, str],
) -> tuple[list[int], list[int]]:
    """Return the free partitions of a topic a member should take, and those of its own it should give up.

    Args:
        me: the member.
        members: all living members with their topics, in the order they joined; the first get the remainder.
        partitions: how many the topic has.
        topic: its name.
        owners: who owns each claimed partition.
    """
    readers = [member for member, topics in members if topic in topics]
    share, remainder = divmod(partitions, len(readers))
    quota = share + (readers.index(me) < remainder)
    mine = sorted(p for p, owner in owners.items() if owner == me)
    free = [p for p in range(partitions) if p not in owners]
    return free[: max(0, quota - len(mine))], mine[quota:]


class PostgresSubscription(Closing):
    """A member of a consumer group; see :class:`candlewave.bus.protocol.Subscription`."""

    def __init__(
        self,
        url: str | Callable[[], str],
        heart: Heart,
        group: str,
        topics: Sequence[Topic],
        *,
        session_timeout: timedelta,
        on_assign: PartitionsCallback | None,
        on_revoke: PartitionsCallback | None,
    ) -> None:
        self._connection = Reconnecting(url, listen=(MESSAGES_CHANNEL, GROUPS_CHANNEL))
        self._heart = heart
        self._group = group
        self._topics = {topic.topic: topic for topic in topics}
        self._session_timeout = session_timeout
        self._on_assign = on_assign
        self._on_revoke = on_revoke
        self._member_id: str | None = None
        self._next_look = 0.0
        self._positions: dict[TopicPartition, int] = {}
        """Next offset to hand out, in the order in which partitions have their turn."""
        self._committed: dict[TopicPartition, int] = {}
        """As the database knows it, without asking: while it is away a rewind must not be forgotten."""
        self._ends: dict[TopicPartition, int] = {}

    @property
    def member_id(self) -> str | None:
        """Name of this membership, another after each join: commits of an old one can be told apart."""
        return self._member_id

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions this member owns now."""
        return frozenset(self._positions)

    def poll(self, max_messages: int = 1000, timeout: float = 1.0) -> list[Received]:
        """Return up to ``max_messages`` messages once there are any, or none after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        wait = 0.0
        while True:
            with reaching(f"poll as {self._group}"):
                self._listen(wait)
            if time.monotonic() >= self._next_look:
                self._rebalance()
            with reaching(f"poll as {self._group}"):
                messages = self._fetch(self._connection.get(), max_messages)
            remaining = deadline - time.monotonic()
            if messages or remaining <= 0:
                return messages
            wait = min(remaining, SAFETY_POLL)

    def commit(self) -> None:
        """Record everything handed out by earlier polls as processed.

        Raises:
            CommitRefusedError: a partition among it has been lost; nothing is recorded.
        """
        pending = {tp: at for tp, at in self._positions.items() if at != self._committed[tp]}
        if not pending:
            return
        with reaching(f"commit as {self._group}"):
            conn = self._connection.get()
            with conn.transaction():
                self._record(conn, pending)
        self._committed.update(pending)
        metrics.set_lag(self._group, {tp: self._ends[tp] - at for tp, at in pending.items()})

    def rewind(self) -> None:
        """Hand out again everything that was not committed."""
        self._positions.update(self._committed)

    def close(self) -> None:
        """Leave the group, after the revocation callback."""
        if self._connection.lost and self._member_id is None:
            return
        try:
            self._revoke(list(self._positions))
        finally:
            if self._member_id is not None:
                self._heart.forget(self._member_id)
                try:
                    self._leave(self._member_id)
                except BusUnavailableError as error:
                    _log.warning("%s; its lease runs out instead", error)
                self._member_id = None
            self._connection.close()

    def _listen(self, wait: float) -> None:
        """Take notifications, waiting for the first; look at the group if they say it has changed."""
        if self._connection.lost:
            self._next_look = 0.0
        conn = self._connection.get()
        for notify in conn.notifies(timeout=wait, stop_after=1 if wait else None):
            if notify.channel == GROUPS_CHANNEL and notify.payload == self._group:
                self._next_look = 0.0

    def _leave(self, member_id: str) -> None:
        with reaching(f"leave {self._group}"):
            conn = self._connection.get()
            with conn.transaction():
                conn.execute(_LOCK_GROUP, (self._group,))
                conn.execute("DELETE FROM bus.members WHERE member_id = %s", (member_id,))
                self._tell_group(conn)

    def _rebalance(self) -> None:
        if self._member_id is not None:
            with reaching(f"stay in {self._group}"):
                alive = self._connection.get().execute(_BEAT, ([self._member_id],)).rowcount
            if not alive:
                self._lose_all()
        with reaching(f"join {self._group}"):
            conn = self._connection.get()
            with conn.transaction():
                conn.execute(_LOCK_GROUP, (self._group,))
                self._bury_the_dead(conn)
                if self._member_id is None:
                    self._join(conn)
                shares = self._shares(conn)
                positions = self._claim(conn, shares.take)
        assert self._member_id is not None
        self._heart.polled(self._member_id)
        self._next_look = time.monotonic() + self._heart.interval
        self._positions.update(positions)
        self._committed.update(positions)
        self._ends.update(positions)
        if shares.take or shares.give_up:
            metrics.REBALANCES.labels(self._group).inc()
        if shares.give_up:
            try:
                self._revoke(shares.give_up)
            finally:
                with reaching(f"give up partitions of {self._group}"):
                    self._release(self._connection.get(), shares.give_up)
        if shares.take and self._on_assign:
            self._on_assign(shares.take)

    def _join(self, conn: psycopg.Connection) -> None:
        member_id = str(uuid.uuid4())
        conn.execute(
            """
            INSERT INTO bus.members
                (group_id, member_id, topics, client, session_timeout, joined_at, heartbeat_at)
            VALUES (%s, %s, %s, %s, %s, clock_timestamp(), clock_timestamp())
            """,
            (
                self._group,
                member_id,
                sorted(self._topics),
                f"{socket.gethostname()}:{os.getpid()}",
                self._session_timeout,
            ),
        )
        self._tell_group(conn)
        self._member_id = member_id

    def _bury_the_dead(self, conn: psycopg.Connection) -> None:
        dead = conn.execute(
            """
            DELETE FROM bus.members
            WHERE group_id = %s AND member_id IS DISTINCT FROM %s
                AND heartbeat_at < clock_timestamp() - session_timeout
            """,
            (self._group, self._member_id),
        ).rowcount
        if dead:
            self._tell_group(conn)

    def _shares(self, conn: psycopg.Connection) -> _Shares:
        assert self._member_id is not None
        members = conn.execute(
            "SELECT member_id, topics FROM bus.members WHERE group_id = %s ORDER BY joined_at, member_id",
            (self._group,),
        ).fetchall()
        owners: dict[str, dict[int, str]] = {topic: {} for topic in self._topics}
        for topic, partition, owner in conn.execute(
            "SELECT topic, partition, member_id FROM bus.claims WHERE group_id = %s AND topic = ANY(%s)",
            (self._group, list(self._topics)),
        ):
            owners[topic][partition] = owner
        shares = _Shares([], [])
        for name, topic in sorted(self._topics.items()):
            take, give_up = fair_share(self._member_id, members, topic.partitions, name, owners[name])
            shares.take.extend(TopicPartition(name, p) for p in take)
            shares.give_up.extend(TopicPartition(name, p) for p in give_up)
        return shares

    def _claim(self, conn: psycopg.Connection, take: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        if not take:
            return {}
        columns = ([tp.topic for tp in take], [tp.partition for tp in take])
        conn.execute(
            """
            INSERT INTO bus.claims (group_id, topic, partition, member_id)
            SELECT %s, t.topic, t.partition, %s FROM unnest(%s::text[], %s::integer[]) AS t (topic, partition)
            """,
            (self._group, self._member_id, *columns),
        )
        # A row from the first claim on protects what the group has not read from retention.
        conn.execute(
            """
            INSERT INTO bus.offsets (group_id, topic, partition, next_offset)
            SELECT %s, p.topic, p.partition, p.first_offset
            FROM bus.partitions AS p
            JOIN unnest(%s::text[], %s::integer[]) AS t (topic, partition)
                ON t.topic = p.topic AND t.partition = p.partition
            ON CONFLICT DO NOTHING
            """,
            (self._group, *columns),
        )
        return self._offsets(conn, take)

    def _offsets(self, conn: psycopg.Connection, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        rows = conn.execute(
            """
            SELECT o.topic, o.partition, o.next_offset
            FROM bus.offsets AS o
            JOIN unnest(%s::text[], %s::integer[]) AS t (topic, partition)
                ON t.topic = o.topic AND t.partition = o.partition
            WHERE o.group_id = %s
            """,
            ([tp.topic for tp in partitions], [tp.partition for tp in partitions], self._group),
        ).fetchall()
        return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}

    def _release(self, conn: psycopg.Connection, partitions: Sequence[TopicPartition]) -> None:
        with conn.transaction():
            conn.execute(_LOCK_GROUP, (self._group,))
            conn.execute(
                """
                DELETE FROM bus.claims AS c
                USING unnest(%s::text[], %s::integer[]) AS t (topic, partition)
                WHERE c.group_id = %s AND c.member_id = %s
                    AND c.topic = t.topic AND c.partition = t.partition
                """,
                (
                    [tp.topic for tp in partitions],
                    [tp.partition for tp in partitions],
                    self._group,
                    self._member_id,
                ),
            )
            self._tell_group(conn)

    def _revoke(self, partitions: list[TopicPartition]) -> None:
        """Run the callback, which may commit, then forget the partitions."""
        if not partitions:
            return
        try:
            if self._on_revoke:
                self._on_revoke(partitions)
        finally:
            for tp in partitions:
                del self._positions[tp], self._committed[tp], self._ends[tp]
            metrics.drop_lag(self._group, partitions)

    def _lose_all(self) -> None:
        """Others took this member for dead: its commits are refused from now on."""
        assert self._member_id is not None
        self._heart.forget(self._member_id)
        try:
            self._revoke(list(self._positions))
        finally:
            self._member_id = None

    def _record(self, conn: psycopg.Connection, pending: dict[TopicPartition, int]) -> None:
        columns = ([tp.topic for tp in pending], [tp.partition for tp in pending])
        # The share lock keeps whoever takes this member for dead waiting until the commit is through.
        held = conn.execute(
            """
            SELECT FROM bus.claims AS c
            JOIN unnest(%s::text[], %s::integer[]) AS t (topic, partition)
                ON t.topic = c.topic AND t.partition = c.partition
            WHERE c.group_id = %s AND c.member_id = %s
            FOR SHARE OF c
            """,
            (*columns, self._group, self._member_id),
        ).rowcount
        if held != len(pending):
            raise CommitRefusedError(
                f"group {self._group}: {len(pending) - held} of {len(pending)} partitions were taken over by "
                "other members, who read again what was not committed"
            )
        conn.execute(
            """
            UPDATE bus.offsets AS o SET next_offset = t.next_offset
            FROM unnest(%s::text[], %s::integer[], %s::bigint[]) AS t (topic, partition, next_offset)
            WHERE o.group_id = %s AND o.topic = t.topic AND o.partition = t.partition
            """,
            (*columns, list(pending.values()), self._group),
        )

    def _fetch(self, conn: psycopg.Connection, max_messages: int) -> list[Received]:
        if self._member_id is not None:
            self._heart.polled(self._member_id)
        for topic, partition, end in conn.execute(
            "SELECT topic, partition, next_offset FROM bus.partitions WHERE topic = ANY(%s)",
            (list(self._topics),),
        ):
            if (tp := TopicPartition(topic, partition)) in self._positions:
                self._ends[tp] = end
        messages: list[Received] = []
        for tp in [tp for tp, at in self._positions.items() if at < self._ends[tp]]:
            room = max_messages - len(messages)
            if room <= 0:
                break
            messages += self._read(conn, tp, room)
        return messages

    def _read(self, conn: psycopg.Connection, tp: TopicPartition, limit: int) -> list[Received]:
        topic, partition = tp
        with conn.cursor(binary=True) as cursor:
            rows = cursor.execute(
                sql.SQL(_FETCH).format(relation=self._topics[topic].table),
                (partition, self._positions.pop(tp), limit),
            ).fetchall()
        # Put back at the end: partitions take turns. No row: retention or compaction took what was there.
        self._positions[tp] = rows[-1][0] + 1 if rows else self._ends[tp]
        metrics.CONSUMED.labels(topic, self._group).inc(len(rows))
        return [
            Received(topic, partition, offset, at, key, raw if value is None else value.encode(), headers)
            for offset, at, key, value, raw, headers in rows
        ]

    def _tell_group(self, conn: psycopg.Connection) -> None:
        conn.execute("SELECT pg_notify(%s, %s)", (GROUPS_CHANNEL, self._group))
