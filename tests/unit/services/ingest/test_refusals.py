"""Subscriptions that exchanges refuse, each in its own way: the symbol is handed back, the others go on."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import ccxt
import pytest
from aiohttp import WSMsgType, web

from candlewave.services.ingest.exchanges.exchange import Exchange
from candlewave.services.ingest.records import Garbage, RawTrade
from candlewave.services.ingest.settings import IngestSettings, Mirror

GOOD, BAD = "BTC/USD", "NOPE/USD"
NOW = datetime(2026, 4, 1, tzinfo=UTC)
MS = int(NOW.timestamp() * 1_000)


def market(base: str, joint: str) -> dict[str, Any]:
    own = f"{base}{joint}USD"
    return {
        "id": own, "lowercaseId": own.lower(), "symbol": f"{base}/USD", "base": base, "quote": "USD", "baseId": base,
        "quoteId": "USD", "type": "spot", "spot": True, "contract": False, "option": False, "swap": False,
        "future": False, "linear": None, "inverse": None, "precision": {}, "limits": {},
    }  # fmt: skip


def coinbase(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Refuse a whole request for one unknown product."""
    wanted = request.get("product_ids", [])
    if request["type"] == "subscribe" and "NOPE-USD" in wanted:
        return [{"type": "error", "message": "Failed to subscribe", "reason": "NOPE-USD is not a valid product"}]
    return [
        {"type": "subscriptions", "channels": [{"name": "matches", "product_ids": wanted}]},
        {
            "type": "match", "trade_id": 7, "side": "sell", "size": "1", "price": "10", "product_id": "BTC-USD",
            "sequence": 1, "time": "2026-04-01T00:00:00.5Z",
        },
    ]  # fmt: skip


