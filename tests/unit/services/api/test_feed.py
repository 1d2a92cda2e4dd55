"""The feed of the stream: what it asks the engine for."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from candlewave.core.config import Config
from candlewave.services.api.stream import feed as module
from candlewave.services.api.stream.feed import CLOCK, CLOSED_BARS, Feed
from candlewave.services.api.stream.hub import Hub

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BAR = {"symbol": "BTC/USD", "timeframe": "1m"}


class Engine:
    """Answers with clocks that a test moves, and with a bar of each exchange that is asked for."""

    def __init__(self) -> None:
        self.clocks: dict[str, datetime] = {}
        self.asked: list[tuple[str, datetime, datetime]] = []

    async def rows(self, query: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
        if query == CLOCK:
            return [{"exchange": name, "closed_until": until} for name, until in self.clocks.items()]
        if query == CLOSED_BARS:
            assert parameters is not None
            exchange, since, until, _ = parameters
            self.asked.append((exchange, since, until))
            return [{**BAR, "exchange": exchange, "close_time": until}]
        return []


def test_each_exchange_is_asked_for_what_its_own_clock_closed() -> None:
    engine = Engine()

    async def nothing(*_: object) -> list[dict[str, Any]]:
        return []

    context: Any = SimpleNamespace(reader=engine, rows=nothing, clock=lambda: NOON, config=Config())
    feed = Feed(context, Hub(16, 16))

    async def look(**clocks: datetime) -> list[tuple[str, datetime, datetime]]:
        engine.clocks, engine.asked = clocks, []
        await feed.look()
        return engine.asked

    async def scenario() -> None:
        behind = NOON - 5 * MINUTE
        assert await look(fast=NOON, behind=behind) == []  # the first look learns what there is
        assert await look(fast=NOON + MINUTE, behind=behind) == [("fast", NOON, NOON + MINUTE)]
        assert await look(fast=NOON + MINUTE, behind=behind + MINUTE) == [("behind", behind, behind + MINUTE)]
        # A clock that goes back after a repair closes nothing, and what it closes again is told again.
        assert await look(fast=NOON, behind=behind + MINUTE) == []
        assert await look(fast=NOON + MINUTE, behind=behind + MINUTE) == [("fast", NOON, NOON + MINUTE)]
        # A whole hour at once is told as far as it is remembered.
        assert await look(fast=NOON + 60 * MINUTE, behind=behind + MINUTE) == [
            ("fast", NOON + 60 * MINUTE - module.LONGEST_MEMORY, NOON + 60 * MINUTE)
        ]

    asyncio.run(scenario())
