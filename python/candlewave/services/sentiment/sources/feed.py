"""RSS 0.9 to 2.0, RDF and Atom feeds."""

import re
from datetime import datetime
from typing import Any

import feedparser

from candlewave.contracts.records import Article
from candlewave.services.sentiment.dates import parse_time
from candlewave.services.sentiment.fetch import FetchRefusedError
from candlewave.services.sentiment.sources.base import (
    MAX_ITEMS,
    BadItem,
    Batch,
    SourceState,
    WebSource,
    decoded,
    in_order,
    make_article,
    newest,
)
from candlewave.services.sentiment.sources.xml import refuse_harmful

_ITEM = re.compile(rb"<((?:\w+:)?(?:item|entry))\b[^>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_PAYLOAD_BYTES = 4_000


class Feed(WebSource):
    """One feed, asked with the validators of its last answer."""

    kind = "rss"

    def poll(self, state: SourceState, now: datetime) -> Batch:
        """Ask once; see ``Source``."""
        headers = {"Accept": "application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.8"}
        if state.etag:
            headers["If-None-Match"] = state.etag
        if state.last_modified:
            headers["If-Modified-Since"] = state.last_modified
        answer = self._fetcher.get(self._url, headers, allow_private=self._allow_private)
        if answer.status == 304:
            return Batch((), state)
        articles, bad = read_feed(answer.body, self.name, now, self._url, answer.headers.get("content-type"))
        following = SourceState(
            etag=answer.headers.get("etag"),
            last_modified=answer.headers.get("last-modified"),
            newest=newest(state, articles),
        )
        return Batch(articles, following, bad)


def read_feed(
    body: bytes, source: str, now: datetime, url: str = "", content_type: str | None = None
) -> tuple[list[Article], list[BadItem]]:
    """Read the articles of a feed, oldest first, and the items that are not articles.

    Args:
        url: where the feed came from; relative links are resolved against it.
        content_type: what the server said it is; it may name the encoding.

    Raises:
        FetchRefusedError: it is not a feed, or it is harmful.
    """
    if (text := decoded(body)) is not None:
        body, content_type = (
            _DECLARATION.sub("", text, count=1).encode("utf-8", "replace"),
            "application/xml; charset=utf-8",
        )
    refuse_harmful(body)
    headers = {"content-location": url, "content-type": content_type or "application/xml"}
    bad: list[BadItem] = []
    try:
        parsed = _parse(body, headers)
        entries = [(f"item {number}", entry) for number, entry in enumerate(parsed.entries, 1)]
    except Exception:  # noqa: BLE001 (the parser has fallen over one item: find it and keep the others)
        parsed, entries, bad = _parse_one_by_one(body, headers)
    else:
        if parsed.bozo and len(entries) < len(_ITEM.findall(body)):  # an element left open takes the next items in
            apart = _parse_one_by_one(body, headers)
            parsed, entries, bad = apart if len(apart[1]) > len(entries) else (parsed, entries, [])
    if not parsed.version and not entries and not bad:
        reason = "malformed" if parsed.bozo else "not_a_feed"
        raise FetchRefusedError(reason, f"neither RSS nor Atom: {_cause(parsed)}")
    if len(entries) > MAX_ITEMS:
        raise FetchRefusedError("too_many_items", f"{len(entries):,} items, more than {MAX_ITEMS}")
    lang = parsed.feed.get("language")
    articles = []
    for position, entry in entries:
        try:
            articles.append(_article(entry, source, lang, now))
        except Exception as error:  # noqa: BLE001 (a fault of one item concerns only that item)
            bad.append(BadItem(position, _payload(entry), f"item has {_named(error)}"))
    return in_order(articles), bad


def _parse(body: bytes, headers: dict[str, str]) -> Any:
    return feedparser.parse(body, response_headers=headers, sanitize_html=False)


def _parse_one_by_one(body: bytes, headers: dict[str, str]) -> tuple[Any, list[tuple[str, Any]], list[BadItem]]:
    """Read a feed item by item, each inside the feed's own frame; items that the parser cannot read are bad.

    Raises:
        FetchRefusedError: the parser fails even on the frame.
    """
    items = [(match.start(), match.end()) for match in _ITEM.finditer(body)]
    if len(items) > MAX_ITEMS:
        raise FetchRefusedError("too_many_items", f"{len(items):,} items, more than {MAX_ITEMS}")
    head, tail = (body[: items[0][0]], body[items[-1][1] :]) if items else (body, b"")
    try:
        frame = _parse(head + tail, headers)
    except Exception as error:
        raise FetchRefusedError("malformed", f"the parser failed: {_named(error)}") from error
    entries: list[tuple[str, Any]] = []
    bad: list[BadItem] = []
    for number, (start, end) in enumerate(items, 1):
        try:
            entries += [(f"item {number}", entry) for entry in _parse(head + body[start:end] + tail, headers).entries]
        except Exception as error:  # noqa: BLE001 (this is the item over which the parser fell)
            bad.append(BadItem(f"item {number}", body[start:end][:_PAYLOAD_BYTES], f"item has {_named(error)}"))
    return frame, entries, bad


def _article(entry: Any, source: str, lang: str | None, now: datetime) -> Article:
    content = entry.get("content") or [{}]
    return make_article(
        source=source,
        url=_link(entry),
        title=entry.get("title", ""),
        summary=entry.get("summary") or content[0].get("value", ""),
        published=next(
            filter(None, (parse_time(dict.get(entry, n)) for n in ("published", "created", "updated"))), None
        ),
        now=now,
        declared_lang=(entry.get("title_detail") or {}).get("language") or lang,
    )


def _link(entry: Any) -> str:
    """Return the item's own address: its link, or else a guid that is one."""
    link = str(entry.get("link") or "")
    if link:
        return link
    return str(entry.get("id") or "") if entry.get("guidislink", True) else ""


def _payload(entry: Any) -> bytes:
    return repr({name: entry.get(name) for name in ("title", "link", "published", "summary")})[:_PAYLOAD_BYTES].encode(
        "utf-8", "backslashreplace"
    )


def _cause(parsed: Any) -> str:
    return str(parsed.get("bozo_exception") or "well-formed, but without a feed's elements")


def _named(error: Exception) -> str:
    """Return what is wrong in words; errors of libraries also by name."""
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
