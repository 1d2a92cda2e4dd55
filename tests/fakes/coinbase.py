"""Coinbase Exchange's public REST API for candles, as its documentation describes it, answered in memory.

``GET /products/<id>/candles``: those from ``start`` to ``end``, both inclusive, at most 300 or the request is refused,
newest first; minutes without trades are left out.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
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
