"""Dead letters of messages that the engine passes over, written in the transaction that passes them over."""

from collections.abc import Iterable

import psycopg

from candlewave.bus.messages import to_message
from candlewave.bus.postgres import PostgresBus
from candlewave.contracts.records import dead_letter
from candlewave.contracts.topics import DEAD_LETTER_SUFFIX, TOPICS
from candlewave.core.times import utc_now


def write_letters(
    conn: psycopg.Connection,
    bus: PostgresBus | None,
    topic: str,
    partition: int,
    messages: Iterable[tuple[int, bytes | None]],
    reason: str,
) -> None:
    """Send messages of a topic to its dead letters, if it has any.

    A service that reads the topic as well, and refuses the same message, writes the same letter.

    Args:
        bus: where dead letters go; without one the log alone has the places of messages.
        messages: offset and bytes of each.
    """
    letters = topic + DEAD_LETTER_SUFFIX
    if bus is None or letters not in TOPICS:
        return
    now = utc_now()
    bus.publish_in(
        conn,
        letters,
        [
            to_message(
                dead_letter(
                    topic,
                    payload,
                    reason=reason,
                    source=f"topic {topic}",
                    position=f"{partition}:{offset}",
                    occurred_at=now,
                )
            )
            for offset, payload in messages
        ],
    )
