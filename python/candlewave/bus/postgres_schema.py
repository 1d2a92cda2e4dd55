"""The tables of the bus inside PostgreSQL: schema ``bus``, one message table per topic."""

from collections.abc import Iterable

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import class_row

from candlewave.bus.protocol import BusError
from candlewave.contracts.topics import TopicSpec

_INSTALL_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('candlewave.bus.install', 0))"

_INSTALL = """
CREATE SCHEMA IF NOT EXISTS bus;
CREATE SEQUENCE IF NOT EXISTS bus.topic_number;
CREATE TABLE IF NOT EXISTS bus.topics (
    topic text PRIMARY KEY,
    partitions integer NOT NULL CHECK (partitions > 0),
    relation text NOT NULL UNIQUE,
    retention interval,
    compact boolean NOT NULL DEFAULT false
);
-- Offsets are counted here and not taken from the messages, which retention may delete to the last one.
CREATE TABLE IF NOT EXISTS bus.partitions (
    topic text REFERENCES bus.topics,
    partition integer,
    first_offset bigint NOT NULL DEFAULT 0,
    next_offset bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS bus.offsets (
    group_id text,
    topic text,
    partition integer,
    next_offset bigint NOT NULL,
    PRIMARY KEY (group_id, topic, partition)
) WITH (fillfactor = 50);
-- How long unread messages have waited without a member, as retention last checked; see PostgresBus.retain.
ALTER TABLE bus.offsets ADD COLUMN IF NOT EXISTS unattended interval NOT NULL DEFAULT '0';
ALTER TABLE bus.offsets ADD COLUMN IF NOT EXISTS checked_at timestamptz NOT NULL DEFAULT clock_timestamp();
-- The advisory lock that a group's owner of a partition holds, and the one that all readers of a topic share.
CREATE OR REPLACE FUNCTION bus.owner_key(group_id text, topic text, partition integer) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashtextextended('candlewave.bus.owner ' || group_id || ' ' || topic || ' ' || partition::text, 0);
CREATE OR REPLACE FUNCTION bus.member_key(group_id text, topic text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashtextextended('candlewave.bus.member ' || group_id || ' ' || topic, 0);
-- Version 0.1.0 kept members and what they own in tables.
DROP TABLE IF EXISTS bus.claims, bus.members;
"""

_CREATE_MESSAGES = """
CREATE TABLE {relation} (
    partition integer,
    "offset" bigint,
    append_ts timestamptz NOT NULL,
    key text,
    value text,
    raw bytea,
    headers jsonb,
    PRIMARY KEY (partition, "offset")
)
"""


class Topic(msgspec.Struct, frozen=True):
    """A topic as it is in the database; ``relation`` is the qualified name of its message table."""

    topic: str
    partitions: int
    relation: str

    @property
    def table(self) -> sql.SQL:
        """The message table, for composing SQL; its name was made by :func:`ensure_topics`."""
        return sql.SQL(self.relation)


def install(conn: psycopg.Connection) -> None:
    """Create the schema and its tables where they are missing, and bring those of earlier versions up to date.

    Several processes may do so at once.
    """
    with conn.transaction():
        conn.execute(_INSTALL_LOCK)
        conn.execute(_INSTALL)


def ensure_topics(conn: psycopg.Connection, specs: Iterable[TopicSpec]) -> None:
    """Create missing topics; retention and compaction of existing ones follow the specification.

    Raises:
        BusError: a topic exists with another number of partitions, so its keys would move.
    """
    with conn.transaction():
        conn.execute(_INSTALL_LOCK)
        for spec in specs:
            existing = find_topic(conn, spec.name)
            if existing is None:
                _create_topic(conn, spec)
            elif existing.partitions != spec.partitions:
                raise BusError(
                    f"topic {spec.name} has {existing.partitions} partitions, expected {spec.partitions}; "
                    "publish to a new topic, or drop this one"
                )
            else:
                conn.execute(
                    "UPDATE bus.topics SET retention = %s, compact = %s WHERE topic = %s",
                    (spec.retention, spec.compact, spec.name),
                )


def find_topic(conn: psycopg.Connection, name: str) -> Topic | None:
    """Return a topic, or None if it does not exist."""
    with conn.cursor(row_factory=class_row(Topic)) as cursor:
        return cursor.execute("SELECT topic, partitions, relation FROM bus.topics WHERE topic = %s", (name,)).fetchone()


def _create_topic(conn: psycopg.Connection, spec: TopicSpec) -> None:
    relation = conn.execute("SELECT 'bus.messages_' || nextval('bus.topic_number')").fetchone()
    assert relation is not None
    topic = Topic(spec.name, spec.partitions, relation[0])
    conn.execute(sql.SQL(_CREATE_MESSAGES).format(relation=topic.table))
    conn.execute(
        """
        INSERT INTO bus.topics (topic, partitions, relation, retention, compact)
        VALUES (%s, %s, %s, %s, %s)
        """,
        (topic.topic, topic.partitions, topic.relation, spec.retention, spec.compact),
    )
    conn.execute(
        "INSERT INTO bus.partitions (topic, partition) SELECT %s, generate_series(0, %s - 1)",
        (topic.topic, topic.partitions),
    )
