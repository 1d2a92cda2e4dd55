"""The offline scorer: rules over a lexicon, no network, no training data inside.

A headline is parted into clauses. In each, movements are joined with what they move (``loss narrows`` is good), phrases
that are good or bad by themselves are collected, and negation, hedges and degree words change what follows them.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from candlewave.services.sentiment.offline.lexicon import (
    Direction,
    Lexicon,
    Match,
    Measure,
    Modifier,
    Table,
    Term,
    load_lexicon,
)
from candlewave.services.sentiment.offline.text import BOUNDARIES, is_number, percent, tokenise

VERSION = "1"
"""Changes whenever a score may change; stored with each score."""

_SCALE_REACH = 2
_NEGATE_REACH = 6
_OBJECT_REACH = 5
_SUBJECT_REACH = 5
_SHOWN_EVENTS = 0.05
_PARTICLES_BLOCK = frozenset({"to", "for", "with", "by", "as", "that", "than", "over", "on"})
_TOPICS = {
    "takeover": "merger",
    "merger": "merger",
    "etf": "etf",
    "etfs": "etf",
    "dividend": "dividend",
    "dividends": "dividend",
}
_MARKET_EVENTS = {"price": "market", "result": "earnings", "guidance": "guidance", "payout": "dividend", "jobs": "jobs"}


@dataclass(frozen=True, slots=True)
class Calibration:
    """The few numbers that were chosen on development data.

    Attributes:
        slope: steepness of the last step from sum to score.
        prior: added before it: what a headline without evidence is worth.
        decay: weight of the second strongest piece of evidence in a clause, and again for each further one.
        later: weight of each clause after the first, per clause.
        question: factor for a headline that asks.
        movement: factor of movements against phrases.
    """

    slope: float = 1.0
    prior: float = 0.06
    decay: float = 0.5
    later: float = 0.9
    question: float = 0.4
    movement: float = 1.15


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason for a score.

    Attributes:
        begin, end: the words it was found at, end exclusive.
        value: its worth in [-1, 1] or a little beyond, after modifiers.
        event: the kind of news it announces.
    """

    begin: int
    end: int
    value: float
    event: str | None


@dataclass(frozen=True, slots=True)
class Score:
    """What the scorer says.

    Attributes:
        score: in [-1, 1].
        confidence: in [0, 1]: how much evidence there is and whether it agrees.
        event: kind of news, ``other`` if none was recognised.
        evidence: the reasons, in order of words.
        words: the words they refer to.
    """

    score: float
    confidence: float
    event: str
    evidence: tuple[Evidence, ...] = field(default=(), compare=False)
    words: tuple[str, ...] = field(default=(), compare=False)


@dataclass(slots=True)
class _Clause:
    begin: int
    end: int
    weight: float


@dataclass(slots=True)
class _Found:
    directions: list[Match[Direction]]
    measures: list[Match[Measure]]
    terms: list[Match[Term]]
    modifiers: list[Match[Modifier]]

    def add(self, match: Match[Any]) -> None:
        """Put a match into the list of its table."""
        kind = type(match.entry)
        if kind is Direction:
            self.directions.append(match)
        elif kind is Measure:
            self.measures.append(match)
        elif kind is Term:
            self.terms.append(match)
        else:
            self.modifiers.append(match)


