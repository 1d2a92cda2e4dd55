"""Fetching from servers that are not trusted."""

import gzip
import socket
import threading
from collections.abc import Callable

import pytest
from tests.worlds.web import Reply, Web

from candlewave.services.sentiment.fetch import Fetcher, FetchError, FetchRefusedError, is_public, resolve

LIMIT = 100_000


def fetcher(timeout: float = 10.0, names: dict[str, str] | None = None) -> Fetcher:
    return Fetcher(timeout, LIMIT, lambda host, _: [(names or {}).get(host, host)])


def refused(web: Web, path: str = "/") -> str:
    with pytest.raises(FetchRefusedError) as caught:
        fetcher().get(web.url(path), allow_private=True)
    return caught.value.reason


def test_document_and_headers(web: Web) -> None:
    web.reply("/", Reply(body=b"hello", headers={"ETag": '"1"'}))
    answer = fetcher().get(web.url("/"), {"X-Thing": "yes"}, allow_private=True)
    assert (answer.status, answer.body, answer.headers["etag"]) == (200, b"hello", '"1"')
    assert web.requests[0].headers["x-thing"] == "yes"


def test_gzip_is_unpacked(web: Web) -> None:
    web.reply("/", Reply(body=gzip.compress(b"hello" * 100), headers={"Content-Encoding": "gzip"}))
    assert fetcher().get(web.url("/"), allow_private=True).body == b"hello" * 100


def test_large_body_is_refused(web: Web) -> None:
    web.reply("/", Reply(body=b"x" * (LIMIT + 1)))
    assert refused(web) == "too_large"


def test_body_of_exactly_the_limit_is_accepted(web: Web) -> None:
    web.reply("/", Reply(body=b"x" * LIMIT))
    assert len(fetcher().get(web.url("/"), allow_private=True).body) == LIMIT


def test_gzip_bomb_is_refused_before_it_is_unpacked(web: Web) -> None:
    web.reply("/", Reply(body=gzip.compress(bytes(50_000_000)), headers={"Content-Encoding": "gzip"}))
    assert refused(web) == "too_large"


def test_encoding_that_was_not_asked_for_is_refused(web: Web) -> None:
    web.reply("/", Reply(body=b"x", headers={"Content-Encoding": "br"}))
    assert refused(web) == "encoding"


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_truncated_answer_fails(web: Web, encoding: str) -> None:
    body = gzip.compress(b"hello" * 1000) if encoding else b"hello" * 1000
    web.reply("/", Reply(body=body[:-20], length=len(body), headers={"Content-Encoding": encoding} if encoding else {}))
    with pytest.raises(FetchError):
        fetcher().get(web.url("/"), allow_private=True)


@pytest.mark.parametrize("reply", [Reply(body=b"x", hang=True), Reply(body=b"x" * 3000, drip=True)])
def test_slow_answer_fails_after_the_time_for_the_whole(web: Web, reply: Reply) -> None:
    web.reply("/", reply)
    with pytest.raises(FetchError, match="did not answer within"):
        fetcher(timeout=0.4).get(web.url("/"), allow_private=True)


