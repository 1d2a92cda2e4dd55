"""What the extractor must not forget: fetched articles that are not on the bus yet, watermarks, scores it paid for.

One SQLite file in the data directory. An article and the watermark behind it are written in one transaction, so that a
crash anywhere loses nothing: before the transaction the source is asked again, after it the article waits here.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from candlewave.contracts.records import Article, decode, encode
from candlewave.services.sentiment.articles import known_story, title_words
from candlewave.services.sentiment.sources.base import SourceState

_KEEP = timedelta(days=14)
_STORY_WINDOW = timedelta(days=3)
_STORY_LIMIT = 5_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sources (name TEXT PRIMARY KEY, state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS articles (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    article_id TEXT NOT NULL UNIQUE,
    seen_at TEXT NOT NULL,
    title TEXT NOT NULL,
    record BLOB
);
CREATE INDEX IF NOT EXISTS articles_waiting ON articles (number) WHERE record IS NOT NULL;
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, at TEXT NOT NULL, answer BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS spent (hour TEXT PRIMARY KEY, requests INTEGER NOT NULL);
"""


class Accepted(msgspec.Struct, frozen=True):
    """What became of a batch: articles that are new, known by id, or a known story under another address."""

    new: int
    repeated: int
    same_story: int


class ArticleStore:
    """The extractor's memory. Safe to share among threads; one process at a time.

    Args:
        path: the SQLite file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)
        rows = self._db.execute("SELECT seen_at, title FROM articles ORDER BY number DESC LIMIT ?", [_STORY_LIMIT])
        self._stories = deque(
            ((datetime.fromisoformat(seen), title_words(title)) for seen, title in reversed(rows.fetchall())),
            maxlen=_STORY_LIMIT,
        )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def state(self, source: str) -> SourceState:
        """Return what is remembered of a source; nothing at first."""
        with self._lock:
            row = self._db.execute("SELECT state FROM sources WHERE name = ?", [source]).fetchone()
        return msgspec.json.decode(row[0], type=SourceState) if row else SourceState()

    def accept(self, source: str, articles: Sequence[Article], state: SourceState, now: datetime) -> Accepted:
        """Keep new articles until they are published, and remember the source's state, both or neither."""
        new: list[tuple[Article, tuple[str, ...]]] = []
        repeated = same = 0
        with self._lock:
            while self._stories and self._stories[0][0] < now - _STORY_WINDOW:
                self._stories.popleft()
            known = [words for _, words in self._stories]
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for article in articles:
                    words = title_words(article.title)
                    if self._db.execute("SELECT 1 FROM articles WHERE article_id = ?", [article.article_id]).fetchone():
                        repeated += 1
                        continue
                    double = known_story(words, known)
                    self._db.execute(
                        "INSERT INTO articles (article_id, seen_at, title, record) VALUES (?, ?, ?, ?)",
                        [article.article_id, _text(now), article.title, None if double else encode(article)],
                    )
                    if double:
                        same += 1
                        continue
                    known.append(words)
                    new.append((article, words))
                self._db.execute(
                    "INSERT INTO sources (name, state) VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET state = excluded.state",
                    [source, msgspec.json.encode(state)],
                )
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._stories.extend((now, words) for _, words in new)
        return Accepted(len(new), repeated, same)

    def waiting(self, limit: int = 500) -> list[Article]:
        """Return articles that were not published yet, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT record FROM articles WHERE record IS NOT NULL ORDER BY number LIMIT ?", [limit]
            ).fetchall()
        return [decode(Article, row[0]) for row in rows]

    def published(self, articles: Sequence[Article]) -> None:
        """Note that the bus has these articles."""
        with self._lock:
            self._db.executemany(
                "UPDATE articles SET record = NULL WHERE article_id = ?", [[a.article_id] for a in articles]
            )

    def answer(self, key: str) -> bytes | None:
        """Return the language model's answer to a request that was made before."""
        with self._lock:
            row = self._db.execute("SELECT answer FROM answers WHERE key = ?", [key]).fetchone()
        return bytes(row[0]) if row else None

    def keep_answer(self, key: str, answer: bytes, now: datetime) -> None:
        """Keep an answer, so that the same question is not paid for twice."""
        with self._lock:
            self._db.execute(
                "INSERT OR REPLACE INTO answers (key, at, answer) VALUES (?, ?, ?)", [key, _text(now), answer]
            )

    def spend(self, now: datetime, limit: int) -> bool:
        """Take one request from this hour's budget; False when it is used up. Restarts do not refill it."""
        hour = _text(now)[:13]
        with self._lock:
            spent = self._db.execute(
                "INSERT INTO spent (hour, requests) SELECT ?, 1 WHERE ? > 0"
                " ON CONFLICT (hour) DO UPDATE SET requests = requests + 1 WHERE requests < ? RETURNING requests",
                [hour, limit, limit],
            ).fetchone()
        return spent is not None

    def prune(self, now: datetime) -> None:
        """Forget published articles, answers and budgets that are older than two weeks."""
        before = _text(now - _KEEP)
        with self._lock:
            self._db.execute("DELETE FROM articles WHERE record IS NULL AND seen_at < ?", [before])
            self._db.execute("DELETE FROM answers WHERE at < ?", [before])
            self._db.execute("DELETE FROM spent WHERE hour < ?", [before[:13]])


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
