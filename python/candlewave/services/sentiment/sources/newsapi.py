"""NewsAPI's search over many papers."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from candlewave.contracts.records import Article
from candlewave.services.sentiment.dates import parse_time
from candlewave.services.sentiment.sources.api import MAX_PAGES, read_items, read_object
from candlewave.services.sentiment.sources.base import (
    BadItem,
    Batch,
    SourceState,
    WebSource,
    in_order,
    make_article,
    newest,
    text_of,
)

_PAGE = 100
_OVERLAP = timedelta(hours=1)
_FIRST = timedelta(days=1)


class NewsApi(WebSource):
    """Articles since the newest known, with an hour's overlap, as they are indexed late."""

    kind = "newsapi"
    key = "newsapi_api_key"

    def poll(self, state: SourceState, now: datetime) -> Batch:
        """Ask once; see ``Source``."""
        since = state.newest - _OVERLAP if state.newest else now - _FIRST
        articles: list[Article] = []
        bad: list[BadItem] = []
        for page in range(1, MAX_PAGES + 1):
            query = {
                "q": self._query or "cryptocurrency",
                "from": since.strftime("%Y-%m-%dT%H:%M:%S"),
                "sortBy": "publishedAt",
                "pageSize": _PAGE,
                "page": page,
            }
            answer = self._fetcher.get(
                f"{self._url}?{urlencode(query)}", {"X-Api-Key": self._key}, allow_private=self._allow_private
            )
            found, wrong = read_items(read_object(answer.body), "articles", lambda item: self._article(item, now))
            articles += found
            bad += wrong
            if len(found) + len(wrong) < _PAGE:
                break
        return Batch(in_order(articles), SourceState(newest=newest(state, articles)), bad)

    def _article(self, item: dict[str, Any], now: datetime) -> Article:
        return make_article(
            source=self.name,
            url=text_of(item, "url"),
            title=text_of(item, "title"),
            summary=text_of(item, "description"),
            published=parse_time(item.get("publishedAt")),
            now=now,
        )
