"""RSS 0.9 to 2.0, RDF and Atom feeds."""

from datetime import datetime

from candlewave.contracts.records import Article
from candlewave.services.sentiment.config import SourceConfig
from candlewave.services.sentiment.fetch import Fetcher, FetchRefusedError
from candlewave.services.sentiment.sources.base import (
    MAX_ITEMS,
    BadItem,
    Batch,
    SourceState,
    in_order,
    make_article,
    newest,
    parse_time,
)
from candlewave.services.sentiment.sources.xml import Element, parse


class Feed:
    """One feed, asked with the validators of its last answer."""

    replays = False

    def __init__(self, config: SourceConfig, fetcher: Fetcher) -> None:
        assert config.url is not None
        self.name = config.name
        self.poll_seconds = config.poll_seconds
        self._url = config.url
        self._allow_private = config.allow_private
        self._fetcher = fetcher

    def poll(self, state: SourceState, now: datetime) -> Batch:
        """Ask once; see :class:`candlewave.services.sentiment.sources.base.Source`."""
        headers = {"Accept": "application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.8"}
        if state.etag:
            headers["If-None-Match"] = state.etag
        if state.last_modified:
            headers["If-Modified-Since"] = state.last_modified
        answer = self._fetcher.get(self._url, headers, allow_private=self._allow_private)
        if answer.status == 304:
            return Batch((), state)
        articles, bad = read_feed(answer.body, self.name, now)
        following = SourceState(
            etag=answer.headers.get("etag"),
            last_modified=answer.headers.get("last-modified"),
            newest=newest(state, articles),
        )
        return Batch(articles, following, bad)


def read_feed(body: bytes, source: str, now: datetime) -> tuple[list[Article], list[BadItem]]:
    """Read the articles of a feed, oldest first, and what of it is none.

    Raises:
        FetchRefusedError: it is not a feed, or harmful.
    """
    root = parse(body)
    channel = next(root.each("channel"), root)
    # RSS has its items inside the channel, RDF beside it, Atom calls them entries.
    items = [*channel.each("item"), *channel.each("entry")] or [*root.each("item")]
    if not items and root.name not in {"rss", "rdf", "feed"}:
        raise FetchRefusedError("not_a_feed", f"the document is a {root.name!r}, neither RSS nor Atom")
    if len(items) > MAX_ITEMS:
        raise FetchRefusedError("too_many_items", f"{len(items):,} items, more than {MAX_ITEMS}")
    lang = channel.first("language") or root.attributes.get("lang")
    articles, bad = [], []
    for number, item in enumerate(items, 1):
        try:
            articles.append(_article(item, source, lang, now))
        except ValueError as error:
            bad.append(BadItem(f"item {number}", item.whole_text()[:4_000].encode(), f"item has {error}"))
    return in_order(articles), bad


def _article(item: Element, source: str, lang: str | None, now: datetime) -> Article:
    return make_article(
        source=source,
        url=_link(item),
        title=item.first("title"),
        summary=item.first("description", "summary", "encoded", "content"),
        published=parse_time(item.first("pubdate", "published", "date", "updated", "issued")),
        now=now,
        declared_lang=item.attributes.get("lang") or lang,
    )


def _link(item: Element) -> str:
    for link in item.each("link"):
        if "href" in link.attributes and link.attributes.get("rel", "alternate") == "alternate":
            return link.attributes["href"]
        if link.text.strip():
            return link.text.strip()
    guid = next(item.each("guid"), None)
    if guid is not None and guid.attributes.get("ispermalink", "true") != "false":
        return guid.text.strip()
    return ""
