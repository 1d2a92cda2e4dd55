"""How past trades are paged where exchanges differ, against stand-ins with each exchange's documented behaviour."""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import ccxt
import pytest

from candlewave.contracts.records import Trade
from candlewave.services.ingest.exchanges.exchange import Exchange
from candlewave.services.ingest.exchanges.profiles import PROFILES
from candlewave.services.ingest.records import Garbage, HistoryUnavailableError, RawTrade, UnknownExchangeError
from candlewave.services.ingest.settings import IngestSettings, Mirror
from candlewave.services.ingest.validate import BadRecord, TradeChecker

T0 = datetime(2026, 4, 1, tzinfo=UTC)
MS0 = int(T0.timestamp() * 1000)
PATIENCE = {"retry_first_seconds": 0.001, "retry_max_seconds": 0.002, "request_give_up_seconds": 5.0}
SETTINGS = IngestSettings(**PATIENCE)  # type: ignore[arg-type]
MARKET = {
    "id": "BTCUSD", "symbol": "BTC/USD", "base": "BTC", "quote": "USD", "baseId": "BTC", "quoteId": "USD",
    "type": "spot", "spot": True, "contract": False, "option": False, "swap": False, "future": False, "linear": None,
    "inverse": None, "precision": {}, "limits": {},
}  # fmt: skip


def trade(number: int, ms: int) -> dict[str, Any]:
    moment = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "id": str(number), "timestamp": ms, "datetime": moment, "symbol": "BTC/USD",
        "side": "buy", "price": "100.5", "amount": "0.1", "info": {"id": number, "side": "sell"},
    }  # fmt: skip


TRADES = [trade(i, MS0 + i * 700) for i in range(1, 9_001)]


class Standin:
    """The part of a ccxt exchange that paging uses."""

    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self.most = most
        self.calls = 0

    async def close(self) -> None:
        pass

    async def fetch_trades(
        self, _symbol: str, since: int | None, limit: int, params: dict[str, Any]
    ) -> list[dict[str, Any]]:
        self.calls += 1
        limit = min(limit, self.most)
        if self.name == "binance":
            if "fromId" in params:
                return [t for t in TRADES if int(t["id"]) >= params["fromId"]][:limit]
            assert since is not None
            return [t for t in TRADES if since <= t["timestamp"] <= since + 3_600_000][:limit]
        found = TRADES
        if "after" in params:
            found = [t for t in TRADES if int(t["id"]) < params["after"]]
        return list(reversed(found[-limit:]))


def history(name: str, begin: datetime, end: datetime, before_id: int | None = None) -> tuple[list[RawTrade], int]:
    async def collect() -> tuple[list[RawTrade], int]:
        exchange = Exchange(name, SETTINGS)
        await exchange.client.close()
        standin = Standin(name, 1_000)
        exchange.client = standin
        found = [t async for page in exchange.history("BTC/USD", begin, end, before_id=before_id) for t in page]
        assert all(isinstance(t, RawTrade) for t in found)
        return [t for t in found if isinstance(t, RawTrade)], standin.calls

    return asyncio.run(collect())


@pytest.mark.parametrize("name", ["binance", "coinbase"])
@pytest.mark.parametrize(("first", "last"), [(10.0, 4_000.0), (0.0, 7_000.0), (-5_000.0, 100.0), (700.0, 700.7)])
def test_a_range_is_paged_without_holes(name: str, first: float, last: float) -> None:
    begin, end = T0 + timedelta(seconds=first), T0 + timedelta(seconds=last)
    found, _ = history(name, begin, end)
    times = {str(t.trade_id): t for t in found}
    wanted = [t["id"] for t in TRADES if begin <= datetime.fromisoformat(t["datetime"]) < end]
    assert set(wanted) <= times.keys()
    ids = [int(str(t.trade_id)) for t in found]
    assert ids == sorted(set(ids))


def test_known_ids_save_the_search_for_the_end() -> None:
    begin, end = T0 + timedelta(seconds=100), T0 + timedelta(seconds=200)
    _, blind = history("coinbase", begin, end)
    found, calls = history("coinbase", begin, end, before_id=290)
    assert max(int(str(t.trade_id)) for t in found) == 289
    assert calls < blind


