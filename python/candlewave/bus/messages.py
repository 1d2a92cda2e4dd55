"""Records as messages."""

from collections.abc import Mapping
from datetime import datetime

from candlewave.bus.protocol import Message
from candlewave.contracts.records import Record, encode


def to_message(
    record: Record, headers: Mapping[str, str] | None = None, *, append_ts: datetime | None = None
) -> Message:
    """Return the message of a record, with the key its topic is ordered by."""
    return Message(encode(record), record.key, headers, append_ts)
