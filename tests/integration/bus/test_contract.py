"""What both buses promise (``candlewave.bus.protocol``), as one suite."""

import base64
from collections import defaultdict

import pytest
from tests.integration.bus.helpers import poll_until, receive
from tests.integration.bus.stages import PARTITIONS, Stage

from candlewave.bus.protocol import BusError, CommitRefusedError, Message, Received, TopicPartition, partition_of
from candlewave.bus.shards import Lease, ShardOwnership
from candlewave.contracts.records import DeadLetter, decode
from candlewave.contracts.topics import SERVICE_LEASES


def values(received: list[Received]) -> list[bytes | None]:
    return [message.value for message in received]


def numbered(count: int, keys: int = 7, start: int = 0) -> list[Message]:
    return [Message(str(i).encode(), f"key-{i % keys}") for i in range(start, start + count)]


def test_content_survives_the_round_trip(stage: Stage) -> None:
    bus, topic = stage.bus(), stage.topic()
    sent = [
        Message(b'{"price":"1.10"}', "kraken|BTC/USD"),
        Message("ünï \\ \t \n \r 'quoted' \"too\"".encode(), "tab\tand\\backslash"),
        Message(b"\xff\xfe garbage \x00 with zeros", "garbage"),
        Message(b"text with \x00", "zero"),
        Message(b"\\N", "looks like NULL to COPY"),
        Message(b"", "empty"),
        Message(None, "tombstone"),
        Message(b"headers", "headers", {"traceparent": "00-ab-cd-01", "ünï": 'a "b" \\'}),
        Message(b"no key"),
    ]
    bus.publish(topic, iter(sent))

    with bus.subscribe("readers", [topic]) as subscription:
        received = receive(len(sent), subscription)

    assert {(m.key, m.value, frozenset((m.headers or {}).items())) for m in received} == {
        (m.key, m.value, frozenset((m.headers or {}).items())) for m in sent
    }
    assert all(m.topic == topic and m.append_ts.utcoffset() is not None for m in received)
    assert {(m.partition, m.key) for m in received if m.key} == {
        (partition_of(m.key, PARTITIONS), m.key) for m in sent if m.key
    }


def test_a_message_that_is_never_taken_is_a_dead_letter_and_blocks_nothing(stage: Stage) -> None:
    bus = stage.bus()
    for topic in ("trades", "trades.dlq"):
        stage.topic(topic)
    before = {topic: sum(bus.end_offsets(topic).values()) for topic in ("trades", "trades.dlq")}
    bad = stage.never_taken()
    bus.publish("trades", [Message(b"1", "k"), bad, Message(b"2", "k")])
    stored = {topic: sum(bus.end_offsets(topic).values()) - before[topic] for topic in before}
    assert stored == {"trades": 2, "trades.dlq": 1}
    with bus.subscribe("readers-of-letters", ["trades.dlq"]) as subscription:
        *_, last = receive(before["trades.dlq"] + 1, subscription)
    letter = decode(DeadLetter, last.value)
    assert (letter.topic, letter.source) == ("trades", "topic trades")
    assert base64.b64decode(letter.payload_base64) == (bad.value or b"")[:65_536]


def test_partitions_are_read_in_order_and_commits_last(stage: Stage) -> None:
    topic = stage.topic()
    with stage.bus() as bus:
        for start in range(0, 2000, 500):
            bus.publish(topic, numbered(500, start=start))
        assert bus.partitions(topic) == PARTITIONS
        ends = bus.end_offsets(topic)
        assert sum(ends.values()) == 2000
        assert bus.lag("readers", [topic]) == ends

        with bus.subscribe("readers", [topic]) as subscription:
            received = receive(2000, subscription, max_messages=300)
            assert bus.lag("readers", [topic]) == ends, "nothing was committed yet"
            subscription.commit()
        assert set(bus.lag("readers", [topic]).values()) == {0}

        by_key, by_partition = defaultdict(list), defaultdict(list)
        for message in received:
            by_key[message.key].append(int(message.value or b""))
            by_partition[message.partition].append(message.offset)
        assert all(numbers == sorted(numbers) for numbers in by_key.values())
        assert all(offsets == list(range(len(offsets))) for offsets in by_partition.values())

    with stage.bus() as later:
        later.publish(topic, [Message(b"new", "key-0")])
        with later.subscribe("readers", [topic]) as subscription:
            assert values(receive(1, subscription)) == [b"new"]


def test_a_crash_redelivers_what_was_not_committed(stage: Stage) -> None:
    bus, topic = stage.bus(), stage.topic()
    bus.publish(topic, numbered(10))
    crashing = stage.bus().subscribe("readers", [topic])
    receive(10, crashing)
    crashing.commit()
    bus.publish(topic, numbered(5, start=10))
    receive(5, crashing)
    stage.crash(crashing)

    with stage.bus().subscribe("readers", [topic]) as heir:
        assert sorted(values(receive(5, heir))) == [b"10", b"11", b"12", b"13", b"14"]


