"""From an article to what it means for each asset: one interface, the offline extractor, and falling back to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from candlewave.contracts.records import Article, AssetScore
from candlewave.services.sentiment.entities import Mention, Recogniser
from candlewave.services.sentiment.offline.scorer import VERSION, OfflineScorer

_TITLE_WEIGHT = 0.75
_READ_LANGUAGES = frozenset({"en", "und"})


@dataclass(frozen=True, slots=True)
class Finding:
    """What an article means for one asset; see :class:`candlewave.contracts.records.AssetScore`."""

    asset: str
    score: float
    confidence: float
    relevance: float
    event_type: str


@dataclass(frozen=True, slots=True)
class Extraction:
    """What an extractor found in one article.

    Attributes:
        findings: one per asset, none if it is about no asset.
        extractor, version: what made the score.
        skipped: why the article was not read, such as its language; None if it was.
    """

    findings: tuple[Finding, ...]
    extractor: str
    version: str
    skipped: str | None = None


class Extractor(Protocol):
    """Anything that finds sentiment in articles."""

    def extract(self, articles: Sequence[Article]) -> list[Extraction | None]:
        """Return what each article says, None where this extractor failed and another may be asked."""


class OfflineExtractor:
    """Names and lexicon: no network, no key; reads English."""

    def __init__(self, recogniser: Recogniser, scorer: OfflineScorer | None = None) -> None:
        self._recogniser = recogniser
        self._scorer = scorer or OfflineScorer()
        self.version = f"lexicon-{VERSION}"

    def extract(self, articles: Sequence[Article]) -> list[Extraction | None]:
        """Return what each article says; it never fails."""
        return [self._one(article) for article in articles]

    def _one(self, article: Article) -> Extraction:
        if article.lang not in _READ_LANGUAGES:
            return Extraction((), "offline", self.version, skipped=f"language {article.lang}")
        mentions = self._recogniser.find(article.title, article.summary, article.tags)
        named = {m.asset: self._recogniser.names(m.asset) for m in mentions if m.direct}
        findings = tuple(self._finding(article, mention, named) for mention in mentions)
        return Extraction(findings, "offline", self.version)

    def _finding(self, article: Article, mention: Mention, named: dict[str, frozenset[str]]) -> Finding:
        focus = named.get(mention.asset, frozenset())
        others: frozenset[str] = frozenset().union(*(names for asset, names in named.items() if asset != mention.asset))
        title = self._scorer.score(article.title, focus, others - focus)
        score, confidence, event = title.score, title.confidence, title.event
        if article.summary:
            summary = self._scorer.score(article.summary[:400], focus, others - focus)
            # Where the title has no sentiment, use the summary, with less confidence.
            weight = _TITLE_WEIGHT if title.evidence else 0.25
            score = weight * title.score + (1 - weight) * summary.score
            confidence = weight * title.confidence + (1 - weight) * summary.confidence * 0.7
            event = title.event if title.event != "other" else summary.event
        return Finding(mention.asset, score, confidence, mention.relevance, event)


class WithFallback:
    """Ask one extractor, and another for what it failed at; such scores are marked ``fallback``."""

    def __init__(self, first: Extractor, second: Extractor) -> None:
        self._first = first
        self._second = second

    def extract(self, articles: Sequence[Article]) -> list[Extraction | None]:
        """Return what each article says; None only where both failed."""
        found = self._first.extract(articles)
        missing = [index for index, extraction in enumerate(found) if extraction is None]
        for index, other in zip(missing, self._second.extract([articles[i] for i in missing]), strict=True):
            if other is not None:
                found[index] = Extraction(other.findings, "fallback", other.version, other.skipped)
        return found


def to_scores(article: Article, extraction: Extraction, clock: Callable[[], datetime]) -> list[AssetScore]:
    """Return the records of topic ``news_sentiment`` for an article."""
    scored_at = clock()
    return [
        AssetScore(
            article_id=article.article_id,
            asset=f.asset,
            score=round(f.score, 6),
            confidence=round(f.confidence, 6),
            relevance=round(f.relevance, 6),
            event_type=f.event_type,
            extractor=extraction.extractor,
            extractor_version=extraction.version,
            published_at=article.published_at,
            fetched_at=article.fetched_at,
            scored_at=scored_at,
        )
        for f in extraction.findings
    ]
