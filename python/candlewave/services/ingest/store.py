"""What ingest asks of the engine: stored trades, known symbols, the ledger, and whether views have caught up."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString, Protocol, TypeVar

import psycopg
from psycopg.rows import tuple_row

from candlewave.core.errors import CandlewaveError
from candlewave.core.markets import Market
from candlewave.engine.connect import EngineError
from candlewave.services.ingest.holes import Hole, Last
from candlewave.services.ingest.ledger import Ledger, LoadedRange
from candlewave.services.ingest.replay import MarketEnd
from candlewave.services.ingest.verify import stored_contents

T = TypeVar("T")
Connect = Callable[[], psycopg.Connection]


class StoreUnavailableError(CandlewaveError):
    """The engine cannot be reached now; the same call may succeed later."""


class ViewsTimeoutError(CandlewaveError):
    """The views did not show in time what was published; the text says what is missing."""


class TradeStore(Protocol):
    """What live ingest asks of the engine; called from worker threads."""

    def last(self, exchange: str, symbol: str, *, numeric: bool) -> Last | None:
        """Return the newest stored trade of a market: highest running number, or latest time."""

    def holes(self, exchange: str, symbol: str) -> list[Hole]:
        """Return the holes of a market that are not filled yet."""

    def record(self, entry: LoadedRange) -> None:
        """Write a row of the ledger."""

    def register(self, exchange: str, symbols: Collection[str]) -> None:
        """Add markets that the exchange trades to table ``symbols``."""

    def contents(self, exchange: str, symbol: str, ids: Collection[str]) -> Mapping[str, tuple[object, ...]]:
        """Return what is stored under trade ids of a market."""


class EngineStore:
    """A :class:`TradeStore` on the engine; safe for use from several threads.

    Args:
        connect: opens an autocommit connection; called again after one was lost.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._conn: psycopg.Connection | None = None
        self._lock = threading.Lock()

    def last(self, exchange: str, symbol: str, *, numeric: bool) -> Last | None:
        """Return the newest stored trade of the exchange's own: highest running number, or latest time.

        Raises:
            StoreUnavailableError: the engine is down.
        """
        order: LiteralString = "seq DESC" if numeric else "ts DESC, trade_id"
        query: LiteralString = (
            "SELECT t.trade_id, t.seq, t.ts FROM trades AS t JOIN feed_clock AS c"
            " ON c.exchange = t.exchange AND c.symbol = t.symbol"
            " WHERE t.exchange = %s AND t.symbol = %s AND t.kind = 'trade' AND t.origin <> 'replay'"
            " AND t.trade_id NOT LIKE 'a:%%' AND t.trade_id NOT LIKE 't:%%'"
            " AND t.ts >= c.last_trade_ts - INTERVAL '1 hour'"
            f" ORDER BY {order} LIMIT 1"
        )
        row = self._run(lambda conn: _one(conn, query, [exchange, symbol]))
        return None if row is None else Last(row[1] if numeric else None, row[0], row[2])

    def holes(self, exchange: str, symbol: str) -> list[Hole]:
        """Return the holes of a market that are not filled yet.

        Raises:
            StoreUnavailableError: the engine is down.
        """
        entries = self._run(lambda conn: Ledger(conn).ranges(exchange, symbol))
        return [hole for hole in map(Hole.from_entry, entries) if hole is not None]

    def record(self, entry: LoadedRange) -> None:
        """Write a row of the ledger.

        Raises:
            StoreUnavailableError: the engine is down.
        """
        self._run(lambda conn: Ledger(conn).record(entry))

    def contents(self, exchange: str, symbol: str, ids: Collection[str]) -> dict[str, tuple[object, ...]]:
        """Return what is stored under trade ids of a market.

        Raises:
            StoreUnavailableError: the engine is down.
        """
        return self._run(lambda conn: stored_contents(conn, exchange, symbol, list(ids)))

    def register(self, exchange: str, symbols: Iterable[str]) -> None:
        """Add markets to table ``symbols``; existing ones are not changed.

        Raises:
            StoreUnavailableError: the engine is down.
        """
        self._run(lambda conn: register_symbols(conn, exchange, symbols))

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._conn is not None:
                self._conn.close()
                self._conn = None

    def _run(self, action: Callable[[psycopg.Connection], T]) -> T:
        with self._lock:
            try:
                if self._conn is None or self._conn.closed:
                    self._conn = self._connect()
                return action(self._conn)
            except (psycopg.OperationalError, EngineError) as error:
                raise StoreUnavailableError(f"the engine cannot be reached: {error}") from error


