"""What a source of articles is, and what all of them share."""

import codecs
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator

from candlewave.contracts.records import Article
from candlewave.services.sentiment.articles import MAX_SUMMARY, MAX_TITLE, article_id, canonical_url
from candlewave.services.sentiment.fetch import Fetcher
from candlewave.services.sentiment.plain import language, strip_markup

MAX_ITEMS = 500
"""Maximum number of articles in one answer; real feeds have fewer."""

MAX_AHEAD = timedelta(days=1)
"""How far a date may lie in the future and still be one, of a clock or zone that is ahead."""

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
    """An item that is not a valid article: where it was, its bytes, and why."""

    position: str
    payload: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What one poll brought.

    Attributes:
        articles: oldest first.
        state: what to remember once the articles are safe.
        bad: items that are not valid articles.
    """

    articles: Sequence[Article]
    state: SourceState
    bad: Sequence[BadItem] = field(default=())


class SourceConfig(BaseModel):
    """One source of articles.

    Attributes:
        name: unique; stored with each article.
        kind: which protocol it speaks.
        url: address of feeds and APIs.
        path: file or folder of kind ``files``.
        query: what NewsAPI is asked for.
        poll_seconds: how often it is asked; the common value if None.
        allow_private: its own host may have a private address, for a mirror inside the network; redirects still may not
            lead to another one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
    kind: str
    url: str | None = None
    path: Path | None = None
    query: str | None = None
    poll_seconds: Annotated[float, Field(gt=0)] | None = None
    allow_private: bool = False

    @field_validator("url")
    @classmethod
    def _web(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError(f"url {url!r} is neither http nor https")
        return url


class Source(ABC):
    """A place where articles come from.

    Attributes:
        kind: its name in configurations.
        place: the setting that says where it is, None when it is nowhere.
        key: the field of the settings with its key, without which it is off; None when it needs no key.
        replays: True when old articles count too.
        name: the configured name.
        poll_seconds: how often it wants to be asked, None for the common value.
    """

    kind: ClassVar[str]
    place: ClassVar[Literal["url", "path"] | None] = "url"
    key: ClassVar[str | None] = None
    replays: ClassVar[bool] = False

    def __init__(self, config: SourceConfig) -> None:
        self.name, self.poll_seconds = config.name, config.poll_seconds

    @classmethod
    def open(cls, config: SourceConfig, fetcher: Fetcher, key: str) -> "Source":  # noqa: ARG003
        """Return the source of a configuration."""
        return cls(config)

    @classmethod
    def check(cls, config: SourceConfig) -> None:
        """Check what a source of this kind needs.

        Raises:
            ValueError: it is not there, or something else is.
        """
        if {name for name in ("url", "path") if getattr(config, name) is not None} != {cls.place} - {None}:
            raise ValueError(f"source {config.name!r}: kind {cls.kind} needs {cls.place or 'neither path nor url'}")

    @abstractmethod
    def poll(self, state: SourceState, now: datetime) -> Batch:
        """Ask once.

        Args:
            state: what was remembered.
            now: becomes ``fetched_at``.

        Raises:
            FetchError: it cannot be read now.
            FetchRefusedError: what it sent is harmful or breaks a limit.
        """


class WebSource(Source):
    """A source with an address, and a key perhaps."""

    def __init__(self, config: SourceConfig, fetcher: Fetcher, key: str = "") -> None:
        super().__init__(config)
        self._url, self._query = config.url or "", config.query
        self._allow_private = config.allow_private
        self._fetcher, self._key = fetcher, key

    @classmethod
    def open(cls, config: SourceConfig, fetcher: Fetcher, key: str) -> "Source":
        """Return the source of a configuration."""
        return cls(config, fetcher, key)


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
        published: None when the source does not say it, or not readably; up to a day in the future is cut to
            ``now``, later is unknown.

    Raises:
        ValueError: it has no title.
    """
    clean = strip_markup(title, MAX_TITLE)
    if not clean:
        raise ValueError("no title")
    text = strip_markup(summary, MAX_SUMMARY)
    address = canonical_url(url)
    # A clock or zone may be hours ahead; what lies further in the future is no date.
    known = published is not None and published <= now + MAX_AHEAD
    when = min(published, now).astimezone(UTC) if published is not None and known else None
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
