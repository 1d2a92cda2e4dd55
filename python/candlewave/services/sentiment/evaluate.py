"""How well a scorer agrees with labelled headlines: cosine, correlation, signs, classes."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from candlewave.core.errors import CandlewaveError

_TEXT_COLUMNS = ("text", "title", "headline", "sentence")
_VALUE_COLUMNS = ("score", "sentiment", "label")
_WORDS = {
    "very positive": 1.0,
    "positive": 1.0,
    "pos": 1.0,
    "bullish": 1.0,
    "neutral": 0.0,
    "neu": 0.0,
    "negative": -1.0,
    "neg": -1.0,
    "bearish": -1.0,
    "very negative": -1.0,
}
CLASSES = ("negative", "neutral", "positive")
NEUTRAL_BAND = 0.1
"""Scores nearer to zero than this count as neutral in the confusion table."""


class EvaluationError(CandlewaveError):
    """The labelled file cannot be used; the text says where, what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A headline and its true sentiment in [-1, 1]."""

    text: str
    value: float


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Precision, recall and F1 of one class, and how many headlines have it."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Agreement of scores with labels.

    Attributes:
        count: headlines.
        cosine: of the two vectors.
        pearson: correlation; NaN when either is constant.
        sign_accuracy: share of headlines with the label's sign, of those whose label is not zero.
        signed: how many those are.
        sign_accuracy_all: the same over all headlines, where a label of zero is met by a score of zero only.
        confusion: [true class][scored class] in the order of :data:`CLASSES`.
        classes: per class of :data:`CLASSES`.
    """

    count: int
    cosine: float
    pearson: float
    sign_accuracy: float
    signed: int
    sign_accuracy_all: float
    confusion: tuple[tuple[int, ...], ...]
    classes: Mapping[str, ClassScore]


def read_labelled(path: Path) -> list[Labelled]:
    """Read ``text,score``, ``title,sentiment`` or ``text,label`` from CSV, JSON or JSON lines.

    Labels are numbers in [-1, 1] or words such as positive, bullish, neutral.

    Raises:
        EvaluationError: no such file, or a row that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path}: {error}") from None
    try:
        rows = list(_rows(path, text))
    except (json.JSONDecodeError, csv.Error) as error:
        raise EvaluationError(f"{path}: {error}") from None
    if not rows:
        raise EvaluationError(f"{path}: no labelled headline in it")
    return [_labelled(path, number, row) for number, row in enumerate(rows, 1)]


def _rows(path: Path, text: str) -> Iterable[Any]:
    if path.suffix.lower() == ".csv":
        return csv.DictReader(io.StringIO(text, newline=""))
    if text.lstrip().startswith("["):
        found = json.loads(text)
        return found if isinstance(found, list) else [found]
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def _labelled(path: Path, number: int, row: Any) -> Labelled:
    where = f"{path}, row {number}"
    if not isinstance(row, dict):
        raise EvaluationError(f"{where}: {row!r} is not an object with a text and a score")
    text = next((row[c] for c in _TEXT_COLUMNS if row.get(c)), None)
    value = next((row[c] for c in _VALUE_COLUMNS if row.get(c) not in (None, "")), None)
    if not isinstance(text, str) or value is None:
        raise EvaluationError(
            f"{where}: columns {', '.join(map(str, row))}; expected text,score or title,sentiment or text,label"
        )
    return Labelled(text, _value(where, value))


def _value(where: str, value: Any) -> float:
    word = str(value).strip().lower()
    if word in _WORDS:
        return _WORDS[word]
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not -1.0 <= number <= 1.0:
        raise EvaluationError(
            f"{where}: label {value!r} is neither a number from -1 to 1 nor one of {', '.join(_WORDS)}"
        )
    return number


def evaluate(labelled: Sequence[Labelled], scores: Sequence[float]) -> Evaluation:
    """Compare scores with labels of the same length, at least one."""
    truth = [item.value for item in labelled]
    signed = [(s, t) for s, t in zip(scores, truth, strict=True) if t != 0]
    confusion = [[0] * len(CLASSES) for _ in CLASSES]
    for score, value in zip(scores, truth, strict=True):
        confusion[_class(value, 0.0 if value in (-1.0, 0.0, 1.0) else NEUTRAL_BAND)][_class(score, NEUTRAL_BAND)] += 1
    return Evaluation(
        count=len(truth),
        cosine=_cosine(scores, truth),
        pearson=_cosine(_centred(scores), _centred(truth)),
        sign_accuracy=sum(_sign(s) == _sign(t) for s, t in signed) / len(signed) if signed else math.nan,
        signed=len(signed),
        sign_accuracy_all=sum(_sign(s) == _sign(t) for s, t in zip(scores, truth, strict=True)) / len(truth),
        confusion=tuple(tuple(row) for row in confusion),
        classes={name: _class_score(confusion, index) for index, name in enumerate(CLASSES)},
    )


def score_all(labelled: Sequence[Labelled], score: Callable[[str], float]) -> list[float]:
    """Return a score per headline."""
    return [score(item.text) for item in labelled]


def save_plot(path: Path, labelled: Sequence[Labelled], scores: Sequence[float], result: Evaluation) -> None:
    """Draw scores against labels, and the histogram of their difference, into an image file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    truth = [item.value for item in labelled]
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    scatter, histogram = figure.subplots(1, 2)
    scatter.scatter(truth, scores, s=12, alpha=0.5)
    scatter.axhline(0, color="grey", linewidth=0.6)
    scatter.axvline(0, color="grey", linewidth=0.6)
    scatter.plot([-1, 1], [-1, 1], color="grey", linewidth=0.6, linestyle="--")
    scatter.set(xlabel="label", ylabel="score", xlim=(-1.05, 1.05), ylim=(-1.05, 1.05))
    scatter.set_title(f"cosine {result.cosine:.3f}, signs {result.sign_accuracy:.1%}, n = {result.count}")
    histogram.hist([s - t for s, t in zip(scores, truth, strict=True)], bins=40)
    histogram.set(xlabel="score minus label", ylabel="headlines")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    size = math.sqrt(math.fsum(a * a for a in one)) * math.sqrt(math.fsum(b * b for b in other))
    return math.fsum(a * b for a, b in zip(one, other, strict=True)) / size if size else math.nan


def _centred(values: Sequence[float]) -> list[float]:
    mean = math.fsum(values) / len(values)
    return [value - mean for value in values]


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _class(value: float, band: float) -> int:
    return 0 if value < -band else 2 if value > band else 1


def _class_score(confusion: Sequence[Sequence[int]], index: int) -> ClassScore:
    hits = confusion[index][index]
    support = sum(confusion[index])
    scored = sum(row[index] for row in confusion)
    precision = hits / scored if scored else 0.0
    recall = hits / support if support else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return ClassScore(precision, recall, f1, support)