def test_an_exchange_with_only_recent_trades_says_how_far_it_goes() -> None:
    newest = TRADES[-1]["timestamp"] / 1000
    found, _ = history("bybit", datetime.fromtimestamp(newest - 60, UTC), datetime.fromtimestamp(newest + 1, UTC))
    assert len(found) == 1_000
    with pytest.raises(HistoryUnavailableError, match="hands out only its newest trades of BTC/USD"):
        history("bybit", T0, T0 + timedelta(hours=3))


ROWS: dict[str, tuple[str, Callable[[int], dict[str, Any]]]] = {
    # The REST endpoint of recent trades in ccxt, and a row of its documented answer.
    "coinbase": (
        "publicGetProductsIdTrades",
        lambda i: {"trade_id": i, "side": "buy", "size": "0.1", "price": "10.5", "time": f"2026-04-01T00:00:0{i}.5Z"},
    ),
    "binance": (
        "publicGetAggTrades",
        lambda i: {"a": i, "p": "10.5", "q": "0.1", "f": i, "l": i, "T": MS0 + i * 1_000, "m": False, "M": True},
    ),
    "bybit": (
        "publicGetV5MarketRecentTrade",
        lambda i: {
            "execId": str(i), "symbol": "BTCUSD", "price": "10.5", "size": "0.1", "side": "Buy",
            "time": str(MS0 + i * 1_000), "isBlockTrade": False,
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ROWS))
def test_a_row_that_cannot_be_read_is_a_dead_letter_and_its_neighbours_are_loaded(name: str) -> None:
    endpoint, row = ROWS[name]
    timeless = {k: v for k, v in row(4).items() if k not in ("T", "time")}
    answer = [row(1), row(2), ["no", "trade"], timeless, row(5), None]

    async def asked(_params: object = None) -> object:
        rows = list(reversed(answer)) if name == "coinbase" else answer
        return {"result": {"category": "spot", "list": rows}} if name == "bybit" else rows

    async def collect() -> list[Trade | BadRecord]:
        exchange = Exchange(name, SETTINGS)
        exchange.client.set_markets([MARKET | {"id": {"coinbase": "BTC-USD"}.get(name, "BTCUSD")}])
        setattr(exchange.client, endpoint, asked)
        checker = TradeChecker(name, {"BTC/USD"}, lambda: T0 + timedelta(minutes=1))
        page = await anext(aiter(exchange.history("BTC/USD", T0 + timedelta(seconds=2), T0 + timedelta(seconds=9))))
        await exchange.close()
        return [checker.check(record) for record in page]

    records = asyncio.run(collect())
    good = [record.trade_id for record in records if isinstance(record, Trade)]
    assert good[-2:] == ["2", "5"]
    bad = {record.payload: record.reject.text for record in records if isinstance(record, BadRecord)}
    assert bad.pop(json.dumps(timeless).encode()) == "no event time"
    assert bad.pop(b'["no", "trade"]') == "trade id is missing, or not a string or integer"
    (reason,) = bad.values()
    lenient = name == "coinbase"  # ccxt reads a row of Coinbase's that is no object as one without fields
    assert re.match("trade id is missing" if lenient else r"trade cannot be read: \w+Error: ", reason)


PERPETUAL = MARKET | {
    "symbol": "BTC/USD:USD", "settle": "USD", "type": "swap", "spot": False, "swap": True, "contract": True,
    "linear": True, "contractSize": 1,
}  # fmt: skip


def test_a_perpetual_contract_has_its_own_endpoint_and_keeps_its_symbol() -> None:
    _, row = ROWS["binance"]

    async def collect() -> list[object]:
        exchange = Exchange("binance", SETTINGS)
        exchange.client.set_markets([MARKET | {"id": "BTCUSD"}, PERPETUAL | {"id": "BTCUSD"}])

        async def asked(_params: object) -> object:
            return [row(1), row(2)]

        exchange.client.fapiPublicGetAggTrades = asked
        page = await anext(aiter(exchange.history("BTC/USD:USD", T0, T0 + timedelta(seconds=2))))
        await exchange.close()
        return [(t.symbol, t.trade_id) for t in page if isinstance(t, RawTrade)]

    assert asyncio.run(collect()) == [("BTC/USD:USD", "1"), ("BTC/USD:USD", "2")]


def test_a_coin_and_its_contract_are_watched_on_connections_of_their_own() -> None:
    """ccxt takes one kind of market at a time; what ends one connection ends the watch."""

    async def watch() -> list[list[str]]:
        exchange = Exchange("binance", SETTINGS)
        exchange.client.set_markets([MARKET | {"id": "BTCUSD"}, PERPETUAL | {"id": "BTCUSD"}])
        asked: list[list[str]] = []

        async def hear(symbols: list[str]) -> None:
            asked.append(symbols)
            if len(asked) == 2:
                raise ccxt.NetworkError("closed")
            await asyncio.Event().wait()

        exchange.client.watch_trades_for_symbols = hear
        with pytest.raises(ccxt.NetworkError):
            await exchange.watch(["BTC/USD", "BTC/USD:USD"], lambda _: None, lambda *_: None)
        await exchange.close()
        return sorted(asked)

    assert asyncio.run(watch()) == [["BTC/USD"], ["BTC/USD:USD"]]


def test_a_page_without_one_readable_row_is_a_bad_answer() -> None:
    async def ask() -> None:
        exchange = Exchange("binance", IngestSettings(**{**PATIENCE, "request_give_up_seconds": 0.01}))
        exchange.client.set_markets([MARKET])
        exchange.page = 3

        async def asked(_params: object) -> object:
            return [1, 2, 3]

        exchange.client.publicGetAggTrades = asked
        try:
            async for _ in exchange.history("BTC/USD", T0, T0 + timedelta(hours=1)):
                raise AssertionError("nothing can be read")
        finally:
            await exchange.close()

    with pytest.raises(ccxt.BadResponse, match="not one of 3 can be read"):
        asyncio.run(ask())


def test_an_unknown_exchange_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownExchangeError, match="'mtgox' is not supported; known are kraken, coinbase"):
        Exchange("mtgox", SETTINGS)


