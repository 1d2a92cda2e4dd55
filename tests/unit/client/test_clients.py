"""The client's attempts, errors and paging, against answers that a test sets."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from scripts.sync_client import SOURCE, WRITTEN, synchronous

from candlewave.client import ApiError, ApiUnavailableError, AsyncClient, Client, calls
from candlewave.client.stream import Event, Parser

PROBLEM = {"type": "urn:x", "title": "Unknown market", "status": 404, "detail": "There is no BTX-USD on kraken."}
FRESH = {"closed_until": None, "data": []}


def client(answer: Callable[[httpx.Request], httpx.Response], **more: int) -> Client:
    return Client("http://api", "cw_key", transport=httpx.MockTransport(answer), **more)  # type: ignore[arg-type]


def refusal(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(
        status, json={**PROBLEM, "status": status}, headers={"content-type": "application/problem+json", **headers}
    )


def test_key_and_parameters_are_sent() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(
            200, json={"exchange": "k", "symbol": "B", "timeframe": "5m", "data": [], "next_cursor": None}
        )

    since = datetime(2026, 3, 2, 12, tzinfo=UTC)
    client(answer).get(calls.candles("BTC-USD", timeframe="5m", include_open=False, since=since, limit=7))
    [request] = seen
    assert request.headers["authorization"] == "Bearer cw_key"
    assert dict(request.url.params) == {
        "symbol": "BTC-USD",
        "timeframe": "5m",
        "include_open": "false",
        "from": "2026-03-02T12:00:00Z",
        "limit": "7",
    }


def test_a_time_without_a_zone_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="from: 2026-03-02 00:00:00 has no time zone"):
        calls.candles("BTC-USD", since=datetime(2026, 3, 2))


def test_refusals_are_errors_in_the_apis_words() -> None:
    with pytest.raises(ApiError, match=r"There is no BTX-USD on kraken\.") as caught:
        client(lambda _: refusal(404)).get(calls.candles("BTX-USD"))
    assert caught.value.status == 404
    assert caught.value.problem is not None
    with pytest.raises(ApiError, match="the API answered 502"):
        client(lambda _: httpx.Response(502, text="<html>")).get(calls.freshness())


def test_it_tries_again_when_asked_to_and_gives_up_in_the_end() -> None:
    answers = [
        refusal(429, **{"Retry-After": "0"}),
        refusal(503, **{"Retry-After": "0"}),
        httpx.Response(200, json=FRESH),
    ]
    found = client(lambda _: answers.pop(0)).get(calls.freshness())
    assert found.data == []
    asked = []

    def away(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.ConnectError("refused")

    with pytest.raises(ApiUnavailableError, match="cannot be reached: refused"):
        client(away, attempts=2).get(calls.freshness())
    assert len(asked) == 2


def test_other_refusals_are_not_repeated() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return refusal(400)

    with pytest.raises(ApiError):
        client(answer).get(calls.freshness())
    assert len(asked) == 1


def test_pages_follow_the_cursor() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        cursor = request.url.params.get("cursor")
        return httpx.Response(
            200,
            json={
                "asset": "BTC",
                "data": [],
                "next_cursor": None if cursor == "c2" else ("c2" if cursor == "c1" else "c1"),
            },
        )

    assert [page.next_cursor for page in client(answer).pages(calls.headlines("BTC"))] == ["c1", "c2", None]


def test_the_asynchronous_client_does_the_same() -> None:
    async def work() -> None:
        answers = [refusal(503, **{"Retry-After": "0"}), httpx.Response(200, json=FRESH), refusal(404)]
        transport = httpx.MockTransport(lambda _: answers.pop(0))
        async with AsyncClient("http://api", transport=transport) as opened:
            assert (await opened.get(calls.freshness())).data == []
            with pytest.raises(ApiError, match="BTX"):
                await opened.get(calls.symbols())

    asyncio.run(work())


def test_a_broken_stream_resumes_behind_its_last_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candlewave.client.synchronous._RECONNECT_SECONDS", 0.0)
    resumed: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        resumed.append(request.headers.get("last-event-id"))
        if len(resumed) == 2:
            raise httpx.ReadError("cut")
        number = len(resumed)
        return httpx.Response(200, text=f': still here\n\nevent: candle\nid: {number}\ndata: {{"n": {number}}}\n\n')

    events = client(answer).stream(kinds="candle")
    assert [next(events).data["n"] for _ in range(2)] == [1, 3]
    assert resumed == [None, "1", "1"]


def test_lines_become_events() -> None:
    parser = Parser()
    lines = [": comment", "", "event: alert", "id: 1-2", 'data: {"a": 1}', "", "id: 3", 'data: {"b": 2}', ""]
    assert [event for line in lines for event in parser.feed(line)] == [
        Event("alert", "1-2", {"a": 1}),
        Event("message", "3", {"b": 2}),
    ]


def test_what_cannot_be_asked_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match=r"such as http://127\.0\.0\.1:8000, found 'localhost:8000'"):
        Client("localhost:8000")
    for make in (Client, AsyncClient):
        with pytest.raises(ValueError, match="the key has characters that are in no key") as caught:
            make("http://api", "cw_secret\nX-Other: 1")
        assert "secret" not in str(caught.value)


def test_spaces_around_a_key_are_not_sent() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200, json=FRESH)

    Client("http://api", "cw_key\n", transport=httpx.MockTransport(answer)).get(calls.freshness())
    assert seen == ["Bearer cw_key"]


def test_an_answer_of_something_else_is_an_error_of_the_api() -> None:
    with pytest.raises(ApiError, match="http://api/v1/freshness does not answer like a candlewave API"):
        client(lambda _: httpx.Response(200, text="<html>")).get(calls.freshness())
    foreign = httpx.Response(404, json={"title": "no"}, headers={"content-type": "application/problem+json"})
    with pytest.raises(ApiError, match="the API answered 404") as caught:
        client(lambda _: foreign).get(calls.freshness())
    assert caught.value.problem is None


def test_a_stream_that_is_refused_waits_as_long_as_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("candlewave.client.synchronous.time.sleep", pauses.append)
    event = "event: candle\nid: 1\ndata: {}\n\n"
    answers = [refusal(503, **{"Retry-After": "7"}), refusal(429, **{"Retry-After": "900"}), refusal(503)]

    def answer(_: httpx.Request) -> httpx.Response:
        return answers.pop(0) if answers else httpx.Response(200, text=event)

    assert [found.id for found in client(answer).stream(limit="1")] == ["1"]
    assert pauses == [7.0, 30.0, 1.0]
    with pytest.raises(ApiError, match="BTX"):
        next(client(lambda _: refusal(404)).stream())


def test_the_asynchronous_stream_does_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candlewave.client.asynchronous._RECONNECT_SECONDS", 0)
    resumed: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        resumed.append(request.headers.get("last-event-id"))
        if len(resumed) == 2:
            return refusal(503, **{"Retry-After": "0"})
        return httpx.Response(200, text=f"event: candle\nid: {len(resumed)}\ndata: {{}}\n\n")

    async def work() -> list[str]:
        async with AsyncClient("http://api", transport=httpx.MockTransport(answer)) as opened:
            return [event.id async for event in opened.stream(limit="2")]

    assert asyncio.run(work()) == ["1", "3"]
    assert resumed == [None, "1", "1"]


def test_the_synchronous_client_is_written_from_the_asynchronous_one() -> None:
    assert WRITTEN.read_text(encoding="utf-8") == synchronous(SOURCE.read_text(encoding="utf-8")), "run: make client"


def test_a_limit_counts_over_reconnections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candlewave.client.synchronous._RECONNECT_SECONDS", 0)
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["limit"])
        text = "".join(f"event: candle\nid: {len(asked)}-{n}\ndata: {{}}\n\n" for n in range(2))
        return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})

    assert [event.id for event in client(answer).stream(limit="5")] == ["1-0", "1-1", "2-0", "2-1", "3-0"]
    assert asked == ["5", "3", "1"]
