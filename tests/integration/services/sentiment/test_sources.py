"""Sources: feeds, the two APIs and files, well and badly behaved."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.worlds.clock import Clock
from tests.worlds.web import Reply, Request, Web

from candlewave.services.sentiment.config import NewsConfig
from candlewave.services.sentiment.fetch import Fetcher, FetchError, FetchRefusedError
from candlewave.services.sentiment.settings import SentimentSettings
from candlewave.services.sentiment.sources import open_sources
from candlewave.services.sentiment.sources.base import SourceConfig, SourceState
from candlewave.services.sentiment.sources.cryptopanic import CryptoPanic
from candlewave.services.sentiment.sources.feed import Feed, read_feed
from candlewave.services.sentiment.sources.folder import Folder
from candlewave.services.sentiment.sources.newsapi import NewsApi

FETCHER = Fetcher(10.0, 1_000_000)
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)

RSS = b"""<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>
<title>A paper</title><language>en-us</language>
<item><title>Bitcoin &amp; Ether rise</title><link>http://www.paper.example/a?utm_source=rss&amp;id=7#top</link>
  <pubDate>Mon, 04 May 2026 11:30:00 GMT</pubDate>
  <description><![CDATA[<p>Prices <b>rose</b>.</p><script>steal()</script>]]></description></item>
<item><title>Older</title><guid isPermaLink="true">https://paper.example/b</guid>
  <pubDate>Mon, 04 May 2026 13:00:00 +0200</pubDate></item>
<item><link>https://paper.example/c</link></item>
</channel></rss>"""

ATOM = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">
<entry><title type="html">Solana &lt;i&gt;upgrade&lt;/i&gt;</title><link rel="self" href="https://x.example/self"/>
<link href="https://x.example/1"/><published>2026-05-04T10:00:00Z</published>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">It <b>works</b>.</div></content></entry></feed>"""

RDF = b"""<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>t</title></channel>
<item><title>One</title><link>https://y.example/1</link><dc:date>2026-05-04T09:00:00+00:00</dc:date></item></rdf:RDF>"""


def feed(web: Web, path: str = "/feed") -> Feed:
    return Feed(SourceConfig(name="paper", kind="rss", url=web.url(path), allow_private=True), FETCHER)


def test_rss(web: Web, clock: Clock) -> None:
    web.reply("/feed", Reply(body=RSS))
    batch = feed(web).poll(SourceState(), clock())
    assert [(a.title, a.url, a.summary, a.lang, a.published_at.isoformat()) for a in batch.articles] == [
        ("Older", "https://paper.example/b", "", "en", "2026-05-04T11:00:00+00:00"),
        (
            "Bitcoin & Ether rise",
            "https://www.paper.example/a?id=7",
            "Prices rose.",
            "en",
            "2026-05-04T11:30:00+00:00",
        ),
    ]
    assert [(b.position, b.reason) for b in batch.bad] == [("item 3", "item has no title")]
    assert batch.state.newest == datetime(2026, 5, 4, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "title", "url", "summary"),
    [
        (ATOM, "Solana upgrade", "https://x.example/1", "It works."),
        (RDF, "One", "https://y.example/1", ""),
    ],
)
def test_atom_and_rdf(body: bytes, title: str, url: str, summary: str) -> None:
    articles, bad = read_feed(body, "s", NOW)
    assert [(a.title, a.url, a.summary) for a in articles] == [(title, url, summary)]
    assert not bad


def test_conditional_request_and_not_modified(web: Web, clock: Clock) -> None:
    stamp = "Mon, 04 May 2026 11:31:00 GMT"
    web.reply("/feed", Reply(body=RSS, headers={"ETag": '"v1"', "Last-Modified": stamp}), Reply(304))
    source = feed(web)
    first = source.poll(SourceState(), clock())
    second = source.poll(first.state, clock())
    assert second.articles == ()
    assert second.state == first.state
    asked = web.requests[1].headers
    assert (asked["if-none-match"], asked["if-modified-since"]) == ('"v1"', stamp)


@pytest.mark.parametrize(("ahead", "cut"), [(timedelta(hours=14), True), (timedelta(days=365), False)])
def test_hours_in_the_future_are_now_and_longer_is_no_date(clock: Clock, ahead: timedelta, cut: bool) -> None:
    date = format_datetime(clock() + ahead)
    future = RSS.replace(b"04 May 2026 11:30:00 GMT", date.split(", ")[-1].encode())
    articles, _ = read_feed(future, "s", clock())
    assert [a.published_at for a in articles if a.published_at in (None, clock())] == [clock() if cut else None]


