"""A local exchange that speaks Kraken's websocket v2 (trade channel) and public REST, with faults on demand.

It runs on a thread of its own, so that tests drive it with plain calls:

    with FakeKraken(["BTC/USD"]) as kraken:
        kraken.trade("BTC/USD", ts, "64000.1", "0.5")       # stored for REST and sent to subscribers
        kraken.trade(..., send=False)                       # a sequence hole: REST only
        kraken.disconnect(); kraken.send_raw("garbage"); kraken.limit_rest(3)
        kraken.mute("BTC/USD")                              # its subscription dies without a word
        kraken.clock = lambda: datetime.now(UTC) + timedelta(seconds=7)     # what it answers when asked for its time
        kraken.ignored.add("BTC/USD"); kraken.rest_down.add("BTC/USD")      # requests without an answer; status 503
        kraken.refused_symbols["BTC/USD"] = "Currency pair not supported BTC/USD"; kraken.unlisted.add("ETH/USD")
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import WSMsgType, web

_IDS = {"BTC": "XXBT", "ETH": "XETH", "USD": "ZUSD"}
_ALT = {"BTC": "XBT"}
T = TypeVar("T")


@dataclass(frozen=True)
class FakeTrade:
    trade_id: int
    ts: datetime
    price: str
    quantity: str
    side: str

    @property
    def nanoseconds(self) -> int:
        return (self.ts - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


@dataclass
class _Connection:
    socket: web.WebSocketResponse
    symbols: set[str] = field(default_factory=set)


class FakeKraken:
    """The exchange; its address is ``rest`` and ``ws``."""

    page = 1000
    snapshot = 50
    candles_kept = 720

    def __init__(self, symbols: list[str]) -> None:
        self.trades: dict[str, list[FakeTrade]] = {s: [] for s in symbols}
        self.requests: Counter[str] = Counter()
        self.now: datetime | None = None
        """The exchange's clock, where a test sets it; candles else end with that of the newest trade."""
        self.refused = 0
        self.refused_symbols: dict[str, str] = {}
        self.unlisted: set[str] = set()
        self.ignored: set[str] = set()
        self.rest_down: set[str] = set()
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.tells_time = True
        self.connections_made = 0
        self._connections: list[_Connection] = []
        self._rate_limits: list[str] = []
        self._refuse_websockets = 0
        self._lock = threading.RLock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-kraken", daemon=True)
        self._changed = threading.Condition(self._lock)
        self._runner: web.AppRunner | None = None
        self._beat: asyncio.Task[None] | None = None
        self.port = 0

    # -- control, from the test's thread ------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def rest(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def trade(
        self,
        symbol: str,
        ts: datetime,
        price: str = "100.5",
        quantity: str = "0.25",
        side: str = "buy",
        *,
        send: bool = True,
    ) -> FakeTrade:
        """Let a trade happen; ``send=False`` keeps it from websocket subscribers."""
        with self._lock:
            trade = FakeTrade(len(self.trades[symbol]) + 1, ts, price, quantity, side)
            self.trades[symbol].append(trade)
        if send:
            self.send_again(symbol, trade)
        return trade

    def send_again(self, symbol: str, trade: FakeTrade) -> None:
        """Send a trade to subscribers (once more: a duplicate)."""
        self.send(symbol, {"channel": "trade", "type": "update", "data": [_ws_trade(symbol, trade)]})

    def send(self, symbol: str | None, frame: object) -> None:
        """Send a frame to subscribers of a symbol, or to everyone."""
        self.send_raw(json.dumps(frame), symbol)

    def send_raw(self, text: str | bytes, symbol: str | None = None) -> None:
        """Send text or bytes as they are."""
        self._call(self._send(text, symbol))

    def disconnect(self) -> None:
        """Cut every websocket without a word."""
        self._call(self._cut())

    def refuse_websockets(self, count: int) -> None:
        """Answer the next handshakes with 503."""
        with self._lock:
            self._refuse_websockets = count

    def limit_rest(self, count: int, how: str = "429") -> None:
        """Refuse the next REST requests for trades: ``429`` or ``EAPI:Rate limit exceeded`` or ``garbage``."""
        with self._lock:
            self._rate_limits += [how] * count

    def wait_for(self, condition: Callable[["FakeKraken"], bool], timeout: float = 20) -> None:
        """Return when the condition holds; it is looked at after each event.

        Raises:
            TimeoutError: it does not come true.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout):
                raise TimeoutError("the fake exchange never saw what was waited for")

    def mute(self, symbol: str) -> None:
        """End all subscriptions to a symbol without telling anybody; those made later work."""
        with self._lock:
            for connection in self._connections:
                connection.symbols.discard(symbol)

    def subscribers(self, symbol: str) -> int:
        with self._lock:
            return sum(symbol in c.symbols for c in self._connections)

    # -- the exchange, on its own thread ------------------------------------------------------------------

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    async def _start(self) -> None:
        app = web.Application()
        public = "/0/public"
        app.router.add_get(f"{public}/Time", self._time)
        app.router.add_get(f"{public}/SystemStatus", self._status)
        app.router.add_get(f"{public}/Assets", self._assets)
        app.router.add_get(f"{public}/AssetPairs", self._asset_pairs)
        app.router.add_get(f"{public}/Trades", self._trades)
        app.router.add_get(f"{public}/OHLC", self._ohlc)
        app.router.add_get("/v2", self._websocket)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._beat = asyncio.create_task(self._heartbeats())

    async def _stop(self) -> None:
        if self._beat:
            self._beat.cancel()
        await self._cut()
        if self._runner:
            await self._runner.cleanup()

    async def _heartbeats(self) -> None:
        while True:
            await asyncio.sleep(1)
            await self._send(json.dumps({"channel": "heartbeat"}), None)

    def _note(self, what: str) -> None:
        with self._changed:
            self.requests[what] += 1
            self._changed.notify_all()

    async def _send(self, text: str | bytes, symbol: str | None) -> None:
        for connection in list(self._connections):
            if (symbol is None or symbol in connection.symbols) and not connection.socket.closed:
                if isinstance(text, bytes):
                    await connection.socket.send_bytes(text)
                else:
                    await connection.socket.send_str(text)

    async def _cut(self) -> None:
        for connection in list(self._connections):
            transport = connection.socket._req.transport if connection.socket._req else None
            if transport is not None:
                transport.abort()

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if self._refuse_websockets > 0:
            self._refuse_websockets -= 1
            self.refused += 1
            self._note("refused websocket")
            return web.Response(status=503, text="maintenance")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = _Connection(socket)
        with self._lock:
            self._connections.append(connection)
            self.connections_made += 1
        self._note("websocket")
        status = {"system": "online", "api_version": "v2", "connection_id": 1, "version": "2.0.10"}
        try:
            await socket.send_json({"channel": "status", "type": "update", "data": [status]})
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._answer(connection, json.loads(message.data))
        except ConnectionError:
            pass  # cut by the test
        finally:
            with self._changed:
                self._connections.remove(connection)
                self._changed.notify_all()
        return socket

    async def _answer(self, connection: _Connection, message: dict[str, Any]) -> None:
        socket = connection.socket
        if message.get("method") == "ping":
            await socket.send_json({"method": "pong", "req_id": message.get("req_id")})
            return
        params = message.get("params", {})
        if message.get("method") == "unsubscribe":
            for symbol in params["symbol"]:
                known = symbol in connection.symbols
                connection.symbols.discard(symbol)
                answer = {"success": True} if known else {"success": False, "error": "Subscription Not Found"}
                await socket.send_json({"method": "unsubscribe", "symbol": symbol, **answer})
                self._note(f"unsubscribe {symbol}")
            return
        for symbol in params.get("symbol", []):
            reply: dict[str, Any] = {"method": message["method"], "req_id": message.get("req_id")}
            refusal = self.refused_symbols.get(symbol)
            if symbol in connection.symbols:
                refusal = "Already subscribed"
            if symbol in self.ignored:
                self._note(f"ignore {symbol}")
                continue
            if params.get("channel") != "trade" or symbol not in self.trades:
                refusal = f"Currency pair not supported {symbol}"
            if refusal is not None:
                await socket.send_json({**reply, "success": False, "error": refusal, "symbol": symbol})
                self._note(f"refuse {symbol}")
                continue
            await socket.send_json(
                {**reply, "success": True, "result": {"channel": "trade", "snapshot": True, "symbol": symbol}}
            )
            with self._lock:
                newest = [_ws_trade(symbol, t) for t in self.trades[symbol][-self.snapshot :]] if self.snapshot else []
                connection.symbols.add(symbol)
            if newest:
                await socket.send_json({"channel": "trade", "type": "snapshot", "data": newest})
            self._note(f"subscribe {symbol}")

    async def _time(self, _: web.Request) -> web.Response:
        if not self.tells_time:
            return web.json_response({"error": ["EService:Unavailable"]})
        now = self.now or self.clock()
        return _result({"unixtime": int(now.timestamp()), "rfc1123": now.strftime("%a, %d %b %y %H:%M:%S +0000")})

    async def _status(self, _: web.Request) -> web.Response:
        return _result({"status": "online", "timestamp": datetime.now(UTC).isoformat()})

    async def _assets(self, _: web.Request) -> web.Response:
        names = {part for symbol in self.trades for part in symbol.split("/")}
        return _result(
            {
                _IDS.get(n, n): {"aclass": "currency", "altname": _ALT.get(n, n), "decimals": 10, "status": "enabled"}
                for n in names
            }
        )

    async def _asset_pairs(self, _: web.Request) -> web.Response:
        self._note("AssetPairs")
        return _result({_pair(s): _asset_pair(s) for s in self.trades if s not in self.unlisted})

    async def _trades(self, request: web.Request) -> web.Response:
        with self._lock:
            fault = self._rate_limits.pop(0) if self._rate_limits else None
        polled = "since" not in request.query
        self._note("refused Trades" if fault else "newest Trades" if polled else "Trades")
        if fault == "429":
            return web.Response(status=429, text="Too Many Requests")
        if fault == "garbage":
            return web.Response(text="<html>maintenance</html>")
        if fault is not None:
            return web.json_response({"error": [fault]})
        symbol = self._symbol(request)
        if symbol is None or symbol in self.unlisted:
            return web.json_response({"error": ["EQuery:Unknown asset pair"]})
        if symbol in self.rest_down:
            return web.Response(status=503, text="Service Unavailable")
        since = int(request.query.get("since", "0"))
        since = since * 10**9 if since < 10**12 else since
        count = min(int(request.query.get("count", self.page)), self.page)
        with self._lock:
            found = [t for t in self.trades[symbol] if t.nanoseconds > since]
        found = found[:count] if "since" in request.query else found[-count:]
        rows = [[t.price, t.quantity, t.nanoseconds / 10**9, t.side[0], "l", "", t.trade_id] for t in found]
        last = found[-1].nanoseconds if found else since
        return _result({_pair(symbol): rows, "last": str(last)})

    async def _ohlc(self, request: web.Request) -> web.Response:
        self._note("OHLC")
        symbol = self._symbol(request)
        if symbol is None:
            return web.json_response({"error": ["EQuery:Unknown asset pair"]})
        seconds = int(request.query.get("interval", "1")) * 60
        since = int(request.query.get("since", "0"))
        with self._lock:
            rows = _ohlc_rows(self.trades[symbol], seconds, self.candles_kept, self.now)
        rows = [row for row in rows if row[0] > since]
        return _result({_pair(symbol): rows, "last": rows[-2][0] if len(rows) > 1 else 0})

    def _symbol(self, request: web.Request) -> str | None:
        wanted = request.query.get("pair")
        return next((s for s in self.trades if _pair(s) == wanted), None)


def _ohlc_rows(trades: list[FakeTrade], seconds: int, kept: int, now: datetime | None) -> list[list[Any]]:
    """Return the newest candles, the open one last; a quiet one repeats the last close, as Kraken's do."""
    if not trades:
        return []
    bars: dict[int, list[FakeTrade]] = {}
    for trade in trades:
        bars.setdefault(int(trade.ts.timestamp()) // seconds * seconds, []).append(trade)
    newest = int((now or max(t.ts for t in trades)).timestamp()) // seconds * seconds
    oldest = max(min(bars), newest - (kept - 1) * seconds)
    close = next((bars[b][-1].price for b in sorted(bars, reverse=True) if b < oldest), "")
    rows: list[list[Any]] = []
    for begin in range(oldest, newest + 1, seconds):
        bar = bars.get(begin)
        if bar is None:
            rows.append([begin, close, close, close, close, "0.0", "0.00000000", 0])
            continue
        close = bar[-1].price
        high, low = max(bar, key=lambda t: float(t.price)), min(bar, key=lambda t: float(t.price))
        volume = sum(float(t.quantity) for t in bar)
        average = sum(float(t.price) * float(t.quantity) for t in bar) / volume
        rows.append([begin, bar[0].price, high.price, low.price, close, f"{average:.1f}", f"{volume:.8f}", len(bar)])
    return rows


def _ws_trade(symbol: str, trade: FakeTrade) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "side": trade.side,
        "price": float(trade.price),
        "qty": float(trade.quantity),
        "ord_type": "limit",
        "trade_id": trade.trade_id,
        "timestamp": trade.ts.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }


def _pair(symbol: str) -> str:
    base, quote = symbol.split("/")
    return _IDS.get(base, base) + _IDS.get(quote, quote)


def _asset_pair(symbol: str) -> dict[str, Any]:
    base, quote = symbol.split("/")
    return {
        "altname": _ALT.get(base, base) + quote,
        "wsname": f"{_ALT.get(base, base)}/{quote}",
        "aclass_base": "currency",
        "base": _IDS.get(base, base),
        "aclass_quote": "currency",
        "quote": _IDS.get(quote, quote),
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": "0.0001",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    }


def _result(result: object) -> web.Response:
    return web.json_response({"error": [], "result": result})
