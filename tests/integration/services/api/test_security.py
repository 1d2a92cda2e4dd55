"""Keys, limits, and what browsers may do."""

from datetime import UTC, datetime, timedelta

import httpx
import psycopg
from tests.integration.services.api.conftest import Serve, bearer, issue
from tests.integration.services.api.test_errors import problem

from candlewave.contracts.records import TrainingRequest
from candlewave.services.api.security import keys

NOW = datetime.now(UTC)


def test_without_anonymous_reading_everything_but_the_page_needs_a_key(serve: Serve, conn: psycopg.Connection) -> None:
    api = serve(anonymous=False)
    assert api.get("/").status_code == 200
    assert api.get("/v1/about").json()["anonymous"] is False
    found = problem(api.get("/v1/symbols"), 401)
    assert found["type"] == "urn:candlewave:problem:key-missing"
    assert api.get("/v1/symbols").headers["www-authenticate"] == 'Bearer realm="candlewave"'
    key = issue(conn)
    assert api.get("/v1/symbols", headers=bearer(key)).status_code == 200
    assert api.get("/v1/symbols", headers={"X-API-Key": key}).status_code == 200


def test_a_key_that_does_not_hold_is_refused_even_where_none_is_needed(serve: Serve, conn: psycopg.Connection) -> None:
    api = serve(anonymous=True)
    assert api.get("/v1/symbols").status_code == 200
    key = issue(conn)
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    for text in ("nonsense", wrong, "cw_000000000000_" + "x" * 43):
        assert problem(api.get("/v1/symbols", headers=bearer(text)), 401)["type"].endswith("key-unknown")
    assert problem(api.get("/v1/symbols", headers={"Authorization": "Basic abc"}), 401)


def test_expired_and_revoked_keys(serve: Serve, conn: psycopg.Connection) -> None:
    api = serve(anonymous=False)
    old = issue(conn, lifetime=timedelta(hours=1), now=NOW - timedelta(hours=2))
    assert problem(api.get("/v1/symbols", headers=bearer(old)), 401)["type"].endswith("key-expired")
    key = issue(conn)
    assert keys.revoke(conn, keys.prefix_of(key) or "") is True
    assert problem(api.get("/v1/symbols", headers=bearer(key)), 401)["type"].endswith("key-revoked")
    assert keys.revoke(conn, keys.prefix_of(key) or "") is False


def test_another_pepper_makes_every_key_wrong(serve: Serve, conn: psycopg.Connection) -> None:
    text, key = keys.make_key(b"another pepper of more", "test", ["read"], None, NOW)
    keys.store(conn, key)
    problem(serve(anonymous=False).get("/v1/symbols", headers=bearer(text)), 401)


def test_training_needs_its_scope_and_reaches_the_bus(serve: Serve, conn: psycopg.Connection) -> None:
    asked: list[TrainingRequest] = []
    api = serve(anonymous=True, ask_training=asked.append)
    body = {"reason": "it looks bad", "evidence": {"horizon_minutes": 5}}
    problem(api.post("/v1/training-requests", json=body), 401)
    assert problem(api.post("/v1/training-requests", json=body, headers=bearer(issue(conn))), 403)["detail"].endswith(
        "has not the scope train; it has: read."
    )
    key = issue(conn, "read", "train")
    repeated = {**bearer(key), "Idempotency-Key": "once"}
    answers = [api.post("/v1/training-requests", json=body, headers=repeated) for _ in range(2)]
    assert [a.status_code for a in answers] == [202, 202]
    assert len({a.json()["request_id"] for a in answers}) == 1
    assert asked[0].reason == "it looks bad"
    assert asked[0].evidence == {"horizon_minutes": 5}
    problem(api.post("/v1/training-requests", json={}, headers=bearer(key)), 400)
    only_train = issue(conn, "train")
    problem(api.get("/v1/symbols", headers=bearer(only_train)), 403)


def test_a_bus_that_is_away_is_503(serve: Serve, conn: psycopg.Connection) -> None:
    api = serve(anonymous=True)  # made without a bus
    problem(api.post("/v1/training-requests", json={"reason": "x"}, headers=bearer(issue(conn, "train"))), 503)


