"""Consumer groups on PostgreSQL: a member owns a partition while its session holds an advisory lock on it.

A session that ends, however it ends, frees its partitions at once. A member that stops polling is ended by the server
(``idle_session_timeout``). Members see each other in ``pg_locks``; each works out its fair share of every topic, gives
up what is above it (callback first) and takes free partitions up to it. Shares add up to all partitions, so members
settle without a leader and keep what they can.
"""

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeVar

import psycopg
from psycopg import sql

from candlewave.bus import metrics
from candlewave.bus.postgres_connection import Reconnecting, reaching
from candlewave.bus.postgres_schema import Topic
from candlewave.bus.protocol import Closing, CommitRefusedError, PartitionsCallback, Received, TopicPartition

_T = TypeVar("_T")

SAFETY_POLL = 1.0
"""Longest wait for a notification, in seconds, before the tables are read anyway."""
LOOK_SECONDS = 2.0
"""Seconds between looks at the group: how soon the partitions of a killed member are found to be free."""

MESSAGES_CHANNEL = "bus"
GROUPS_CHANNEL = "bus_groups"

_ENTER = "SELECT pg_advisory_lock_shared(bus.member_key(%s, topic)) FROM unnest(%s::text[]) AS topic"
_LOOK = """
WITH held AS (
    SELECT (classid::bigint << 32) | objid::bigint AS key, pid
    FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
SELECT m.topic, NULL AS partition, h.pid
FROM unnest(%(topics)s::text[]) AS m (topic)
JOIN held AS h ON h.key = bus.member_key(%(group)s, m.topic)
UNION ALL
SELECT p.topic, p.partition, h.pid
FROM bus.partitions AS p
JOIN held AS h ON h.key = bus.owner_key(%(group)s, p.topic, p.partition)
WHERE p.topic = ANY(%(topics)s)
"""
_LOCK = """
WITH tried AS MATERIALIZED (
    SELECT topic, partition, pg_try_advisory_lock(bus.owner_key(%s, topic, partition)) AS is_mine
    FROM unnest(%s::text[], %s::integer[]) AS t (topic, partition)
)
SELECT topic, partition FROM tried WHERE is_mine
"""
# In a statement after the lock's: it sees all that earlier owners have committed.
_START = """
INSERT INTO bus.offsets AS o (group_id, topic, partition, next_offset)
SELECT %s, p.topic, p.partition, p.first_offset
FROM bus.partitions AS p
JOIN unnest(%s::text[], %s::integer[]) AS t (topic, partition) ON t.topic = p.topic AND t.partition = p.partition
ON CONFLICT (group_id, topic, partition) DO UPDATE SET unattended = DEFAULT
RETURNING o.topic, o.partition, o.next_offset
"""
_UNLOCK = """
SELECT pg_advisory_unlock(bus.owner_key(%s, topic, partition))
FROM unnest(%s::text[], %s::integer[]) AS t (topic, partition)
"""
_COMMIT = """
UPDATE bus.offsets AS o SET next_offset = t.next_offset
FROM unnest(%s::text[], %s::integer[], %s::bigint[]) AS t (topic, partition, next_offset)
WHERE o.group_id = %s AND o.topic = t.topic AND o.partition = t.partition
"""
_ENDS = "SELECT topic, partition, next_offset FROM bus.partitions WHERE topic = ANY(%s)"
_FETCH = """
SELECT "offset", append_ts, key, value, raw, headers FROM {relation}
WHERE partition = %s AND "offset" >= %s ORDER BY "offset" LIMIT %s
"""


def fair_share(
    me: int, members: Iterable[int], partitions: int, owners: Mapping[int, int]
) -> tuple[list[int], list[int]]:
    """Return the free partitions of a topic a member should take, and those of its own it should give up.

    Args:
        me: the member, by the process id of its session.
        members: all living members; those that own most get the remainder.
        partitions: how many the topic has.
        owners: who owns each partition that is not free.
    """
    owned = list(owners.values())
    ranked = sorted({me, *members}, key=lambda member: (-owned.count(member), member))
    share, remainder = divmod(partitions, len(ranked))
    quota = share + (ranked.index(me) < remainder)
    mine = sorted(p for p, owner in owners.items() if owner == me)
    free = [p for p in range(partitions) if p not in owners]
    return free[: max(0, quota - len(mine))], mine[quota:]


