"""The history that live markets need before their first forecast and training."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import ccxt
import psycopg

from candlewave.bus.protocol import Bus
from candlewave.core.config import Config
from candlewave.core.errors import one_line
from candlewave.core.markets import Market
from candlewave.core.times import MINUTE, floor_to_minute, utc_now
from candlewave.services.ingest.backfill import Loader
from candlewave.services.ingest.exchanges.exchange import Exchange
from candlewave.services.ingest.exchanges.profiles import PROFILES
from candlewave.services.ingest.ledger import AlreadyLoadedError, Ledger
from candlewave.services.ingest.recent import Recent, RecentHistory, Step
from candlewave.services.ingest.records import HistoryUnavailableError
from candlewave.services.ingest.settings import IngestSettings
from candlewave.services.ingest.validate import BadRecord

ALL_CANDLES = timedelta(days=3)
"""What is loaded where the exchange gives any of its candles: as much as the simulated market has."""

FEW_CANDLES = timedelta(hours=27)
"""What is loaded where the exchange keeps only its newest candles, and all others come as single trades: a training
needs 25 hours (``TRAIN_MIN_HISTORY_MINUTES``), and the first hour has no volatility yet."""

_REFUSALS = (AlreadyLoadedError, HistoryUnavailableError, ccxt.BaseError)


def enough(exchange: str) -> timedelta:
    """Return how much history of an exchange's markets a first training needs, at least."""
    profile = PROFILES.get(exchange)
    return ALL_CANDLES if profile is None or profile.candles_kept is None else FEW_CANDLES


def load_first_history(
    bus: Bus,
    conn: psycopg.Connection,
    markets: Sequence[Market],
    config: Config,
    *,
    back: timedelta | None = None,
    on_step: Callable[[Step], None] = lambda _: None,
    on_reject: Callable[[BadRecord], None] | None = None,
    settings: IngestSettings | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> list[Recent]:
    """Load the newest history of markets whose live feed may have begun already.

    The minutes in which the live feed began are completed with single trades: it did not see them from their begin, and
    trades win over candles. A second call loads only what is missing.

    Args:
        bus, conn: where records and notes of progress go; topics and tables must exist.
        markets: what to load.
        config: grace, and how long trades are kept.
        back: how much; :func:`enough` for each exchange if None.
        on_step: called after each page.
        on_reject: called for each bad record.
        settings: where exchanges are reached; the environment's if None.
        clock: the present time.

    Raises:
        BusError, psycopg.Error: the bus or the engine takes no more; call it again to go on.
    """
    began = clock()
    grace = timedelta(seconds=config.candles.grace_seconds)
    kept = config.retention.trades_seconds
    history = RecentHistory(
        bus,
        conn,
        grace,
        None if kept is None else timedelta(seconds=kept),
        on_step=on_step,
        on_reject=on_reject,
        settings=settings,
        clock=clock,
    )
    by_length: dict[timedelta, list[Market]] = {}
    for market in markets:
        by_length.setdefault(back or enough(market.exchange), []).append(market)
    found = {recent.market: recent for length, some in by_length.items() for recent in history.load(some, length)}
    reached = [market for market in markets if found[market].problem is None and market.exchange in PROFILES]
    loader = Loader(bus, Ledger(conn), grace, history.retention, on_reject=on_reject, clock=clock)
    for market, problem in asyncio.run(_complete(conn, loader, reached, began, settings)).items():
        found[market] = replace(found[market], problem=problem)
    return [found[market] for market in markets]


async def _complete(
    conn: psycopg.Connection,
    loader: Loader,
    markets: Sequence[Market],
    began: datetime,
    settings: IngestSettings | None,
) -> dict[Market, str]:
    """Load the trades of the minutes in which live feeds began; return what went wrong."""
    problems: dict[Market, str] = {}
    for market in markets:
        begin = floor_to_minute(_first_live_trade(conn, market, began))
        exchange = Exchange(market.exchange, settings)
        try:
            await loader.load_api(exchange, market.symbol, begin, loader.clock())
        except _REFUSALS as error:
            problems[market] = f"its minutes from {begin:%H:%M} UTC on may lack trades: {one_line(error)}"
        finally:
            await exchange.close()
    return problems


def _first_live_trade(conn: psycopg.Connection, market: Market, began: datetime) -> datetime:
    row = conn.execute(
        "SELECT min(ts) FROM trades WHERE exchange = %s AND symbol = %s AND kind = 'trade' AND origin = 'live'"
        " AND ts >= %s::timestamptz",
        [*market, began - 60 * MINUTE],
    ).fetchone()
    return min(row[0], began) if row and row[0] is not None else began
