"""Every topic of candlewave: the single source of truth for both buses and for the Kubernetes manifests."""

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

TRADES = TopicSpec("trades", 6, _WEEK, log_append_time=True)
TRADES_DLQ = TopicSpec("trades.dlq", 1, _MONTH)
NEWS = TopicSpec("news", 3, _MONTH)
NEWS_DLQ = TopicSpec("news.dlq", 1, _MONTH)
NEWS_SENTIMENT = TopicSpec("news_sentiment", 3, _MONTH)
PREDICTIONS = TopicSpec("predictions", 3, _MONTH)
PREDICTION_INPUTS = TopicSpec("prediction_inputs", 3, _MONTH)
FEATURE_REFERENCE = TopicSpec("feature_reference", 1, _MONTH)
TRAINING_REQUESTS = TopicSpec("training_requests", 1, _MONTH)
TRAINING_REQUESTS_DLQ = TopicSpec("training_requests.dlq", 1, _MONTH)
MODEL_EVENTS = TopicSpec("model_events", 1, _MONTH)
ALERTS = TopicSpec("alerts", 1, _MONTH)
CANDLES = TopicSpec("candles", 3, compact=True)
TECHNICAL_INDICATORS = TopicSpec("technical_indicators", 3, compact=True)

INGEST_SHARDS = TopicSpec("ingest-shards", 12, timedelta(days=1))
"""No records: the owner of a partition connects the symbols that hash to it."""

SINGLETONS = ("monitor", "auditor", "trainer")
"""Work with one active member at a time; the position in this tuple is its partition of service-leases."""

SERVICE_LEASES = TopicSpec("service-leases", len(SINGLETONS), timedelta(days=1))
"""No records: the owner of a partition is the active member of that singleton."""

TOPICS: dict[str, TopicSpec] = {
    spec.name: spec
    for spec in (
        TRADES,
        TRADES_DLQ,
        NEWS,
        NEWS_DLQ,
        NEWS_SENTIMENT,
        PREDICTIONS,
        PREDICTION_INPUTS,
        FEATURE_REFERENCE,
        TRAINING_REQUESTS,
        TRAINING_REQUESTS_DLQ,
        MODEL_EVENTS,
        ALERTS,
        CANDLES,
        TECHNICAL_INDICATORS,
        INGEST_SHARDS,
        SERVICE_LEASES,
    )
}
"""All topics by name."""


def dead_letter_topic(topic: str) -> str:
    """Return the name of the topic that takes what ``topic`` cannot."""
    return topic + DEAD_LETTER_SUFFIX
