"""The dashboard's files over HTTP: types, caching, compression, and what is not served."""

import asyncio
from typing import Any

import httpx
import pytest

from candlewave.services.api.pages import Pages


def ask(path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=Pages())
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path, headers={"Accept-Encoding": "identity", **headers})

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/static/js/main.js", "text/javascript; charset=utf-8"),
        (
            "/static/vendor/lightweight-charts/lightweight-charts.standalone.production.mjs",
            "text/javascript; charset=utf-8",
        ),
    ],
)
def test_a_file_is_kept_by_browsers_and_compressed_when_asked(path: str, kind: str) -> None:
    plain = ask(path)
    assert (plain.status_code, plain.headers["content-type"]) == (200, kind)
    assert plain.headers["cache-control"] == "no-cache"
    assert ("content-security-policy" in plain.headers) == (path == "/")
    packed = ask(path, **{"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert "Accept-Encoding" in packed.headers["vary"]
    for answer in (plain, packed):
        again = ask(path, **{"If-None-Match": answer.headers["etag"], "Accept-Encoding": "gzip"})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["cache-control"] == "no-cache"
    head = ask(path, "HEAD")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", plain.headers["etag"])


@pytest.mark.parametrize(
    "path",
    ["/static/", "/static/js", "/static/nothing.js", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/%00"],
)
def test_nothing_else_is_served(path: str) -> None:
    answer = ask(path)
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["status"], problem["title"]) == (404, 404, "Not found")


def test_pages_are_read_only() -> None:
    answer = ask("/", "POST")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
