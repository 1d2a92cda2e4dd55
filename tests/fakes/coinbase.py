"""Coinbase Exchange's public REST API for candles and trades, as its documentation describes it, answered in memory.

``GET /products/<id>/candles``: those from ``start`` to ``end``, both inclusive, at most 300 or the request is refused,
newest first; minutes without trades are left out.

``GET /products/<id>/trades``: those with ids below ``after``, or the newest, at most ``limit`` (at most 1,000), in
falling order of their ids. The side is the maker's.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import ccxt

MARKET = {
    "id": "BTC-USD", "symbol": "BTC/USD", "base": "BTC", "quote": "USD", "baseId": "BTC", "quoteId": "USD",
    "type": "spot", "spot": True, "contract": False, "option": False, "swap": False, "future": False, "linear": None,
    "inverse": None, "precision": {}, "limits": {},
}  # fmt: skip


class FakeCoinbaseCandles:
    """Stands in for the endpoint's method of a ccxt client: :meth:`attach`."""

    def __init__(self, seconds: Sequence[int], page: int = 300) -> None:
        self.seconds = sorted(seconds)
        self.page = page
        self.requests: list[dict[str, Any]] = []

    def attach(self, client: Any) -> None:
        """Answer a ccxt client's requests for candles."""
        client.set_markets([MARKET])
        client.publicGetProductsIdCandles = self.candles

    async def candles(self, params: Mapping[str, Any]) -> list[Any]:
        self.requests.append(dict(params))
        assert params["id"] == MARKET["id"]
        begin, end = (datetime.fromisoformat(params[key]).timestamp() for key in ("start", "end"))
        if (end - begin) / params["granularity"] + 1 > self.page:
            raise ccxt.BadRequest("granularity too small for the requested time range. Count of aggregations > 300")
        return [[s, "99.5", "101.5", "100.5", "101", "0.75"] for s in reversed(self.seconds) if begin <= s <= end]


class FakeCoinbaseTrades:
    """Stands in for the endpoint's method of a ccxt client: :meth:`attach`; times are in milliseconds, by id."""

    def __init__(self, times: Sequence[int], page: int = 1_000, first_id: int = 1) -> None:
        self.trades = [(first_id + i, ms) for i, ms in enumerate(times)]
        self.page = page
        self.requests: list[dict[str, Any]] = []

    def attach(self, client: Any) -> None:
        """Answer a ccxt client's requests for trades."""
        client.set_markets([MARKET])
        client.publicGetProductsIdTrades = self.answer

    async def answer(self, params: Mapping[str, Any]) -> list[Any]:
        self.requests.append(dict(params))
        assert params["id"] == MARKET["id"]
        limit = min(int(params.get("limit", 1_000)), 1_000, self.page)
        below = int(params.get("after", 2**62))
        found = [trade for trade in self.trades if trade[0] < below][-limit:]
        return [self._row(number, ms) for number, ms in reversed(found)]

    @staticmethod
    def _row(number: int, ms: int) -> dict[str, Any]:
        moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)
        time = f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"
        return {"trade_id": number, "side": "sell", "size": "0.25000000", "price": "100.50000000", "time": time}
