"""CryptoPanic's posts, which come with the tickers they are about."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from candlewave.contracts.records import Article
from candlewave.services.sentiment.dates import parse_time
from candlewave.services.sentiment.fetch import FetchRefusedError
from candlewave.services.sentiment.sources.api import MAX_PAGES, reached, read_items, read_object
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


class CryptoPanic(WebSource):
    """Posts, page after page back to the newest one known. The key is part of the address, which no log shows."""

    kind = "cryptopanic"
    key = "cryptopanic_api_key"

    def poll(self, state: SourceState, now: datetime) -> Batch:
        """Ask once; see ``Source``."""
        url = f"{self._url}?{urlencode({'auth_token': self._key, 'public': 'true', 'kind': 'news'})}"
        articles: list[Article] = []
        bad: list[BadItem] = []
        for _ in range(MAX_PAGES):
            found = read_object(self._fetcher.get(url, allow_private=self._allow_private).body)
            page, wrong = read_items(found, "results", lambda item: self._article(item, now))
            articles += page
            bad += wrong
            following = found.get("next")
            if not isinstance(following, str) or not following or reached(page, state.newest):
                break
            # The next page's address holds the key: it goes to the same host or nowhere.
            if urlsplit(following)[:2] != urlsplit(self._url)[:2]:
                raise FetchRefusedError("foreign_page", "the next page is on another host")
            url = following
        return Batch(in_order(articles), SourceState(newest=newest(state, articles)), bad)

    def _article(self, item: dict[str, Any], now: datetime) -> Article:
        coins = item.get("instruments") or item.get("currencies") or []
        tags = [c["code"].upper() for c in coins if isinstance(c, dict) and isinstance(c.get("code"), str)]
        return make_article(
            source=self.name,
            url=text_of(item, "original_url", "url"),
            title=text_of(item, "title"),
            summary=text_of(item, "description"),
            published=parse_time(item.get("published_at") or item.get("created_at")),
            now=now,
            declared_lang=text_of(item, "language"),
            tags=tags,
        )
