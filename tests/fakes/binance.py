"""Binance's public REST API for spot aggregate trades and klines, as its documentation describes it, in memory.

``GET /api/v3/aggTrades``: ``fromId`` gives trades from that id on (inclusive); ``startTime`` and ``endTime``, both
inclusive, give the oldest of that time; without either, the newest. At most ``limit`` (default 500, at most 1,000),
ascending by id. ``T`` is in milliseconds, so trades share times, and their order by time is not always that by id.

``GET /api/v3/klines``: at most ``limit`` (default 500, at most 1,000) from ``startTime`` on, the open one included.
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


def kline(ms: int, close: str = "100.50", volume: str = "3.00", trades: int = 4) -> list[Any]:
    """Return a one-minute kline; one without trades repeats its price."""
    moved = trades > 0
    return [
        ms, "100.00" if moved else close, "101.00" if moved else close, "99.50" if moved else close, close, volume,
        ms + 59_999, "301.10" if moved else "0.00", trades, "1.25" if moved else "0.00", "125.40", "0",
    ]  # fmt: skip


class FakeKlines:
    """Stands in for the endpoint's method of a ccxt client: :meth:`attach`."""

    def __init__(self, rows: Sequence[list[Any]], page: int = 1_000, now_ms: int | None = None) -> None:
        self.rows = sorted(rows, key=lambda row: int(row[0]))
        self.page = page
        self.now_ms = now_ms
        self.requests: list[dict[str, Any]] = []

    def attach(self, client: Any) -> None:
        """Answer a ccxt client's requests for klines and the time."""
        client.set_markets([MARKET])
        client.publicGetKlines = self.klines
        client.publicGetTime = self.time

    async def time(self, _params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return {"serverTime": self.now_ms if self.now_ms is not None else 2**42}

    async def klines(self, params: Mapping[str, Any]) -> list[Any]:
        self.requests.append(dict(params))
        assert params["symbol"] == MARKET["id"]
        assert params["interval"] == "1m"
        limit = min(int(params.get("limit", 500)), 1_000, self.page)
        return [row for row in self.rows if int(row[0]) >= int(params["startTime"])][:limit]