def test_article_without_address_or_time_keeps_its_id(clock: Clock) -> None:
    body = b"<rss><channel><item><title>Bare</title></item></channel></rss>"
    first = read_feed(body, "s", clock())[0]
    clock.advance(hours=1)
    assert read_feed(body, "s", clock())[0][0].article_id == first[0].article_id


def test_same_article_by_any_spelling_of_its_address(clock: Clock) -> None:
    def one(url: str) -> str:
        body = f"<rss><channel><item><title>T</title><link>{url}</link></item></channel></rss>"
        return read_feed(body.encode(), "s", clock())[0][0].article_id

    plain = one("https://paper.example/story?id=1")
    assert one("http://PAPER.example/story/?fbclid=zz&amp;id=1#x") == plain
    assert one("https://paper.example/story?id=2") != plain


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    b"<rss><channel><item><title>&b;</title></item></channel></rss>"
)
EXTERNAL = b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><channel><item><title>&x;</title></item></channel></rss>'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (BOMB, "doctype"),
        (EXTERNAL, "doctype"),
        (b"", "malformed"),
        (b"not xml", "malformed"),
        (b"\xff\xfe\x00broken", "malformed"),
        (b"<a>" * 1000 + b"</a>" * 1000, "too_deep"),
        (b"<rss>" + b"<x/>" * 60_001 + b"</rss>", "too_many_elements"),
        (b"<rss><channel>" + b"<item><title>t</title></item>" * 501 + b"</channel></rss>", "too_many_items"),
        (b"<html><body>Please log in</body></html>", "not_a_feed"),
    ],
)
def test_hostile_feed_is_refused(web: Web, clock: Clock, body: bytes, reason: str) -> None:
    web.reply("/feed", Reply(body=body))
    with pytest.raises(FetchRefusedError) as caught:
        feed(web).poll(SourceState(), clock())
    assert caught.value.reason == reason


def test_huge_texts_are_cut(clock: Clock) -> None:
    body = b"<rss><channel><item><title>%b</title><description>%b</description></item></channel></rss>" % (
        b"word " * 20_000,
        b"&lt;b&gt;text&lt;/b&gt; " * 40_000,
    )
    article = read_feed(body, "s", clock())[0][0]
    assert len(article.title) <= 500
    assert len(article.summary) <= 2_000


def cryptopanic(web: Web) -> CryptoPanic:
    config = SourceConfig(name="panic", kind="cryptopanic", url=web.url("/posts/"), allow_private=True)
    return CryptoPanic(config, FETCHER, "s3cret")


def post(number: int, minutes: int) -> dict[str, object]:
    when = NOW - timedelta(minutes=minutes)
    return {
        "id": number,
        "title": f"Post {number}",
        "url": f"https://panic.example/{number}",
        "published_at": when.isoformat().replace("+00:00", "Z"),
        "currencies": [{"code": "sol"}, {"nothing": 1}],
    }


def test_cryptopanic_pages_back_to_the_newest_known(web: Web, clock: Clock) -> None:
    def answer(request: Request) -> Reply:
        query = parse_qs(urlsplit(request.path).query)
        assert query["auth_token"] == ["s3cret"]
        page = int(query.get("page", ["1"])[0])
        posts = [post(page * 10 + i, page * 10 + i) for i in range(3)]
        following = web.url(f"/posts/?auth_token=s3cret&page={page + 1}")
        return Reply(body=json.dumps({"results": posts, "next": following}).encode())

    web.answers["/posts/"] = answer
    state = SourceState(newest=NOW - timedelta(minutes=21))
    batch = cryptopanic(web).poll(state, clock())
    assert len(web.requests) == 2
    assert [a.title for a in batch.articles] == ["Post 22", "Post 21", "Post 20", "Post 12", "Post 11", "Post 10"]
    assert batch.articles[0].tags == ("SOL",)
    assert batch.state.newest == NOW - timedelta(minutes=10)


