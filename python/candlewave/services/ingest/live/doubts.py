"""Live trades whose id may belong to another trade: looked up in the engine, and kept as conflicts if it does."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from candlewave.contracts.records import Conflict, Trade, conflict, renumbered
from candlewave.services.ingest.verify import content
from candlewave.telemetry import get_logger

_log = get_logger(__name__)
_PAUSES = (5.0, 15.0, 60.0)
"""Seconds until an id that is not stored yet is looked up again; what is still not stored then is published."""
_LIMIT = 20_000

Look = Callable[[str, Collection[str]], Awaitable[Mapping[str, tuple[object, ...]]]]
"""Returns the contents stored under ids of a symbol, see :func:`candlewave.services.ingest.verify.stored_contents`."""


@dataclass(frozen=True, slots=True)
class _Doubt:
    trade: Trade
    due: float
    looks: int = 0


class Doubts:
    """Trades of one exchange to look up, at most ``limit`` at a time.

    Args:
        look: asks the engine; it waits while the engine is away.
        publish: takes conflicts, trades that turned out not to be stored, and those of a market that counts anew.
    """

    def __init__(self, look: Look, publish: Callable[[Trade | Conflict], Awaitable[None]], limit: int = _LIMIT) -> None:
        self._look = look
        self._publish = publish
        self._limit = limit
        self._waiting: deque[_Doubt] = deque()
        self._added = asyncio.Event()

    def add(self, trade: Trade) -> bool:
        """Look a trade up soon; False when too many wait already."""
        if len(self._waiting) >= self._limit:
            return False
        self._waiting.append(_Doubt(trade, 0.0))
        self._added.set()
        return True

    async def run(self) -> None:
        """Look up what is added until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._waiting:
                self._added.clear()
                await self._added.wait()
            await self._settle(loop.time())
            if self._waiting:
                due = min(doubt.due for doubt in self._waiting)
                await asyncio.sleep(min(max(due - loop.time(), 0.05), 1.0))

    async def _settle(self, now: float) -> None:
        """Look up what is due, and decide about it."""
        due = [doubt for doubt in self._waiting if doubt.due <= now]
        self._waiting = deque(doubt for doubt in self._waiting if doubt.due > now)
        for symbol in sorted({doubt.trade.symbol for doubt in due}):
            of_symbol = [doubt for doubt in due if doubt.trade.symbol == symbol]
            stored = await self._look(symbol, {doubt.trade.trade_id for doubt in of_symbol})
            for doubt in of_symbol:
                await self._decide(doubt, stored.get(doubt.trade.trade_id), now)

    async def _decide(self, doubt: _Doubt, stored: tuple[object, ...] | None, now: float) -> None:
        trade = doubt.trade
        if stored is None and doubt.looks < len(_PAUSES):
            self._waiting.append(_Doubt(trade, now + _PAUSES[doubt.looks], doubt.looks + 1))
        elif stored is None:
            await self._publish(trade)
        elif stored != content(trade) and (anew := renumbered(trade, stored[0])) is not None:
            await self._publish(anew)
        elif stored != content(trade):
            _log.warning("id used before", exchange=trade.exchange, symbol=trade.symbol, trade_id=trade.trade_id)
            await self._publish(conflict(trade))
