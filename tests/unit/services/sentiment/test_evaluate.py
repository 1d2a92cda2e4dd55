"""Agreement of scores with labels, on numbers that can be checked in the head."""

import math
from pathlib import Path

import pytest

from candlewave.services.sentiment.evaluate import Labelled, evaluate, read_labelled


def result(labels: list[float], scores: list[float]):
    return evaluate([Labelled("", v) for v in labels], scores)


def test_measures() -> None:
    found = result([1, -1, 0.5, 0], [0.5, -0.5, -0.5, 0])
    assert found.cosine == pytest.approx((0.5 + 0.5 - 0.25) / math.sqrt(2.25 * 0.75))
    assert found.pearson == pytest.approx(0.8125 / math.sqrt(2.1875 * 0.6875))
    assert found.sign_accuracy == pytest.approx(2 / 3)
    assert found.signed == 3
    assert found.sign_accuracy_all == pytest.approx(3 / 4)
    assert found.confusion == ((1, 0, 0), (0, 1, 0), (1, 0, 1))
    negative, neutral, positive = (found.classes[name] for name in ("negative", "neutral", "positive"))
    assert (negative.precision, negative.recall, negative.support) == (0.5, 1.0, 1)
    assert neutral.f1 == 1.0
    assert (positive.precision, positive.recall, positive.f1) == (1.0, 0.5, pytest.approx(2 / 3))


def test_scores_that_are_all_zero_have_no_cosine() -> None:
    found = result([1, -1], [0, 0])
    assert math.isnan(found.cosine)
    assert found.sign_accuracy == 0
    assert found.classes["positive"].f1 == 0


def test_labels_without_sign() -> None:
    assert math.isnan(result([0, 0], [0, 1]).sign_accuracy)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("h.jsonl", '{"text": "up\u2028and away", "score": 1}\r\n\n{"text": "b\x85c", "score": -1}\n'),
        ("h.csv", 'text,score\n"up\u2028and away",1\n"b\x85c",-1\n'),
    ],
)
def test_lines_end_at_line_feeds_only(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8", newline="")
    assert read_labelled(path) == [Labelled("up\u2028and away", 1.0), Labelled("b\x85c", -1.0)]


def test_a_quoted_line_end_belongs_to_its_field(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_text('text,score\n"SEC sues\nKraken",-1\n', encoding="utf-8")
    assert read_labelled(path) == [Labelled("SEC sues\nKraken", -1.0)]
