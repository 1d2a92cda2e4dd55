"""What the embedded engine's Elasticsearch sinks write: a topic of documents, which a sender empties.

RisingWave has the sink built in. Here a refresh puts changed rows into the topic within its own transaction, so that
none is lost, and :mod:`candlewave.elastic.sender` delivers them.
"""

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from candlewave.bus.protocol import Message
from candlewave.contracts.topics import TopicSpec

OUTBOX = TopicSpec("search-outbox", 1, timedelta(days=7))
REJECTED = TopicSpec("search-outbox.dlq", 1, timedelta(days=30))
"""Documents that Elasticsearch refused for good."""

TOPICS = (OUTBOX, REJECTED)
"""On the embedded engine only: with RisingWave nobody needs them."""

INDEX_COLUMN = "index_name"


def outbox_message(keys: Sequence[str], times: Collection[str], delimiter: str, row: str) -> Message:
    """Return the message of a changed row; its key is the document's ``_id``, spelt as RisingWave spells it.

    Args:
        keys: the sink's primary key, in its order.
        times: those of them that are times.
        delimiter: between the parts of the ``_id``.
        row: JSON with times in ISO-8601 with ``Z``.
    """
    values = json.loads(row)
    parts = (_spelt(values[key]) if key in times else str(values[key]) for key in keys)
    return Message(row.encode(), delimiter.join(parts))


def _spelt(time: str) -> str:
    moment = datetime.fromisoformat(time)
    digits = "seconds" if not moment.microsecond else "milliseconds" if not moment.microsecond % 1000 else "auto"
    return moment.isoformat(" ", digits)
