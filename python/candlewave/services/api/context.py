"""What the routes work with: the engine, memory, configuration, and the markets that exist."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from psycopg.sql import Composed

from candlewave.contracts.records import TrainingRequest
from candlewave.core.config import Config
from candlewave.core.times import utc_now
from candlewave.services.api.answers import Answer, Memory
from candlewave.services.api.cache import SingleFlight
from candlewave.services.api.history import History
from candlewave.services.api.paging import Cursors
from candlewave.services.api.parameters import PageQuery
from candlewave.services.api.problems import ProblemError, bad_parameter, nearest, not_found
from candlewave.services.api.queries import bars, forecasts, markets, models, news
from candlewave.services.api.queries.common import Query
from candlewave.services.api.reader import Reader, Row
from candlewave.services.api.settings import ApiSettings

_MARKETS_SECONDS = 1.0
_RANGES_SECONDS = {True: 60.0, False: 1.0}
_CATALOG_SECONDS = 60.0


class Context:
    """Shared by all routes of an application.

    Attributes:
        reader: the SQL engine.
        shared: results of queries, for a moment.
        memory: finished answers, for a moment.
        model_name: the registered model.
        ask_training: stores a wish for a training; it may block, and raises BusError.
        clock: now, in UTC; tests give their own.
    """

    def __init__(
        self,
        config: Config,
        settings: ApiSettings,
        reader: Reader,
        history: History,
        cursors: Cursors,
        *,
        anonymous: bool,
        model_name: str,
        ask_training: Callable[[TrainingRequest], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.config, self.settings, self.reader, self.history, self.cursors = config, settings, reader, history, cursors
        self.anonymous, self.model_name, self.ask_training, self.clock = anonymous, model_name, ask_training, clock
        self.shared = SingleFlight()
        self.memory = Memory()

    def answer(self, content: Any, *, tagged: Any = None, fresh: int = 0) -> Answer:
        """Return an answer that is kept for a moment."""
        return Answer(content, tagged=tagged, fresh=fresh, keep=self.settings.cache_seconds, memory=self.memory)

    async def share(self, key: tuple[object, ...], seconds: float, make: Callable[[], Awaitable[Any]]) -> Any:
        """Return what ``make`` makes, at most ``seconds`` old, made once for all who ask at the same time."""
        return await self.shared.get(key, seconds, make)

    async def shared_rows(self, query: Query, seconds: float | None = None) -> list[Row]:
        """Return the rows of a query, shared by all who ask for the same."""
        key = (query.text.as_string(None), *query.values)
        make = lambda: self.reader.rows(query.text, query.values)  # noqa: E731
        rows: list[Row] = await self.share(key, seconds or self.settings.cache_seconds, make)
        return rows

    async def markets(self) -> list[Row]:
        """Return every market that is configured or has data."""
        make = lambda: self.reader.rows(markets.MARKETS)  # noqa: E731
        return cast(list[Row], await self.share(("markets",), _MARKETS_SECONDS, make))

    async def ranges(self) -> dict[tuple[str, str], Row]:
        """Return the first and the last closed minute of each market."""
        query = markets.RANGES if self.reader.is_risingwave else markets.RANGES_BY_INDEX

        async def make() -> dict[tuple[str, str], Row]:
            return {(row["exchange"], row["symbol"]): row for row in await self.reader.rows(query)}

        seconds = _RANGES_SECONDS[self.reader.is_risingwave]
        return cast(dict[tuple[str, str], Row], await self.share(("ranges",), seconds, make))

    async def prices(self) -> list[Row]:
        """Return the newest price of each market."""
        return await self._latest("prices", markets.PRICES)

    async def freshness(self) -> list[Row]:
        """Return the newest event of each layer."""
        return await self._latest("freshness", markets.FRESHNESS)

    async def served(self) -> list[Row]:
        """Return the forecasts that are served, of all markets: one query for everybody who asks for any of them."""
        query = forecasts.served(None, None)
        return cast(
            list[Row],
            await self.share(
                ("served",), self.settings.cache_seconds, lambda: self.reader.rows(query.text, query.values)
            ),
        )

    async def standing(self) -> list[Row]:
        """Return the newest hour of each model version, market, horizon and window."""
        return await self._latest("standing", models.STANDING, 1.0)

    async def models(self) -> tuple[list[Row], list[Row], list[Row]]:
        """Return roles in the newest forecasts, horizons served, and events, newest first."""
        roles = await self._latest("roles", models.ROLES)
        served = await self._latest("served horizons", models.SERVED)
        return roles, served, await self._latest("events", models.EVENTS)

    async def _latest(self, name: str, text: str | Composed, seconds: float | None = None) -> list[Row]:
        make = lambda: self.reader.rows(text)  # noqa: E731
        return cast(list[Row], await self.share((name,), seconds or self.settings.cache_seconds, make))

    async def indicator_catalog(self) -> list[Row]:
        """Return what the indicators mean."""
        make = lambda: self.reader.rows(bars.INDICATOR_CATALOG)  # noqa: E731
        return cast(list[Row], await self.share(("indicator_catalog",), _CATALOG_SECONDS, make))

    async def feature_catalog(self) -> list[Row]:
        """Return what the features mean."""
        make = lambda: self.reader.rows(bars.FEATURE_CATALOG)  # noqa: E731
        return cast(list[Row], await self.share(("feature_catalog",), _CATALOG_SECONDS, make))

    async def market(self, symbol: str, exchange: str | None) -> tuple[str, str]:
        """Return exchange and symbol as the engine has them.

        Raises:
            ProblemError: 404, there is no such market; it names the nearest.
        """
        wanted = symbol.replace("-", "/").upper()
        place = exchange or self.config.default_exchange
        known = [(row["exchange"], row["symbol"]) for row in await self.markets()]
        for found in known:
            if found[0].lower() == place.lower() and found[1].upper() == wanted:
                return found
        elsewhere = [f"exchange={e}&symbol={_id(s)}" for e, s in known if s.upper() == wanted]
        here = {_id(s): f"exchange={e}&symbol={_id(s)}" for e, s in known if e.lower() == place.lower()}
        anywhere = {_id(s): f"exchange={e}&symbol={_id(s)}" for e, s in known}
        close = (
            elsewhere
            or [here[n] for n in nearest(_id(wanted), here)]
            or [anywhere[n] for n in nearest(_id(wanted), anywhere)]
        )
        hint = f" Nearest: {', '.join(close[:3])}." if close else " /v1/symbols lists all."
        raise ProblemError(
            404, "unknown-market", "Unknown market", f"There is no {_id(wanted)} on {place}.{hint}", nearest=close[:3]
        )

    async def asset(self, asset: str) -> str:
        """Return an asset that news are watched for.

        Raises:
            ProblemError: 404, there is none of this name.
        """
        make = lambda: self.reader.rows(news.ASSETS)  # noqa: E731
        known = [row["asset"] for row in await self.share(("assets",), _MARKETS_SECONDS, make)]
        for found in known:
            if found.upper() == asset.upper():
                return str(found)
        raise not_found("unknown-asset", "Unknown asset", f"No news is watched for {asset}.", asset, known)

    async def exchange(self, exchange: str) -> str:
        """Return an exchange as the engine has it.

        Raises:
            ProblemError: 404, no market is on it.
        """
        known = sorted({row["exchange"] for row in await self.markets()})
        for found in known:
            if found.lower() == exchange.lower():
                return str(found)
        raise not_found("unknown-exchange", "Unknown exchange", f"There is no exchange {exchange}.", exchange, known)

    async def of_market(self, rows: list[Row], symbol: str | None, exchange: str | None) -> list[Row]:
        """Return the rows of a market, of all markets of an exchange, or all.

        Raises:
            ProblemError: 404, there is no such market or exchange.
        """
        if symbol is not None:
            market = await self.market(symbol, exchange)
            return [row for row in rows if (row["exchange"], row["symbol"]) == market]
        if exchange is not None:
            place = await self.exchange(exchange)
            return [row for row in rows if row["exchange"] == place]
        return rows

    def timeframe(self, timeframe: str) -> str:
        """Return a timeframe that is configured.

        Raises:
            ProblemError: 400, it is not.
        """
        known = self.config.candles.timeframes
        if timeframe not in known:
            raise bad_parameter("timeframe", f"there are {', '.join(known)}", timeframe, nearest=known)
        return timeframe

    def page(
        self,
        rows: list[Row],
        page: PageQuery,
        wanted: Sequence[object],
        columns: Iterable[str],
        *,
        blank: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Cut rows, one more than wanted if there are, to a page, and return it with the cursor of the next.

        Columns in ``blank`` are empty in the cursor: the next page begins behind all rows that differ in these alone.
        """
        more = len(rows) > page.limit
        rows = rows[: page.limit]
        cursor = (
            self.cursors.write(wanted, ["" if name in blank else rows[-1][name] for name in columns]) if more else None
        )
        return {"data": rows, "next_cursor": cursor}


def listed(*parts: object) -> tuple[object, ...]:
    """Return what a cursor is bound to: the name of the list and the parameters that select its rows."""
    return parts


def check_range(page: PageQuery) -> None:
    """Refuse times in the wrong order.

    Raises:
        ProblemError: 400.
    """
    if page.since is not None and page.until is not None and page.since > page.until:
        raise bad_parameter("from", "lies after `to`", page.since.isoformat())


def chosen_names(names: str | None, known: Sequence[str], what: str) -> list[str]:
    """Return the columns that were asked for, all by default.

    Raises:
        ProblemError: 404, one of them does not exist.
    """
    if names is None:
        return list(known)
    wanted = list(dict.fromkeys(name for name in names.split(",") if name))
    if not wanted:
        raise bad_parameter("names", f"names no {what}", names)
    existing = set(known)
    for name in wanted:
        if name not in existing:
            raise not_found(f"unknown-{what}", f"Unknown {what}", f"There is no {what} {name[:100]}.", name, known)
    return wanted


def _id(symbol: str) -> str:
    return symbol.replace("/", "-")


def _context(request: Request) -> Context:
    return cast(Context, request.app.state.context)


Ctx = Annotated[Context, Depends(_context)]
"""Dependency: the application's context."""
