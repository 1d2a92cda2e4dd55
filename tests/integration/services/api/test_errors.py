"""Errors: what was found, what was expected, and nothing of the inside."""

from typing import Any

import httpx
import psycopg
import pytest
from tests.integration.services.api.conftest import MARKET, Serve, bearer, issue

from candlewave.contracts.api import Problem


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


def test_a_parameter_that_is_given_twice_is_refused(api: httpx.Client) -> None:
    for path in ("candles", "predictions/latest", "stream"):
        found = problem(api.get(f"/v1/{path}?symbol=BTC-USD&exchange=simulated&symbol=ETH-USD"), 400)
        [error] = found["errors"]
        assert error == {"parameter": "symbol", "message": "is given more than once", "found": "ETH-USD"}


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("candles", {"symbol": "BTC-USD\0", "exchange": "simulated"}),
        ("candles", {**MARKET, "cursor": "\0"}),
        ("candles", {**MARKET, "cursor": "é" * 400}),
        ("candles", {**MARKET, "limit": "9" * 4_000}),
        ("candles", {**MARKET, "from": "0001-01-01T00:00:00+14:00"}),
        ("candles", {**MARKET, "to": "9999-12-31T23:59:59-14:00"}),
        ("candles", {**MARKET, "from": "٢٠٢٦-05-04T12:00:00Z"}),
        ("indicators", {**MARKET, "names": ","}),
        ("predictions", {**MARKET, "horizon_minutes": "5", "model_version": "1\0"}),
        ("sentiment", {"asset": "BTC\0"}),
    ],
)
def test_what_no_engine_should_see_is_refused(api: httpx.Client, path: str, parameters: dict[str, str]) -> None:
    problem(api.get(f"/v1/{path}", params=parameters), 400)


def test_bytes_that_are_no_text_are_refused(api: httpx.Client) -> None:
    problem(api.get("/v1/candles?symbol=%ff%fe-USD"), 400)
    problem(api.get("/v1/%ff%fe"), 404)
    problem(api.get("/v1/%00"), 404)


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
    problem(api.options("/v1/candles"), 405)
    head = api.head("/v1/stream")
    assert (head.status_code, head.headers["allow"], head.content) == (405, "GET", b"")


JSON = "application/json"


@pytest.mark.parametrize(
    ("body", "kind", "parameter", "words"),
    [
        (b'{"reason": "x"', JSON, "body", "is not JSON: Expecting ',' delimiter at character 14"),
        (b"", JSON, "body", "is required"),
        (b"[]", JSON, "body", "expected a JSON object"),
        (b'{"reason": "x"}', "text/plain", "body", "Content-Type: application/json"),
        (b"{}", JSON, "reason", "is required"),
        (b'{"reason": "  "}', JSON, "reason", "expected words that tell why"),
        (b'{"reason": "a\\u0000b"}', JSON, "reason", "expected words that tell why"),
        (b'{"reason": "a\\ud800b"}', JSON, "reason", "unicode"),
        (b'{"reason": 123456789012345678901234567890}', JSON, "reason", "valid string"),
        (b'{"reason": ' + b"[" * 900 + b"]" * 900 + b"}", JSON, "reason", "valid string"),
        (b'{"reason": "x", "more": 1}', JSON, "more", "there is no such parameter"),
        (b'{"reason": "x", "\\udc00": 1}', JSON, "body", "unicode"),
        (b'{"reason": "x", "evidence": {"k": "\\u0000"}}', JSON, "evidence", "NUL or half a surrogate"),
        (b'{"reason": "x", "evidence": {"\\u0000": 1}}', JSON, "evidence", "NUL or half a surrogate"),
        (b'{"reason": "x", "evidence": {"k": ["\\ud800"]}}', JSON, "evidence", "NUL or half a surrogate"),
        (b'{"reason": "x", "evidence": {"k": NaN}}', JSON, "evidence", "infinite or not a number"),
        (b'{"reason": "x", "evidence": {"k": 1e999}}', JSON, "evidence", "infinite or not a number"),
        (b'{"reason": "x", "evidence": {"k": 9223372036854775808}}', JSON, "evidence", "more than 64 bits"),
        (
            b'{"reason": "x", "evidence": {"k": ' + b"[" * 40 + b"]" * 40 + b"}}",
            JSON,
            "evidence",
            "more than 32 levels",
        ),
    ],
    ids=lambda value: value[:40].decode() if isinstance(value, bytes) else None,
)
def test_wrong_bodies_are_named_and_nothing_is_asked(
    serve: Serve, conn: psycopg.Connection, body: bytes, kind: str, parameter: str, words: str
) -> None:
    asked: list[object] = []
    api = serve(ask_training=asked.append)
    headers = {**bearer(issue(conn, "train")), "Content-Type": kind}
    found = problem(api.post("/v1/training-requests", content=body, headers=headers), 400)
    [error] = [e for e in found["errors"] if e["parameter"] == parameter]
    assert words in error["message"]
    assert asked == []


def test_bodies_that_are_no_text_or_too_deep_to_read_are_refused(serve: Serve, conn: psycopg.Connection) -> None:
    api = serve()
    headers = {**bearer(issue(conn, "train")), "Content-Type": JSON}
    for body in (
        b'{"reason": "\xff\xfe"}',
        b'{"reason": "x", "evidence": {"k": ' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
    ):
        problem(api.post("/v1/training-requests", content=body, headers=headers), 400)


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
