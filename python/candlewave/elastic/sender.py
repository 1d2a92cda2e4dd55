"""Empty the topic of documents into Elasticsearch: at least once, with ids that repeat, through any outage."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from candlewave.bus.messages import to_message
from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Bus, BusError, Received, Subscription
from candlewave.contracts.records import dead_letter
from candlewave.contracts.topics import DOCUMENTS, DOCUMENTS_DLQ, EMBEDDED_TOPICS
from candlewave.core.settings import Settings
from candlewave.core.times import utc_now
from candlewave.elastic import metrics
from candlewave.elastic.client import (
    ElasticTooLargeError,
    ElasticUnavailableError,
    SearchError,
    address,
    asking,
    open_client,
)
from candlewave.telemetry import get_logger

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

GROUP = "search-sender"
_BATCH = 1_000
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_INDEX_COLUMN = "index_name"
_log = get_logger(__name__)


def send(url: str, settings: Settings, stop: threading.Event) -> None:
    """Deliver the documents of an embedded engine until ``stop`` is set; PostgreSQL may come and go."""
    _log.info("sending documents", to=address(settings))
    with open_client(settings) as client, PostgresBus(url) as bus:
        Sender(bus, client).run(stop)


class Sender:
    """Delivers documents in the order in which they were written.

    Args:
        bus: with the documents.
        client: of Elasticsearch.
        clock: present time, UTC.
    """

    def __init__(self, bus: Bus, client: "Elasticsearch", clock: Callable[[], datetime] = utc_now) -> None:
        self._bus, self._client, self._clock = bus, client, clock
        bus.ensure_topics(EMBEDDED_TOPICS)

    def run(self, stop: threading.Event) -> None:
        """Send until ``stop`` is set; pauses grow while Elasticsearch or the bus is down."""
        failures = 0
        with self._bus.subscribe(GROUP, [DOCUMENTS.name]) as subscription:
            while not stop.is_set():
                try:
                    self.step(subscription)
                except (SearchError, BusError) as error:
                    pause = min(_FIRST_PAUSE * 2**failures, _LONGEST_PAUSE)
                    failures = min(failures + 1, 10)
                    metrics.RETRIES.inc()
                    _log.warning("documents wait", reason=str(error), again_in_seconds=pause)
                    stop.wait(pause)
                    subscription.rewind()
                else:
                    failures = 0

    def step(self, subscription: Subscription, timeout: float = 1.0) -> int:
        """Send what waits, then commit; return how many documents that were.

        Raises:
            ElasticUnavailableError: Elasticsearch is down or overloaded; nothing was committed.
            SearchError: it refuses the request as a whole, such as for a wrong password; nothing was committed.
            BusError: the bus failed; nothing was committed.
        """
        messages = subscription.poll(_BATCH, timeout)
        if messages:
            readable = self._readable(messages)
            if readable:
                self._send_in_parts(readable)
            subscription.commit()
        metrics.WAITING.set(sum(self._bus.lag(GROUP, [DOCUMENTS.name]).values()))
        return len(messages)

    def _send_in_parts(self, messages: Sequence[Received]) -> None:
        """Send a batch, and halves of it when it is too large for the server."""
        try:
            self._send(messages)
        except ElasticTooLargeError:
            if len(messages) == 1:
                self._reject([(messages[0], "Elasticsearch takes no document of this size")])
                return
            middle = len(messages) // 2
            self._send_in_parts(messages[:middle])
            self._send_in_parts(messages[middle:])

    def _send(self, messages: Sequence[Received]) -> None:
        operations = list(_operations(messages))
        with asking("write documents"):
            answer = self._client.bulk(operations=operations)
        refused: list[tuple[Received, dict[str, Any]]] = []
        for message, item in zip(messages, answer["items"], strict=True):
            result = item["index"]
            status = int(result["status"])
            if status == 429 or status >= 500:
                raise ElasticUnavailableError(
                    f"cannot write documents: Elasticsearch answered {status}, {_reason(result)}"
                )
            if status >= 400:
                refused.append((message, result))
        self._reject(
            [
                (message, f"Elasticsearch answered {result['status']} for {result['_index']}: {_reason(result)}")
                for message, result in refused
            ]
        )
        outcomes = {id(message) for message, _ in refused}
        for message, item in zip(messages, answer["items"], strict=True):
            kind = _kind(item["index"]["_index"])
            metrics.DOCUMENTS.labels(kind, "refused" if id(message) in outcomes else "written").inc()

    def _readable(self, messages: Sequence[Received]) -> list[Received]:
        """Return the messages that are documents; others are rejected."""
        readable, rejected = [], []
        for message in messages:
            problem = _problem(message)
            if problem is None:
                readable.append(message)
            else:
                rejected.append((message, problem))
                metrics.DOCUMENTS.labels("unreadable", "refused").inc()
        self._reject(rejected)
        return readable

    def _reject(self, rejected: Sequence[tuple[Received, str]]) -> None:
        """Put messages on the dead-letter topic, each with its reason."""
        if not rejected:
            return
        letters = [
            dead_letter(
                DOCUMENTS.name,
                message.value,
                reason=reason,
                source=DOCUMENTS.name,
                position=message.position,
                occurred_at=self._clock(),
            )
            for message, reason in rejected
        ]
        self._bus.publish(DOCUMENTS_DLQ.name, [to_message(letter) for letter in letters])
        _log.error("documents refused", count=len(letters), first=letters[0].reason)


def _problem(message: Received) -> str | None:
    """Return why a message is no document, None when it is one."""
    try:
        document = json.loads(message.value or b"")
    except (ValueError, RecursionError) as error:
        return f"not a document: {error}"
    if not isinstance(document, dict) or not isinstance(document.get(_INDEX_COLUMN), str):
        return f"not a document: expected an object with a text {_INDEX_COLUMN}"
    try:
        json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        return f"not a document: {error}"
    return None if message.key else "not a document: a message without a key has no id"


def _operations(messages: Sequence[Received]) -> Iterator[dict[str, Any]]:
    for message in messages:
        document = json.loads(message.value or b"{}")
        yield {"index": {"_index": document.pop(_INDEX_COLUMN), "_id": message.key}}
        yield document


def _kind(index: str) -> str:
    """The day of an index would be a label without end."""
    return index.rpartition("-")[0] or index


def _reason(result: dict[str, Any]) -> str:
    error = result.get("error")
    if isinstance(error, dict):
        cause = error.get("caused_by") or {}
        return ": ".join(str(text) for text in (error.get("reason"), cause.get("reason")) if text)[:300]
    return str(error)[:300]
