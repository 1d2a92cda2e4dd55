"""Every topic of candlewave, for both buses; ``make topics`` writes manifests and documentation from it.

Their records are in :mod:`candlewave.contracts.records`.
"""

from datetime import timedelta
from typing import Any

import msgspec

DEAD_LETTER_SUFFIX = ".dlq"


class TopicSpec(msgspec.Struct, frozen=True):
    """How a topic is kept.

    Attributes:
        name: without the deployment's prefix.
        partitions: maximum number of members of a group that can share it.
        retention: age after which messages may go; None keeps them.
        compact: keep the newest message of each key. Only where the key is the record's primary key.
        log_append_time: the broker stamps messages with its own clock, which producers cannot forge.
        key, holds, written_by: for docs/contracts.md: what the message key is, what a record says, who writes it.
    """

    name: str
    partitions: int
    retention: timedelta | None = None
    compact: bool = False
    log_append_time: bool = False
    key: str = "–"
    holds: str = ""
    written_by: str = "–"

    @property
    def kafka_config(self) -> dict[str, str]:
        """Kafka's own settings of the topic."""
        return {
            "cleanup.policy": "compact" if self.compact else "delete",
            "retention.ms": "-1" if self.retention is None else str(self.retention // timedelta(milliseconds=1)),
            "message.timestamp.type": "LogAppendTime" if self.log_append_time else "CreateTime",
        }


_WEEK = timedelta(days=7)
_MONTH = timedelta(days=30)

TOPICS: dict[str, TopicSpec] = {}
"""All topics by name, but those of the embedded engine alone."""


def _topic(name: str, partitions: int, retention: timedelta | None = None, **more: Any) -> TopicSpec:
    TOPICS[name] = TopicSpec(name, partitions, retention, **more)
    return TOPICS[name]


_MARKET = "`exchange\\|symbol`"

TRADES = _topic(
    "trades",
    6,
    _WEEK,
    log_append_time=True,
    key=_MARKET,
    holds="trade or heartbeat, see below",
    written_by="trade-to-ohlc, backfill, replay, simulate",
)
TRADES_DLQ = _topic(
    "trades.dlq", 1, _MONTH, key="source", holds="a refused trade, see below", written_by="writers of `trades`"
)
LOADED_CANDLES = _topic(
    "loaded_candles",
    3,
    _WEEK,
    log_append_time=True,
    key=_MARKET,
    holds="a one-minute candle of history, see below",
    written_by="backfill",
)
LOADED_CANDLES_DLQ = _topic(
    "loaded_candles.dlq",
    1,
    _MONTH,
    key="source",
    holds="a refused candle, see below",
    written_by="writers of `loaded_candles`",
)
NEWS = _topic("news", 3, _MONTH, key="article_id", holds="an article as fetched", written_by="sentiment-extractor")
NEWS_DLQ = _topic(
    "news.dlq", 1, _MONTH, key="source", holds="a refused article, see below", written_by="sentiment-extractor"
)
NEWS_SENTIMENT = _topic(
    "news_sentiment",
    3,
    _MONTH,
    key="asset",
    holds="one score of one article for one asset",
    written_by="sentiment-extractor",
)
PREDICTIONS = _topic(
    "predictions", 3, _MONTH, key=_MARKET, holds="quantile forecasts of one horizon", written_by="price-predictor"
)
PREDICTION_INPUTS = _topic(
    "prediction_inputs", 3, _MONTH, key=_MARKET, holds="the features a forecast used", written_by="price-predictor"
)
FEATURE_REFERENCE = _topic(
    "feature_reference",
    1,
    _MONTH,
    key="model_version",
    holds="histogram of a feature in training",
    written_by="model-trainer",
)
BASELINE_SPREADS = _topic(
    "baseline_spreads",
    1,
    _MONTH,
    key="baseline_version",
    holds="outer quantiles of the baseline, by market and horizon",
    written_by="model-trainer",
)
TRAINING_REQUESTS = _topic(
    "training_requests",
    1,
    _MONTH,
    key="model_name",
    holds="why a training is wanted",
    written_by="model-error-monitor, CLI, API",
)
TRAINING_REQUESTS_DLQ = _topic(
    "training_requests.dlq", 1, _MONTH, key="source", holds="an unreadable request", written_by="model-trainer"
)
MODEL_EVENTS = _topic(
    "model_events",
    1,
    _MONTH,
    key="model_name",
    holds="a training runs or failed; a model is registered, promoted, rejected, confirmed, rolled_back",
    written_by="model-trainer",
)
ALERTS = _topic("alerts", 1, _MONTH, key="fingerprint", holds="firing or resolved", written_by="model-error-monitor")
ALERTS_DLQ = _topic(
    "alerts.dlq",
    1,
    _MONTH,
    key="source",
    holds="an alert that the webhook refuses for good, or an unreadable one",
    written_by="model-error-monitor",
)
CANDLES = _topic(
    "candles",
    3,
    compact=True,
    key="JSON of the primary key",
    holds="a closed candle, again when amended",
    written_by="SQL sink",
)
TECHNICAL_INDICATORS = _topic(
    "technical_indicators",
    3,
    compact=True,
    key="JSON of the primary key",
    holds="indicators of a candle",
    written_by="SQL sink",
)

INGEST_SHARDS = _topic("ingest-shards", 12, timedelta(days=1), holds="no records: partitions are shares of markets")
"""The owner of a partition connects the symbols that hash to it."""

SINGLETONS = ("monitor", "auditor", "trainer")
"""Work with one active member at a time; the position in this tuple is its partition of service-leases."""

SERVICE_LEASES = _topic("service-leases", len(SINGLETONS), timedelta(days=1), holds="no records: partitions are leases")
"""The owner of a partition is the active member of that singleton."""

DOCUMENTS = TopicSpec("search-outbox", 1, _WEEK)
"""Documents on their way to Elasticsearch, written by the embedded engine, whose sinks cannot deliver them."""

DOCUMENTS_DLQ = TopicSpec("search-outbox.dlq", 1, _MONTH)
"""Documents that Elasticsearch refused for good."""

EMBEDDED_TOPICS = (DOCUMENTS, DOCUMENTS_DLQ)
"""What the embedded engine has besides; RisingWave delivers documents itself."""