def test_cryptopanic_does_not_take_its_key_to_another_host(web: Web, clock: Clock) -> None:
    body = {"results": [post(1, 1)], "next": "http://evil.example/posts/?auth_token=s3cret"}
    web.reply("/posts/", Reply(body=json.dumps(body).encode()))
    with pytest.raises(FetchRefusedError) as caught:
        cryptopanic(web).poll(SourceState(newest=NOW - timedelta(days=1)), clock())
    assert caught.value.reason == "foreign_page"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"results": 1}', b"[" * 100_000, b'{"results": [{"ti'])
def test_api_that_answers_nonsense_is_refused(web: Web, clock: Clock, body: bytes) -> None:
    web.reply("/posts/", Reply(body=body))
    with pytest.raises(FetchRefusedError) as caught:
        cryptopanic(web).poll(SourceState(), clock())
    assert caught.value.reason == "malformed"


def test_api_items_that_are_no_articles_are_bad(web: Web, clock: Clock) -> None:
    web.reply("/posts/", Reply(body=json.dumps({"results": [7, {}, {"title": None}, post(1, 1)]}).encode()))
    batch = cryptopanic(web).poll(SourceState(), clock())
    assert [a.title for a in batch.articles] == ["Post 1"]
    assert [b.position for b in batch.bad] == ["item 1", "item 2", "item 3"]


def test_newsapi_asks_since_the_newest_known_and_turns_pages(web: Web, clock: Clock) -> None:
    def answer(request: Request) -> Reply:
        query = parse_qs(urlsplit(request.path).query)
        assert request.headers["x-api-key"] == "s3cret"
        assert "s3cret" not in request.path
        assert query["from"] == ["2026-05-04T10:00:00"]
        count = 100 if query["page"] == ["1"] else 2
        articles = [
            {
                "title": f"News {query['page'][0]} {i}",
                "url": f"https://n.example/{query['page'][0]}/{i}",
                "description": "d",
                "publishedAt": "2026-05-04T11:00:00Z",
            }
            for i in range(count)
        ]
        return Reply(body=json.dumps({"status": "ok", "articles": articles}).encode())

    web.answers["/everything"] = answer
    config = SourceConfig(name="n", kind="newsapi", url=web.url("/everything"), query="bitcoin", allow_private=True)
    batch = NewsApi(config, FETCHER, "s3cret").poll(SourceState(newest=NOW - timedelta(hours=1)), clock())
    assert len(batch.articles) == 102
    assert len(web.requests) == 2


def test_source_without_its_key_is_off_and_says_so() -> None:
    news = NewsConfig(
        sources=(
            SourceConfig(name="panic", kind="cryptopanic", url="https://a.example"),
            SourceConfig(name="n", kind="newsapi", url="https://b.example"),
            SourceConfig(name="paper", kind="rss", url="https://c.example"),
        )
    )
    off: list[tuple[str, str]] = []
    settings = SentimentSettings(NEWSAPI_API_KEY="k")  # type: ignore[call-arg]
    opened = open_sources(news.sources, settings, FETCHER, lambda *said: off.append(said))
    assert [s.name for s in opened] == ["n", "paper"]
    assert off == [("panic", "CRYPTOPANIC_API_KEY is not set")]


def test_folder_reads_each_file_once_and_again_when_it_changes(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "a.jsonl").write_text('{"title": "One", "published": "2020-01-01T00:00:00Z"}\n{"title": ""}\n')
    (tmp_path / "b.csv").write_text("title,url,date\nTwo,https://x.example/2,2021-01-01\n")
    (tmp_path / "c.rss").write_bytes(RSS)
    (tmp_path / "d.json").write_text("{broken")
    (tmp_path / "ignored.txt").write_text("x")
    source = Folder(SourceConfig(name="files", kind="files", path=tmp_path))
    first = source.poll(SourceState(), clock())
    assert [a.title for a in first.articles] == ["One", "Two", "Older", "Bitcoin & Ether rise"]
    assert [b.position for b in first.bad] == ["a.jsonl, row 2", "c.rss, item 3", "d.json"]
    assert source.poll(first.state, clock()).articles == []
    (tmp_path / "a.jsonl").write_text('{"title": "One more time", "published": "2020-01-01T00:00:00Z"}\n')
    assert [a.title for a in source.poll(first.state, clock()).articles] == ["One more time"]


def test_folder_that_is_missing_fails(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(FetchError):
        Folder(SourceConfig(name="files", kind="files", path=tmp_path / "none.json")).poll(SourceState(), clock())
