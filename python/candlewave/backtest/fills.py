"""At which prices orders would have been filled: the first trade after them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.rows import tuple_row

from candlewave.core.markets import Market
from candlewave.core.times import floor_to_minute

_PAGE = timedelta(days=30)


@dataclass(frozen=True)
class Fills:
    """A market's trades that can be the first after an order; n rows, ascending in time.

    Attributes:
        time: (n,) datetime64[us], UTC.
        price: (n,) of the trade.
    """

    time: NDArray[np.datetime64]
    price: NDArray[np.float64]

    def after(self, moments: NDArray[np.datetime64]) -> NDArray[np.int64]:
        """Return (k,) the row of the first trade later than each moment; ``len(time)`` where none is known."""
        return np.searchsorted(self.time, moments, side="right")


def read_fills(
    conn: psycopg.Connection, markets: Sequence[Market], begin: datetime, end: datetime
) -> dict[Market, Fills]:
    """Read what orders of ``begin`` ≤ minute < ``end`` could have met, market by market."""
    return {market: _joined(list(_pages(conn, market, begin, end))) for market in markets}


_QUERY = sql.SQL(
    "SELECT filled_at, price FROM fill_prices WHERE exchange = {exchange} AND symbol = {symbol}"
    " AND minute >= {begin} AND minute < {end} ORDER BY filled_at"
)


def _pages(conn: psycopg.Connection, market: Market, begin: datetime, end: datetime) -> Iterator[Fills]:
    moment = floor_to_minute(begin)
    while moment < end:
        until = min(moment + _PAGE, end)
        query = _QUERY.format(
            exchange=sql.Literal(market.exchange),
            symbol=sql.Literal(market.symbol),
            begin=sql.Literal(moment),
            end=sql.Literal(until),
        )
        with conn.cursor(row_factory=tuple_row, binary=True) as cursor:
            rows = cursor.execute(query).fetchall()
        times = np.array([time.astimezone(UTC).replace(tzinfo=None) for time, _ in rows], "datetime64[us]")
        yield Fills(times, np.array([price for _, price in rows], np.float64))
        moment = until


def _joined(pages: Sequence[Fills]) -> Fills:
    return Fills(np.concatenate([p.time for p in pages]), np.concatenate([p.price for p in pages]))