class OfflineScorer:
    """Score headlines by lexicon and rules. Safe to share among threads."""

    def __init__(self, calibration: Calibration | None = None, lexicon: Lexicon | None = None) -> None:
        self._calibration = calibration or Calibration()
        self._lexicon = lexicon or load_lexicon()

    def score(self, text: str, focus: Collection[str] = (), others: Collection[str] = ()) -> Score:
        """Score one headline.

        Args:
            text: the headline.
            focus: names (lower case, one word each) of the asset that is asked about; clauses about it count in full.
            others: names of other assets; clauses that are only about them do not count.
        """
        words = tokenise(text)
        found = self._find(words)
        clauses = _clauses(words, found.modifiers, self._calibration.later)
        if focus:
            clauses = _scoped(clauses, words, frozenset(focus), frozenset(others))
        total, weighed, evidence = 0.0, 0.0, []
        for clause in clauses:
            if not clause.weight:
                continue
            reasons = self._evidence(words, found, clause)
            evidence += reasons
            total += clause.weight * self._combine(r.value for r in reasons)
            weighed += clause.weight * sum(abs(r.value) for r in reasons)
        factor = self._calibration.question if words and _asks(words) else 1.0
        raw = math.tanh(self._calibration.slope * total * factor + self._calibration.prior)
        agreement = min(1.0, abs(total) / weighed) if weighed else 0.0
        confidence = (1.0 - math.exp(-2.0 * weighed)) * (0.4 + 0.6 * agreement) * (0.6 if factor != 1.0 else 1.0)
        return Score(raw, confidence, _event(evidence, words), tuple(evidence), tuple(words))

    def _combine(self, values: Iterable[float]) -> float:
        """Sum the strongest value and ever less of the weaker ones."""
        ordered = sorted(values, key=abs, reverse=True)
        return sum(value * self._calibration.decay**rank for rank, value in enumerate(ordered))

    def _find(self, words: Sequence[str]) -> _Found:
        """Collect phrases. One of several words hides those of other tables inside it, save a modifier equally long."""
        lexicon, found = self._lexicon, _Found([], [], [], [])
        tables: tuple[Table[Any], ...] = (lexicon.terms, lexicon.directions, lexicon.measures, lexicon.modifiers)
        hidden = [0] * len(tables)
        for at in range(len(words)):
            matches = [
                table.at(words, at) if at >= until else None for table, until in zip(tables, hidden, strict=True)
            ]
            longest = max((m.end for m in matches if m is not None), default=at)
            several = longest - at > 1
            ruled = False
            for index, match in enumerate(matches):
                whole = match is not None and match.end == longest
                if match is not None and (not several or (whole and (not ruled or index == len(tables) - 1))):
                    found.add(match)
                    hidden[index] = max(hidden[index], match.end)
                    ruled = ruled or whole
                if several:
                    hidden[index] = max(hidden[index], longest)
        return found

    def _evidence(self, words: Sequence[str], found: _Found, clause: _Clause) -> list[Evidence]:
        directions = [m for m in found.directions if clause.begin <= m.begin < clause.end]
        measures = [m for m in found.measures if clause.begin <= m.begin < clause.end]
        terms = [m for m in found.terms if clause.begin <= m.begin < clause.end]
        modifiers = [m for m in found.modifiers if clause.begin <= m.begin < clause.end]
        reasons: list[Evidence] = []
        used: set[int] = set()
        taken_words: set[int] = set()
        for match in directions:
            reason = self._movement(words, match, measures, directions, used, clause)
            if reason is not None:
                reasons.append(reason)
                taken_words.update(range(match.begin, match.end))
        taken_words.update(at for i in used for at in range(measures[i].begin, measures[i].end))
        reasons += [
            Evidence(m.begin, m.end, m.entry.value, m.entry.event)
            for m in terms
            if not (m.end - m.begin == 1 and m.begin in taken_words)
        ]
        covered = {at for r in reasons for at in range(r.begin, r.end)}
        reasons += [
            Evidence(m.begin, m.end, m.entry.alone, None)
            for index, m in enumerate(measures)
            if index not in used and m.entry.alone and not covered.intersection(range(m.begin, m.end))
        ]
        reasons.sort(key=lambda r: r.begin)
        return _modified(reasons, modifiers)

    def _movement(
        self,
        words: Sequence[str],
        match: Match[Direction],
        measures: Sequence[Match[Measure]],
        directions: Sequence[Match[Direction]],
        used: set[int],
        clause: _Clause,
    ) -> Evidence | None:
        """Join a movement with what moves; measures that were joined go into ``used``."""
        strength = match.entry.strength
        single = words[match.begin] if match.end - match.begin == 1 else ""
        after = _nearest_after(words, match, measures, directions, clause)
        before = _nearest_before(match, measures, directions, clause)
        use = match.entry.use
        if single in {"up", "down", "ups"} and use == "either" and not _is_movement(words, match, before, after):
            return None
        if use == "extreme":
            choice = _last_before(match, measures, clause)
        elif use == "object":
            choice = after if after is not None else before
        elif use == "subject":
            choice = before if before is not None else after
        else:
            choice = after if after is not None and measures[after].begin - match.end <= 1 else before
            if choice is None:
                choice = after
        strength *= _amount(words, match, clause)
        if choice is None:
            loose = 0.35 if use == "object" else 0.85
            return Evidence(match.begin, match.end, strength * loose * self._calibration.movement, "market")
        used.add(choice)
        if choice > 0 and words[measures[choice - 1].end : measures[choice].begin] in ([], ["of"]):
            used.add(choice - 1)
        measure = measures[choice].entry
        value = strength * measure.moved * self._calibration.movement
        return Evidence(match.begin, match.end, value * 1.25, _MARKET_EVENTS.get(measure.group))


def _is_movement(words: Sequence[str], match: Match[Direction], before: int | None, after: int | None) -> bool:
    """Return whether a bare up or down moves something, rather than belonging to a verb such as set up."""
    following = words[match.end] if match.end < len(words) else ""
    return before is not None or is_number(following) or following in {"on", "as", "after", ""} or after is not None


def _nearest_after(
    words: Sequence[str],
    match: Match[Direction],
    measures: Sequence[Match[Measure]],
    directions: Sequence[Match[Direction]],
    clause: _Clause,
) -> int | None:
    limit = min(clause.end, match.end + _OBJECT_REACH)
    for other in directions:
        if other.begin >= match.end:
            limit = min(limit, other.begin)
            break
    for index, measure in enumerate(measures):
        if match.end <= measure.begin < limit:
            between = words[match.end : measure.begin]
            if match.entry.use == "subject" and _PARTICLES_BLOCK.intersection(between):
                return None
            return index
    return None


