"""How far the candles of each market are closed and can be forecast from, and which markets are history."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal, LiteralString

import psycopg
from psycopg.rows import tuple_row

from candlewave.core.markets import Market
from candlewave.core.times import MINUTE, floor_to_minute

HISTORY_AFTER = timedelta(hours=1)
"""A market that candlewave.toml does not list, and that has been silent for this long, is history: it was replayed."""

LIVE_WITHIN = timedelta(seconds=150)
"""A market whose newest event is older gets no data: feeds that are alive send one each minute."""

FeedState = Literal["live", "silent", "history", "waiting"]
"""Of a market: data arrive; they have stopped; it was replayed and only has a past; nothing has ever arrived."""

_CLOCKS: LiteralString = (
    "SELECT f.exchange, f.symbol, f.last_ts, m.closed_until FROM feed_clock AS f JOIN market_clock AS m"
    " ON m.exchange = f.exchange WHERE f.last_ts IS NOT NULL"
)


def due_candles(conn: psycopg.Connection, grace: timedelta) -> dict[Market, datetime]:
    """Return the open time of the newest candle of each market that can be forecast from."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(_CLOCKS)
        return {
            Market(exchange, symbol): newest_due(last_ts, closed_until, grace)
            for exchange, symbol, last_ts, closed_until in cursor
        }


def newest_due(last_ts: datetime, closed_until: datetime, grace: timedelta) -> datetime:
    """Return the open time of the newest candle that is closed and that the market's own feed has left behind.

    Another feed of its exchange may close the candles of one that lags, before its last trades have come, and so may
    the other exchanges when its own is too far behind. So the feed itself must have passed the end by the grace.

    Args:
        last_ts: newest event of the market's feed.
        closed_until: the clock of the market's exchange.
        grace: as in the configuration.
    """
    return min(closed_until, floor_to_minute(last_ts - grace)) - MINUTE


def is_history(market: Market, last_ts: datetime | None, followed: Collection[Market], now: datetime) -> bool:
    """Tell whether a market only has a past, such as a replayed one.

    Args:
        market: the market.
        last_ts: newest event of its feed, None if there was none.
        followed: markets of ``candlewave.toml``; a silent one of these has a broken feed instead.
        now: wall clock, UTC.
    """
    return last_ts is not None and market not in followed and now - last_ts > HISTORY_AFTER


def feed_state(market: Market, last_ts: datetime | None, followed: Collection[Market], now: datetime) -> FeedState:
    """Return whether data of a market arrive; for the parameters see :func:`is_history`."""
    if last_ts is None:
        return "waiting"
    if is_history(market, last_ts, followed, now):
        return "history"
    return "live" if now - last_ts <= LIVE_WITHIN else "silent"


def market_now(conn: psycopg.Connection, now: datetime) -> datetime:
    """Return up to when there are data: now, or, where all markets are history, the newest event of any.

    Args:
        conn: to the engine.
        now: wall clock, UTC.
    """
    with conn.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute("SELECT max(last_ts) FROM feed_clock").fetchone()
    newest: datetime | None = row[0] if row else None
    return newest if newest is not None and now - newest > HISTORY_AFTER else now


def history_markets(
    conn: psycopg.Connection, followed: Collection[Market], grace: timedelta, now: datetime
) -> dict[Market, datetime]:
    """Return the open time of the newest closed candle of each market that is history.

    Args:
        conn: to the engine.
        followed, now: see :func:`is_history`.
        grace: as in the configuration.
    """
    return {
        market: newest
        for market, newest in due_candles(conn, grace).items()
        if is_history(market, newest + MINUTE, followed, now)
    }
