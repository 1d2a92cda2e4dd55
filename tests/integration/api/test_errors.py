"""Errors: what was found, what was expected, and nothing of the inside."""

from typing import Any

import httpx
import psycopg
import pytest
from tests.integration.api.conftest import MARKET, Serve, bearer, issue

from candlewave.schemas import Problem


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    Problem.model_validate(answer.json())
    assert answer.json()["status"] == status
    assert "Traceback" not in answer.text
    return dict(answer.json())


@pytest.mark.parametrize(
    ("path", "parameters", "parameter", "words"),
    [
        ("candles", {}, "symbol", "is required"),
        ("candles", {**MARKET, "colour": "red"}, "colour", "there is no such parameter"),
        ("candles", {"symbol": "BTC"}, "symbol", "expected BASE-QUOTE, such as BTC-USD"),
        ("candles", {**MARKET, "timeframe": "7m"}, "timeframe", "there are 1m, 5m, 15m, 1h"),
        ("candles", {**MARKET, "limit": "0"}, "limit", "greater than or equal to 1"),
        ("candles", {**MARKET, "limit": "many"}, "limit", "valid integer"),
        ("candles", {**MARKET, "from": "yesterday"}, "from", "expected ISO 8601 with a zone"),
        ("candles", {**MARKET, "from": "2026-05-04T12:00:00"}, "from", "expected ISO 8601 with a zone"),
        ("candles", {**MARKET, "from": "2026-02-30T12:00:00Z"}, "from", "there is no such time"),
        ("candles", {**MARKET, "from": "2026-05-05T00:00:00Z", "to": "2026-05-04T00:00:00Z"}, "from", "after `to`"),
        ("candles", {**MARKET, "cursor": "abc"}, "cursor", "is not one that this list gave"),
        ("predictions", MARKET, "horizon_minutes", "is required"),
        ("performance", {"span": "2h"}, "span", "'1h', '24h' or '7d'"),
        ("symbols", {"page": "2"}, "page", "there is no such parameter"),
    ],
)
def test_wrong_parameters_are_named(
    api: httpx.Client, path: str, parameters: dict[str, str], parameter: str, words: str
) -> None:
    found = problem(api.get(f"/v1/{path}", params=parameters), 400)
    [error] = [e for e in found["errors"] if e["parameter"] == parameter]
    assert words in error["message"]


def test_a_cursor_of_other_parameters_is_refused(api: httpx.Client) -> None:
    cursor = api.get("/v1/candles", params={**MARKET, "limit": "1"}).json()["next_cursor"]
    assert api.get("/v1/candles", params={**MARKET, "limit": "1", "cursor": cursor}).status_code == 200
    problem(api.get("/v1/candles", params={**MARKET, "timeframe": "5m", "cursor": cursor}), 400)
    changed = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    problem(api.get("/v1/candles", params={**MARKET, "limit": "1", "cursor": changed}), 400)


@pytest.mark.parametrize(
    ("path", "parameters", "nearest"),
    [
        ("candles", {"exchange": "simulated", "symbol": "BTX-USD"}, "exchange=simulated&symbol=BTC-USD"),
        ("candles", {"exchange": "nowhere", "symbol": "BTC-USD"}, "exchange=simulated&symbol=BTC-USD"),
        ("indicators", {**MARKET, "names": "rsi_15"}, "rsi_14"),
        ("features", {**MARKET, "names": "rsi_14_2m"}, "rsi_14_1m"),
        ("sentiment", {"asset": "BTCC"}, "BTC"),
    ],
)
def test_what_does_not_exist_names_the_nearest(
    api: httpx.Client, path: str, parameters: dict[str, str], nearest: str
) -> None:
    found = problem(api.get(f"/v1/{path}", params=parameters), 404)
    assert nearest in found["nearest"]
    assert nearest in found["detail"]


def test_unknown_paths_and_methods(api: httpx.Client) -> None:
    problem(api.get("/v1/nothing"), 404)
    problem(api.get("/static/../app.py"), 404)
    problem(api.get("/static/nothing.js"), 404)
    problem(api.post("/v1/candles"), 401)
    problem(api.post("/"), 405)


def test_sizes_are_limited(api: httpx.Client) -> None:
    problem(api.get(f"/v1/candles?symbol={'x' * 9_000}"), 414)
    problem(api.get("/v1/symbols", headers={"X-Long": "x" * 17_000}), 431)
    problem(api.post("/v1/training-requests", content=b"x" * 70_000), 413)


def test_a_body_that_grows_beyond_its_head_is_cut(serve: Serve, conn: psycopg.Connection) -> None:
    api = serve(anonymous=True)

    def endless() -> Any:
        for _ in range(80):
            yield b"x" * 1_000

    key = issue(conn, "train")
    answer = api.post(
        "/v1/training-requests", content=endless(), headers={"Content-Type": "application/json", **bearer(key)}
    )
    problem(answer, 413)


def test_engine_away_is_503_and_comes_back(serve: Serve, engine: str) -> None:
    where = ["postgresql://nobody@127.0.0.1:1/none"]
    api = serve(url=lambda: where[0])
    found = problem(api.get("/v1/symbols"), 503)
    assert found["retry_after_seconds"] >= 1
    assert int(api.get("/v1/symbols").headers["retry-after"]) >= 1
    assert api.get("/").status_code == 200, "the page says so itself"
    where[0] = engine
    for _ in range(200):
        if api.get("/v1/symbols").status_code == 200:
            break
    else:
        pytest.fail("the engine was not found again")


def test_engine_that_is_not_migrated_is_503(serve: Serve, database: str) -> None:
    found = problem(serve(url=lambda: database).get("/v1/candles", params=MARKET), 503)
    assert "candlewave migrate" in found["detail"]


def test_what_takes_too_long_is_503(serve: Serve, engine: str) -> None:
    with psycopg.connect(engine) as blocker:
        blocker.execute("LOCK TABLE symbols IN ACCESS EXCLUSIVE MODE")
        api = serve(settings={"API_TIMEOUT_SECONDS": "1"})
        assert problem(api.get("/v1/symbols"), 503)["retry_after_seconds"] >= 1
