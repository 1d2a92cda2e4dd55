"""Counters of the bus, the same for both implementations."""

from prometheus_client import Counter, Gauge, Histogram

PUBLISHED = Counter("candlewave_bus_published_messages_total", "Messages stored durably", ["topic"])
FAILED = Counter("candlewave_bus_failed_messages_total", "Messages whose publishing failed", ["topic"])
CONSUMED = Counter(
    "candlewave_bus_consumed_messages_total", "Messages handed to this process", ["topic", "group"]
)
PUBLISH_SECONDS = Histogram(
    "candlewave_bus_publish_duration_seconds",
    "Time from publish to acknowledgement of a batch",
    ["topic"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
LAG = Gauge(
    "candlewave_bus_lag_messages", "Messages not committed by the group", ["group", "topic", "partition"]
)
REBALANCES = Counter("candlewave_bus_rebalances_total", "Times a member gained or lost partitions", ["group"])
