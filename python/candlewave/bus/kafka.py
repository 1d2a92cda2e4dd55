"""The bus on Kafka, by librdkafka: idempotent producer, cooperative consumer groups, manual commits."""

import itertools
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, cast

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
)
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]

from candlewave.bus import metrics
from candlewave.bus.messages import traced
from candlewave.bus.protocol import (
    BusError,
    BusUnavailableError,
    Closing,
    CommitRefusedError,
    Message,
    PartitionsCallback,
    PublishError,
    Received,
    TopicPartition,
)
from candlewave.bus.refused import Refused, set_aside
from candlewave.contracts.topics import TopicSpec
from candlewave.core.settings import Settings
from candlewave.core.times import EPOCH, utc_now

_log = logging.getLogger(__name__)
_QUIET_SECONDS = 60.0

_ANSWER_SECONDS = 10.0
_PING_SECONDS = 5.0
_LOOK_SECONDS = 0.1

BATCH = 50_000
"""Messages that :meth:`KafkaBus.publish` has under way at once."""

_UNREACHABLE = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError._WAIT_COORD,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
_LOST_MEMBERSHIP = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError._MAX_POLL_EXCEEDED,
}
_REFUSED_LOGIN = {
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}

_NEVER_TAKEN = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_MSG_SIZE,
    KafkaError.INVALID_RECORD,
    KafkaError.RECORD_LIST_TOO_LARGE,
}

_MAY_NOT_CREATE = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}


def client_config(settings: Settings) -> dict[str, Any]:
    """Return librdkafka's connection properties for the settings.

    Raises:
        BusError: SASL is asked for without all that it needs.
    """
    config: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "security.protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol.upper().startswith("SASL"):
        password = settings.kafka_sasl_password
        needed = {
            "KAFKA_SASL_MECHANISM": settings.kafka_sasl_mechanism,
            "KAFKA_SASL_USERNAME": settings.kafka_sasl_username,
            "KAFKA_SASL_PASSWORD": password,
        }
        missing = [name for name, value in needed.items() if value is None]
        if missing or password is None:
            raise BusError(
                f"KAFKA_SECURITY_PROTOCOL={settings.kafka_security_protocol} also needs {', '.join(missing)}"
            )
        config["sasl.mechanism"] = settings.kafka_sasl_mechanism
        config["sasl.username"] = settings.kafka_sasl_username
        config["sasl.password"] = password.get_secret_value()
    if settings.kafka_ssl_ca_location is not None:
        config["ssl.ca.location"] = str(settings.kafka_ssl_ca_location)
    return config


