"""Views of a project of one's own: rows of what its SQL declares."""

import asyncio
from collections.abc import Mapping
from typing import Annotated

from fastapi import Path, Query
from psycopg.sql import SQL, Composed, Identifier

from candlewave.contracts.api import ViewRows, Views
from candlewave.services.api.answers import Answer
from candlewave.services.api.context import Context, Ctx
from candlewave.services.api.parameters import AnySymbol, Exchange, NoQuery, PageQuery, Timeframe
from candlewave.services.api.problems import bad_parameter, engine_away, not_found
from candlewave.services.api.routes.common import answers, router
from candlewave.services.api.sql import Order, Position, Statement, Where, one_more, statement
from candlewave.sqlproject.served import ServedView

_SECONDS = 5
_TEXT = ("jsonb", "json", "interval", "bytea", "date", "time without time zone", "timestamp without time zone")
"""Types that JSON has no word for, or that have no zone; they are sent as the engine writes them."""

routes = router("views")

_Name = Annotated[
    str, Path(pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="A view that /v1/views lists", examples=["signals"])
]


class ViewQuery(PageQuery):
    """Rows of a view; of those that have such a column, of a market or timeframe."""

    symbol: AnySymbol = None
    exchange: Exchange = None
    timeframe: Annotated[Timeframe | None, Query(description="Every timeframe if left out")] = None


@routes.get("/views", responses=answers(Views))
async def views(ctx: Ctx, _: Annotated[NoQuery, Query()]) -> Answer:
    """Views of the project that this API runs in, and what their columns mean."""
    data = [
        {
            "name": view.name,
            "purpose": view.purpose,
            "grain": view.grain,
            "keys": view.keys,
            "event_time": view.event_time,
            "columns": [{"name": name, "meaning": meaning} for name, meaning in view.columns.items()],
        }
        for view in (await _known(ctx)).values()
    ]
    return ctx.answer({"data": data}, fresh=_SECONDS)


@routes.get("/views/{name}", responses=answers(ViewRows))
async def view(ctx: Ctx, name: _Name, wanted: Annotated[ViewQuery, Query()]) -> Answer:
    """Rows of a view, newest first; those without a time in descending order of their keys."""
    known = await _known(ctx)
    if name not in known:
        raise not_found("unknown-view", "Unknown view", f"There is no view {name}; /v1/views lists all.", name, known)
    found = known[name]
    types = await _types(ctx, name)
    where = await _selected(ctx, found, wanted)
    order = _order(found, types)

    def rows(position: Position) -> Statement:
        conditions = Where().equal(**where)
        if found.event_time is not None:
            conditions = conditions.within(found.event_time, wanted)
        conditions = conditions.before(order, position)
        text = SQL("SELECT {} FROM {}{} ORDER BY {} LIMIT {}").format(
            SQL(", ").join([_sent(column, types[column]) for column in found.columns]),
            Identifier(name),
            conditions.text,
            SQL(", ").join([SQL("{} DESC").format(Identifier(name, column)) for column, _ in order]),
            one_more(wanted),
        )
        return Statement(text, conditions.values)

    selection = ("views", name, *where.values(), wanted.since, wanted.until)
    return ctx.answer({"name": name, **await ctx.page(wanted, selection, order, rows)})


async def _known(ctx: Context) -> Mapping[str, ServedView]:
    """Return the views that are served."""
    found: Mapping[str, ServedView] = await ctx.share(("own views",), _SECONDS, lambda: asyncio.to_thread(ctx.views))
    return found


async def _types(ctx: Context, name: str) -> dict[str, str]:
    """Return the types of a view's columns as the engine has it.

    Raises:
        ProblemError: 503, it does not have all of them yet.
    """
    rows = await ctx.rows(
        statement(
            "SELECT column_name AS name, data_type AS type FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name = %s",
            name,
        ),
        _SECONDS,
    )
    types = {str(row["name"]): str(row["type"]) for row in rows}
    if missing := [column for column in (await _known(ctx))[name].columns if column not in types]:
        detail = f"The SQL engine has no {name}.{missing[0]} yet: `candlewave migrate`."
        raise engine_away(detail, 10)
    return types


async def _selected(ctx: Context, view: ServedView, wanted: ViewQuery) -> dict[str, str]:
    """Return the columns that select rows, and their values.

    Raises:
        ProblemError: 400, the view lacks a column that is asked for; 404, there is no such market.
    """
    for parameter, value in (("from", wanted.since), ("to", wanted.until)):
        if value is not None and view.event_time is None:
            raise bad_parameter(parameter, f"{view.name} has no event time", value.isoformat())
    for parameter in ("symbol", "exchange", "timeframe"):
        value = getattr(wanted, parameter)
        if value is not None and parameter not in view.columns:
            raise bad_parameter(parameter, f"{view.name} has no column {parameter}", value)
    found: dict[str, str] = {}
    if wanted.symbol is not None:
        exchange, found["symbol"] = await ctx.market(wanted.symbol, wanted.exchange)
        found |= {"exchange": exchange} if "exchange" in view.columns else {}
    elif wanted.exchange is not None:
        found["exchange"] = await ctx.exchange(wanted.exchange)
    if wanted.timeframe is not None:
        found["timeframe"] = ctx.timeframe(wanted.timeframe)
    return found


def _order(view: ServedView, types: Mapping[str, str]) -> Order:
    """Return the columns that tell a row's position: its event time, then the other keys."""
    first = [view.event_time] if view.event_time else []
    return [(column, types[column]) for column in (*first, *(key for key in view.keys if key not in first))]


def _sent(column: str, type_: str) -> Composed:
    """Return a column as it is sent: numbers of any size as JSON's, what JSON has no word for as text."""
    name = Identifier(column)
    if type_ == "numeric":
        return SQL("{0}::double precision AS {0}").format(name)
    if type_ in _TEXT:
        return SQL("{0}::varchar AS {0}").format(name)
    return SQL("{}").format(name)
