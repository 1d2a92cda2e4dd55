"""Binance's public REST API for spot aggregate trades, as its documentation describes it, answered in memory.

``GET /api/v3/aggTrades``: ``fromId`` gives trades from that id on (inclusive); ``startTime`` and ``endTime``, both
inclusive, give the oldest of that time; without either, the newest. At most ``limit`` (default 500, at most 1,000),
ascending by id. ``T`` is in milliseconds, so trades share times, and their order by time is not always that by id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MARKET = {
    "id": "BTCUSDT", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "baseId": "BTC", "quoteId": "USDT",
    "type": "spot", "spot": True, "contract": False, "option": False, "swap": False, "future": False, "linear": None,
    "inverse": None, "precision": {}, "limits": {},
}  # fmt: skip


@dataclass(frozen=True)
class AggregateTrade:
    number: int
    ms: int

    @property
    def row(self) -> dict[str, Any]:
        return {
            "a": self.number, "p": "100.50", "q": "0.25", "f": self.number, "l": self.number, "T": self.ms,
            "m": False, "M": True,
        }  # fmt: skip


class FakeBinance:
    """Stands in for the endpoint's method of a ccxt client: :meth:`attach`. ``broken`` has rows by id, sent instead."""

    def __init__(self, times: Sequence[int], page: int = 1_000, first_id: int = 0) -> None:
        self.trades = [AggregateTrade(first_id + i, ms) for i, ms in enumerate(times)]
        self.page = page
        self.requests: list[dict[str, Any]] = []
        self.broken: dict[int, object] = {}

    def attach(self, client: Any) -> None:
        """Answer a ccxt client's requests for aggregate trades."""
        client.set_markets([MARKET])
        client.publicGetAggTrades = self.agg_trades

    async def agg_trades(self, params: Mapping[str, Any]) -> list[object]:
        return [self.broken.get(t.number, t.row) for t in self._found(params)]

    def _found(self, params: Mapping[str, Any]) -> Sequence[AggregateTrade]:
        self.requests.append(dict(params))
        assert params["symbol"] == MARKET["id"]
        limit = min(int(params.get("limit", 500)), 1_000, self.page)
        if "fromId" in params:
            assert "startTime" not in params, "fromId and startTime are not combined"
            return [t for t in self.trades if t.number >= int(params["fromId"])][:limit]
        if "startTime" in params:
            begin, end = int(params["startTime"]), int(params.get("endTime", 2**62))
            return [t for t in self.trades if begin <= t.ms <= end][:limit]
        return self.trades[-limit:]