class KafkaBus(Closing):
    """A :class:`candlewave.bus.protocol.Bus` on a Kafka cluster.

    Args:
        config: connection properties, as :func:`client_config` gives them.
        topic_prefix: goes before every topic name on the cluster; callers never see it.
        session_timeout: a member without a heartbeat for so long loses its partitions.
        max_poll_interval: a member that does not poll for so long loses them too.
        delivery_timeout: a message that no broker acknowledges for so long has failed.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        topic_prefix: str = "",
        session_timeout: timedelta = timedelta(seconds=20),
        max_poll_interval: timedelta = timedelta(minutes=5),
        delivery_timeout: timedelta = timedelta(minutes=2),
    ) -> None:
        self._servers = str(config["bootstrap.servers"])
        self._errors = _LastError(self._servers)
        self._config = {**config, "client.id": "candlewave", "error_cb": self._errors.note, "logger": _log}
        self._prefix = topic_prefix
        self._consumer_config = {
            **self._config,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": _milliseconds(session_timeout),
            "heartbeat.interval.ms": max(1, _milliseconds(session_timeout) // 6),
            "max.poll.interval.ms": _milliseconds(max(max_poll_interval, session_timeout)),
            # The default of a second makes a fast reader wait each time it has emptied the queue.
            "fetch.queue.backoff.ms": 5,
        }
        self._producer = Producer(
            {
                **self._config,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "delivery.timeout.ms": _milliseconds(delivery_timeout),
                "delivery.report.only.error": True,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 500_000,
            }
        )
        self._lock = threading.Lock()
        self._partitions: dict[str, int] = {}

    def publish(self, topic: str, messages: Iterable[Message]) -> None:
        """Publish messages in order; each is on all in-sync replicas when it returns.

        Messages that no broker will ever take, such as too large ones, go to the topic's dead-letter topic instead.

        Raises:
            PublishError: brokers did not acknowledge messages in time, or refused them for a reason that may pass.
        """
        set_aside(topic, self._publish(topic, traced(messages)), utc_now(), self._publish)

    def _publish(self, topic: str, messages: Iterable[Message]) -> list[Refused]:
        refused: list[Refused] = []
        remaining = iter(messages)
        while batch := list(itertools.islice(remaining, BATCH)):
            # One publish at a time: flush waits for all that is in the producer.
            with metrics.publishing(topic, len(batch)), self._lock:
                refused += self._deliver(topic, batch)
        return refused

    def subscribe(
        self,
        group: str,
        topics: Collection[str],
        *,
        on_assign: PartitionsCallback | None = None,
        on_revoke: PartitionsCallback | None = None,
    ) -> "KafkaSubscription":
        """Join a group; see :meth:`candlewave.bus.protocol.Bus.subscribe`."""
        for topic in topics:
            self.partitions(topic)
        return KafkaSubscription(
            Consumer({**self._consumer_config, "group.id": group}),
            group,
            {self._prefix + topic: topic for topic in topics},
            self._errors,
            on_assign,
            on_revoke,
        )

    def ensure_topics(self, specs: Iterable[TopicSpec]) -> None:
        """Create missing topics with the broker's default replication.

        Only what is missing is asked for: where topics are made by others, as in Kubernetes, the login needs no right
        to create any.

        Raises:
            BusError: a topic is missing and the login may not create it, or one has producers' timestamps where the
                broker's are needed.
        """
        wanted = {self._prefix + spec.name: spec for spec in specs}
        admin = AdminClient(self._config)
        with self._errors.reaching("create topics"):
            known = admin.list_topics(timeout=_ANSWER_SECONDS).topics
            missing = [new_topic(name, spec) for name, spec in wanted.items() if name not in known]
            made = admin.create_topics(missing, operation_timeout=_ANSWER_SECONDS) if missing else {}
            existing = [name for name in wanted if name in known]
            for name, created in made.items():
                try:
                    created.result()
                except KafkaException as error:
                    if error.args[0].code() in _MAY_NOT_CREATE:
                        raise BusError(
                            f"there is no topic {name} that this login may see, and it may not create one: "
                            "make the topic as docs/contracts.md says, or give the login the right to describe it"
                        ) from error
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise
                    existing.append(name)
            found = self._wait_for(admin, wanted)
            for name in existing:
                self._check(admin, name, wanted[name], found[name])
        self._partitions.update((spec.name, found[name]) for name, spec in wanted.items())

    def partitions(self, topic: str) -> int:
        """Return the number of partitions of a topic."""
        found = self._partitions.get(topic)
        if found is None:
            with self._errors.reaching("read a topic"):
                # All topics: asking for one by name would create it on clusters that allow that.
                known = self._producer.list_topics(timeout=_ANSWER_SECONDS).topics
            if self._prefix + topic not in known:
                raise BusError(f"there is no topic {self._prefix + topic!r}; create it with ensure_topics")
            found = self._partitions[topic] = len(known[self._prefix + topic].partitions)
        return found

    def end_offsets(self, topic: str) -> dict[TopicPartition, int]:
        """Return the offset the next message of each partition will get."""
        with self._errors.reaching("read end offsets"), self._observer("candlewave-observer") as consumer:
            return {
                TopicPartition(topic, p): _watermarks(consumer, self._prefix + topic, p)[1]
                for p in range(self.partitions(topic))
            }

    def ping(self) -> None:
        """Return when a broker answers.

        Raises:
            BusUnavailableError: none does.
        """
        with self._errors.reaching("ask for topics"):
            self._producer.list_topics(timeout=_PING_SECONDS)

    def lag(self, group: str, topics: Collection[str]) -> dict[TopicPartition, int]:
        """Return how many messages the group has not committed yet, per partition, and set the lag metric."""
        lag: dict[TopicPartition, int] = {}
        with self._errors.reaching("read lag"), self._observer(group) as consumer:
            for topic in sorted(topics):
                places = [KafkaPartition(self._prefix + topic, p) for p in range(self.partitions(topic))]
                for place in consumer.committed(places, timeout=_ANSWER_SECONDS):
                    first, end = _watermarks(consumer, place.topic, place.partition)
                    lag[TopicPartition(topic, place.partition)] = end - max(first, place.offset)
        metrics.set_lag(group, lag)
        return lag

    def close(self) -> None:
        """Close the producer; publishing is done already, as it waits for acknowledgements."""
        self._producer.flush(0)

    def _deliver(self, topic: str, batch: Sequence[Message]) -> list[Refused]:
        """Publish a batch and return the messages that were refused for good; the others are stored."""
        failures: list[KafkaError] = []
        refused: list[Refused] = []

        def note(message: Message, error: KafkaError | None, _: KafkaMessage | None) -> None:
            if error is not None and error.code() in _NEVER_TAKEN:
                refused.append(Refused(message, f"Kafka refuses it: {error.str()}"))
            elif error is not None:
                failures.append(error)

        for message in batch:
            try:
                self._produce(self._prefix + topic, message, partial(note, message))
            except KafkaException as error:
                note(message, error.args[0], None)
                if failures:
                    break
        while self._producer.flush(0.5):
            pass
        if failures:
            raise PublishError(
                f"topic {topic}: {len(failures)} of {len(batch)} messages were not stored: "
                f"{failures[0].str()}{self._errors.hint()}"
            )
        return refused

    def _produce(self, topic: str, message: Message, report: Any) -> None:
        arguments: dict[str, Any] = {}
        if message.headers is not None:
            arguments["headers"] = list(message.headers.items())
        if message.append_ts is not None:
            arguments["timestamp"] = (message.append_ts - EPOCH) // timedelta(milliseconds=1)
        while True:
            try:
                self._producer.produce(topic, message.value, message.key, on_delivery=report, **arguments)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    @contextmanager
    def _observer(self, group: str) -> Iterator[Consumer]:
        """Lend a consumer that asks about a group without joining it."""
        consumer = Consumer({**self._consumer_config, "group.id": group})
        try:
            yield consumer
        finally:
            consumer.close()

    def _wait_for(self, admin: AdminClient, names: Collection[str]) -> dict[str, int]:
        """Return the partitions of topics; brokers hear a moment later of those just made, by us or another service."""
        deadline = time.monotonic() + _ANSWER_SECONDS
        while True:
            known = admin.list_topics(timeout=_ANSWER_SECONDS).topics
            found = {name: len(known[name].partitions) for name in names if name in known}
            late = [name for name in names if not found.get(name)]
            if not late:
                return found
            if time.monotonic() > deadline:
                raise BusUnavailableError(
                    f"topics {', '.join(late)} were made, but Kafka at {self._servers} does not show them"
                )
            self._producer.poll(_LOOK_SECONDS)

    def _check(self, admin: AdminClient, name: str, spec: TopicSpec, found: int) -> None:
        if found != spec.partitions:
            _log.warning("topic %s has %d partitions, candlewave expects %d", name, found, spec.partitions)
        if spec.log_append_time:
            resource = ConfigResource(ConfigResource.Type.TOPIC, name)
            entries = admin.describe_configs([resource])[resource].result()
            kind = entries["message.timestamp.type"].value
            if kind != "LogAppendTime":
                raise BusError(
                    f"topic {name} has message.timestamp.type={kind}, expected LogAppendTime: "
                    "late trades cannot be detected from producer timestamps; set message.timestamp.type=LogAppendTime"
                )


class KafkaSubscription(Closing):
    """A member of a consumer group; see :class:`candlewave.bus.protocol.Subscription`."""

    def __init__(
        self,
        consumer: Consumer,
        group: str,
        topics: Mapping[str, str],
        errors: "_LastError",
        on_assign: PartitionsCallback | None,
        on_revoke: PartitionsCallback | None,
    ) -> None:
        self._consumer = consumer
        self._group = group
        self._topics = topics
        self._wire_names = {name: wire for wire, name in topics.items()}
        self._errors = errors
        self._on_assign = on_assign
        self._on_revoke = on_revoke
        self._assigned: set[TopicPartition] = set()
        self._positions: dict[TopicPartition, int] = {}
        """Next offset to hand out, of partitions from which something was handed out."""
        self._committed: dict[TopicPartition, int] = {}
        """First offset handed out that was not committed; known without asking, so that an outage delays no rewind."""
        self._raise_next: Exception | None = None
        consumer.subscribe(list(topics), on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions this member owns now."""
        return frozenset(self._assigned)

    def poll(self, max_messages: int = 1000, timeout: float = 1.0) -> list[Received]:
        """Return up to ``max_messages`` messages as soon as there are any, or none after ``timeout`` seconds."""
        self._raise_pending()
        with self._errors.reaching(f"poll as {self._group}"):
            batch = self._consumer.consume(max_messages, 0)
            if not batch and (first := self._consumer.poll(timeout)) is not None:
                batch = [first]
                if max_messages > 1:
                    batch += self._consumer.consume(max_messages - 1, 0)
        messages = [message for message in map(self._received, batch) if message is not None]
        for topic, count in Counter(message.topic for message in messages).items():
            metrics.CONSUMED.labels(topic, self._group).inc(count)
        if not messages:
            self._raise_pending()
        return messages

    def rewind(self) -> None:
        """Hand out again everything that was not committed."""
        with self._errors.reaching(f"rewind as {self._group}"):
            for tp in self._positions:
                self._consumer.seek(self._place(tp, self._committed[tp]))
        self._positions.clear()

    def commit(self) -> None:
        """Record everything handed out by earlier polls as processed.

        Raises:
            CommitRefusedError: a partition among it has been lost.
        """
        pending = {tp: at for tp, at in self._positions.items() if at != self._committed[tp]}
        if not pending:
            return
        places = [self._place(tp, at) for tp, at in pending.items()]
        with self._errors.reaching(f"commit as {self._group}"):
            for place in self._consumer.commit(offsets=places, asynchronous=False):
                if place.error is not None:
                    raise KafkaException(place.error)
        self._committed.update(pending)
        metrics.set_lag(self._group, {tp: self._behind(tp, at) for tp, at in pending.items()})

    def close(self) -> None:
        """Leave the group, after the revocation callback."""
        self._consumer.close()
        self._raise_pending()

    def _received(self, message: KafkaMessage) -> Received | None:
        error = message.error()
        if error is not None:
            if error.code() != KafkaError._MAX_POLL_EXCEEDED:  # on_revoke has told; polling rejoins
                self._raise_next = self._errors.translate(error, f"poll as {self._group}")
            return None
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        tp = TopicPartition(self._topics[topic], partition)
        if tp not in self._assigned:
            return None  # revoked while the batch was collected; its next owner reads it
        self._positions[tp] = offset + 1
        self._committed.setdefault(tp, offset)
        key, headers = message.key(), cast("list[tuple[str, bytes | None]] | None", message.headers())
        return Received(
            tp.topic,
            tp.partition,
            offset,
            EPOCH + timedelta(milliseconds=message.timestamp()[1]),
            None if key is None else _text(key),
            message.value(),
            None if headers is None else {name: _text(value or b"") for name, value in headers},
        )

    def _assign(self, _: Consumer, places: list[KafkaPartition]) -> None:
        gained = [self._name(place) for place in places]
        self._assigned.update(gained)
        if gained:
            metrics.REBALANCES.labels(self._group).inc()
            self._call(self._on_assign, gained)

    def _revoke(self, _: Consumer, places: list[KafkaPartition]) -> None:
        lost = [self._name(place) for place in places]
        if lost:
            metrics.REBALANCES.labels(self._group).inc()
            self._call(self._on_revoke, lost)
        for tp in lost:
            self._assigned.discard(tp)
            self._positions.pop(tp, None)
            self._committed.pop(tp, None)
        metrics.drop_lag(self._group, lost)

    def _call(self, callback: PartitionsCallback | None, partitions: list[TopicPartition]) -> None:
        """Run a callback inside librdkafka's call, which would drop the messages at hand if it raised there."""
        if callback is None:
            return
        try:
            callback(partitions)
        except Exception as error:  # noqa: BLE001 (raised by this or the next poll)
            self._raise_next = error

    def _raise_pending(self) -> None:
        error, self._raise_next = self._raise_next, None
        if error is not None:
            raise error

    def _behind(self, tp: TopicPartition, at: int) -> int:
        _, end = self._consumer.get_watermark_offsets(self._place(tp), cached=True)
        return max(0, end - at)

    def _name(self, place: KafkaPartition) -> TopicPartition:
        return TopicPartition(self._topics[place.topic], place.partition)

    def _place(self, tp: TopicPartition, offset: int = -1001) -> KafkaPartition:
        return KafkaPartition(self._wire_names[tp.topic], tp.partition, offset)


