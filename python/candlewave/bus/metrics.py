"""Counters of the bus, the same for both implementations."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

from candlewave.bus.protocol import TopicPartition

PUBLISHED = Counter("candlewave_bus_published_messages_total", "Messages stored durably", ["topic"])
FAILED = Counter("candlewave_bus_failed_messages_total", "Messages whose publishing failed", ["topic"])
REFUSED = Counter(
    "candlewave_bus_refused_messages_total",
    "Messages that bus or engine will never take: too large, unreadable",
    ["topic"],
)
CONSUMED = Counter("candlewave_bus_consumed_messages_total", "Messages handed to this process", ["topic", "group"])
PUBLISH_SECONDS = Histogram(
    "candlewave_bus_publish_duration_seconds",
    "Time from publish to acknowledgement of a batch",
    ["topic"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
LAG = Gauge("candlewave_bus_lag_messages", "Messages not committed by the group", ["group", "topic", "partition"])
REBALANCES = Counter("candlewave_bus_rebalances_total", "Times a member gained or lost partitions", ["group"])


@contextmanager
def publishing(topic: str, messages: int) -> Iterator[None]:
    """Time and count a batch; it counts as failed when the block raises."""
    started = time.perf_counter()
    try:
        yield
    except BaseException:
        FAILED.labels(topic).inc(messages)
        raise
    PUBLISH_SECONDS.labels(topic).observe(time.perf_counter() - started)
    PUBLISHED.labels(topic).inc(messages)


def set_lag(group: str, lag: Mapping[TopicPartition, int]) -> None:
    """Export the lag of a group's partitions."""
    for (topic, partition), messages in lag.items():
        LAG.labels(group, topic, str(partition)).set(messages)


def drop_lag(group: str, partitions: Iterable[TopicPartition]) -> None:
    """Stop exporting the lag of partitions that another member reports from now on."""
    for topic, partition in partitions:
        LAG.remove(group, topic, str(partition))