def register_symbols(conn: psycopg.Connection, exchange: str, symbols: Iterable[str]) -> None:
    """Add markets to table ``symbols``; existing ones are not changed."""
    for symbol in symbols:
        market = Market(exchange, symbol)
        conn.execute(
            "INSERT INTO symbols (exchange, symbol, base, quote, kind) VALUES (%s, %s, %s, %s, %s)",
            [exchange, symbol, market.base, market.quote, market.kind],
        )


def wait_until_visible(
    conn: psycopg.Connection,
    markets: Sequence[MarketEnd],
    timeout: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when every market's last trade is stored and its last minute is in ``candles``.

    Args:
        conn: connection in autocommit mode.
        markets: where the published trades end.
        timeout: seconds to wait at most.
        clock, sleep: for tests.

    Raises:
        ViewsTimeoutError: it took longer.
    """
    deadline = clock() + timeout
    pause = 0.02
    waiting = list(markets)
    while True:
        waiting = [market for market in waiting if not _visible(conn, market)]
        if not waiting:
            return
        if clock() > deadline:
            names = ", ".join(f"{m.exchange} {m.symbol} up to {m.last_minute:%Y-%m-%d %H:%MZ}" for m in waiting[:5])
            raise ViewsTimeoutError(
                f"the views do not show everything after {timeout:g} s; missing: {names}. The trades are published; "
                "see that the engine runs (`candlewave doctor`), or wait longer with --timeout."
            )
        sleep(pause)
        pause = min(pause * 1.5, 0.5)


def closed_up_to(
    conn: psycopg.Connection,
    exchange: str,
    end: datetime,
    timeout: float = 60.0,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> datetime | None:
    """Wait until an exchange's candles are closed up to ``end``; return up to where they are, None when nowhere.

    After ``timeout`` seconds that is less than ``end``: the engine is behind, or a load ended in the present minute.
    """
    deadline = clock() + timeout
    pause = 0.05
    while True:
        row = conn.execute("SELECT closed_until FROM market_clock WHERE exchange = %s", [exchange]).fetchone()
        until: datetime | None = row[0] if row else None
        if (until is not None and until >= end) or clock() > deadline:
            return until
        sleep(pause)
        pause = min(pause * 1.5, 1.0)


def _visible(conn: psycopg.Connection, market: MarketEnd) -> bool:
    """Return whether a market's end has gone through all layers, which move together."""
    row = _one(
        conn,
        "SELECT (SELECT count(*) FROM trades WHERE exchange = %(exchange)s AND symbol = %(symbol)s"
        " AND trade_id IN (%(trade)s, %(heartbeat)s)),"
        " (SELECT count(*) FROM candles WHERE exchange = %(exchange)s AND symbol = %(symbol)s"
        " AND timeframe = '1m' AND open_time = %(minute)s)",
        {
            "exchange": market.exchange,
            "symbol": market.symbol,
            "trade": market.last_trade_id,
            "heartbeat": market.heartbeat_id,
            "minute": market.last_minute,
        },
    )
    return row is not None and tuple(row) == (2, 1)


def _one(conn: psycopg.Connection, query: LiteralString, parameters: Any) -> tuple[Any, ...] | None:
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()
