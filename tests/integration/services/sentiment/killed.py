"""A collector that is killed on the way: run with database, data directory, feed address, and where it dies."""

import os
import signal
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Message
from candlewave.services.sentiment.collect import Collector
from candlewave.services.sentiment.fetch import Fetcher
from candlewave.services.sentiment.sources.base import SourceConfig
from candlewave.services.sentiment.sources.feed import Feed
from candlewave.services.sentiment.store import ArticleStore


class DyingBus(PostgresBus):
    where = "nowhere"

    def publish(self, topic: str, messages: Iterable[Message]) -> None:
        if self.where == "before publishing":
            os.kill(os.getpid(), signal.SIGKILL)
        super().publish(topic, messages)
        if self.where == "after publishing":
            os.kill(os.getpid(), signal.SIGKILL)


class DyingStore(ArticleStore):
    def accept(self, *_: object) -> None:  # type: ignore[override]
        os.kill(os.getpid(), signal.SIGKILL)


def main(database: str, folder: str, url: str, where: str) -> None:
    store_class = DyingStore if where == "before keeping" else ArticleStore
    store = store_class(Path(folder) / "sentiment.sqlite3")
    feed = Feed(SourceConfig(name="paper", kind="rss", url=url, allow_private=True), Fetcher(10.0, 100_000))
    with DyingBus(database) as bus:
        bus.where = where
        collector = Collector(
            [feed],
            store,
            bus,
            poll=timedelta(seconds=60),
            max_age=timedelta(days=36_500),
            clock=lambda: datetime.now(UTC),
        )
        collector.collect()


if __name__ == "__main__":
    main(*sys.argv[1:])
