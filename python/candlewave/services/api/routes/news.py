"""News sentiment and headlines of one asset."""

from typing import Annotated

from fastapi import Query
from psycopg.sql import SQL
from pydantic import Field

from candlewave.contracts.api import Headlines, Sentiment
from candlewave.services.api.answers import Answer
from candlewave.services.api.context import Context, Ctx
from candlewave.services.api.parameters import PageQuery
from candlewave.services.api.problems import not_found
from candlewave.services.api.routes.common import answers, router
from candlewave.services.api.sql import Position, Statement, Where, columns, one_more, statement

ASSETS = statement("SELECT asset FROM sentiment_assets ORDER BY asset")

routes = router("news")
_ASSETS_SECONDS = 1.0
_MINUTES = (("minute", "timestamptz"),)
_HEADLINES = (("scored_at", "timestamptz"), ("article_id", "varchar"), ("extractor_version", "varchar"))
_MINUTE_COLUMNS = (
    "minute", "new_articles", "sentiment_1h", "sentiment_6h", "sentiment_24h", "volume_1h", "volume_6h", "volume_24h",
    "dispersion_1h", "dispersion_6h", "dispersion_24h",
)  # fmt: skip


class AssetQuery(PageQuery):
    """Of one asset."""

    asset: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9._]{1,32}$", description="Base of a market, such as BTC", examples=["BTC"])
    ]


def minutes_of(asset: str, page: PageQuery, position: Position) -> Statement:
    """Return the statement of a page of minutes."""
    where = Where().equal(asset=asset).within("minute", page).before(_MINUTES, position)
    text = SQL("SELECT {} FROM sentiment_minute{} ORDER BY minute DESC LIMIT {}").format(
        columns(_MINUTE_COLUMNS), where.text, one_more(page)
    )
    return Statement(text, where.values)


def headlines_of(asset: str, page: PageQuery, position: Position) -> Statement:
    """Return the statement of a page of articles."""
    where = Where().equal(asset=asset).within("scored_at", page).before(_HEADLINES, position)
    text = SQL(
        "SELECT s.article_id, coalesce(n.title, '') AS title, coalesce(n.url, '') AS url,"
        " coalesce(n.source, '') AS source, n.lang, s.published_at, s.scored_at, s.score, s.confidence, s.relevance,"
        " s.event_type, s.extractor, s.extractor_version"
        " FROM (SELECT * FROM news_sentiment{} ORDER BY scored_at DESC, article_id DESC, extractor_version DESC"
        " LIMIT {}) AS s LEFT JOIN news AS n ON n.article_id = s.article_id"
        " ORDER BY s.scored_at DESC, s.article_id DESC, s.extractor_version DESC"
    ).format(where.text, one_more(page))
    return Statement(text, where.values)


@routes.get("/sentiment", responses=answers(Sentiment))
async def sentiment(ctx: Ctx, wanted: Annotated[AssetQuery, Query()]) -> Answer:
    """Sentiment of an asset, minute by minute, newest first."""
    asset = await _asset(ctx, wanted.asset)
    selection = ("sentiment", asset, wanted.since, wanted.until)
    page = await ctx.page(wanted, selection, _MINUTES, lambda position: minutes_of(asset, wanted, position))
    return ctx.answer({"asset": asset, **page})


@routes.get("/sentiment/headlines", responses=answers(Headlines))
async def headlines(ctx: Ctx, wanted: Annotated[AssetQuery, Query()]) -> Answer:
    """Scored news of an asset, newest first."""
    asset = await _asset(ctx, wanted.asset)
    selection = ("headlines", asset, wanted.since, wanted.until)
    page = await ctx.page(wanted, selection, _HEADLINES, lambda position: headlines_of(asset, wanted, position))
    return ctx.answer({"asset": asset, **page})


async def _asset(ctx: Context, asset: str) -> str:
    """Return an asset that news are watched for.

    Raises:
        ProblemError: 404, there is none of this name.
    """
    known = [str(row["asset"]) for row in await ctx.rows(ASSETS, _ASSETS_SECONDS)]
    for found in known:
        if found.upper() == asset.upper():
            return found
    raise not_found("unknown-asset", "Unknown asset", f"No news is watched for {asset}.", asset, known)
