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
