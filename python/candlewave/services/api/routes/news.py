"""News sentiment and headlines."""

from typing import Annotated

from fastapi import Query

from candlewave.contracts.api import Headlines, Sentiment
from candlewave.services.api.answers import Answer
from candlewave.services.api.context import Ctx, check_range, listed
from candlewave.services.api.parameters import AssetQuery
from candlewave.services.api.queries import news as sql
from candlewave.services.api.routes.common import answers, router

routes = router("news")


@routes.get("/sentiment", responses=answers(Sentiment))
async def sentiment(ctx: Ctx, wanted: Annotated[AssetQuery, Query()]) -> Answer:
    """Sentiment of an asset, minute by minute, newest first."""
    check_range(wanted)
    asset = await ctx.asset(wanted.asset)
    selection = listed("sentiment", asset, wanted.since, wanted.until)
    position = ctx.cursors.read(selection, wanted.cursor)
    rows = await ctx.shared_rows(sql.minutes(asset, wanted, position))
    return ctx.answer({"asset": asset, **ctx.page(rows, wanted, selection, [name for name, _ in sql.MINUTE])})


@routes.get("/sentiment/headlines", responses=answers(Headlines))
async def headlines(ctx: Ctx, wanted: Annotated[AssetQuery, Query()]) -> Answer:
    """Scored news of an asset, newest first."""
    check_range(wanted)
    asset = await ctx.asset(wanted.asset)
    selection = listed("headlines", asset, wanted.since, wanted.until)
    position = ctx.cursors.read(selection, wanted.cursor)
    rows = await ctx.shared_rows(sql.headlines(asset, wanted, position))
    return ctx.answer({"asset": asset, **ctx.page(rows, wanted, selection, [name for name, _ in sql.HEADLINE])})
