"""The hub keeps little for clients that do not read, and loses nothing for those that do."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from candlewave.services.api.stream.hub import Event, Hub, Wish


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


def nothing() -> list[Event]:
    return []


def test_events_come_in_order_and_only_those_that_are_wanted() -> None:
    async def work() -> None:
        hub = Hub(100, 10)
        wish = Wish(frozenset({"candle"}), "kraken", "BTC/USD", "1m")
        stream = hub.listen(wish, nothing)
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        hub.publish("candle", 1, exchange="kraken", symbol="BTC/USD", timeframe="5m")
        hub.publish("candle", 2, exchange="kraken", symbol="ETH/USD", timeframe="1m")
        hub.publish("candle", 3, exchange="simulated", symbol="BTC/USD", timeframe="1m")
        hub.publish("prediction", 4, exchange="kraken", symbol="BTC/USD")
        hub.publish("candle", 5, exchange="kraken", symbol="BTC/USD", timeframe="1m")
        hub.publish("candle", 6, exchange="kraken", symbol="BTC/USD", timeframe="1m")
        assert (await task).endswith(b"data: 5\n\n")
        assert (await anext(stream)).endswith(b"data: 6\n\n")

    run(work)


def test_an_exchange_alone_narrows() -> None:
    event = Hub(1, 1).make("candle", {}, exchange="simulated", symbol="BTC/USD", timeframe="1m")
    assert not Wish(exchange="kraken").matches(event)
    assert Wish(exchange="simulated").matches(event)
    assert Wish(exchange="kraken").matches(Hub(1, 1).make("freshness", {})), "about no market"


def test_a_client_that_does_not_read_is_let_go_with_all_that_waits() -> None:
    async def work() -> None:
        hub = Hub(8, 10)
        stream = hub.listen(Wish(), nothing)
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        hub.publish("candle", 0)
        await task
        for number in range(10_000):
            hub.publish("candle", number)
        assert not hub.has_clients
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    run(work)


def test_what_came_after_an_event_is_remembered_until_it_is_forgotten() -> None:
    hub = Hub(8, 10)
    first, second, third = (hub.publish("candle", n) for n in range(3))
    assert hub.after(first.id) == [second, third]
    assert hub.since(1) == [second, third]
    assert hub.after("1-1") is None
    hub.forget()
    assert hub.after(first.id) is None


def test_missed_events_come_first_and_closing_ends_all_streams() -> None:
    async def work() -> None:
        hub = Hub(8, 10)
        missed = hub.make("alert", "old")
        stream = hub.listen(Wish(), lambda: [missed])
        assert await anext(stream) == missed.text
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        hub.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
        assert not hub.has_clients

    run(work)


def test_a_full_hub_says_so() -> None:
    async def work() -> None:
        hub = Hub(8, 1)
        assert not hub.is_full
        task = asyncio.ensure_future(anext(hub.listen(Wish(), nothing)))
        await asyncio.sleep(0)
        assert hub.is_full
        hub.close()
        with pytest.raises(StopAsyncIteration):
            await task

    run(work)
