"""Every topic of candlewave, for both buses; ``make k8s-topics`` writes the manifests from it.

Their records are in :mod:`candlewave.contracts.records`.
"""

from datetime import timedelta

import msgspec

DEAD_LETTER_SUFFIX = ".dlq"


class TopicSpec(msgspec.Struct, frozen=True):
    """How a topic is kept.

    Attributes:
        name: without the deployment's prefix.
        partitions: most members of one group that can share it.
        retention: age after which messages may go; None keeps them.
        compact: keep the newest message of each key. Only where the key is the record's primary key.
        log_append_time: the broker stamps messages with its own clock, which producers cannot forge.
    """

    name: str
    partitions: int
    retention: timedelta | None = None
    compact: bool = False
    log_append_time: bool = False


_WEEK = timedelta(days=7)
_MONTH = timedelta(days=30)

TOPICS: dict[str, TopicSpec] = {}
"""All topics by name, but those of the embedded engine alone."""


def _topic(
    name: str,
    partitions: int,
    retention: timedelta | None = None,
    *,
    compact: bool = False,
    log_append_time: bool = False,
) -> TopicSpec:
    TOPICS[name] = TopicSpec(name, partitions, retention, compact, log_append_time)
    return TOPICS[name]


TRADES = _topic("trades", 6, _WEEK, log_append_time=True)
TRADES_DLQ = _topic("trades.dlq", 1, _MONTH)
NEWS = _topic("news", 3, _MONTH)
NEWS_DLQ = _topic("news.dlq", 1, _MONTH)
NEWS_SENTIMENT = _topic("news_sentiment", 3, _MONTH)
PREDICTIONS = _topic("predictions", 3, _MONTH)
PREDICTION_INPUTS = _topic("prediction_inputs", 3, _MONTH)
FEATURE_REFERENCE = _topic("feature_reference", 1, _MONTH)
TRAINING_REQUESTS = _topic("training_requests", 1, _MONTH)
TRAINING_REQUESTS_DLQ = _topic("training_requests.dlq", 1, _MONTH)
MODEL_EVENTS = _topic("model_events", 1, _MONTH)
ALERTS = _topic("alerts", 1, _MONTH)
CANDLES = _topic("candles", 3, compact=True)
TECHNICAL_INDICATORS = _topic("technical_indicators", 3, compact=True)

INGEST_SHARDS = _topic("ingest-shards", 12, timedelta(days=1))
"""No records: the owner of a partition connects the symbols that hash to it."""

SINGLETONS = ("monitor", "auditor", "trainer")
"""Work with one active member at a time; the position in this tuple is its partition of service-leases."""

SERVICE_LEASES = _topic("service-leases", len(SINGLETONS), timedelta(days=1))
"""No records: the owner of a partition is the active member of that singleton."""

DOCUMENTS = TopicSpec("search-outbox", 1, _WEEK)
"""Documents on their way to Elasticsearch, written by the embedded engine, whose sinks cannot deliver them."""

DOCUMENTS_DLQ = TopicSpec("search-outbox.dlq", 1, _MONTH)
"""Documents that Elasticsearch refused for good."""

EMBEDDED_TOPICS = (DOCUMENTS, DOCUMENTS_DLQ)
"""What the embedded engine has besides; RisingWave delivers documents itself."""
