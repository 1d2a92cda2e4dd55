"""The offline scorer: signs of headlines made up for this test, rules one by one, and a sound lexicon."""

from pathlib import Path

import pytest

from candlewave.services.sentiment.offline.lexicon import inflections, load_lexicon
from candlewave.services.sentiment.offline.scorer import OfflineScorer
from candlewave.services.sentiment.offline.text import tokenise

_NEUTRAL = 0.12
_HEADLINES = [
    tuple(line.split("\t"))
    for line in (Path(__file__).parent / "headlines.tsv").read_text().splitlines()
    if not line.startswith("#")
]


@pytest.fixture(scope="module")
def scorer() -> OfflineScorer:
    return OfflineScorer()


@pytest.mark.parametrize(("sign", "event", "headline"), _HEADLINES)
def test_headline_has_its_sign_and_event(scorer: OfflineScorer, sign: str, event: str, headline: str) -> None:
    result = scorer.score(headline)
    found = "+" if result.score > _NEUTRAL else "-" if result.score < -_NEUTRAL else "0"
    assert (found, result.event if event != "-" else "-") == (sign, event), result


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("Loss narrows", "Loss widens"),
        ("Profit rises", "Profit falls"),
        ("Costs fall", "Costs rise"),
        ("Miner cuts costs", "Miner cuts dividend"),
        ("Regulator drops investigation into lender", "Regulator opens investigation into lender"),
        ("Bank avoids record fine", "Bank hit with record fine"),
        ("Shares soar 20%", "Shares edge up"),
        ("Shares edge lower", "Shares plunge 20%"),
        ("Profit slips but outlook raised", "Outlook raised but profit slips"),
        ("Sales rise despite strike", "Strike despite rise in sales"),
        ("Company wins order", "Will the company win the order?"),
        ("Exchange suffers no losses in hack attempt", "Exchange suffers losses in hack"),
        ("Results better than feared", "Results worse than expected"),
        ("Unemployment falls to lowest level in a decade", "Profit falls to lowest level in a decade"),
    ],
)
def test_better_news_scores_higher(scorer: OfflineScorer, better: str, worse: str) -> None:
    assert scorer.score(better).score > scorer.score(worse).score + 0.05


def test_headline_about_two_assets_is_scored_for_the_one_asked(scorer: OfflineScorer) -> None:
    headline = "Solana soars to record high; Cardano tumbles after exploit"
    solana = scorer.score(headline, {"solana", "sol"}, {"cardano", "ada"})
    cardano = scorer.score(headline, {"cardano", "ada"}, {"solana", "sol"})
    assert solana.score > 0.4
    assert cardano.score < -0.4


def test_headline_without_evidence_has_no_confidence(scorer: OfflineScorer) -> None:
    result = scorer.score("Zebra quartet Wednesday")
    assert result.confidence == 0
    assert abs(result.score) < 0.1
    assert result.event == "other"


@pytest.mark.parametrize("text", ["", " ", "?", "—", "🚀🚀🚀", "$", "a" * 5000, "-- :: ..", "\x00\ud800"])
def test_any_text_gets_a_score(scorer: OfflineScorer, text: str) -> None:
    result = scorer.score(text)
    assert -1 <= result.score <= 1
    assert 0 <= result.confidence <= 1


def test_wire_markers_and_broken_encoding_do_not_matter(scorer: OfflineScorer) -> None:
    plain = scorer.score("Barrow fined £100m over mis-selling")
    assert scorer.score("UPDATE 2-Barrow fined Â£100m over mis-selling - Reuters").score == plain.score
    assert scorer.score("CompaniesBarrow fined £100m over mis-selling").score == plain.score


def test_words_of_a_headline() -> None:
    assert tokenise("Ether's price up 5% — weaker-than-expected?") == [
        "ether", "price", "up", "5%", "—", "weaker", "than", "expected", "?",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "forms"),
    [
        ("rise", {"rise", "rises", "rising", "rose", "risen"}),
        ("cut", {"cut", "cuts", "cutting"}),
        ("slip", {"slip", "slips", "slipping", "slipped"}),
        ("rally", {"rally", "rallies", "rallying", "rallied"}),
        ("crash", {"crash", "crashes", "crashing", "crashed"}),
        ("tie", {"tie", "ties", "tying", "tied"}),
    ],
)
def test_inflections(word: str, forms: set[str]) -> None:
    assert inflections(word) == forms


def test_lexicon_values_are_in_range() -> None:
    lexicon = load_lexicon()
    assert len(lexicon.terms) > 2000
    assert all(0 < abs(entry.value) <= 1 for entry in lexicon.terms.entries())
    assert all(0 < abs(entry.strength) <= 1 for entry in lexicon.directions.entries())
    assert all(0 < abs(entry.moved) <= 1 for entry in lexicon.measures.entries())
    assert {entry.use for entry in lexicon.directions.entries()} == {"subject", "object", "either", "extreme"}
    assert {entry.kind for entry in lexicon.modifiers.entries()} == {
        "negate", "relieve", "spoil", "scale", "hedge", "concede", "before",
    }  # fmt: skip
