"""One-minute candles over an exchange's REST API, page by page.

Exchanges answer in two ways: some give so many candles from a moment on, others those of a span of so many minutes.
Where minutes without trades are left out, these differ; each page therefore goes on behind the last candle of the one
before, and behind the whole span only when that is empty.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from candlewave.core.times import MINUTE, floor_to_minute, from_us, to_us
from candlewave.services.ingest.candles import RawCandle, extras
from candlewave.services.ingest.exchanges.exchange import Exchange
from candlewave.services.ingest.records import payload_bytes
from candlewave.services.ingest.validate import BadRecord, Reject


@dataclass(frozen=True, slots=True)
class Page:
    """What one request gave.

    Attributes:
        rows: candles of the range by time, and rows that have no time that can be read.
        reached: every candle of the range before this moment has been given.
    """

    rows: list[RawCandle | BadRecord]
    reached: datetime


async def candle_pages(exchange: Exchange, symbol: str, begin: datetime, end: datetime) -> AsyncIterator[Page]:
    """Yield the candles with ``begin <= open time < end``, each once.

    Args:
        exchange: its markets must be loaded.
        symbol: the market.
        begin, end: whole minutes; ``end`` must be over, or the last candle is not finished.

    Raises:
        HistoryUnavailableError: the exchange has no one-minute candles.
        ccxt.BaseError: it refuses, or was unreachable for too long.
    """
    count = exchange.candles_at_once(symbol)
    inverse = bool(exchange.client.market(symbol).get("inverse"))
    while begin < end:
        rows: list[RawCandle | BadRecord] = []
        last = -1
        for number, row in enumerate(await exchange.candles(symbol, "1m", begin, count), start=1):
            if row[0] is None:
                rows.append(_unreadable(exchange.name, symbol, begin, number, row[-1]))
                continue
            open_us = row[0] * 1_000
            if open_us >= to_us(begin):
                last = max(last, open_us)
                if open_us < to_us(end):
                    rows.append(_raw(exchange.profile.ccxt_id, inverse, open_us, number, row))
        # An answer that ends before the range does may be short because that is all there is, or all that fits.
        begin = begin + count * MINUTE if last < 0 else floor_to_minute(from_us(last)) + MINUTE
        yield Page(rows, min(begin, end))


def _raw(ccxt_id: str, inverse: bool, open_us: int, number: int, row: list[Any]) -> RawCandle:
    turnover, trades, buy_volume = extras(ccxt_id, inverse, row[6])
    return RawCandle._make((open_us, *row[1:6], turnover, trades, buy_volume, number, row[6]))


def _unreadable(exchange: str, symbol: str, begin: datetime, number: int, sent: Any) -> BadRecord:
    return BadRecord(
        f"{exchange} REST",
        f"{symbol} 1m candles from {begin:%Y-%m-%dT%H:%MZ}, row {number}",
        payload_bytes(sent),
        Reject("unreadable", "not a candle: no time, or fields of another form"),
    )
