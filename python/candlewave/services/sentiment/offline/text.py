"""From a headline to words: repair, strip what news wires put around it, cut into words and boundaries."""

import re
import unicodedata

_WIRE_PREFIX = re.compile(
    r"^\s*(?:(?:UPDATE|WRAPUP|CORRECTED|REFILE|RPT|BRIEF|EXCLUSIVE|INSIGHT|ANALYSIS|FACTBOX|TIMELINE|BUZZ|PRESS"
    r"|TOP NEWS|BREAKING|JUST IN|ALERT|LIVE|DEALS|TABLE|POLL|PREVIEW|RESEARCH ALERT|NEWSMAKER)"
    r"(?:[ -]?\d+)?\s*[-:–—]+\s*)+",
)
_GLUED_SECTION = re.compile(r"^(?:Companies|Markets|Industry News|News Feed|Business|Economy|Finance)(?=[A-Z])")
_SOURCE_SUFFIX = re.compile(
    r"\s+[-–—]\s*(?:sources?|paper|report|reports|[A-Z][A-Za-z.&]+(?: [A-Z][A-Za-z.&]+){0,2})\s*$"
)
_SHARE_PRICE_TOPIC = re.compile(r"^(.{2,40}?) (?:share|stock) price:", re.IGNORECASE)
_WORD = re.compile(
    r"[$£€¥]?\d[\d,.]*(?:%|[a-zA-Z]{1,3}\b)?|[A-Za-z]+(?:['’][A-Za-z]+)*(?:&[A-Za-z]+)?|\$[A-Za-z]{2,10}|[^\sA-Za-z\d]"
)
_NUMBER = re.compile(r"^[$£€¥]?(\d[\d,]*(?:\.\d+)?)(.*)$")
_PERCENT_WORDS = frozenset({"%", "percent", "pct", "pc", "per"})
BOUNDARIES = frozenset('.,;:!?–—|()[]"“”/…')
"""One-character words that end a clause."""


def repair(text: str) -> str:
    """Undo UTF-8 text read as Latin-1 (``Â£``), and unify look-alike characters."""
    if "Ã" in text or "Â" in text or "â€" in text:
        for codec in ("cp1252", "latin-1"):
            try:
                text = text.encode(codec).decode("utf-8")
                break
            except UnicodeError:
                continue
        else:
            text = text.replace("Â", "")
    text = unicodedata.normalize("NFKC", text)
    return text.replace("’", "'").replace("‘", "'").replace("`", "'")


def strip_wire(text: str) -> str:
    """Remove markers of news wires: ``UPDATE 2-``, a section glued to the first word, the source at the end."""
    text = _WIRE_PREFIX.sub("", text)
    text = _GLUED_SECTION.sub("", text)
    text = _SOURCE_SUFFIX.sub("", text)
    return _SHARE_PRICE_TOPIC.sub(r"\1:", text)


def tokenise(text: str) -> list[str]:
    """Return lower-case words, numbers and punctuation marks of a headline.

    A possessive ``'s`` goes away; a hyphen inside a word parts it, a free-standing one is a boundary.
    """
    words = []
    text = re.sub(r"\s[-–—]+\s", " — ", strip_wire(repair(text)))
    for match in _WORD.finditer(text):
        word = match.group().lower()
        if word in {"-", "'", "$", "£", "€", "*", "#", "+", "&", "@", "^", "~", "_", "="}:
            continue
        if word.endswith("'s"):
            word = word[:-2]
        words.append(word)
    return words


def percent(words: list[str], at: int) -> float | None:
    """Return the percentage written at a word (``5%``, ``5 percent``), or None."""
    match = _NUMBER.match(words[at])
    if match is None:
        return None
    unit = match.group(2) or (words[at + 1] if at + 1 < len(words) else "")
    if unit not in _PERCENT_WORDS:
        return None
    try:
        return float(match.group(1).replace(",", ""))
    except ValueError:
        return None


def is_number(word: str) -> bool:
    """Return whether a word is a number, with or without currency and unit."""
    return _NUMBER.match(word) is not None