def test_slow_answer_is_told_alike_when_the_socket_notices_first(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    class LateTimer(threading.Timer):
        def __init__(self, interval: float, function: Callable[[], None]) -> None:
            super().__init__(interval + 60, function)

    monkeypatch.setattr(threading, "Timer", LateTimer)
    web.reply("/", Reply(body=b"x", hang=True))
    with pytest.raises(FetchError, match="did not answer within"):
        fetcher(timeout=0.4).get(web.url("/"), allow_private=True)


def test_status_and_retry_after(web: Web) -> None:
    web.reply("/", Reply(429, headers={"Retry-After": "17"}))
    with pytest.raises(FetchError) as caught:
        fetcher().get(web.url("/?auth_token=hidden"), allow_private=True)
    assert (caught.value.status, caught.value.retry_after) == (429, 17.0)
    assert "hidden" not in str(caught.value)


def test_private_address_is_refused(web: Web) -> None:
    with pytest.raises(FetchRefusedError) as caught:
        fetcher().get(web.url("/"))
    assert caught.value.reason == "private_address"
    assert web.requests == []


def test_name_that_leads_to_a_private_address_is_refused() -> None:
    with pytest.raises(FetchRefusedError) as caught:
        fetcher(names={"news.example": "10.1.2.3"}).get("http://news.example/feed")
    assert caught.value.reason == "private_address"


def test_one_private_address_among_public_ones_is_refused() -> None:
    careless = Fetcher(1.0, LIMIT, lambda *_: ["93.184.216.34", "127.0.0.1"])
    with pytest.raises(FetchRefusedError) as caught:
        careless.get("http://news.example/")
    assert caught.value.reason == "private_address"


def test_redirect_within_the_trusted_host(web: Web) -> None:
    web.reply("/old", Reply(301, headers={"Location": "/new"}))
    web.reply("/new", Reply(body=b"moved"))
    assert fetcher().get(web.url("/old"), allow_private=True).body == b"moved"


@pytest.mark.parametrize(
    "location", ["http://127.0.0.2:{port}/", "http://localhost:{port}/", "http://169.254.169.254/latest/meta-data"]
)
def test_redirect_to_another_private_address_is_refused(web: Web, location: str) -> None:
    port = web.base.rpartition(":")[2]
    web.reply("/", Reply(302, headers={"Location": location.format(port=port)}))
    with pytest.raises(FetchRefusedError) as caught:
        Fetcher(5.0, LIMIT, lambda host, _: ["127.0.0.1" if host == "localhost" else host]).get(
            web.url("/"), allow_private=True
        )
    assert caught.value.reason == "private_address"
    assert len(web.requests) == 1


@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://127.0.0.1/", "ftp://example.com/"])
def test_redirect_to_another_scheme_is_refused(web: Web, location: str) -> None:
    web.reply("/", Reply(302, headers={"Location": location}))
    assert refused(web) == "scheme"


def test_endless_redirects_are_refused(web: Web) -> None:
    web.reply("/", Reply(302, headers={"Location": "/"}))
    assert refused(web) == "redirects"


def test_secret_headers_stay_with_the_first_origin(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candlewave.services.sentiment.fetch.is_public", lambda _: True)
    names = {"mirror.example": "127.0.0.1"}
    other = f"http://mirror.example:{web.base.rpartition(':')[2]}/there"
    web.reply("/here", Reply(302, headers={"Location": "/still-here"}))
    web.reply("/still-here", Reply(302, headers={"Location": other}))
    web.reply("/there", Reply(body=b"x"))
    assert fetcher(names=names).get(web.url("/here"), {"X-Api-Key": "k"}).body == b"x"
    assert [(r.path, r.headers.get("x-api-key")) for r in web.requests] == [
        ("/here", "k"),
        ("/still-here", "k"),
        ("/there", None),
    ]


def test_connection_refused_fails() -> None:
    with pytest.raises(FetchError):
        fetcher().get("http://127.0.0.1:1/", allow_private=True)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::a00:1", False),
        ("64:ff9b:1::a00:1", False),
        ("2002:a00:1::", False),
        ("2001:0:a00:1::1", False),
        ("::127.0.0.1", False),
        ("::10.0.0.1", False),
        ("::ffff:0:10.0.0.1", False),
        ("::ffff:0:127.0.0.1", False),
        ("::", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("100::1", False),
        ("5f00::1", False),
        ("2001:db8::1", False),
        ("255.255.255.255", False),
        ("192.0.0.8", False),
        ("198.18.0.1", False),
        ("240.0.0.1", False),
        ("0", False),
        ("", False),
        ("not an address", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[::]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "127.0.0.1.",
        "user@127.0.0.1",
        "example.com@127.0.0.1",
        "127.0.0.1%00.example.com",
        "\u2460\u2461\u2466.0.0.1",
        "\uff11\uff12\uff17.0.0.1",
    ],
)
def test_no_spelling_of_this_machine_is_reached(web: Web, host: str) -> None:
    """By the system's own resolver, as a source's address and as what a source redirects to."""
    web.reply("/", Reply(body=b"inside"))
    port = web.base.rpartition(":")[2]
    with pytest.raises((FetchRefusedError, FetchError)):
        Fetcher(5.0, LIMIT).get(f"http://{host}:{port}/")
    assert web.requests == []
    web.reply("/away", Reply(302, headers={"Location": f"http://{host}:{port}/inside".encode().decode("latin-1")}))
    with pytest.raises((FetchRefusedError, FetchError)):
        Fetcher(5.0, LIMIT, lambda name, at: ["127.0.0.1"] if name == "trusted" else resolve(name, at)).get(
            f"http://trusted:{port}/away", allow_private=True
        )
    assert [request.path for request in web.requests] == ["/away"]


def test_a_name_that_changes_its_meaning_is_checked_and_used_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the first answer is public, all later ones lead inside."""
    answers = iter(["203.0.113.9"])
    asked: list[str] = []

    def rebinding(host: str, _: int) -> list[str]:
        asked.append(host)
        return [next(answers, "127.0.0.1")]

    reached: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], *_: object) -> socket.socket:
        reached.append(address)
        raise OSError("unreachable")

    monkeypatch.setattr("candlewave.services.sentiment.fetch.is_public", lambda address: address == "203.0.113.9")
    monkeypatch.setattr(socket, "create_connection", connect)
    fetching = Fetcher(5.0, LIMIT, rebinding)
    with pytest.raises(FetchError):
        fetching.get("http://rebinding.example/")
    assert (asked, reached) == (["rebinding.example"], [("203.0.113.9", 80)])
    with pytest.raises(FetchRefusedError):
        fetching.get("http://rebinding.example/")
    assert len(reached) == 1
