"""Articles from a file or folder, for replay: feeds, JSON, JSON lines, CSV."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from candlewave.contracts.records import Article
from candlewave.services.sentiment.dates import parse_time
from candlewave.services.sentiment.fetch import FetchError, FetchRefusedError
from candlewave.services.sentiment.sources.base import (
    BadItem,
    Batch,
    Source,
    SourceConfig,
    SourceState,
    decoded,
    in_order,
    make_article,
    text_of,
)
from candlewave.services.sentiment.sources.feed import read_feed

_SUFFIXES = frozenset({".xml", ".rss", ".atom", ".json", ".jsonl", ".csv"})
_MAX_BYTES = 200_000_000
_MAX_ROW_LINES = 1_000
_SEPARATORS = re.compile(r"[,;|\s]+")
_AROUND_TAGS = "[](){}'\" $#"


class Folder(Source):
    """Files, each read once, and again when it changes; their articles count however old they are."""

    kind = "files"
    place = "path"
    replays = True

    def __init__(self, config: SourceConfig) -> None:
        super().__init__(config)
        assert config.path is not None
        self._path = config.path

    def poll(self, state: SourceState, now: datetime) -> Batch:
        """Read what is new; see ``Source``. Bad files stop none."""
        articles: list[Article] = []
        bad: list[BadItem] = []
        files = {}
        try:
            for path in self._files():
                stat = path.stat()
                files[path.name] = (stat.st_size, stat.st_mtime_ns)
                if state.files.get(path.name) == files[path.name]:
                    continue
                try:
                    found, wrong = self._read(path, now)
                    articles += found
                    bad += [BadItem(f"{path.name}, {item.position}", item.payload, item.reason) for item in wrong]
                except FetchRefusedError as error:
                    bad.append(BadItem(path.name, b"", str(error)))
        except OSError as error:
            raise FetchError(f"{self._path}: {error}") from None
        return Batch(in_order(articles), SourceState(files=files), bad)

    def _files(self) -> list[Path]:
        if not self._path.is_dir():
            return [self._path]
        return sorted(p for p in self._path.iterdir() if p.suffix.lower() in _SUFFIXES and p.is_file())

    def _read(self, path: Path, now: datetime) -> tuple[list[Article], list[BadItem]]:
        if path.stat().st_size > _MAX_BYTES:
            raise FetchRefusedError("too_large", f"{path.name}: more than {_MAX_BYTES:,} bytes")
        body = path.read_bytes()
        if path.suffix.lower() in {".xml", ".rss", ".atom"}:
            return read_feed(body, self.name, now)
        articles: list[Article] = []
        bad: list[BadItem] = []
        for number, row in enumerate(_rows(path, _text(path, body)), 1):
            try:
                articles.append(self._article(row, now))
            except ValueError as error:
                payload = row.text if isinstance(row, _Unreadable) else json.dumps(row)
                bad.append(BadItem(f"row {number}", payload[:4_000].encode("utf-8", "replace"), f"row has {error}"))
        return articles, bad

    def _article(self, row: Any, now: datetime) -> Article:
        if isinstance(row, _Unreadable):
            raise ValueError(row.reason)
        if not isinstance(row, dict):
            raise ValueError(f"type {type(row).__name__} instead of an object")
        return make_article(
            source=self.name,
            url=text_of(row, "url", "link"),
            title=text_of(row, "title", "text", "headline"),
            summary=text_of(row, "summary", "description"),
            published=parse_time(row.get("published_at") or row.get("published") or row.get("date")),
            now=now,
            declared_lang=text_of(row, "lang", "language"),
            tags=_tags(row.get("tags")),
        )


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """A row that is not readable, and why."""

    text: str
    reason: str


def _text(path: Path, body: bytes) -> str:
    """Decode a file: UTF-8, or UTF-16 and UTF-32 where a byte order mark announces them.

    Raises:
        FetchRefusedError: it is in another encoding.
    """
    if (text := decoded(body)) is not None:
        return text
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FetchRefusedError("encoding", f"{path.name}: not utf-8: {error}") from None


def _rows(path: Path, text: str) -> Iterator[Any]:
    """Yield the rows of a file; one that cannot be read is yielded as such, and the next ones follow.

    Raises:
        FetchRefusedError: a JSON file is not JSON as a whole.
    """
    match path.suffix.lower():
        case ".csv":
            yield from _csv_rows(text)
        case ".jsonl":
            for line in text.split("\n"):  # JSON may hold other line separators, such as U+2028, inside its strings
                if line.strip():
                    yield _json(line)
        case _:
            document = _json(text)
            if isinstance(document, _Unreadable):
                raise FetchRefusedError("malformed", f"{path.name}: {document.reason}")
            yield from document if isinstance(document, list) else [document]


def _csv_rows(text: str) -> Iterator[Any]:
    """Yield rows by the names of the header, in lower case; a quoted field that never ends takes in no other row."""
    csv.field_size_limit(_MAX_BYTES)
    lines = io.StringIO(text, newline="").readlines()
    names: list[str] = []
    at = 0
    while at < len(lines):
        values, taken = _csv_row(lines, at)
        if values is None:
            yield _Unreadable(lines[at], f"a quoted field from line {at + 1} on that does not end")
        elif values and not names:
            names = [name.strip().lower() for name in values]
        elif values:
            yield dict(zip(names, values, strict=False))
        at += taken


def _csv_row(lines: list[str], at: int) -> tuple[list[str] | None, int]:
    """Return the fields of the row that begins with a line, and how many lines it has; None if a quote stays open."""

    def reader(*, strict: bool) -> Any:
        rest = (lines[i] for i in range(at, min(at + _MAX_ROW_LINES, len(lines))))
        return csv.reader(rest, skipinitialspace=True, strict=strict)

    rows = reader(strict=True)
    try:
        return next(rows), rows.line_num
    except csv.Error as error:
        if rows.line_num > 1 or "unexpected end" in str(error):
            return None, 1  # it ends nowhere, or at the quote of another row
    # A quote inside a field, as in 5", may stay where it is.
    return next(reader(strict=False)), 1


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return _Unreadable(text, f"no valid JSON: {error}")


def _tags(value: Any) -> Sequence[str]:
    """Return tags from a list of texts, or from one text that separates them by commas, semicolons, bars or spaces.

    Such a text may be a list as JSON or Python writes it: ``["BTC"]``, ``['BTC']``.
    """
    if isinstance(value, str):
        listed = _json(value) if value.lstrip().startswith("[") else None
        value = listed if isinstance(listed, list) else _SEPARATORS.split(value)
    if not isinstance(value, list):
        return ()
    tags = [tag.strip(_AROUND_TAGS) for tag in value if isinstance(tag, str)]
    return [tag for tag in tags if tag]
