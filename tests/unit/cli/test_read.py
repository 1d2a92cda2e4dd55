"""Commands that read from the API, against answers that a test sets."""

from functools import partial

import httpx
import pytest
from typer.testing import CliRunner

import candlewave.client
from candlewave.cli import app

BARE = dict.fromkeys(
    ("base", "quote", "kind", "first_candle", "last_candle", "last_event", "last_trade", "last_price", "loading")
)
MARKETS = [
    {**BARE, "exchange": "kraken", "symbol": "BTC/USD", "id": "BTC-USD", "is_synthetic": False, "state": "waiting"},
    {
        **BARE,
        "exchange": "simulated",
        "symbol": "BTC/USD",
        "id": "BTC-USD",
        "is_synthetic": True,
        "state": "history",
        "last_trade": "2026-01-01T00:00:00Z",
    },
]


def test_an_exchange_without_data_names_those_that_have_some(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/symbols":
            return httpx.Response(200, json={"data": MARKETS})
        empty = {"exchange": "kraken", "symbol": "BTC/USD", "timeframe": "1m", "data": [], "next_cursor": None}
        return httpx.Response(200, json=empty)

    client = partial(candlewave.client.Client, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(candlewave.client, "Client", client)
    result = CliRunner().invoke(app, ["candles", "BTC-USD"])
    assert result.exit_code == 0, result.output
    assert result.output == "Nothing yet. There are data of: simulated (choose with --exchange).\n"


@pytest.mark.parametrize(
    ("price", "shown"),
    [(65_000.1, "65000.10"), (0.00153428, "0.0015343"), (0.0000123456, "0.000012346"), (3.14159265, "3.1416")],
)
def test_prices_have_the_digits_their_market_needs(monkeypatch: pytest.MonkeyPatch, price: float, shown: str) -> None:
    bar = {
        **dict.fromkeys(("open", "high", "low", "close"), price),
        "open_time": "2026-01-01T00:00:00Z", "close_time": "2026-01-01T00:01:00Z", "volume": 1.5, "turnover": 1.0,
        "trades": 2, "buy_volume": 1.0, "is_open": False, "is_filled": False, "feed_state": "traded",
        "amended_at": None, "minutes_present": 1, "is_whole": True,
    }  # fmt: skip
    answer = {"exchange": "kraken", "symbol": "XRP/ETH", "timeframe": "1m", "data": [bar], "next_cursor": None}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    monkeypatch.setattr(candlewave.client, "Client", partial(candlewave.client.Client, transport=transport))
    result = CliRunner().invoke(app, ["candles", "XRP-ETH"])
    assert result.exit_code == 0, result.output
    assert result.output.count(f" {shown} ") == 4
