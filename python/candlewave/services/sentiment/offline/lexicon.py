"""The lexicon of the offline scorer: phrases in TSV files, matched longest first on word forms.

Four tables, one per role a phrase can play: directions (what moves, which way), measures (what is moved, and whether
more of it is good), terms (good or bad by themselves, with the kind of news they announce), modifiers (negation,
hedges, clause words). A word that ends with ``+`` stands for its inflections as well (``rise+``: rises, rising, rose).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Generic, TypeVar

from candlewave.core.errors import CandlewaveError

_IRREGULAR = {
    "arise": ("arose", "arisen"),
    "beat": ("beaten",),
    "become": ("became",),
    "bleed": ("bled",),
    "blow": ("blew", "blown"),
    "break": ("broke", "broken"),
    "bring": ("brought",),
    "build": ("built",),
    "buy": ("bought",),
    "choose": ("chose", "chosen"),
    "come": ("came",),
    "cut": (),
    "deal": ("dealt",),
    "draw": ("drew", "drawn"),
    "drive": ("drove", "driven"),
    "eat": ("ate", "eaten"),
    "fall": ("fell", "fallen"),
    "feel": ("felt",),
    "fight": ("fought",),
    "find": ("found",),
    "freeze": ("froze", "frozen"),
    "get": ("got", "gotten"),
    "give": ("gave", "given"),
    "go": ("went", "gone"),
    "grow": ("grew", "grown"),
    "hit": (),
    "hold": ("held",),
    "hurt": (),
    "keep": ("kept",),
    "lay": ("laid",),
    "lead": ("led",),
    "leap": ("leapt",),
    "leave": ("left",),
    "lend": ("lent",),
    "lose": ("lost",),
    "make": ("made",),
    "meet": ("met",),
    "overcome": ("overcame",),
    "overpay": ("overpaid",),
    "overtake": ("overtook", "overtaken"),
    "pay": ("paid",),
    "put": (),
    "quit": (),
    "reset": (),
    "rise": ("rose", "risen"),
    "run": ("ran",),
    "see": ("saw", "seen"),
    "seek": ("sought",),
    "sell": ("sold",),
    "send": ("sent",),
    "set": (),
    "shake": ("shook", "shaken"),
    "shed": (),
    "shine": ("shone",),
    "shoot": ("shot",),
    "show": ("shown",),
    "shrink": ("shrank", "shrunk"),
    "shut": (),
    "sink": ("sank", "sunk"),
    "slide": ("slid",),
    "spend": ("spent",),
    "spill": ("spilt",),
    "stand": ("stood",),
    "steal": ("stole", "stolen"),
    "stick": ("stuck",),
    "strike": ("struck", "stricken"),
    "sweep": ("swept",),
    "swing": ("swung",),
    "take": ("took", "taken"),
    "undercut": (),
    "understand": ("understood",),
    "win": ("won",),
    "wind": ("wound",),
    "withdraw": ("withdrew", "withdrawn"),
    "withhold": ("withheld",),
    "withstand": ("withstood",),
    "write": ("wrote", "written"),
}
_VOWELS = "aeiou"
_DOUBLES = (
    " admit ban bar beg bet cap chop clap clip commit compel control cut dip dog drag drop dub equip flip flop gap"
    " get grab hit hop jam jet knit lag lap let lop map nab net nod occur omit pen permit pin pip plan plot plug"
    " pop prefer prod prop propel put quit rebel rebut refer regret rig rip rob rot rub run set shed ship shop"
    " shut sit skid skip slam slap slip snap snub spin spot spur stem step stir stop submit sum swap tap thin tip"
    " top transfer trap trim unplug upset wed win wrap zip "
)
"""Words whose last letter doubles before -ed and -ing, between spaces."""


def inflections(word: str) -> frozenset[str]:
    """Return a verb's or noun's regular forms, and its irregular ones instead of a regular past.

    >>> sorted(inflections("rise"))
    ['rise', 'risen', 'rises', 'rising', 'rose']
    """
    if len(word) < 2:
        return frozenset([word])
    if word.endswith(("s", "x", "z", "ch", "sh")):
        forms = {word, word + "es"}
    elif word.endswith("y") and word[-2] not in _VOWELS:
        forms = {word, word[:-1] + "ies"}
    else:
        forms = {word, word + "s"}
    stem = word + word[-1] if f" {word} " in _DOUBLES else word
    if word.endswith("ie"):
        forms.add(word[:-2] + "ying")
    elif word.endswith("e") and not word.endswith(("ee", "oe", "ye")):
        forms.add(word[:-1] + "ing")
    else:
        forms.add(stem + "ing")
    if word in _IRREGULAR:
        forms.update(_IRREGULAR[word])
    elif word.endswith("e"):
        forms.add(word + "d")
    elif word.endswith("y") and word[-2] not in _VOWELS:
        forms.add(word[:-1] + "ied")
    else:
        forms.add(stem + "ed")
    return frozenset(forms)


@dataclass(frozen=True, slots=True)
class Direction:
    """A movement: ``strength`` in [-1, 1], and whether what moves stands before it, after it, or either."""

    strength: float
    use: str


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that moves: what a full movement up is worth, what its mention alone is worth, and its group."""

    moved: float
    alone: float
    group: str


