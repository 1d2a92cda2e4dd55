"""Markup to text, languages, addresses, near-duplicate titles."""

import pytest

from candlewave.services.sentiment.articles import canonical_url, same_story, title_words
from candlewave.services.sentiment.plain import language, strip_markup


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One</p><p>Two &amp; three</p>", "One Two & three"),
        ("a<script>evil()</script>b<style>x{}</style>c", "abc"),
        ("a <b>bold", "a bold"),
        ("<scr<script>ipt>alert(1)</script>", "ipt>alert(1)"),
        ("zero​width ‮ and \x00 control", "zero width and control"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("", ""),
    ],
)
def test_strip_markup(markup: str, text: str) -> None:
    assert strip_markup(markup, 100) == text


def test_long_text_is_cut_at_a_word() -> None:
    assert strip_markup("one two three", 9) == "one two…"


@pytest.mark.parametrize(
    ("text", "declared", "lang"),
    [
        ("Bitcoin rises as the dollar falls", None, "en"),
        ("Bitcoin surges", None, "en"),
        ("Bitcoin surges", "de-DE", "de"),
        ("Der Kurs von Bitcoin fällt und die Börse auch", None, "de"),
        ("Le cours du bitcoin baisse pour la troisième fois", "en", "fr"),
        ("El precio de bitcoin cae por el temor a una guerra", None, "es"),
        ("O preço do bitcoin cai para uma mínima em maio", None, "pt"),
        ("Курс биткоина упал", None, "ru"),
        ("비트코인 가격 상승", None, "ko"),
        ("ビットコインが上昇", None, "ja"),
        ("比特币价格上涨", None, "zh"),
        ("Bitcoin fiyatı için yeni bir rekor", None, "tr"),
        ("12345 !!!", None, "und"),
    ],
)
def test_language(text: str, declared: str | None, lang: str) -> None:
    assert language(text, declared) == lang


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTP://News.Example:80/A/?utm_source=x&b=2&a=1#top", "https://news.example/A?a=1&b=2"),
        ("https://news.example:8443/a", "https://news.example:8443/a"),
        ("https://user:pw@news.example/a", "https://news.example/a"),
        ("javascript:alert(1)", ""),
        ("https://[broken", ""),
        ("https://x.example:99999/", ""),
        ("https://x.example/" + "a" * 3000, ""),
        ("", ""),
    ],
)
def test_canonical_url(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Bitcoin falls below $30,000", "Bitcoin falls below $30,000", True),
        ("Exchange hacked, users lose funds", "Exchange hacked: users lose their funds", True),
        ("Bitcoin falls below $30,000", "Bitcoin falls below $20,000", False),
        ("Bitcoin rises on ETF hopes", "Bitcoin falls on ETF fears", False),
        ("Markets today", "Markets today", False),
        ("", "", False),
    ],
)
def test_same_story(one: str, other: str, same: bool) -> None:
    assert same_story(title_words(one), title_words(other)) is same