def test_rewind_hands_out_again_what_was_not_committed(stage: Stage) -> None:
    bus, topic = stage.bus(), stage.topic()
    bus.publish(topic, numbered(6))
    with bus.subscribe("readers", [topic]) as subscription:
        receive(6, subscription)
        subscription.rewind()
        assert sorted(values(receive(6, subscription))) == [b"0", b"1", b"2", b"3", b"4", b"5"]
        subscription.commit()
        bus.publish(topic, numbered(3, start=6))
        receive(3, subscription)
        subscription.rewind()
        assert sorted(values(receive(3, subscription))) == [b"6", b"7", b"8"]


def test_three_members_share_and_a_hanging_one_is_replaced_and_fenced(stage: Stage) -> None:
    topic = stage.topic()
    every = {TopicPartition(topic, p) for p in range(PARTITIONS)}
    owned: dict[int, set[TopicPartition]] = {0: set(), 1: set(), 2: set()}

    def join(number: int):
        return stage.bus().subscribe(
            "readers", [topic], on_assign=owned[number].update, on_revoke=owned[number].difference_update
        )

    members = [join(0), join(1), join(2)]

    def shared_by(count: int) -> bool:
        shares = [m.assignment for m in members[-count:]]
        return all(shares) and set().union(*shares) == every and sum(map(len, shares)) == PARTITIONS

    poll_until(lambda _: shared_by(3), members)
    assert [owned[i] for i in range(3)] == [set(m.assignment) for m in members]

    bus = stage.bus()
    bus.publish(topic, numbered(40, keys=40))
    received = receive(40, *members)
    assert sorted(int(v or b"") for v in values(received)) == list(range(40))

    hanging, *living = members
    unread = [m for m in received if TopicPartition(topic, m.partition) in hanging.assignment]
    for member in living:
        member.commit()
    stage.hang(hanging)
    members = living
    redelivered = poll_until(lambda got: shared_by(2) and len(got) >= len(unread), living)
    assert sorted(values(redelivered)) == sorted(values(unread)), "what it read and never committed, nothing else"

    with pytest.raises(CommitRefusedError):
        hanging.commit()
    for member in [*living, hanging]:
        member.close()


def test_revocation_may_commit_so_that_the_next_owner_repeats_nothing(stage: Stage) -> None:
    bus, topic = stage.bus(), stage.topic()
    bus.publish(topic, numbered(20, keys=20))
    first = bus.subscribe("readers", [topic], on_revoke=lambda _: first.commit())
    receive(20, first)
    second = stage.bus().subscribe("readers", [topic])
    repeated = poll_until(lambda _: len(first.assignment) == len(second.assignment) == PARTITIONS / 2, [first, second])
    assert repeated == []
    bus.publish(topic, numbered(20, keys=20, start=20))
    assert sorted(int(v or b"") for v in values(receive(20, first, second))) == list(range(20, 40))
    first.close()
    second.close()


def test_an_error_in_a_callback_reaches_the_caller_and_loses_nothing(stage: Stage) -> None:
    bus, topic = stage.bus(), stage.topic()
    bus.publish(topic, numbered(10))

    def refuse(_: object) -> None:
        raise ArithmeticError("callback")

    subscription = bus.subscribe("readers", [topic], on_assign=refuse)
    with pytest.raises(ArithmeticError, match="callback"):
        poll_until(lambda _: False, [subscription])
    assert len(receive(10, subscription)) == 10
    subscription.close()


def test_unknown_topics_are_refused_with_a_way_out(stage: Stage) -> None:
    bus = stage.bus()
    for use in (
        lambda: bus.subscribe("readers", ["nowhere"]),
        lambda: bus.end_offsets("nowhere"),
        lambda: bus.partitions("nowhere"),
    ):
        with pytest.raises(BusError, match=r"no topic .*nowhere.*ensure_topics"):
            use()


def test_shards_are_split_and_a_lease_moves_when_its_holder_leaves(stage: Stage) -> None:
    topic = stage.topic()
    keys = [f"kraken|{i}/USD" for i in range(50)]
    changes: list[frozenset[int]] = []
    one = ShardOwnership(stage.bus(), "ingest", changes.append, topic=topic)
    two = ShardOwnership(stage.bus(), "ingest", topic=topic)
    subscriptions = [one._subscription, two._subscription]
    poll_until(lambda _: len(one.owned) == len(two.owned) == PARTITIONS / 2, subscriptions)
    assert all(one.owns(key) != two.owns(key) for key in keys)
    assert changes[-1] == one.owned
    two.close()
    poll_until(lambda _: len(one.owned) == PARTITIONS, subscriptions[:1])
    assert all(one.owns(key) for key in keys)
    assert not two.owned
    one.close()

    stage.topic(SERVICE_LEASES.name)
    told: list[bool] = []
    active = Lease(stage.bus(), "monitor", told.append)
    poll_until(lambda _: active.held, [active._subscription])
    standby = Lease(stage.bus(), "monitor")
    active.close()
    poll_until(lambda _: standby.held, [standby._subscription])
    assert told == [True, False]
    standby.close()
