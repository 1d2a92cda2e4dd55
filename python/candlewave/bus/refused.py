"""What becomes of messages that the bus will never take: too large, or not storable. They must not block others."""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from candlewave.bus import metrics
from candlewave.bus.messages import to_message
from candlewave.bus.protocol import Message
from candlewave.contracts.records import dead_letter
from candlewave.contracts.topics import DEAD_LETTER_SUFFIX, TOPICS

_log = logging.getLogger(__name__)
_SHOWN = 200


class Refused(NamedTuple):
    """A message that was refused for good, and why."""

    message: Message
    reason: str


def set_aside(
    topic: str,
    refused: Sequence[Refused],
    now: datetime,
    publish: Callable[[str, Iterable[Message]], object],
) -> None:
    """Count refused messages, log them, and put them on the topic's dead-letter topic, if it has one.

    Args:
        publish: publishes the dead letters; it must not come back here.

    Raises:
        BusError: the dead letters cannot be published; the whole publish is to be repeated.
    """
    if not refused:
        return
    metrics.REFUSED.labels(topic).inc(len(refused))
    for message, reason in refused[:_SHOWN]:
        _log.error("topic %s refused a message with key %.200r: %s", topic, message.key, reason)
    letters = topic + DEAD_LETTER_SUFFIX
    if letters in TOPICS:
        publish(letters, (_letter(topic, message, reason, now) for message, reason in refused))


def _letter(topic: str, message: Message, reason: str, now: datetime) -> Message:
    where = {"source": f"topic {topic}", "position": message.key or "no key"}
    return to_message(dead_letter(topic, message.value, reason=reason, occurred_at=now, **where))