@pytest.mark.parametrize("name", list(PROFILES))
def test_a_mirror_replaces_every_address_of_an_exchange(name: str) -> None:
    def addresses(value: object) -> list[str]:
        if isinstance(value, dict):
            return [a for v in value.values() for a in addresses(v)]
        return [value] if isinstance(value, str) else []

    mirror = Mirror(rest="http://127.0.0.1:1", ws="ws://127.0.0.1:2")

    async def made() -> list[str]:
        exchange = Exchange(name, IngestSettings(exchange_urls={name: mirror}))
        urls = addresses(exchange.client.urls["api"])
        await exchange.close()
        return urls

    urls = asyncio.run(made())
    assert urls
    assert all(url.startswith(("http://127.0.0.1:1", "ws://127.0.0.1:2")) for url in urls)


def test_the_setting_is_json_by_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDLEWAVE_EXCHANGE_URLS", '{"kraken": {"rest": "http://a:1", "ws": "ws://a:1"}}')
    assert IngestSettings.load().exchange_urls == {"kraken": Mirror(rest="http://a:1", ws="ws://a:1")}


FRAMES = {
    # Trade frames as the exchanges' documentation shows them.
    "coinbase": (  # its side is the maker's
        "wss://ws-feed.exchange.coinbase.com",
        {
            "type": "match", "trade_id": 82047307, "side": "sell", "size": "0.00513192", "price": "9314.78",
            "product_id": "BTC-USD", "sequence": 1, "time": "2020-01-31T20:03:41.158814Z",
        },
        ("82047307", "2020-01-31T20:03:41.158814Z", "9314.78", "0.00513192", "buy"),
    ),
    "binance": (
        "wss://stream.binance.com:9443/ws/0",
        {
            "e": "aggTrade", "E": 1591677941092, "s": "BTCUSD", "a": 26129, "p": "0.00100", "q": "1.50", "f": 100,
            "l": 105, "T": 1591677941092, "m": True, "M": True,
        },
        ("26129", "2020-06-09T04:45:41.092Z", "0.00100", "1.50", "sell"),
    ),
    "bybit": (
        "wss://stream.bybit.com/v5/public/spot",
        {
            "topic": "publicTrade.BTCUSD", "type": "snapshot", "ts": 1672304486868,
            "data": [
                {"T": 1672304486865, "s": "BTCUSD", "S": "Buy", "v": "0.001", "p": "16578.50", "i": "20f43950"}
            ],
        },
        ("20f43950", "2022-12-29T09:01:26.865Z", "16578.50", "0.001", "buy"),
    ),
}  # fmt: skip