class PostgresSubscription(Closing):
    """A member of a consumer group; see :class:`candlewave.bus.protocol.Subscription`.

    Commits run in the session that holds the locks: a member that has lost a partition cannot commit it.
    """

    def __init__(
        self,
        url: str | Callable[[], str],
        group: str,
        topics: Sequence[Topic],
        *,
        max_poll_interval: timedelta,
        on_assign: PartitionsCallback | None,
        on_revoke: PartitionsCallback | None,
    ) -> None:
        self._connection = Reconnecting(url, listen=(MESSAGES_CHANNEL, GROUPS_CHANNEL), max_idle=max_poll_interval)
        self._group = group
        self._topics = {topic.topic: topic for topic in topics}
        self._on_assign = on_assign
        self._on_revoke = on_revoke
        self._next_look = 0.0
        self._lost: set[TopicPartition] = set()
        """Owned by an earlier session and not got back; revoked by the next poll."""
        self._positions: dict[TopicPartition, int] = {}
        """Next offset to hand out, in the order in which partitions have their turn."""
        self._committed: dict[TopicPartition, int] = {}
        """As the database knows it, without asking: while it is down a rewind must not be forgotten."""
        self._ends: dict[TopicPartition, int] = {}

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
                self._in_session(partial(self._listen, wait=wait))
            if time.monotonic() >= self._next_look:
                self._rebalance()
            with reaching(f"poll as {self._group}"):
                messages = self._in_session(partial(self._fetch, max_messages=max_messages))
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
            self._in_session(lambda conn: self._record(conn, pending))
        self._committed.update(pending)
        metrics.set_lag(self._group, {tp: self._ends[tp] - at for tp, at in pending.items()})

    def rewind(self) -> None:
        """Hand out again everything that was not committed."""
        self._positions.update(self._committed)

    def close(self) -> None:
        """Leave the group, after the revocation callback."""
        owned = list(self._positions)
        try:
            self._revoke(owned)
        finally:
            if not self._connection.lost:
                with contextlib.suppress(psycopg.OperationalError):  # the session has ended already
                    self._unlock(self._connection.get(), owned)
            self._connection.close()

    def _in_session(self, work: Callable[[psycopg.Connection], _T]) -> _T:
        """Run on the member's session; once more on a new one if the old had ended unnoticed, as after a long pause."""
        try:
            return work(self._session())
        except psycopg.OperationalError:
            if not self._connection.lost:
                raise
            return work(self._session())

    def _session(self) -> psycopg.Connection:
        """Return the session; a new one enters the group and takes back what nobody else has read on meanwhile."""
        if not self._connection.lost:
            return self._connection.get()
        conn = self._connection.get()
        try:
            conn.execute(_ENTER, (self._group, list(self._topics)))
            regained = self._lock(conn, list(self._positions))
            self._lost = {tp for tp in self._positions if regained.get(tp) != self._committed[tp]}
            self._unlock(conn, self._lost & regained.keys())
        except BaseException:
            conn.close()  # entered in full or not at all
            raise
        self._next_look = 0.0
        return conn

    def _listen(self, conn: psycopg.Connection, wait: float) -> None:
        """Take notifications, waiting for the first; note whether the group has changed, and where partitions end."""
        for notify in conn.notifies(timeout=wait, stop_after=1 if wait else None):
            if notify.channel == GROUPS_CHANNEL and notify.payload == self._group:
                self._next_look = 0.0
        for topic, partition, end in conn.execute(_ENDS, (list(self._topics),)):
            self._ends[TopicPartition(topic, partition)] = end

    def _rebalance(self) -> None:
        self._next_look = time.monotonic() + LOOK_SECONDS
        lost = list(self._lost)
        self._revoke(lost)
        with reaching(f"share the partitions of {self._group}"):
            gained, give_up = self._in_session(self._share)
        self._positions.update(gained)
        self._committed.update(gained)
        if gained or give_up or lost:
            metrics.REBALANCES.labels(self._group).inc()
        if give_up:
            try:
                self._revoke(give_up)
            finally:
                with reaching(f"give up partitions of {self._group}"):
                    self._in_session(partial(self._unlock, partitions=give_up))
        if gained and self._on_assign:
            self._on_assign(list(gained))

    def _share(self, conn: psycopg.Connection) -> tuple[dict[TopicPartition, int], list[TopicPartition]]:
        """Lock what is free up to the fair share; return that with its committed offsets, and what to give up."""
        if self._lost:
            return {}, []  # a new session just now: the next look starts with what it has lost
        members: dict[str, set[int]] = defaultdict(set)
        owners: dict[str, dict[int, int]] = defaultdict(dict)
        for topic, partition, pid in conn.execute(_LOOK, {"group": self._group, "topics": list(self._topics)}):
            if partition is None:
                members[topic].add(pid)
            else:
                owners[topic][partition] = pid
        take: list[TopicPartition] = []
        give_up: list[TopicPartition] = []
        for name, topic in sorted(self._topics.items()):
            shares = fair_share(conn.info.backend_pid, members[name], topic.partitions, owners[name])
            for partitions, share in zip((take, give_up), shares, strict=True):
                partitions.extend(TopicPartition(name, p) for p in share)
        return self._lock(conn, take), give_up

    def _lock(self, conn: psycopg.Connection, wanted: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Lock partitions; return those that were free, with the offset the group has committed."""
        try:
            mine = conn.execute(_LOCK, (self._group, *_columns(wanted))).fetchall()
            rows = conn.execute(_START, (self._group, *_columns(mine))).fetchall()
        except BaseException:
            conn.close()  # what it may have locked is free again
            raise
        return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}

    def _unlock(self, conn: psycopg.Connection, partitions: Iterable[TopicPartition]) -> None:
        """Free partitions, and let the group look at what has changed."""
        conn.execute(_UNLOCK, (self._group, *_columns(partitions)))
        conn.execute("SELECT pg_notify(%s, %s)", (GROUPS_CHANNEL, self._group))

    def _revoke(self, partitions: Collection[TopicPartition]) -> None:
        """Run the callback, which may commit, then forget the partitions."""
        if not partitions:
            return
        try:
            if self._on_revoke:
                self._on_revoke(list(partitions))
        finally:
            for tp in partitions:
                del self._positions[tp], self._committed[tp]
            self._lost.difference_update(partitions)
            metrics.drop_lag(self._group, partitions)

    def _record(self, conn: psycopg.Connection, pending: Mapping[TopicPartition, int]) -> None:
        if lost := self._lost & pending.keys():
            raise CommitRefusedError(
                f"group {self._group}: {len(lost)} of {len(pending)} partitions were taken over by other members, "
                "who read again what was not committed"
            )
        conn.execute(_COMMIT, (*_columns(pending), list(pending.values()), self._group))

    def _fetch(self, conn: psycopg.Connection, max_messages: int) -> list[Received]:
        due = [tp for tp, at in self._positions.items() if at < self._ends[tp] and tp not in self._lost]
        before = dict(self._positions)
        messages: list[Received] = []
        try:
            for tp in due:
                if len(messages) == max_messages:
                    break
                messages += self._read(conn, tp, max_messages - len(messages))
        except BaseException:
            self._positions = before  # what was read so far is not handed out
            raise
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


def _columns(partitions: Iterable[tuple[str, int]]) -> tuple[list[str], list[int]]:
    """Return the topics and the partitions, for ``unnest``."""
    pairs = list(partitions)
    return [topic for topic, _ in pairs], [partition for _, partition in pairs]
