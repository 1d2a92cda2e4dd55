"""One query for many askers: results are shared while they are made and kept for a moment."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from candlewave.services.api import metrics

_HIT, _SHARED, _MISS = (metrics.CACHE.labels(outcome) for outcome in ("hit", "shared", "miss"))


class SingleFlight:
    """Remember results by key for a short time; concurrent callers of a key wait for the one computation.

    Errors reach every waiting caller and are not kept. A caller that is cancelled does not cancel the others.

    Args:
        size: maximum number of results; the least recently used is dropped first.
        clock: seconds; tests give their own.
    """

    def __init__(self, size: int = 1024, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()
        self._making: dict[Hashable, asyncio.Task[Any]] = {}

    async def get(self, key: Hashable, seconds: float, make: Callable[[], Awaitable[Any]]) -> Any:
        """Return the result of ``make`` for ``key``, at most ``seconds`` old."""
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self._clock():
            _HIT.inc()
            self._kept.move_to_end(key)
            return kept[1]
        making = self._making.get(key)
        if making is None:
            _MISS.inc()
            making = asyncio.ensure_future(self._make(key, seconds, make))
            self._making[key] = making
        else:
            _SHARED.inc()
        return await asyncio.shield(making)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._making or key in self._kept

    async def _make(self, key: Hashable, seconds: float, make: Callable[[], Awaitable[Any]]) -> Any:
        try:
            result = await make()
            self._kept[key] = (self._clock() + seconds, result)
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
            return result
        finally:
            del self._making[key]
