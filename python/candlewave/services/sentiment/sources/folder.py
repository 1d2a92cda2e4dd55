"""Articles from a file or folder, for replay: feeds, JSON, JSON lines, CSV."""

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from candlewave.contracts.records import Article
from candlewave.services.sentiment.config import SourceConfig
from candlewave.services.sentiment.fetch import FetchError, FetchRefusedError
from candlewave.services.sentiment.sources.base import (
    BadItem,
    Batch,
    SourceState,
    in_order,
    make_article,
    parse_time,
    text_of,
)
from candlewave.services.sentiment.sources.feed import read_feed

_SUFFIXES = frozenset({".xml", ".rss", ".atom", ".json", ".jsonl", ".csv"})
_MAX_BYTES = 200_000_000


class Folder:
    """Files, each read once, and again when it changes; their articles count however old they are."""

    replays = True

    def __init__(self, config: SourceConfig) -> None:
        assert config.path is not None
        self.name = config.name
        self.poll_seconds = config.poll_seconds
        self._path = config.path

    def poll(self, state: SourceState, now: datetime) -> Batch:
        """Read what is new; see :class:`~candlewave.services.sentiment.sources.base.Source`. Bad files stop none."""
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
        try:
            rows = _rows(path, body.decode("utf-8-sig"))
        except (ValueError, RecursionError, csv.Error) as error:
            raise FetchRefusedError("malformed", f"{path.name}: {error}") from None
        for number, row in enumerate(rows, 1):
            try:
                articles.append(self._article(row, now))
            except ValueError as error:
                bad.append(BadItem(f"row {number}", json.dumps(row)[:4_000].encode(), f"row has {error}"))
        return articles, bad

    def _article(self, row: Any, now: datetime) -> Article:
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
            tags=[tag for tag in row.get("tags") or () if isinstance(tag, str)],
        )


def _rows(path: Path, text: str) -> list[Any]:
    if path.suffix.lower() == ".csv":
        return list(csv.DictReader(text.splitlines()))
    if path.suffix.lower() == ".jsonl":
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    found = json.loads(text)
    return found if isinstance(found, list) else [found]