def bybit(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Refuse a whole request for one unknown topic."""
    answer = {"op": "subscribe", "conn_id": "c", "req_id": request.get("req_id")}
    if "publicTrade.NOPEUSD" in request.get("args", []):
        return [{**answer, "success": False, "ret_msg": "error:handler not found,topic:publicTrade.NOPEUSD"}]
    trade = {"T": MS, "s": "BTCUSD", "S": "Buy", "v": "1", "p": "10", "i": "7"}
    return [
        {**answer, "success": True, "ret_msg": "subscribe"},
        {"topic": "publicTrade.BTCUSD", "type": "snapshot", "ts": MS, "data": [trade]},
    ]


def binance(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Accept every stream; one of a symbol that is not traded stays silent."""
    return [
        {"result": None, "id": request.get("id")},
        {
            "e": "aggTrade", "E": MS, "s": "BTCUSD", "a": 7, "p": "10", "q": "1", "f": 7, "l": 7, "T": MS, "m": True,
            "M": True,
        },
    ]  # fmt: skip


Answer = Callable[[dict[str, Any]], list[dict[str, Any]]]


class Watched:
    """An exchange watched over a socket of a server that answers as the real one."""

    def __init__(self, name: str, answer: Answer) -> None:
        self.name = name
        self.answer = answer
        self.sockets = 0
        self.requests: list[dict[str, Any]] = []
        self.trades: list[RawTrade | Garbage] = []
        self.refused: dict[str, str] = {}
        self.asked = asyncio.Event()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets += 1
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data.startswith("{"):
                asked = json.loads(message.data)
                if asked.get("op") == "ping":
                    continue
                self.requests.append(asked)
                self.asked.set()
                for frame in self.answer(asked):
                    await socket.send_json(frame)
        return socket

    async def run(self, until: Callable[["Watched"], bool], then: Callable[[Exchange], Any] | None = None) -> Any:
        """Watch both symbols until a condition holds; return what ``then`` makes of the exchange."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self.serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"127.0.0.1:{runner.addresses[0][1]}"
        mirror = Mirror(rest=f"http://{address}", ws=f"ws://{address}")
        exchange = Exchange(self.name, IngestSettings(exchange_urls={self.name: mirror}, request_interval_ms=1.0))
        joint = "-" if self.name == "coinbase" else ""
        exchange.client.set_markets([market("BTC", joint), market("NOPE", joint)])
        changed = asyncio.Event()

        def note(record: RawTrade | Garbage) -> None:
            self.trades.append(record)
            changed.set()

        def refuse(symbol: str, reason: str) -> None:
            self.refused[symbol] = reason
            changed.set()

        watching = asyncio.create_task(exchange.watch([GOOD, BAD], note, refuse))
        try:
            async with asyncio.timeout(20):
                while not until(self):
                    changed.clear()
                    waiting = asyncio.create_task(changed.wait())
                    await asyncio.wait({waiting, watching}, return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
                    if watching.done():
                        watching.result()
            return await then(exchange) if then else None
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await exchange.close()
            await runner.cleanup()


@pytest.mark.parametrize(("name", "answer"), [("coinbase", coinbase), ("bybit", bybit)])
def test_a_symbol_that_is_refused_leaves_the_others_on_their_connection(name: str, answer: Answer) -> None:
    watched = Watched(name, answer)
    asyncio.run(watched.run(lambda w: bool(w.trades and w.refused)))
    assert list(watched.refused) == [BAD]
    assert "NOPE" in watched.refused[BAD]
    (trade, *_) = watched.trades
    assert isinstance(trade, RawTrade)
    assert (trade.symbol, str(trade.trade_id)) == (GOOD, "7")
    assert watched.sockets == 1
    assert len(watched.requests) == 2, "once with the refused symbol, once without"


@pytest.mark.parametrize(("name", "answer"), [("coinbase", coinbase), ("bybit", bybit)])
def test_a_refused_symbol_can_be_asked_for_once_more(name: str, answer: Answer) -> None:
    watched = Watched(name, answer)

    async def again(exchange: Exchange) -> None:
        watched.refused.clear()
        await exchange.watch_again(BAD)

    asyncio.run(watched.run(lambda w: bool(w.trades and w.refused), again))
    assert list(watched.refused) == [BAD]
    assert watched.sockets == 1


@pytest.mark.parametrize("name", ["coinbase", "bybit"])
def test_a_refusal_that_will_pass_is_the_connections(name: str) -> None:
    def busy(request: dict[str, Any]) -> list[dict[str, Any]]:
        if name == "coinbase":
            return [{"type": "error", "message": "Failed to subscribe", "reason": "rate limit exceeded for NOPE-USD"}]
        return [
            {"op": "subscribe", "success": False, "req_id": request["req_id"], "ret_msg": "too many visits, rate limit"}
        ]

    watched = Watched(name, busy)
    with pytest.raises(ccxt.BaseError, match="rate limit"):
        asyncio.run(watched.run(lambda _: False))
    assert watched.refused == {}


def test_a_symbol_that_stays_silent_is_found_by_its_poll() -> None:
    watched = Watched("binance", binance)

    async def poll(exchange: Exchange) -> None:
        async def refuse(_params: object) -> object:
            raise ccxt.BadSymbol('binance {"code":-1121,"msg":"Invalid symbol."}')

        exchange.client.publicGetAggTrades = refuse
        with pytest.raises(ccxt.BadSymbol, match="Invalid symbol"):
            await exchange.newest(BAD)

    asyncio.run(watched.run(lambda w: bool(w.trades), poll))
    assert watched.refused == {}
    assert {s for r in watched.requests for s in r["params"]} == {"btcusd@aggTrade", "nopeusd@aggTrade"}


@pytest.mark.parametrize(("name", "answer"), [("coinbase", coinbase), ("bybit", bybit), ("binance", binance)])
def test_a_silent_symbol_is_unsubscribed_and_subscribed_to_again(name: str, answer: Answer) -> None:
    watched = Watched(name, lambda r: answer(r) if BAD not in str(r) else [])
    seen: list[str] = []

    async def again(exchange: Exchange) -> None:
        before = len(watched.requests)
        # For Coinbase ccxt wakes nobody who waits here for a trade; trades are heard all the same.
        waiting = asyncio.create_task(exchange.watch_again(GOOD, served=True))
        async with asyncio.timeout(10):
            while len(watched.requests) < before + 2:
                watched.asked.clear()
                await watched.asked.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        seen.extend(json.dumps(request).lower() for request in watched.requests[before:])

    asyncio.run(watched.run(lambda w: bool(w.trades), again))
    # Binance's new subscription is on a connection of its own, so nothing says which request arrives first.
    assert sorted('"subscribe"' in request for request in seen) == [False, True]
    assert any("unsubscribe" in request for request in seen)
    assert all("btc" in request and "nope" not in request for request in seen)
