"""What a source of articles is, and what all of them share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import msgspec

from candlewave.contracts.records import Article
from candlewave.services.sentiment.articles import MAX_SUMMARY, MAX_TITLE, article_id, canonical_url
from candlewave.services.sentiment.plain import language, strip_markup

MAX_ITEMS = 500
"""Most articles taken from one answer; more are refused, as no feed has them."""


class SourceState(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a source across restarts: its watermark.

    Attributes:
        etag, last_modified: validators of the last answer, for conditional requests.
        newest: newest publication time seen.
        files: of folders: name to size and modification time of what was read.
    """

    etag: str | None = None
    last_modified: str | None = None
    newest: datetime | None = None
    files: dict[str, tuple[int, int]] = {}


@dataclass(frozen=True, slots=True)
class BadItem:
    """A piece of a source that is no article: where it was, its bytes, and why."""

    position: str
    payload: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What one poll brought.

    Attributes:
        articles: oldest first.
        state: what to remember once the articles are safe.
        bad: pieces that are no articles.
    """

    articles: Sequence[Article]
    state: SourceState
    bad: Sequence[BadItem] = field(default=())


class Source(Protocol):
    """A place where articles come from."""

    @property
    def name(self) -> str:
        """The configured name."""

    @property
    def poll_seconds(self) -> float | None:
        """How often it wants to be asked, None for the common value."""

    @property
    def replays(self) -> bool:
        """True when old articles are wanted too."""

    def poll(self, state: SourceState, now: datetime) -> Batch:
        """Ask once.

        Args:
            state: what was remembered.
            now: becomes ``fetched_at``.

        Raises:
            FetchError: it cannot be read now.
            FetchRefusedError: what it sent is harmful or breaks a limit.
        """


def make_article(
    *,
    source: str,
    url: str,
    title: str,
    summary: str,
    published: datetime | None,
    now: datetime,
    declared_lang: str | None = None,
    tags: Sequence[str] = (),
) -> Article:
    """Clean the parts of an article and give it its id.

    Raises:
        ValueError: it has no title.
    """
    clean = strip_markup(title, MAX_TITLE)
    if not clean:
        raise ValueError("no title")
    text = strip_markup(summary, MAX_SUMMARY)
    address = canonical_url(url)
    # What lies in the future was published with a wrong clock; it cannot be newer than now.
    when = min(published, now) if published is not None else now
    return Article(
        article_id=article_id(
            address, source, clean, when if published is not None else datetime.min.replace(tzinfo=UTC)
        ),
        url=address,
        title=clean,
        summary="" if text == clean else text,
        source=source,
        lang=language(f"{clean} {text[:300]}", declared_lang),
        published_at=when.astimezone(UTC),
        fetched_at=now.astimezone(UTC),
        tags=tuple(dict.fromkeys(tags)),
    )


def parse_time(text: Any) -> datetime | None:
    """Read ISO-8601 or RFC 2822; without a zone it is UTC; None if it is neither."""
    if not isinstance(text, str) or not text.strip():
        return None
    text = text.strip()
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        try:
            when = parsedate_to_datetime(text)
        except (ValueError, IndexError, TypeError):
            return None
    try:
        return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None


def newest(state: SourceState, articles: Sequence[Article]) -> datetime | None:
    """Return the newest publication time of what was known and what came."""
    times = [a.published_at for a in articles] + ([state.newest] if state.newest else [])
    return max(times, default=None)


def text_of(item: Mapping[str, Any], *names: str) -> str:
    """Return the first of some values that is a text, else the empty text."""
    return next((value for name in names if isinstance(value := item.get(name), str) and value), "")


def in_order(articles: Sequence[Article]) -> list[Article]:
    """Return articles oldest first, equal times by id."""
    return sorted(articles, key=lambda a: (a.published_at, a.article_id))
