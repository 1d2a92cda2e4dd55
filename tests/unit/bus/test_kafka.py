"""What the Kafka bus asks of a cluster, and how it fails without one."""

from datetime import timedelta

import pytest

from candlewave.bus import topics
from candlewave.bus.kafka import KafkaBus, new_topic
from candlewave.bus.protocol import BusUnavailable, Message, PublishFailed


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
        with pytest.raises(BusUnavailable, match=r"no answer from Kafka at 127\.0\.0\.1:1"):
            bus.partitions("trades")
        with pytest.raises(PublishFailed, match=r"trades: 2 of 2 messages were not stored: .*imed out"):
            bus.publish("trades", [Message(b"1", "k"), Message(b"2", "k")])
