"""The FastAPI application."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.resources import files
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from psycopg import AsyncConnection, OperationalError
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from pydantic import BaseModel

from candlewave.api import queries
from candlewave.config import Config

_PAGE_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:"


class Market(BaseModel):
    """A market that has data; times are of its newest event and newest trade, UTC."""

    exchange: str
    symbol: str
    last_ts: datetime
    last_trade_ts: datetime | None


class Bar(BaseModel):
    """A candle in the market's own units, with the page's two indicators; ``is_open``: the bar still grows."""

    open_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int
    is_open: bool
    ema: float | None
    rsi: float | None


class Layer(BaseModel):
    """Newest event time that a layer shows, UTC; None before the first."""

    layer: str
    newest: datetime | None


class About(BaseModel):
    """What the page is configured for."""

    timeframes: list[str]
    ema: int
    rsi: int


async def _configure(conn: AsyncConnection[Any]) -> None:
    await conn.set_autocommit(True)
    await conn.execute("SET timezone = 'UTC'")
    conn.prepare_threshold = None  # RisingWave binds a prepared statement to the object it saw, also after a rebuild


def create_app(url: Callable[[], str], config: Config) -> FastAPI:
    """Return the application.

    Args:
        url: tells where the engine is; asked anew for each connection, so an engine may come back on another port.
        config: names the timeframes and indicators that exist.
    """
    pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
        conninfo=url,
        open=False,
        min_size=1,
        max_size=4,
        timeout=5,
        configure=_configure,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await pool.open()
        yield
        await pool.close()

    app = FastAPI(title="candlewave", lifespan=lifespan)

    async def rows(query: str, *parameters: object) -> list[dict[str, Any]]:
        async with pool.connection() as conn, conn.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, parameters or None)
            return await cursor.fetchall()

    @app.exception_handler(PoolTimeout)
    @app.exception_handler(OperationalError)
    async def engine_down(_: Request, __: Exception) -> Response:
        return JSONResponse(
            {"title": "Engine not available", "status": 503, "detail": "The SQL engine does not answer; try again."},
            status_code=503,
            media_type="application/problem+json",
            headers={"Retry-After": "2"},
        )

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page() -> Response:
        return HTMLResponse(_static("index.html"), headers={"Content-Security-Policy": _PAGE_POLICY})

    @app.get("/static/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        media_type = {"page.js": "text/javascript", "page.css": "text/css"}.get(name)
        if media_type is None:
            return Response(status_code=404)
        return Response(_static(name), media_type=media_type)

    @app.get("/v1/about")
    async def about() -> About:
        return About(timeframes=config.candles.timeframes, ema=config.indicators.ema[0], rsi=config.indicators.rsi)

    @app.get("/v1/symbols", response_model=list[Market])
    async def symbols() -> list[dict[str, Any]]:
        return await rows(queries.SYMBOLS)

    @app.get("/v1/freshness", response_model=list[Layer])
    async def freshness() -> list[dict[str, Any]]:
        return await rows(queries.FRESHNESS)

    @app.get("/v1/candles", response_model=list[Bar])
    async def candles(wanted: Annotated[_Wanted, Depends()]) -> list[dict[str, Any]]:
        symbol = wanted.symbol.replace("-", "/")
        return await rows(queries.candles(config), wanted.exchange, symbol, wanted.timeframe, wanted.limit)

    return app


class _Wanted:
    """Query parameters of the newest bars."""

    def __init__(
        self,
        exchange: str,
        symbol: Annotated[str, Query(description="BASE-QUOTE, such as BTC-USD")],
        timeframe: str = "1m",
        limit: Annotated[int, Query(ge=1, le=1000)] = 240,
    ) -> None:
        self.exchange, self.symbol, self.timeframe, self.limit = exchange, symbol, timeframe, limit


def _static(name: str) -> str:
    return (files("candlewave.api") / "static" / name).read_text(encoding="utf-8")
