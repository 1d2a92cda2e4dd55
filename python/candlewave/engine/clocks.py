"""How far the candles of each market are closed, and so can be forecast from."""

from datetime import datetime, timedelta
from typing import LiteralString

import psycopg
from psycopg.rows import tuple_row

from candlewave.core.markets import Market
from candlewave.core.times import MINUTE, floor_to_minute

_CLOCKS: LiteralString = (
    "SELECT f.exchange, f.symbol, f.last_ts, m.closed_until FROM feed_clock AS f JOIN market_clock AS m"
    " ON m.clock_id = 1 WHERE m.closed_until IS NOT NULL AND f.last_ts IS NOT NULL"
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

    Another market's feed may close the candles of one that lags, before its last trades have come. So the feed itself
    must have passed the candle's end by the grace.

    Args:
        last_ts: newest event of the market's feed.
        closed_until: the markets' clock.
        grace: as in the configuration.
    """
    return min(closed_until, floor_to_minute(last_ts - grace)) - MINUTE
