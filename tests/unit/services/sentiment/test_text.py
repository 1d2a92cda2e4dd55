"""Markup to text, languages, addresses, near-duplicate titles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("a <![some_service]> b <![if !IE]>c<![endif]> d <![", "a b c d <!["),
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
        ("Do Kwon extradited: Terraform founder Do Kwon pleads guilty", None, "en"),
        ("Do Kwon extradited: Terraform founder Do Kwon pleads guilty", "en-us", "en"),
        ("Bitcoin steigt nach ETF-Zulassung", None, "de"),
        ("Der Kurs von Bitcoin fällt und die Börse auch", None, "de"),
        ("Le cours du bitcoin baisse pour la troisième fois", None, "fr"),
        ("Le cours du bitcoin baisse pour la troisième fois", "en", "en"),
        ("El precio de bitcoin cae por el temor a una guerra", None, "es"),
        ("O preço do bitcoin cai para uma mínima em maio", None, "pt"),
        ("Курс биткоина упал", None, "ru"),
        ("Курс биткоина упал", "en", "ru"),
        ("Курс біткоїна впав", "uk", "uk"),
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
        ("SEC approves spot Bitcoin ETF today", "SEC rejects spot Bitcoin ETF today", False),
        (
            "Binance resumes bitcoin withdrawals for all users",
            "Binance suspends bitcoin withdrawals for all users",
            False,
        ),
        ("Tether mints a billion dollars on Tron network", "Tether burns a billion dollars on Tron network", False),
        ("Kraken will list the new token tomorrow", "Kraken will not list the new token tomorrow", False),
        ("SEC approves Bitcoin ETF from BlackRock", "SEC approved Bitcoin ETF from BlackRock", True),
        ("SEC approves Bitcoin ETF from BlackRock", "Breaking: SEC approves Bitcoin ETF from BlackRock", True),
        ("Binance sues the SEC over new token rules", "SEC sues Binance over new token rules", False),
        ("Coinbase acquires Deribit exchange", "Coinbase acquired by Deribit exchange", False),
        ("Bitcoin outperforms Ether in fees", "Ether outperforms Bitcoin in fees", False),
        ("Funds move from Kraken to Coinbase", "Funds move from Coinbase to Kraken", False),
        ("Bitcoin up on 10k volume day", "Bitcoin up on 20k volume day", False),
        ("Markets today", "Markets today", False),
        ("", "", False),
    ],
)
def test_same_story(one: str, other: str, same: bool) -> None:
    assert same_story(title_words(one), title_words(other)) is same


_OPPOSITES = [("lists", "delists"), ("wins", "loses"), ("opens", "closes"), ("unlocks", "locks"), ("joins", "leaves")]


@given(
    st.sampled_from(_OPPOSITES),
    st.lists(st.sampled_from(["bitcoin", "ether", "exchange", "case", "court", "token"]), min_size=3, max_size=12),
)
def test_opposite_verbs_are_never_one_story(verbs: tuple[str, str], around: list[str]) -> None:
    one, other = (title_words(" ".join([*around[:1], verb, *around[1:]])) for verb in verbs)
    assert not same_story(one, other)


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert len(strip_markup(text, 50)) <= 50
    assert len(language(text)) >= 2
