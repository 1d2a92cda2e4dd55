"""Read topic ``news``, score each article, publish to ``news_sentiment``: at least once, with keys that repeat."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from candlewave.bus.messages import to_message
from candlewave.bus.protocol import (
    Bus,
    BusUnavailableError,
    CommitRefusedError,
    Message,
    PublishError,
    Received,
    Subscription,
)
from candlewave.contracts.records import Article, MalformedMessageError, dead_letter, decode
from candlewave.contracts.topics import NEWS, NEWS_DLQ, NEWS_SENTIMENT
from candlewave.services.sentiment import metrics
from candlewave.services.sentiment.extract import Extraction, Extractor, to_scores
from candlewave.telemetry import get_logger, tracing

GROUP = "sentiment-extractor"
_log = get_logger(__name__)
_AGAIN_SECONDS = 1.0


class Scoring:
    """The second half of the extractor.

    Args:
        bus: topics in and out.
        extractor: finds sentiment; what it fails at goes to the dead-letter topic.
        clock: present time, UTC; becomes ``scored_at``.
        batch: articles read at a time; unless they are scored within five minutes, another replica gets them.
    """

    def __init__(
        self,
        bus: Bus,
        extractor: Extractor,
        *,
        clock: Callable[[], datetime],
        batch: int = 24,
    ) -> None:
        self._bus = bus
        self._extractor = extractor
        self._clock = clock
        self._batch = batch

    def run(self, stop: threading.Event) -> None:
        """Score until ``stop`` is set, through outages of the bus."""
        with self._bus.subscribe(GROUP, [NEWS.name]) as subscription:
            while not stop.is_set():
                try:
                    self.step(subscription)
                except (BusUnavailableError, PublishError, CommitRefusedError) as error:
                    _log.warning("scoring waits for the bus", error=str(error))
                    subscription.rewind()
                    stop.wait(_AGAIN_SECONDS)

    def step(self, subscription: Subscription, timeout: float = 1.0) -> int:
        """Score what has arrived, publish, then commit; return how many messages that were.

        Raises:
            BusError: the bus failed; nothing of it was committed.
        """
        messages = subscription.poll(self._batch, timeout)
        if messages:
            with tracing.consuming("score", [message.headers for message in messages]):
                self.process(messages)
            subscription.commit()
        return len(messages)

    def process(self, messages: list[Received]) -> None:
        """Score and publish messages."""
        articles: list[tuple[Received, Article]] = []
        for message in messages:
            try:
                articles.append((message, decode(Article, message.value)))
            except MalformedMessageError as error:
                self._reject(message, f"not an article: {error}")
        out: list[Message] = []
        for article, extraction in self._extract(articles):
            if extraction.skipped is not None:
                metrics.SKIPPED.labels(extraction.skipped).inc()
            elif not extraction.findings:
                metrics.SKIPPED.labels("no asset").inc()
            for score in to_scores(article, extraction, self._clock):
                out.append(to_message(score))
                metrics.SCORES.labels(score.extractor).inc()
        if out:
            self._bus.publish(NEWS_SENTIMENT.name, out)

    def _extract(self, articles: Sequence[tuple[Received, Article]]) -> Iterator[tuple[Article, Extraction]]:
        """Yield what each article says; one that the extractor fails at is rejected and leaves the others alone."""
        try:
            found = self._extractor.extract([article for _, article in articles])
        except Exception as error:  # noqa: BLE001 (whatever an article breaks, it is that article's)
            if len(articles) == 1:
                _log.exception("extractor failed", position=articles[0][0].position)
                self._reject(articles[0][0], f"the extractor failed: {type(error).__name__}: {error}")
                return
            for one in articles:
                yield from self._extract([one])
            return
        for (message, article), extraction in zip(articles, found, strict=True):
            if extraction is None:
                self._reject(message, "no extractor could read it")
            else:
                yield article, extraction

    def _reject(self, message: Received, reason: str) -> None:
        letter = dead_letter(
            NEWS.name,
            message.value,
            reason=reason,
            source=f"topic {NEWS.name}",
            position=message.position,
            occurred_at=self._clock(),
        )
        self._bus.publish(NEWS_DLQ.name, [to_message(letter)])
        metrics.SKIPPED.labels("dead letter").inc()
        _log.warning("message rejected", position=message.position, reason=reason)
