"""What a source of articles is, and what all of them share."""

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from candlewave.contracts.records import Article
from candlewave.services.sentiment.articles import MAX_SUMMARY, MAX_TITLE, article_id, canonical_url
from candlewave.services.sentiment.plain import language, strip_markup

MAX_ITEMS = 500
"""Most articles taken from one answer; more are refused, as no feed has them."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the beginning of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


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

    Args:
        published: None when the source does not say it, or not readably; a time in the future is cut to ``now``.

    Raises:
        ValueError: it has no title.
    """
    clean = strip_markup(title, MAX_TITLE)
    if not clean:
        raise ValueError("no title")
    text = strip_markup(summary, MAX_SUMMARY)
    address = canonical_url(url)
    # What lies in the future was published with a wrong clock; it cannot be newer than now.
    when = min(published, now).astimezone(UTC) if published is not None else None
    return Article(
        article_id=article_id(address, source, clean, when),
        url=address,
        title=clean,
        summary="" if text == clean else text,
        source=source,
        lang=language(f"{clean} {text[:300]}", declared_lang),
        published_at=when,
        fetched_at=now.astimezone(UTC),
        tags=tuple(dict.fromkeys(tags)),
    )


def newest(state: SourceState, articles: Sequence[Article]) -> datetime | None:
    """Return the newest publication time of what was known and what came."""
    times = (*(a.published_at for a in articles), state.newest)
    return max((time for time in times if time is not None), default=None)


def decoded(body: bytes) -> str | None:
    """Decode a document that begins with a byte order mark of UTF-16 or UTF-32; None without one."""
    encoding = next((name for mark, name in _MARKS if body.startswith(mark)), None)
    return None if encoding is None else body.decode(encoding, "replace")


def text_of(item: Mapping[str, Any], *names: str) -> str:
    """Return the first of some values that is a text, else the empty text."""
    return next((value for name in names if isinstance(value := item.get(name), str) and value), "")


def in_order(articles: Sequence[Article]) -> list[Article]:
    """Return articles oldest first, those of unknown time before all others, equal times by id."""
    return sorted(articles, key=lambda a: (a.published_at or datetime.min.replace(tzinfo=UTC), a.article_id))
