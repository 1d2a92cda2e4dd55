"""News sentiment and headlines of one asset."""

from collections.abc import Sequence

from psycopg.sql import SQL, Literal

from candlewave.services.api.parameters import PageQuery
from candlewave.services.api.queries.common import Query, Where, columns

ASSETS = "SELECT asset FROM sentiment_assets ORDER BY asset"
MINUTE = (("minute", "timestamptz"),)
HEADLINE = (("scored_at", "timestamptz"), ("article_id", "varchar"), ("extractor_version", "varchar"))

_MINUTE_COLUMNS = (
    "minute", "new_articles", "sentiment_1h", "sentiment_6h", "sentiment_24h", "volume_1h", "volume_6h", "volume_24h",
    "dispersion_1h", "dispersion_6h", "dispersion_24h",
)  # fmt: skip


def minutes(asset: str, page: PageQuery, position: Sequence[str] | None) -> Query:
    """Return the query of a page of minutes."""
    where = Where().equal(asset=asset).within("minute", page).before(MINUTE, position)
    text = SQL("SELECT {} FROM sentiment_minute{} ORDER BY minute DESC LIMIT {}").format(
        columns(_MINUTE_COLUMNS), where.text, Literal(page.limit + 1)
    )
    return Query(text, where.values)


def headlines(asset: str, page: PageQuery, position: Sequence[str] | None) -> Query:
    """Return the query of a page of articles."""
    where = Where().equal(asset=asset).within("scored_at", page).before(HEADLINE, position)
    text = SQL(
        "SELECT s.article_id, coalesce(n.title, '') AS title, coalesce(n.url, '') AS url,"
        " coalesce(n.source, '') AS source, n.lang, s.published_at, s.scored_at, s.score, s.confidence, s.relevance,"
        " s.event_type, s.extractor, s.extractor_version"
        " FROM (SELECT * FROM news_sentiment{} ORDER BY scored_at DESC, article_id DESC, extractor_version DESC"
        " LIMIT {}) AS s LEFT JOIN news AS n ON n.article_id = s.article_id"
        " ORDER BY s.scored_at DESC, s.article_id DESC, s.extractor_version DESC"
    ).format(where.text, Literal(page.limit + 1))
    return Query(text, where.values)
