"""What the Kafka bus asks of a cluster, and how it fails without one."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from candlewave.bus.kafka import KafkaBus, new_topic
from candlewave.bus.protocol import BusError, BusUnavailableError, Message, PublishError
from candlewave.contracts import topics


def test_topics_are_created_as_specified() -> None:
    trades = new_topic("prefix.trades", topics.TRADES)
    assert (trades.topic, trades.num_partitions, trades.replication_factor) == ("prefix.trades", 6, -1)
    assert trades.config == {
        "cleanup.policy": "delete",
        "retention.ms": str(7 * 86_400_000),
        "message.timestamp.type": "LogAppendTime",
    }
    assert new_topic("candles", topics.CANDLES).config == {
        "cleanup.policy": "compact",
        "retention.ms": "-1",
        "message.timestamp.type": "CreateTime",
    }


def test_a_cluster_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candlewave.bus.kafka._ANSWER_SECONDS", 0.2)
    config = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}
    with KafkaBus(config, delivery_timeout=timedelta(milliseconds=300)) as bus:
        with pytest.raises(BusUnavailableError, match=r"no answer from Kafka at 127\.0\.0\.1:1"):
            bus.partitions("trades")
        with pytest.raises(PublishError, match=r"trades: 2 of 2 messages were not stored: .*imed out"):
            bus.publish("trades", [Message(b"1", "k"), Message(b"2", "k")])


def test_an_outage_is_not_said_twenty_times_a_second(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("candlewave.bus.kafka._QUIET_SECONDS", 3600.0)
    log = logging.getLogger("candlewave.bus.kafka")
    for broker, port, tries in (("a", 1, 3), ("b", 1, 2), ("a", 2, 1)):
        for milliseconds in range(tries):
            log.warning("kafka: test-%s:%d: refused (after %dms)", broker, port, milliseconds)
    assert [record.getMessage()[:13] for record in caplog.records] == ["kafka: test-a", "kafka: test-b"]
    monkeypatch.setattr("candlewave.bus.kafka._QUIET_SECONDS", 0.0)
    log.warning("kafka: test-a:1: refused (after 0ms)")
    assert len(caplog.records) == 3


def test_a_rewind_asks_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure that calls for it may be that there is none."""
    monkeypatch.setattr("candlewave.bus.kafka._ANSWER_SECONDS", 0.2)
    mock = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    with KafkaBus({"bootstrap.servers": _servers(mock, "news"), "log_level": 0}) as bus:
        bus.publish("news", [Message(b"1", "k")])
        with bus.subscribe("readers", ["news"]) as reader:
            while not reader.poll():
                pass  # a member needs some seconds to join
            del mock
            reader.rewind()
            reader.commit()  # nothing is handed out any more that could be


class _MayNotCreate(AdminClient):
    """Brokers answer a login without the right to create like this, also for topics that exist."""

    def create_topics(self, new_topics: list[Any], **_: Any) -> dict[str, Future[None]]:  # type: ignore[override]
        refused: Future[None] = Future()
        refused.set_exception(KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)))
        return {topic.topic: refused for topic in new_topics}


def test_topics_that_others_made_need_no_right_to_create(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candlewave.bus.kafka.AdminClient", _MayNotCreate)
    mock = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    with KafkaBus({"bootstrap.servers": _servers(mock, "news"), "log_level": 0}) as bus:
        bus.ensure_topics([topics.NEWS])
        with pytest.raises(BusError, match=r"no topic news\.dlq that this login may see, and it may not create one"):
            bus.ensure_topics([topics.NEWS, topics.NEWS_DLQ])


class _Late(AdminClient):
    """Another service has just made the topic; the broker that is asked hears of it when ``made`` is called."""

    made: Callable[[], object]
    looks = 0

    def create_topics(self, new_topics: list[Any], **_: Any) -> dict[str, Future[None]]:  # type: ignore[override]
        refused: Future[None] = Future()
        refused.set_exception(KafkaException(KafkaError(KafkaError.TOPIC_ALREADY_EXISTS)))
        return {topic.topic: refused for topic in new_topics}

    def list_topics(self, *arguments: Any, **options: Any) -> Any:
        _Late.looks += 1
        if _Late.looks == 3:
            _Late.made()
        return super().list_topics(*arguments, **options)


def test_topics_that_another_service_makes_at_the_same_time_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candlewave.bus.kafka.AdminClient", _Late)
    mock = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    servers = _servers(mock, "other")
    monkeypatch.setattr(_Late, "made", lambda: mock.list_topics("news", timeout=10), raising=False)
    with KafkaBus({"bootstrap.servers": servers, "log_level": 0}) as bus:
        bus.ensure_topics([topics.NEWS])
        assert bus.partitions("news") == 4  # the mock knows no other number
        monkeypatch.setattr("candlewave.bus.kafka._ANSWER_SECONDS", 0.5)
        with pytest.raises(
            BusUnavailableError, match=r"topics news\.dlq were made, but Kafka at .* does not show them"
        ):
            bus.ensure_topics([topics.NEWS_DLQ])


def _servers(mock: Producer, topic: str) -> str:
    """Return the mock's address; it creates the topic that it is asked about."""
    brokers: Any = mock.list_topics(topic, timeout=10).brokers
    return ",".join(f"{broker.host}:{broker.port}" for broker in brokers.values())
