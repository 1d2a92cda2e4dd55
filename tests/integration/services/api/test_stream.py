"""Live events over a real connection."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.integration.services.api.conftest import Serve
from tests.integration.services.api.test_errors import problem
from tests.worlds.site import World

from candlewave.services.api.stream import feed

Event = tuple[str, str, dict[str, Any]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Freshness comes quickly: its arrival tells that the feed has looked."""
    monkeypatch.setattr(feed, "FRESHNESS_SECONDS", 0.2)


@contextmanager
def listen(api: httpx.Client, last_id: str | None = None, **parameters: str) -> Iterator[Iterator[Event]]:
    """Open a stream; yield its events as kind, id, data."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with api.stream("GET", "/v1/stream", params=parameters, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[Event]:
    kind = identity = ""
    for line in lines:
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("id: "):
            identity = line[4:]
        elif line.startswith("data: "):
            yield kind, identity, json.loads(line[6:])


def test_bars_forecasts_and_alerts_come_as_they_happen(api: httpx.Client, world: World) -> None:
    narrow = {"symbol": "BTC-USD", "exchange": "simulated", "timeframe": "1m"}
    with listen(api, **narrow, kinds="candle") as events, listen(api, kinds="freshness", limit="1") as ready:
        next(ready)  # the feed has looked: it knows which minutes are not new
        world.market.advance(world.market.now + timedelta(seconds=90))
        found: dict[bool, dict[str, Any]] = {}
        while len(found) < 2:
            kind, _, data = next(events)
            assert (kind, data["symbol"], data["timeframe"]) == ("candle", "BTC/USD", "1m")
            found[data["is_open"]] = data
        assert found[False]["feed_state"] in ("traded", "quiet")
        assert found[True]["open_time"] == found[False]["close_time"]
        world.market.advance(world.market.now + timedelta(seconds=30))
    with listen(api, kinds="prediction") as events, listen(api, kinds="freshness", limit="1") as ready:
        next(ready)
        world.advance()
        world.forecast()
        _, _, forecast = next(events)
        assert forecast["role"] in ("champion", "baseline")
        assert "age_seconds" not in forecast
    with listen(api, kinds="alert") as events, listen(api, kinds="freshness", limit="1") as ready:
        next(ready)
        world.alert("point-skill", 1)
        _, _, alert = next(events)
        assert alert["rule"] == "point-skill"
        assert "worse than the last price" in alert["summary"]


def test_a_stream_ends_after_its_limit(api: httpx.Client) -> None:
    with listen(api, limit="2") as events:
        assert len(list(events)) == 2


def test_what_was_missed_follows_from_memory(api: httpx.Client, world: World) -> None:
    narrow = {"symbol": "BTC-USD", "exchange": "simulated", "timeframe": "1m", "kinds": "candle"}
    with listen(api, kinds="freshness") as events, listen(api, **narrow) as other:
        _, last_id, _ = next(events)
        world.advance()
        closed = next(event for event in other if not event[2]["is_open"])
    with listen(api, last_id, **narrow) as events:
        assert next(event for event in events if not event[2]["is_open"]) == closed


def test_what_was_missed_follows_from_the_engine_after_a_restart(serve: Serve, world: World) -> None:
    world.advance()
    world.forecast()
    opened = world.market.now.timestamp() - 90
    api = serve(clock=lambda: world.market.now + timedelta(seconds=3))
    with listen(api, f"{int(opened * 1000)}-7", timeframe="1m", kinds="candle,prediction") as events:
        newest = world.market.now.isoformat().replace("+00:00", "Z")
        closed = next(data for kind, _, data in events if kind == "candle" and data["close_time"] == newest)
        assert closed["is_open"] is False


def test_nothing_is_lost_and_nothing_comes_twice_over_breaks(api: httpx.Client, world: World) -> None:
    """A client that breaks off after each event and resumes behind it, while bars close and forecasts are made."""
    narrow = {"symbol": "BTC-USD", "exchange": "simulated", "timeframe": "1m", "kinds": "candle,prediction"}
    with listen(api, kinds="freshness", limit="1") as events:
        _, last_id, _ = next(events)
    found: list[tuple[object, ...]] = []
    expected: set[tuple[object, ...]] = set()
    for _ in range(3):
        opened = _text(world.market.now)
        world.advance()
        world.forecast()
        expected |= {("candle", opened), *(("prediction", opened, horizon) for horizon in (1, 5, 15, 60))}
        while not expected <= set(found):
            with listen(api, last_id, **narrow, limit="1") as events:
                [(kind, last_id, data)] = list(events)
            if kind == "prediction":
                found.append((kind, data["feature_time"], data["horizon_minutes"]))
            elif not data["is_open"]:
                found.append((kind, data["open_time"]))
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_who_breaks_off_among_missed_events_gets_the_others(serve: Serve, world: World) -> None:
    """After a restart of the API, too: ids of what is told again are those of its time."""
    begun = world.market.now
    narrow = {"symbol": "BTC-USD", "exchange": "simulated", "timeframe": "1m", "kinds": "candle"}
    world.advance(4)
    opened = [_text(begun + timedelta(minutes=n)) for n in range(4)]
    api = serve(clock=lambda: world.market.now + timedelta(seconds=3))
    last_id, found = f"{int(begun.timestamp() * 1000)}-7", list[str]()
    while len(found) < len(opened):
        with listen(api, last_id, **narrow) as events:
            for _, last_id, data in events:  # noqa: B007 (what it resumes behind)
                if data["open_time"] in opened and data["open_time"] not in found:
                    found.append(data["open_time"])
                    break  # off after each bar that is new to it
    assert found == opened


def test_a_stream_cannot_begin_while_the_engine_is_away(serve: Serve) -> None:
    """It would have to leave out what happens until the engine is back."""
    problem(serve(url=lambda: "postgresql://nobody@127.0.0.1:1/none").get("/v1/stream"), 503)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def test_a_foreign_id_is_no_reason_to_fail(api: httpx.Client) -> None:
    with listen(api, "not-ours", limit="1") as events:
        assert len(list(events)) == 1


def test_silence_is_broken_by_comments(serve: Serve) -> None:
    api = serve(settings={"API_HEARTBEAT_SECONDS": "1"})
    with api.stream("GET", "/v1/stream", params={"kinds": "prediction"}) as answer:
        assert next(line for line in answer.iter_lines() if line).startswith(":")


def test_there_is_an_end_to_streams(serve: Serve) -> None:
    api = serve(settings={"API_STREAM_CLIENTS": "1"})
    with listen(api, kinds="freshness") as events:
        next(events)
        problem(api.get("/v1/stream"), 503)


def test_wrong_parameters_are_problems_not_streams(api: httpx.Client) -> None:
    problem(api.get("/v1/stream", params={"kinds": "gossip"}), 400)
    problem(api.get("/v1/stream", params={"symbol": "BTX-USD"}), 404)
