"""Any interleaving of publishing, reading, committing and crashing delivers every message, in order."""

from collections import defaultdict
from collections.abc import Callable

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from tests.integration.bus.stages import PARTITIONS, PostgresStage

from candlewave.bus.postgres import PostgresBus, PostgresSubscription
from candlewave.bus.protocol import CommitRefusedError, Message, TopicPartition, partition_of

KEYS = [f"key-{i}" for i in range(8)]


class Member:
    """A member, and what the model knows of it."""

    def __init__(self, bus: PostgresBus, topic: str, committed: dict[TopicPartition, int]) -> None:
        self.next: dict[TopicPartition, int] = {}  # offset expected next
        self.start: dict[TopicPartition, int] = {}  # offset it last committed, or found committed
        self.bus = bus
        self.alive = True
        self.committed = committed
        self.subscription: PostgresSubscription = bus.subscribe(
            "readers", [topic], on_assign=self._assigned, on_revoke=self._revoked
        )

    def _assigned(self, partitions) -> None:
        for tp in partitions:
            self.next[tp] = self.start[tp] = self.committed[tp]

    def _revoked(self, partitions) -> None:
        for tp in partitions:
            del self.next[tp], self.start[tp]


class Interleavings(RuleBasedStateMachine):
    """The real bus beside a model of published, delivered and committed messages.

    A *slow* writer is a transaction that has published and not ended; publishers of its partition would wait for it.
    """

    stage_for: Callable[[], PostgresStage]

    @initialize()
    def start(self) -> None:
        self.stage = type(self).stage_for()
        self.topic = self.stage.topic()
        self.bus = self.stage.bus()
        self.members: list[Member] = []
        self.published: set[bytes] = set()
        self.delivered: set[bytes] = set()
        self.committed: dict[TopicPartition, int] = defaultdict(int)
        self.count = 0
        self.slow: psycopg.Connection | None = None
        self.slow_partition = -1
        self.slow_values: set[bytes] = set()
        self.join()
        self.join()

    def new_messages(self, keys: list[str]) -> list[Message]:
        self.count += len(keys)
        return [Message(str(self.count - i).encode(), key) for i, key in enumerate(keys)]

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=4, max_size=12))
    def publish(self, keys: list[str]) -> None:
        free = [key for key in keys if partition_of(key, PARTITIONS) != self.slow_partition]
        messages = self.new_messages(free)
        self.bus.publish(self.topic, messages)
        self.published |= {m.value for m in messages if m.value}

    @precondition(lambda self: self.slow is None)
    @rule(key=st.sampled_from(KEYS), count=st.integers(1, 3))
    def begin_slowly(self, key: str, count: int) -> None:
        messages = self.new_messages([key] * count)
        self.slow = psycopg.connect(self.stage.url)
        self.bus.publish_in(self.slow, self.topic, messages)
        self.slow_partition = partition_of(key, PARTITIONS)
        self.slow_values = {m.value for m in messages if m.value}

    @precondition(lambda self: self.slow is not None)
    @rule(keep=st.booleans())
    def end_slowly(self, keep: bool) -> None:
        if keep:
            self.slow.commit()
            self.published |= self.slow_values
        self.slow.close()
        self.slow, self.slow_partition = None, -1

    @precondition(lambda self: len(self.members) < 4)
    @rule()
    def join(self) -> None:
        self.members.append(Member(self.stage.bus(), self.topic, self.committed))

    @precondition(lambda self: self.members)
    @rule(
        data=st.data(),
        actions=st.lists(st.sampled_from(["read", "read", "commit", "rewind"]), min_size=1, max_size=5),
        most=st.integers(1, 5),
    )
    def work(self, data: st.DataObject, actions: list[str], most: int) -> None:
        member = data.draw(st.sampled_from(self.members))
        for action in actions:
            if action == "read":
                self.read(member, most)
            elif action == "commit":
                self.commit(member)
            else:
                self.rewind(member)

    def read(self, member: Member, most: int) -> int:
        received = member.subscription.poll(most, timeout=0)
        member.alive = True  # polling joins again
        assert len(received) <= most
        for message in received:
            tp = TopicPartition(message.topic, message.partition)
            assert message.offset == member.next[tp], "a message was skipped or came out of order"
            member.next[tp] += 1
            self.delivered.add(message.value or b"")
        return len(received)

    def commit(self, member: Member) -> None:
        moved = {tp: at for tp, at in member.next.items() if at != member.start[tp]}
        try:
            member.subscription.commit()
        except CommitRefusedError:
            assert not member.alive, "a living member's commit was refused"
            return
        for other in self.members:
            if other is not member and other.alive:
                assert not moved.keys() & other.next.keys(), "committed what another member owns"
        self.committed.update(moved)
        member.start.update(moved)

    def rewind(self, member: Member) -> None:
        member.subscription.rewind()
        for tp in member.next:
            member.next[tp] = member.start[tp] = self.committed[tp]

    @precondition(lambda self: self.members)
    @rule(data=st.data(), noticed=st.booleans(), then_commit=st.booleans())
    def hang(self, data: st.DataObject, noticed: bool, then_commit: bool) -> None:
        """A member is taken for dead, perhaps replaced, and perhaps commits before it polls again."""
        member = data.draw(st.sampled_from(self.members))
        self.read(member, 3)
        self.stage.hang(member.subscription)
        member.alive = False
        for other in self.members if noticed else ():
            if other is not member:
                other.subscription._next_look = 0.0  # looks at the group now, whether or not told yet
                self.read(other, 1)
        if then_commit:
            self.commit(member)

    @precondition(lambda self: self.members)
    @rule(data=st.data(), crashes=st.booleans())
    def end(self, data: st.DataObject, crashes: bool) -> None:
        member = data.draw(st.sampled_from(self.members))
        self.members.remove(member)
        if crashes:
            self.stage.crash(member.subscription)
        else:
            member.subscription.close()

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        if self.slow is not None:
            self.end_slowly(keep=True)
        while self.members:
            self.members.pop().subscription.close()
        last = Member(self.stage.bus(), self.topic, self.committed)
        while self.read(last, 1000):
            pass
        assert len(last.next) == PARTITIONS
        last.subscription.close()
        self.stage.close()
        assert self.delivered == self.published, "lost, or delivered though rolled back"


@pytest.mark.timeout(600)
def test_every_message_is_delivered_in_order_whatever_happens(postgres_url: str) -> None:
    class OnThisServer(Interleavings):
        stage_for = staticmethod(lambda: PostgresStage(postgres_url))

    run_state_machine_as_test(
        OnThisServer,
        settings=settings(max_examples=40, stateful_step_count=25, suppress_health_check=list(HealthCheck)),
    )
