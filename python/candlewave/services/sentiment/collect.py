"""Ask sources when they are due, keep what is new, publish it to topic ``news``; what was fetched survives a crash."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from candlewave.bus.messages import to_message
from candlewave.bus.protocol import Bus
from candlewave.contracts.records import Article, dead_letter
from candlewave.contracts.topics import NEWS, NEWS_DLQ
from candlewave.services.sentiment import metrics
from candlewave.services.sentiment.fetch import FetchError, FetchRefusedError
from candlewave.services.sentiment.sources.base import Batch, Source
from candlewave.services.sentiment.store import ArticleStore
from candlewave.telemetry import get_logger, tracing

_log = get_logger(__name__)
_LONGEST_PAUSE = timedelta(hours=1)
_PUBLISH_BATCH = 200
_PRUNE_EVERY = timedelta(hours=1)


class Collector:
    """Sources in, topic ``news`` out; not thread-safe.

    Args:
        sources: the enabled ones.
        store: what survives a crash.
        bus: where articles go.
        poll: pause between two requests of a source that does not say otherwise.
        max_age: older articles of live sources are left out.
        clock: present time, UTC.
        owns: says whether a source, by name, is this replica's.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        store: ArticleStore,
        bus: Bus,
        *,
        poll: timedelta,
        max_age: timedelta,
        clock: Callable[[], datetime],
        owns: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._sources = list(sources)
        self._store = store
        self._bus = bus
        self._poll = poll
        self._max_age = max_age
        self._clock = clock
        self._owns = owns
        self._due: dict[str, datetime] = {}
        self._failures: dict[str, int] = {}
        self._pruned = clock()

    def next_due(self) -> datetime:
        """Return when the next source is due."""
        now = self._clock()
        return min((self._due.get(s.name, now) for s in self._sources), default=now + self._poll)

    def collect(self) -> None:
        """Ask every source that is due, and publish what waits.

        Raises:
            BusError: the bus did not take it; it waits for the next call.
        """
        self.publish()
        for source in self._sources:
            if self._owns(source.name) and self._due.get(source.name, self._clock()) <= self._clock():
                self._ask(source)
                self.publish()
        if self._pruned < self._clock() - _PRUNE_EVERY:
            self._pruned = self._clock()
            self._store.prune(self._pruned)

    def publish(self) -> None:
        """Publish articles that wait, those of an earlier run of this program too.

        Raises:
            BusError: the bus did not take them; they go on waiting.
        """
        while articles := self._store.waiting(_PUBLISH_BATCH):
            metrics.WAITING.set(len(articles))
            with tracing.tracer(__name__).start_as_current_span("collect"):
                self._bus.publish(NEWS.name, [to_message(a) for a in articles])
            self._store.published(articles)
            metrics.PUBLISHED.inc(len(articles))
        metrics.WAITING.set(0)

    def _ask(self, source: Source) -> None:
        now = self._clock()
        pause = timedelta(seconds=source.poll_seconds) if source.poll_seconds else self._poll
        try:
            batch = source.poll(self._store.state(source.name), now)
        except FetchError as error:
            metrics.POLLS.labels(source.name, "failed").inc()
            self._back_off(source.name, pause, error.retry_after)
            _log.warning("source failed", source=source.name, error=str(error))
            return
        except FetchRefusedError as error:
            metrics.POLLS.labels(source.name, "refused").inc()
            metrics.REFUSED.labels(source.name, error.reason).inc()
            self._back_off(source.name, pause, None)
            _log.warning("source refused", source=source.name, reason=error.reason, error=str(error))
            return
        except Exception as error:  # noqa: BLE001 (a fault in reading one source must not stop the others)
            metrics.POLLS.labels(source.name, "error").inc()
            self._back_off(source.name, pause, None)
            _log.warning("source cannot be read", source=source.name, error=f"{type(error).__name__}: {error}")
            return
        self._keep(source, batch, now)
        self._failures.pop(source.name, None)
        self._due[source.name] = now + pause
        metrics.POLLS.labels(source.name, "ok").inc()
        metrics.LAST_SUCCESS.labels(source.name).set(now.timestamp())

    def _keep(self, source: Source, batch: Batch, now: datetime) -> None:
        """Send malformed items to the dead-letter topic, then store the rest together with the watermark."""
        if batch.bad:
            letters = [
                dead_letter(
                    NEWS.name,
                    item.payload,
                    reason=item.reason,
                    source=source.name,
                    position=item.position,
                    occurred_at=now,
                )
                for item in batch.bad
            ]
            self._bus.publish(NEWS_DLQ.name, [to_message(letter) for letter in letters])
            metrics.ARTICLES.labels(source.name, "bad").inc(len(letters))
        wanted = [a for a in batch.articles if source.replays or self._fresh(a, now)]
        accepted = self._store.accept(source.name, wanted, batch.state, now)
        for outcome, count in (
            ("new", accepted.new),
            ("repeated", accepted.repeated),
            ("same_story", accepted.same_story),
            ("too_old", len(batch.articles) - len(wanted)),
            ("undated", sum(a.published_at is None for a in wanted)),
        ):
            metrics.ARTICLES.labels(source.name, outcome).inc(count)
        if dated := [a.published_at for a in wanted if a.published_at is not None]:
            metrics.NEWEST.labels(source.name).set(max(dated).timestamp())
        if accepted.new:
            _log.info("articles", source=source.name, new=accepted.new, same_story=accepted.same_story)

    def _fresh(self, article: Article, now: datetime) -> bool:
        return article.published_at is None or article.published_at >= now - self._max_age

    def _back_off(self, name: str, pause: timedelta, retry_after: float | None) -> None:
        """Wait twice as long after every failure, and at least as long as the source asks for."""
        failures = self._failures.get(name, 0) + 1
        self._failures[name] = failures
        wait = max(pause * 2 ** min(failures, 10), timedelta(seconds=retry_after or 0))
        self._due[name] = self._clock() + min(wait, _LONGEST_PAUSE)
