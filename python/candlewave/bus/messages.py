"""Records as messages."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from candlewave.bus.protocol import Message
from candlewave.contracts.records import Record, encode
from candlewave.telemetry import tracing


def to_message(
    record: Record, headers: Mapping[str, str] | None = None, *, append_ts: datetime | None = None
) -> Message:
    """Return the message of a record, with the key its topic is ordered by."""
    return Message(encode(record), record.key, headers, append_ts)


def traced(messages: Iterable[Message]) -> Iterable[Message]:
    """Return messages with the context of the current span in the headers of those that have no headers."""
    headers = tracing.inject()
    if not headers:
        return messages
    return (m if m.headers else msgspec.structs.replace(m, headers=headers) for m in messages)
