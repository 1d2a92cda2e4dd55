"""What the routes work with: the engine, memory, configuration, and the markets that exist."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import Depends, Request

from candlewave.contracts.records import TrainingRequest
from candlewave.core.config import Config
from candlewave.core.markets import normalise_symbol, symbol_id
from candlewave.core.times import utc_now
from candlewave.services.api.answers import Answer, Memory
from candlewave.services.api.cache import SingleFlight
from candlewave.services.api.history import History
from candlewave.services.api.paging import Cursors
from candlewave.services.api.parameters import PageQuery
from candlewave.services.api.problems import ProblemError, bad_parameter, nearest, not_found
from candlewave.services.api.reader import Reader, Row
from candlewave.services.api.settings import ApiSettings
from candlewave.services.api.sql import Order, Position, Statement, statement
from candlewave.sqlproject.served import ServedView

_MARKETS_SECONDS = 1.0
MARKETS = statement(
    "SELECT coalesce(f.exchange, s.exchange) AS exchange, coalesce(f.symbol, s.symbol) AS symbol, s.base, s.quote,"
    " s.kind, f.last_ts, f.last_trade_ts"
    " FROM symbols AS s FULL JOIN feed_clock AS f ON s.exchange = f.exchange AND s.symbol = f.symbol"
    " ORDER BY 1, 2"
)
"""Every market that is configured or has data."""


class Context:
    """Shared by all routes of an application.

    Attributes:
        reader: the SQL engine.
        shared: results of queries, for a moment.
        memory: finished answers, for a moment.
        model_name: the registered model.
        ask_training: stores a wish for a training; it may block, and raises BusError.
        views: returns the views of the project that the API runs in; it may take a moment.
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
        views: Callable[[], Mapping[str, ServedView]] = dict,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.config, self.settings, self.reader, self.history, self.cursors = config, settings, reader, history, cursors
        self.anonymous, self.model_name, self.ask_training, self.clock = anonymous, model_name, ask_training, clock
        self.views = views
        self.shared = SingleFlight()
        self.memory = Memory()

    def answer(self, content: Any, *, tagged: Any = None, fresh: int = 0) -> Answer:
        """Return an answer that is kept for a moment."""
        return Answer(content, tagged=tagged, fresh=fresh, keep=self.settings.cache_seconds, memory=self.memory)

    async def share(self, key: tuple[object, ...], seconds: float, make: Callable[[], Awaitable[Any]]) -> Any:
        """Return what ``make`` makes, at most ``seconds`` old, made once for all who ask at the same time."""
        return await self.shared.get(key, seconds, make)

    async def rows(self, statement: Statement, seconds: float | None = None) -> list[Row]:
        """Return the rows of a statement, at most ``seconds`` old, shared by all who ask for the same."""
        key = (statement.text.as_string(None), *statement.values)
        make = lambda: self.reader.rows(statement.text, statement.values)  # noqa: E731
        return cast(list[Row], await self.share(key, seconds or self.settings.cache_seconds, make))

    async def markets(self) -> list[Row]:
        """Return every market that is configured or has data."""
        return await self.rows(MARKETS, _MARKETS_SECONDS)

    async def market(self, symbol: str, exchange: str | None) -> tuple[str, str]:
        """Return exchange and symbol as the engine has them.

        Without an exchange it is the configured default; if nothing of that has arrived, the one with the newest data.

        Raises:
            ProblemError: 404, there is no such market; it names the nearest.
        """
        wanted = normalise_symbol(symbol) or symbol.upper()
        rows = await self.markets()
        place = exchange or self._place(rows, wanted)
        known = [(row["exchange"], row["symbol"]) for row in rows]
        for found in known:
            if found[0].lower() == place.lower() and found[1].upper() == wanted:
                return found
        elsewhere = [f"exchange={e}&symbol={symbol_id(s)}" for e, s in known if s.upper() == wanted]
        here = {symbol_id(s): f"exchange={e}&symbol={symbol_id(s)}" for e, s in known if e.lower() == place.lower()}
        anywhere = {symbol_id(s): f"exchange={e}&symbol={symbol_id(s)}" for e, s in known}
        close = (
            elsewhere
            or [here[n] for n in nearest(symbol_id(wanted), here)]
            or [anywhere[n] for n in nearest(symbol_id(wanted), anywhere)]
        )
        hint = f" Nearest: {', '.join(close[:3])}." if close else " /v1/symbols lists all."
        raise ProblemError(
            404,
            "unknown-market",
            "Unknown market",
            f"There is no {symbol_id(wanted)} on {place}.{hint}",
            nearest=close[:3],
        )

    def _place(self, rows: list[Row], symbol: str) -> str:
        default = self.config.default_exchange
        arrived = {r["exchange"]: r["last_ts"] for r in rows if r["symbol"].upper() == symbol and r["last_ts"]}
        return default if default in arrived or not arrived else max(arrived, key=lambda name: arrived[name])

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

    async def page(
        self,
        wanted: PageQuery,
        selection: Sequence[object],
        order: Order,
        statement_of: Callable[[Position], Statement],
    ) -> dict[str, Any]:
        """Return a page of a list in SQL; see :meth:`page_of`."""

        async def read(position: Position) -> list[Row]:
            statement = statement_of(position)
            return await self.reader.rows(statement.text, statement.values)

        return await self.page_of(wanted, selection, order, read)

    async def page_of(
        self,
        wanted: PageQuery,
        selection: Sequence[object],
        order: Order,
        read: Callable[[Position], Awaitable[list[Row]]],
        *,
        blank: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Return a page of a list and the cursor of the next one.

        Args:
            wanted: which times, how many rows, behind which cursor.
            selection: the name of the list and all that selects its rows; cursors hold for this list alone.
            order: columns whose values tell the position of a row.
            read: returns the rows behind a position, one more than wanted if there are.
            blank: columns left empty in the cursor: the next page begins behind all rows that differ in these alone.

        Raises:
            ProblemError: 400, the times are in the wrong order, or the cursor belongs to another list.
        """
        if wanted.since is not None and wanted.until is not None and wanted.since > wanted.until:
            raise bad_parameter("from", "lies after `to`", wanted.since.isoformat())
        position = self.cursors.read(selection, wanted.cursor)
        key = (*map(str, selection), wanted.limit, wanted.cursor)
        rows: list[Row] = await self.share(key, self.settings.cache_seconds, lambda: read(position))
        more = len(rows) > wanted.limit
        rows = rows[: wanted.limit]
        last = ["" if name in blank else rows[-1][name] for name, _ in order] if more else []
        return {"data": rows, "next_cursor": self.cursors.write(selection, last) if more else None}


def _context(request: Request) -> Context:
    return cast(Context, request.app.state.context)


Ctx = Annotated[Context, Depends(_context)]
"""Dependency: the application's context."""
