"""Entity matching on any text: no crash, no match inside words, longest name wins, order and case as promised."""

import string

from hypothesis import given
from hypothesis import strategies as st

from candlewave.services.sentiment.config import load_news_config
from candlewave.services.sentiment.entities import Recogniser

NEWS = load_news_config()
RECOGNISER = Recogniser(NEWS.assets, ["BTC", "ETH"])
SURE_NAMES = [(name, asset) for asset, known in NEWS.assets.items() for name in known.names]
EXCLUDED = [name for known in NEWS.assets.values() for name in known.exclude]
FILLER = st.lists(st.sampled_from(["the", "price", "today", "reports", "a", "deal", "on", "Monday"]), max_size=5)


@given(st.text(), st.text(), st.lists(st.text(max_size=6), max_size=3))
def test_any_text_gives_relevances_in_range_without_repetition(title: str, summary: str, tags: list[str]) -> None:
    found = RECOGNISER.find(title, summary, tags)
    assert len({m.asset for m in found}) == len(found)
    assert all(0 < m.relevance <= 1 for m in found)
    assert [m.relevance for m in found] == sorted((m.relevance for m in found), reverse=True)


@given(FILLER, st.sampled_from(SURE_NAMES), FILLER, st.sampled_from([str.lower, str.upper, str.title]))
def test_sure_name_is_found_anywhere_in_any_case(before, name, after, case) -> None:
    text = " ".join([*before, case(name[0]), *after])
    assert name[1] in {m.asset for m in RECOGNISER.find(text)}


@given(
    st.sampled_from(SURE_NAMES),
    st.text(string.ascii_letters, min_size=1, max_size=3),
    st.booleans(),
)
def test_name_inside_a_longer_word_is_not_found(name, letters, in_front) -> None:
    word = letters + name[0] if in_front else name[0] + letters
    names = {asset for known, asset in SURE_NAMES if known.lower() in word.lower() and known != name[0]}
    if any(known == word.lower() for known, _ in SURE_NAMES):
        return
    found = {m.asset for m in RECOGNISER.find(word.lower())}
    assert name[1] not in found or name[1] in names


@given(FILLER, st.sampled_from(EXCLUDED), FILLER)
def test_longer_name_hides_the_shorter_inside_it(before, longer, after) -> None:
    owner = next(asset for asset, known in NEWS.assets.items() if longer in known.exclude)
    assert owner not in {m.asset for m in RECOGNISER.find(" ".join([*before, longer, *after])) if m.direct}


@given(st.sampled_from([a for a, known in NEWS.assets.items() if known.ambiguous]), FILLER)
def test_ambiguous_ticker_needs_context(asset: str, words: list[str]) -> None:
    plain = " ".join([*words, "so", "it", "goes", "with", asset, "and", "more", "of", "the", "same"])
    assert asset not in {m.asset for m in RECOGNISER.find(plain)}
    assert asset in {m.asset for m in RECOGNISER.find(plain + " token")}
    assert asset in {m.asset for m in RECOGNISER.find(plain.replace(asset, "$" + asset))}
