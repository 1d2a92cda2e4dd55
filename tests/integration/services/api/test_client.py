"""The client against the real API: every call, pages, live events."""

import asyncio

import httpx
import pytest

from candlewave.client import ApiError, AsyncClient, Client, calls

BTC = ("BTC-USD", "simulated")


@pytest.mark.parametrize(
    "call",
    [
        calls.about(),
        calls.symbols(),
        calls.freshness(),
        calls.candles(*BTC),
        calls.indicators(*BTC, names=["rsi_14"]),
        calls.indicator_catalog(),
        calls.features(*BTC),
        calls.feature_catalog(),
        calls.latest(),
        calls.predictions("BTC-USD", 5, "simulated"),
        calls.performance(),
        calls.performance_history("BTC-USD", 5, "1h", "simulated"),
        calls.models(),
        calls.sentiment("BTC"),
        calls.headlines("BTC"),
        calls.alerts(),
    ],
    ids=lambda call: call.path,
)
def test_every_call_is_answered_in_its_form(api: httpx.Client, call: calls.Call) -> None:  # type: ignore[type-arg]
    with Client(str(api.base_url)) as client:
        assert isinstance(client.get(call), call.model)


def test_pages_are_the_whole(api: httpx.Client) -> None:
    with Client(str(api.base_url)) as client:
        whole = client.get(calls.candles(*BTC, timeframe="15m", include_open=False, limit=1_000)).data
        paged = [
            row
            for page in client.pages(calls.candles(*BTC, timeframe="15m", include_open=False, limit=10))
            for row in page.data
        ]
    assert paged == whole


def test_live_events(api: httpx.Client) -> None:
    with Client(str(api.base_url)) as client:
        [event] = list(client.stream(kinds="freshness", limit="1"))
    assert event.kind == "freshness"

    async def work() -> None:
        async with AsyncClient(str(api.base_url)) as client:
            assert [event.kind async for event in client.stream(kinds="freshness", limit="1")] == ["freshness"]
            pages = [page async for page in client.pages(calls.sentiment("BTC", limit=500))]
            assert pages

    asyncio.run(work())


def test_errors_and_keys(api: httpx.Client) -> None:
    with Client(str(api.base_url), "cw_wrong") as client, pytest.raises(ApiError, match="The key is not known"):
        client.get(calls.symbols())
    with (
        Client(str(api.base_url)) as client,
        pytest.raises(ApiError, match="Nearest: exchange=simulated&symbol=BTC-USD"),
    ):
        client.get(calls.candles("BTX-USD", "simulated"))