class _Repetitions(logging.Filter):
    """Lets the same complaint through once a minute.

    Without any broker the client reconnects twenty times a second and logs it each time:
    https://github.com/confluentinc/librdkafka/issues/5546
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is new, ignoring differences in ports and durations."""
        text = re.sub(r"\d+", "0", record.getMessage())
        now = time.monotonic()
        if now - self._said.get(text, float("-inf")) < _QUIET_SECONDS:
            return False
        # A new mapping each time: clients complain in several threads.
        kept = {known: when for known, when in self._said.items() if now - when < _QUIET_SECONDS}
        self._said = {**kept, text: now}
        return True


_log.addFilter(_Repetitions())


class _LastError:
    """Remembers the client's last error, to report it where something fails because of it."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._last: KafkaError | None = None

    def note(self, error: KafkaError) -> None:
        """Take an error from a client's background thread."""
        self._last = error
        _log.warning("kafka: %s", error.str())

    def hint(self) -> str:
        """Return the last complaint as the end of a sentence."""
        return "" if self._last is None else f" (the client's last error: {self._last.str()})"

    def translate(self, error: KafkaError, what: str) -> BusError:
        """Return the bus's own error for a client's."""
        code, text = error.code(), error.str()
        if code in _LOST_MEMBERSHIP:
            return CommitRefusedError(f"cannot {what}: the group gave the partitions to others ({text})")
        if code in _REFUSED_LOGIN or (self._last is not None and self._last.code() in _REFUSED_LOGIN):
            return BusError(
                f"cannot {what}: Kafka at {self._servers} refused the login or its rights ({text})"
                f"{self.hint()}; check the KAFKA_SECURITY_PROTOCOL and KAFKA_SASL_… settings"
            )
        if code in _UNREACHABLE:
            return BusUnavailableError(f"cannot {what}: no answer from Kafka at {self._servers} ({text}){self.hint()}")
        if code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            return BusError(f"cannot {what}: {text}; create topics with ensure_topics")
        return BusError(f"cannot {what}: {text}")

    @contextmanager
    def reaching(self, what: str) -> Iterator[None]:
        """Turn errors of the client into the bus's own."""
        try:
            yield
        except KafkaException as error:
            raise self.translate(error.args[0], what) from error
        self._last = None


def new_topic(name: str, spec: TopicSpec) -> NewTopic:
    """Return the request that creates a topic as specified."""
    return NewTopic(name, num_partitions=spec.partitions, replication_factor=-1, config=spec.kafka_config)


def _watermarks(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    first, end = consumer.get_watermark_offsets(KafkaPartition(topic, partition), timeout=_ANSWER_SECONDS, cached=False)
    return first, end


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


def _text(data: bytes) -> str:
    """Decode UTF-8, escaping invalid bytes."""
    return data.decode("utf-8", "backslashreplace")
