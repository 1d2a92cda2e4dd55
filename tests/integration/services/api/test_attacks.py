"""Attacks in every place that takes a value: none gets further than that place."""

import json
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
from tests.integration.services.api.conftest import Serve, issue
from tests.worlds.attacks import EVERYTHING, HEADERS, SQL

from candlewave.bus.messages import to_message
from candlewave.contracts.records import TrainingRequest, decode
from candlewave.services.api.stream import feed

STREAM = {"limit": "1", "kinds": "freshness"}
INSIDE = re.compile(
    r"Traceback|psycopg|sqlglot|syntax error|unterminated|\bSELECT\b.*\bFROM\b.*\bWHERE\b|/site-packages/"
)
TYPES = ("application/json", "application/problem+json", "text/event-stream")
SEEN = ("X-API-Key", "Authorization", "Idempotency-Key", "If-None-Match", "X-Forwarded-For")
KEPT = ("trades", "api_keys", "candles", "predictions")


@pytest.fixture
def asked() -> list[TrainingRequest]:
    return []


@pytest.fixture
def api(serve: Serve, conn: psycopg.Connection, asked: list[TrainingRequest]) -> httpx.Client:
    client = serve(anonymous=False, ask_training=asked.append)
    client.headers["X-API-Key"] = issue(conn, "read", "train")
    return client


def _operations(api: httpx.Client) -> Iterator[tuple[str, str, dict[str, Any]]]:
    document = api.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, {**operation, "components": document["components"]}


def _encoded(text: str) -> str:
    """Return a text as an address has it, also one that UTF-8 lacks."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def _example(schema: dict[str, Any]) -> str | None:
    for part in (schema, *schema.get("anyOf", [])):
        if "examples" in part:
            return str(part["examples"][0])
    return None


def _json(text: str) -> dict[str, Any]:
    """Return a body, also one that clients refuse to write."""
    return {"content": text.encode("utf-8", "surrogatepass"), "headers": {"Content-Type": "application/json"}}


def _requests(path: str, operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield addresses and more of requests, each with one attack in one place and examples in the others."""
    parameters = operation.get("parameters", [])
    good = {p["name"]: _example(p["schema"]) for p in parameters if p["in"] == "query"}
    good = {name: value for name, value in good.items() if value is not None and name != "cursor"}
    in_path = {p["name"]: _encoded(_example(p["schema"]) or "x") for p in parameters if p["in"] == "path"}
    body: dict[str, Any] | None = {"reason": "it looks bad"} if "requestBody" in operation else None
    fixed = STREAM if path == "/v1/stream" else {}

    def address(query: dict[str, str], places: dict[str, str]) -> str:
        pairs = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in {**query, **fixed}.items())
        return f"{path.format(**places)}?{pairs}"

    for text in EVERYTHING:
        for parameter in parameters:
            name = parameter["name"]
            if parameter["in"] == "query" and name not in fixed:
                yield address({**good, name: text}, in_path), {"json": body}
            elif parameter["in"] == "path" and text.strip("./"):
                yield address(good, {**in_path, name: _encoded(text)}), {"json": body}
            elif (
                parameter["in"] == "header" and text and text.isprintable() and text.isascii() and text == text.strip()
            ):
                yield address(good, in_path), {"json": body, "headers": {name: text}}
        yield address({**good, text or "empty": "1"}, in_path), {"json": body}
        if body is not None:
            for document in ({"reason": text}, {**body, "evidence": {"horizon_minutes": text}}, {**body, text: text}):
                yield address(good, in_path), _json(json.dumps(document))
            yield address(good, in_path), _json(text)


def test_an_attack_is_a_value_or_refused(
    api: httpx.Client, conn: psycopg.Connection, asked: list[TrainingRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer says more than the document does, nothing of the engine's changes.

    None is 503, which an engine that was made to sleep would give.
    """
    monkeypatch.setattr(feed, "FRESHNESS_SECONDS", 0.01)
    before = [conn.execute(f"SELECT count(*) FROM {name}").fetchone() for name in KEPT]
    tried = 0
    for path, method, operation in _operations(api):
        documented = {int(code) for code in operation["responses"]} - {500, 503}
        for address, more in _requests(path, operation):
            answer = api.request(method, address, **{k: v for k, v in more.items() if v is not None})
            where = (method, address[:200], str(more)[:200], answer.text[:500])
            assert answer.status_code in documented, where
            assert not INSIDE.search(answer.text), where
            assert answer.headers["content-type"].partition(";")[0] in TYPES, where
            assert not {"set-cookie", "x-forged"} & set(answer.headers), where
            tried += 1
    assert tried > 3_000
    assert [conn.execute(f"SELECT count(*) FROM {name}").fetchone() for name in KEPT] == before
    assert asked, "some attacks are words like others"
    for request in asked:
        assert decode(TrainingRequest, to_message(request).value) == request


@pytest.mark.parametrize("text", [*SQL, *HEADERS, "\x00", "\x1b[2J", "é" * 300, "cw_" + "0" * 12 + "_" + "'" * 43])
@pytest.mark.parametrize(
    "header", ["X-API-Key", "Authorization", "Idempotency-Key", "If-None-Match", "X-Forwarded-For"]
)
def test_an_attack_in_a_header(api: httpx.Client, text: str, header: str) -> None:
    """Sent as bytes: clients refuse to write many of them."""
    host, port = str(api.base_url).removeprefix("http://").rstrip("/").split(":")
    value = f"Bearer {text}" if header == "Authorization" else text
    head = f"GET /v1/symbols HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{header}: {value}\r\n\r\n"
    with socket.create_connection((host, int(port)), 10) as wire:
        wire.sendall(head.encode())
        wire.shutdown(socket.SHUT_WR)
        answer = b""
        while part := wire.recv(65_536):
            answer += part
    status, headers = answer.partition(b"\r\n\r\n")[0].split(b"\r\n", 1)
    assert status.split()[1] in (b"200", b"304", b"400", b"401", b"403", b"429"), answer
    assert b"set-cookie" not in headers.lower()
    assert b"x-forged" not in headers.lower()
    assert not INSIDE.search(answer.decode(errors="replace"))


def test_what_is_said_of_a_wrong_value_is_json(api: httpx.Client) -> None:
    """A page that shows the answer gets markup as text: the type is not one that browsers render."""
    answer = api.get("/v1/candles", params={"symbol": "<script>alert(1)</script>", "exchange": "simulated"})
    assert (answer.status_code, answer.headers["x-content-type-options"]) == (400, "nosniff")
    assert json.loads(answer.text)["errors"][0]["found"] == "<script>alert(1)</script>"
