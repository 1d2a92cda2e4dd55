"""What other programs wrote: one bad item never stops its neighbours, and nothing unknown is made up."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.worlds.cases import shared_case

from candlewave.contracts.records import Article
from candlewave.services.sentiment.sources.base import BadItem, SourceConfig, SourceState
from candlewave.services.sentiment.sources.feed import read_feed
from candlewave.services.sentiment.sources.folder import Folder

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
MEDIA = 'xmlns:media="http://search.yahoo.com/mrss/" xmlns:atom="http://www.w3.org/2005/Atom"'


def rss(*items: str, head: str = "") -> bytes:
    return f'<rss version="2.0" {MEDIA}><channel><title>t</title>{head}{"".join(items)}</channel></rss>'.encode()


def item(
    title: str, link: str = "https://e.example/1", date: str = "Sun, 29 Nov 2026 08:57:00 GMT", more: str = ""
) -> str:
    return f"<item>{more}<title>{title}</title><link>{link}</link><pubDate>{date}</pubDate></item>"


def read(body: bytes) -> tuple[list[Article], list[BadItem]]:
    return read_feed(body, "paper", NOW, "https://e.example/rss/news.xml")


def test_the_items_own_title_and_link_win_over_those_of_other_namespaces() -> None:
    body = rss(
        item("Story", more='<media:title>Caption</media:title><atom:link href="https://e.example/feed"/>'),
    )
    [article], bad = read(body)
    assert (article.title, article.url, bad) == ("Story", "https://e.example/1", [])


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("/news/3", "https://e.example/news/3"),
        ("4.html", "https://e.example/rss/4.html"),
        ("//x.example/5", "https://x.example/5"),
    ],
)
def test_a_relative_link_is_resolved_against_the_feed(link: str, url: str) -> None:
    assert read(rss(item("Story", link)))[0][0].url == url


@pytest.mark.parametrize(
    "body",
    [
        b"\n \n" + b'<?xml version="1.0"?>' + rss(item("Story")),
        rss(item("Story", more="<description>A &nbsp; B</description>")),
        rss(item("Story")).removesuffix(b"</channel></rss>"),
        b'<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/rss.dtd">'
        + rss(item("Story")),
        rss(item("Story")).decode().encode("utf-16"),
        b'<?xml version="1.0" encoding="windows-1252"?>'
        + rss(item("Story", more="<description>\u20ac</description>")).decode().encode("cp1252"),
        b'<?xml version="1.0" encoding="nonsense"?>' + rss(item("Story")),
        rss(item("Story", more="<description><![CDATA[<!DOCTYPE html [x]> a <![some_service]> b]]></description>")),
    ],
    ids=[
        "blank-first-line",
        "html-entity",
        "cut",
        "old-doctype",
        "utf-16",
        "cp1252",
        "unknown-encoding",
        "marked-section",
    ],
)
def test_a_feed_that_strict_parsers_refuse_is_read(body: bytes) -> None:
    articles, bad = read(body)
    assert [a.title for a in articles] == ["Story"]
    assert not bad


def test_a_date_that_cannot_be_read_is_unknown_and_the_article_is_kept() -> None:
    articles, bad = read(
        rss(item("One", date="30 Apr 20150430085700123456 08:57 GMT"), item("Two", "https://e.example/2"))
    )
    assert [(a.title, a.published_at) for a in articles] == [("One", None), ("Two", NOW.replace(hour=8, minute=57))]
    assert not bad


def test_an_element_left_open_takes_in_no_neighbour() -> None:
    open_title = "<item><title>One<link>https://e.example/1</link></item>"
    articles, bad = read(rss(open_title, item("Two", "https://e.example/2"), item("Three", "https://e.example/3")))
    assert {"Two", "Three"} <= {a.title for a in articles}
    assert len(articles) + len(bad) == 3


class _ParserBugError(Exception):
    pass


def test_an_item_over_which_the_parser_falls_is_bad_and_the_others_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    parse = feedparser.parse

    def falls(body: bytes, **options: object) -> object:
        if b"poison" in body:
            raise _ParserBugError("unexpected status")
        return parse(body, **options)

    monkeypatch.setattr(feedparser, "parse", falls)
    body = rss(item("One"), item("poison", "https://e.example/2"), item("Three", "https://e.example/3"))
    articles, bad = read(body)
    assert {a.title for a in articles} == {"One", "Three"}
    assert [(b.position, b.reason) for b in bad] == [("item 2", "item has _ParserBugError: unexpected status")]
    assert b"poison" in bad[0].payload


_GARBAGE = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=80).map(
    lambda text: text.replace("]]>", "").replace("</item", "").replace("<!ENTITY", "").replace("<!DOCTYPE", "")
)


@given(_GARBAGE, _GARBAGE)
def test_whatever_an_item_holds_its_neighbours_are_read(summary: str, date: str) -> None:
    poison = (
        f"<item><title>P</title><description><![CDATA[{summary}]]></description>"
        f"<pubDate><![CDATA[{date}]]></pubDate></item>"
    )
    articles, bad = read(rss(item("First"), poison, item("Last", "https://e.example/3")))
    titles = {a.title for a in articles}
    assert {"First", "Last"} <= titles
    assert "P" in titles or bad


def _folder(
    tmp_path: Path, name: str, content: str, encoding: str = "utf-8"
) -> tuple[Sequence[Article], Sequence[BadItem]]:
    (tmp_path / name).write_bytes(content.encode(encoding))
    batch = Folder(SourceConfig(name="files", kind="files", path=tmp_path)).poll(SourceState(), NOW)
    return batch.articles, batch.bad


def test_csv_with_quoted_newlines_and_tags_in_one_text(tmp_path: Path) -> None:
    text = 'title,summary,published_at,tags\n"One\nstory","a\nb",2026-11-29T10:00:00Z,"BTC, ETH"\n'
    [article], bad = _folder(tmp_path, "a.csv", text)
    assert (article.title, article.summary, article.tags, bad) == ("One story", "a b", ("BTC", "ETH"), [])


@pytest.mark.parametrize(
    "tags", ["BTC;ETH", "BTC|ETH", "BTC ETH", "$BTC #ETH", "['BTC', 'ETH']", '[""BTC"", ""ETH""]', "BTC,,ETH,"]
)
def test_tags_in_one_text_are_split(tmp_path: Path, tags: str) -> None:
    [article], _ = _folder(tmp_path, "a.csv", f'title,tags\nStory,"{tags}"\n')
    assert article.tags == ("BTC", "ETH")


def test_names_of_columns_in_any_case(tmp_path: Path) -> None:
    [article], bad = _folder(tmp_path, "a.csv", "Title, Published_At ,URL\nStory,2026-11-29,https://e.example/1\n")
    assert (article.url, article.published_at, bad) == ("https://e.example/1", NOW.replace(hour=0), [])


def test_a_quote_that_stays_open_takes_in_no_other_row(tmp_path: Path) -> None:
    rows = 'title,summary\n"One\nstory",a\n"Broken,b\n5" screen,c\n"Two",d\n'
    articles, bad = _folder(tmp_path, "a.csv", rows)
    assert sorted(a.title for a in articles) == ['5" screen', "One story", "Two"]
    assert [b.reason for b in bad] == ["row has a quoted field from line 4 on that does not end"]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_json_lines_end_at_line_feeds_only(tmp_path: Path, separator: str) -> None:
    lines = [f'{{"title": "A{separator}b"}}', '{"title": "C d"}', "{broken", '{"title": "E f"}']
    articles, bad = _folder(tmp_path, "a.jsonl", "\n".join(lines))
    assert len(articles) == 3
    assert [b.position for b in bad] == ["a.jsonl, row 3"]


def test_utf_16_is_read_and_other_encodings_are_named(tmp_path: Path) -> None:
    assert [a.title for a in _folder(tmp_path, "a.csv", "title\nStory é\n", "utf-16")[0]] == ["Story é"]
    articles, bad = _folder(tmp_path, "b.csv", "title\nStory é\n", "latin-1")
    assert len(articles) == 1
    assert [b.reason.startswith("b.csv: not utf-8") for b in bad] == [True]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("feed-marked-section.xml", [("Bitcoin rises after ETF approval", "https://e.org/1", "2026-11-29T19:00Z")]),
        ("feed-pubdate-overflow.xml", [("Bitcoin rises after ETF approval", "https://e.org/1", None)]),
        ("feed-blank-first-line.xml", [("Bitcoin rises", "https://e.org/1", None)]),
        (
            "feed-zones-and-media.xml",
            [
                (
                    "Do Kwon extradited: Terraform founder Do Kwon pleads guilty",
                    "https://e.org/news/3",
                    "2026-11-28T23:57Z",
                ),
                ("Bitcoin jumps after ETF approval", "https://e.org/1", "2026-11-29T06:57Z"),
                ("Ether falls", "https://e.org/2", "2026-11-29T15:57Z"),
            ],
        ),
    ],
)
def test_feeds_of_public_reports(name: str, wanted: list[tuple[str, str, str | None]]) -> None:
    late = datetime(2026, 11, 30, tzinfo=UTC)
    articles, bad = read_feed(shared_case(name).read_bytes(), "paper", late, "https://e.org/feed")
    times = [(t, u, d and datetime.fromisoformat(d)) for t, u, d in wanted]
    assert [(a.title, a.url, a.published_at) for a in articles] == times
    assert {a.lang for a in articles} == {"en"}
    assert not bad


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "news-dates.csv",
            [
                ("Ether down", "2023-12-19T00:00Z"),
                ("Bitcoin rises", "2023-12-19T05:10Z"),
                ("Ether up", "2023-12-19T05:10Z"),
            ],
        ),
        ("news-quoted-newline.csv", [("SEC sues Kraken", "2026-11-29T10:00Z")]),
        ("news-u2028.jsonl", [("Bitcoin rises", "2026-11-29T10:00Z"), ("Ether falls hard", "2026-11-29T10:00Z")]),
    ],
)
def test_files_of_public_reports(name: str, wanted: list[tuple[str, str]]) -> None:
    batch = Folder(SourceConfig(name="files", kind="files", path=shared_case(name))).poll(
        SourceState(), NOW + timedelta(days=1)
    )
    found = sorted((a.title, a.published_at) for a in batch.articles)
    assert found == sorted((title, datetime.fromisoformat(when)) for title, when in wanted)
    assert not batch.bad
