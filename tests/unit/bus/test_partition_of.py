"""Keys go to the same partition on both buses."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from candlewave.bus.protocol import partition_of


@pytest.mark.parametrize(
    ("key", "hash_of_key"),
    [  # 32-bit hashes of Kafka's Java client, as its own tests state them
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ],
)
def test_hashes_are_those_of_kafkas_java_client(key: str, hash_of_key: int) -> None:
    partitions = 1_000_003
    assert partition_of(key, partitions) == (hash_of_key & 0x7FFFFFFF) % partitions


@given(st.text(), st.integers(1, 100))
def test_every_key_has_a_partition(key: str, partitions: int) -> None:
    assert 0 <= partition_of(key.encode("utf-8", "replace").decode(), partitions) < partitions


def test_librdkafka_puts_keys_where_we_say() -> None:
    keys = ["kraken|BTC/USD", "a", "ab", "abc", "abcd", "ünï", *(f"key {i}" for i in range(200))]
    producer = Producer(
        {"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0, "partitioner": "murmur2_random"}
    )
    partitions = len(producer.list_topics("t", timeout=10).topics["t"].partitions)
    chosen: dict[str, int] = {}
    for key in keys:
        producer.produce("t", b"", key, on_delivery=lambda _, m: chosen.update({m.key().decode(): m.partition()}))
    assert producer.flush(30) == 0
    assert chosen == {key: partition_of(key, partitions) for key in keys}
    broker = next(iter(producer.list_topics(timeout=10).brokers.values()))
    consumer = Consumer({"bootstrap.servers": f"{broker.host}:{broker.port}", "group.id": "count", "log_level": 0})
    ends = [consumer.get_watermark_offsets(TopicPartition("t", p), timeout=10)[1] for p in range(partitions)]
    consumer.close()
    assert sum(ends) == len(keys)