def test_requests_are_limited_by_address_and_by_key(serve: Serve, conn: psycopg.Connection) -> None:
    api = serve(anonymous=True, settings={"API_RATE_LIMIT": "3/minute"})
    key = issue(conn)
    assert api.get("/v1/symbols", headers=bearer(key)).status_code == 200
    remaining = [api.get("/v1/symbols").headers["ratelimit-remaining"] for _ in range(3)]
    assert remaining == ["2", "1", "0"]
    answer = api.get("/v1/symbols")
    found = problem(answer, 429)
    assert found["retry_after_seconds"] == int(answer.headers["retry-after"])
    assert answer.headers["ratelimit-limit"] == "3"
    assert api.get("/").status_code == 200, "the page does not count"
    assert api.get("/v1/symbols", headers=bearer(key)).status_code == 200, "a key counts for itself"


def test_what_needs_no_key_counts_too(serve: Serve) -> None:
    api = serve(anonymous=False, settings={"API_RATE_LIMIT": "3/minute"})
    paths = ("/v1/about", "/openapi.json", "/nothing", "/v1/about")
    assert [api.get(path).status_code for path in paths] == [200, 200, 404, 429]
    other = serve(settings={"API_RATE_LIMIT": "1/minute"})
    assert [other.options("/v1/candles").status_code for _ in range(2)] == [405, 429]


def test_the_addresses_of_one_customer_count_together(serve: Serve) -> None:
    api = serve(settings={"API_RATE_LIMIT": "2/minute", "API_TRUSTED_PROXIES": "127.0.0.1"})

    def status(address: str) -> int:
        return api.get("/v1/symbols", headers={"X-Forwarded-For": address}).status_code

    assert [status(f"2001:db8:0:7::{n:x}") for n in range(1, 4)] == [200, 200, 429], "one network of 64 bits"
    assert status("2001:db8:0:8::1") == 200
    assert [status(address) for address in ("192.0.2.9", "::ffff:192.0.2.9", "192.0.2.9")] == [200, 200, 429]


def test_guessing_keys_counts_against_the_address(serve: Serve) -> None:
    api = serve(anonymous=False, settings={"API_RATE_LIMIT": "3/minute"})
    answers = [api.get("/v1/symbols", headers=bearer(f"cw_{n:012x}_{'x' * 43}")).status_code for n in range(6)]
    assert answers == [401, 401, 401, 429, 429, 429]


def test_every_answer_has_the_headers_that_keep_browsers_from_harm(api: httpx.Client) -> None:
    for path in ("/", "/v1/symbols", "/v1/nothing", "/static/nothing"):
        headers = api.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "server" not in headers


def test_other_origins_are_not_let_in_unless_named(serve: Serve, api: httpx.Client) -> None:
    origin = {"Origin": "https://charts.example"}
    assert "access-control-allow-origin" not in api.get("/v1/symbols", headers=origin).headers
    named = serve(settings={"API_CORS_ORIGINS": "https://charts.example"})
    assert named.get("/v1/symbols", headers=origin).headers["access-control-allow-origin"] == "https://charts.example"
    other = named.get("/v1/symbols", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(serve: Serve) -> None:
    def status(api: httpx.Client, address: str) -> int:
        return api.get("/v1/symbols", headers={"X-Forwarded-For": address}).status_code

    plain = serve(settings={"API_RATE_LIMIT": "1/minute"})
    assert [status(plain, "192.0.2.1"), status(plain, "192.0.2.2")] == [200, 429]
    behind = serve(settings={"API_RATE_LIMIT": "1/minute", "API_TRUSTED_PROXIES": "127.0.0.1"})
    assert [status(behind, "192.0.2.1"), status(behind, "192.0.2.2"), status(behind, "192.0.2.1")] == [200, 200, 429]


def test_an_idempotency_key_is_its_callers_own(serve: Serve, conn: psycopg.Connection) -> None:
    asked: list[TrainingRequest] = []
    api = serve(ask_training=asked.append)
    for _ in range(2):
        headers = {**bearer(issue(conn, "train")), "Idempotency-Key": "1"}
        assert api.post("/v1/training-requests", json={"reason": "x"}, headers=headers).status_code == 202
    assert asked[0].request_id != asked[1].request_id


def test_a_store_of_limits_that_is_away_is_replaced_by_memory(serve: Serve) -> None:
    api = serve(settings={"API_RATE_LIMIT_STORE": "redis://127.0.0.1:1", "API_RATE_LIMIT": "2/minute"})
    assert [api.get("/v1/symbols").status_code for _ in range(3)] == [200, 200, 429]