def _nearest_before(
    match: Match[Direction],
    measures: Sequence[Match[Measure]],
    directions: Sequence[Match[Direction]],
    clause: _Clause,
) -> int | None:
    limit = max(clause.begin, match.begin - _SUBJECT_REACH)
    for other in directions:
        if other.end <= match.begin:
            limit = max(limit, other.end)
    best = None
    for index, measure in enumerate(measures):
        if limit <= measure.begin and measure.end <= match.begin:
            best = index
    return best


def _last_before(match: Match[Direction], measures: Sequence[Match[Measure]], clause: _Clause) -> int | None:
    """Return the last measure before a movement, skipping other movements in between."""
    inside = [i for i, m in enumerate(measures) if clause.begin <= m.begin and m.end <= match.begin]
    return inside[-1] if inside else None


def _amount(words: Sequence[str], match: Match[Direction], clause: _Clause) -> float:
    """Return a factor near 1 by the percentage written near a movement."""
    for at in range(max(clause.begin, match.begin - 3), min(clause.end, match.end + 6)):
        value = percent(list(words), at)
        if value is not None:
            return 0.9 + min(value, 40.0) / 80.0
    return 1.0


def _modified(reasons: list[Evidence], modifiers: Sequence[Match[Modifier]]) -> list[Evidence]:
    """Apply negation, relief, spoiling, degree and hedges to the evidence that follows them."""
    result = list(reasons)
    for modifier in modifiers:
        kind, factor = modifier.entry.kind, modifier.entry.factor
        if kind in {"concede", "before"}:
            continue
        if kind == "hedge":
            result = [replace(r, value=r.value * factor) if r.begin >= modifier.end else r for r in result]
            continue
        reach = _SCALE_REACH if kind == "scale" else _NEGATE_REACH
        target = next((i for i, r in enumerate(result) if 0 <= r.begin - modifier.end < reach), None)
        if target is None and kind == "scale":
            target = next((i for i, r in enumerate(result) if r.end == modifier.begin), None)
        if target is None:
            continue
        value = result[target].value
        if (kind == "relieve" and value >= 0) or (kind == "spoil" and value <= 0):
            continue
        result[target] = replace(result[target], value=value * factor)
        if kind != "scale":
            result = [
                r
                for i, r in enumerate(result)
                if i == target or not (r.begin >= modifier.begin and r.end <= modifier.end)
            ]
    return result


def _clauses(words: Sequence[str], modifiers: Sequence[Match[Modifier]], later: float) -> list[_Clause]:
    """Part a headline at punctuation and at words that subordinate a clause."""
    cuts = {m.begin: m.entry for m in modifiers if m.entry.kind in {"concede", "before"}}
    clauses: list[_Clause] = []
    begin, weight, place = 0, 1.0, 1.0
    for at in range(len(words) + 1):
        boundary = at == len(words) or words[at] in BOUNDARIES
        cut = cuts.get(at)
        if not boundary and cut is None:
            continue
        if at > begin:
            clauses.append(_Clause(begin, at, weight * place))
        if boundary:
            begin, weight = at + 1, 1.0
        else:
            assert cut is not None
            begin = at + 1
            if cut.kind == "before":
                for clause in clauses:
                    clause.weight *= cut.factor
                weight = 1.0
            else:
                weight = cut.factor
        if clauses:
            place = later
    return clauses


def _scoped(
    clauses: list[_Clause], words: Sequence[str], focus: frozenset[str], others: frozenset[str]
) -> list[_Clause]:
    """Weigh clauses by whether they are about the asset asked for; one without any name follows the clause before."""
    scoped = []
    weight = 1.0
    for clause in clauses:
        named = set(words[clause.begin : clause.end])
        if named & focus:
            weight = 1.0
        elif named & others:
            weight = 0.0
        scoped.append(_Clause(clause.begin, clause.end, clause.weight * weight))
    return scoped


def _asks(words: Sequence[str]) -> bool:
    return words[-1] == "?" or (
        words[0] in {"can", "should", "is", "will", "does", "are", "could", "why"} and "?" in words
    )


def _event(evidence: Sequence[Evidence], words: Sequence[str]) -> str:
    """Return the kind of news: by a word that settles it, else that of the strongest evidence that has one."""
    named = [(abs(r.value), r.event) for r in evidence if r.event is not None and abs(r.value) >= _SHOWN_EVENTS]
    best = max(named, key=lambda pair: pair[0], default=None)
    if best is not None:
        topic = next((_TOPICS[word] for word in words if word in _TOPICS), None)
        return topic or str(best[1])
    return "other"