@dataclass(frozen=True, slots=True)
class Term:
    """Good or bad by itself: ``value`` in [-1, 1]; ``event`` is the kind of news, or None."""

    value: float
    event: str | None


@dataclass(frozen=True, slots=True)
class Modifier:
    """What changes other phrases: its kind (negate, relieve, spoil, scale, hedge, concede, before) and factor."""

    kind: str
    factor: float


Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Match(Generic[Entry]):
    """A phrase found at words ``begin`` to ``end``, exclusive."""

    begin: int
    end: int
    entry: Entry


class LexiconError(CandlewaveError):
    """A lexicon file has a line that cannot be read."""


class Table(Generic[Entry]):
    """Phrases of one role, found longest first."""

    def __init__(self) -> None:
        self._phrases: dict[tuple[str, ...], Entry] = {}
        self._lemmas: dict[str, tuple[str, ...]] = {}
        self._lengths: dict[str, tuple[int, ...]] = {}

    def __len__(self) -> int:
        """Return the number of phrases."""
        return len(self._phrases)

    def entries(self) -> Iterator[Entry]:
        """Return what is known of each phrase."""
        return iter(self._phrases.values())

    def add(self, pattern: str, entry: Entry) -> None:
        """Add a phrase; a later one of the same words replaces it."""
        key = tuple(pattern.split())
        self._phrases[key] = entry
        for word in key:
            for form in inflections(word[:-1]) if word.endswith("+") else (word,):
                self._lemmas[form] = tuple(dict.fromkeys((*self._lemmas.get(form, ()), word)))
        lengths = {*self._lengths.get(key[0], ()), len(key)}
        self._lengths[key[0]] = tuple(sorted(lengths, reverse=True))

    def at(self, words: Sequence[str], begin: int) -> Match[Entry] | None:
        """Return the longest phrase that begins at a word."""
        best: Match[Entry] | None = None
        for first in self._lemmas.get(words[begin], ()):
            for length in self._lengths.get(first, ()):
                if (best is not None and begin + length <= best.end) or begin + length > len(words):
                    continue
                entry = self._complete((first,), words, begin + 1, begin + length)
                if entry is not None:
                    best = Match(begin, begin + length, entry)
        return best

    def _complete(self, key: tuple[str, ...], words: Sequence[str], at: int, end: int) -> Entry | None:
        if at == end:
            return self._phrases.get(key)
        for lemma in self._lemmas.get(words[at], ()):
            found = self._complete((*key, lemma), words, at + 1, end)
            if found is not None:
                return found
        return None


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The four tables."""

    directions: Table[Direction]
    measures: Table[Measure]
    terms: Table[Term]
    modifiers: Table[Modifier]


@lru_cache(maxsize=1)
def load_lexicon() -> Lexicon:
    """Read the shipped lexicon.

    Raises:
        LexiconError: a line of it cannot be read.
    """
    lexicon = Lexicon(Table(), Table(), Table(), Table())
    for pattern, strength, use in _rows("directions.tsv", 3):
        lexicon.directions.add(pattern, Direction(float(strength), use))
    for pattern, moved, alone, group in _rows("measures.tsv", 4):
        lexicon.measures.add(pattern, Measure(float(moved), float(alone), group))
    for name in ("terms.tsv", "crypto.tsv"):
        for pattern, value, event in _rows(name, 3):
            lexicon.terms.add(pattern, Term(float(value), None if event == "-" else event))
    for pattern, kind, factor in _rows("modifiers.tsv", 3):
        lexicon.modifiers.add(pattern, Modifier(kind, float(factor)))
    return lexicon


def _rows(name: str, columns: int) -> Iterator[list[str]]:
    text = files("candlewave.services.sentiment.offline").joinpath("lexicon", name).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != columns:
            raise LexiconError(f"{name}, line {number}: {len(fields)} columns, expected {columns}: {line!r}")
        yield fields