class WebsocketStandin:
    """What ccxt needs of a connection to handle a frame."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.subscriptions: dict[str, object] = {}
        self.futures: dict[str, object] = {}

    def resolve(self, result: object, _hash: str) -> object:
        return result


def hear(name: str, frame: object) -> list[RawTrade | Garbage]:
    """Return what is heard of a frame."""
    url = FRAMES[name][0]

    async def heard_of() -> list[RawTrade | Garbage]:
        exchange = Exchange(name, SETTINGS)
        exchange.client.set_markets([MARKET | {"id": {"coinbase": "BTC-USD"}.get(name, "BTCUSD")}])
        heard: list[RawTrade | Garbage] = []

        def refuse(symbol: str, reason: str) -> None:
            raise AssertionError(f"{symbol}: {reason}")

        watching = asyncio.create_task(exchange.watch(["BTC/USD"], heard.append, refuse))
        exchange.client.watch_trades_for_symbols = lambda _symbols: asyncio.Event().wait()
        await asyncio.sleep(0)
        exchange.client.handle_message(WebsocketStandin(url), frame)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await exchange.close()
        return heard

    return asyncio.run(heard_of())


@pytest.mark.parametrize("name", list(FRAMES))
def test_a_live_trade_is_heard_as_the_exchange_sent_it(name: str) -> None:
    _, frame, expected = FRAMES[name]
    (trade,) = hear(name, frame)
    assert isinstance(trade, RawTrade)
    assert trade.symbol == "BTC/USD"
    assert (str(trade.trade_id), trade.ts, str(trade.price), str(trade.quantity), trade.side) == expected


@pytest.mark.parametrize("name", list(FRAMES))
def test_a_trade_of_a_symbol_that_was_not_asked_for_is_a_dead_letter(name: str) -> None:
    _, frame, _ = FRAMES[name]
    other = json.loads(json.dumps(frame).replace("BTCUSD", "NOPEUSD").replace("BTC-USD", "NOPE-USD"))
    (record,) = hear(name, other)
    checked = TradeChecker(name, {"BTC/USD"}).check(record)
    assert isinstance(checked, BadRecord)
    assert "NOPE" in checked.reject.text


@pytest.mark.parametrize("bad", [17, None, "x", {"T": [], "i": 1}, {"T": 1672304486865, "p": {"no": "price"}}])
def test_one_bad_trade_of_a_frame_leaves_its_neighbours(bad: object) -> None:
    _, frame, _ = FRAMES["bybit"]
    good = frame["data"][0]  # type: ignore[index]
    heard = hear("bybit", {**frame, "data": [{**good, "i": "1"}, bad, {**good, "i": "2"}]})  # type: ignore[dict-item]
    assert [r.trade_id for r in heard if isinstance(r, RawTrade) and r.payload != json.dumps(bad).encode()] == [
        "1",
        "2",
    ]
    (middle,) = [r for r in heard if r.payload == json.dumps(bad).encode()]
    checked = TradeChecker("bybit", {"BTC/USD"}).check(middle)
    assert isinstance(checked, BadRecord)


def test_a_frame_without_a_list_of_trades_is_garbage() -> None:
    (record,) = hear("bybit", {**FRAMES["bybit"][1], "data": None})
    assert record == Garbage(record.payload, "trade frame without a list of trades")
