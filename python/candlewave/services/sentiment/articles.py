"""What makes two articles the same: their address, or nearly their title."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

MAX_TITLE = 500
MAX_SUMMARY = 2_000
MAX_URL = 2_000

_TRACKING = re.compile(
    r"^(?:utm_.*|fbclid|gclid|dclid|msclkid|mc_cid|mc_eid|igshid|ref|ref_src|cmp|cmpid|ito|ocid|guccounter|_ga)$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+")
_FILLER_WORDS = "a an the of to in on at for and or is are was as with from its it s after amid"
_FILLER = frozenset(_FILLER_WORDS.split())
_SAME_TITLE = 0.75
_MIN_WORDS = 3
_ENDING = re.compile(r"(?:ing|ed|es|s|e)$")
_SHORT = 4
_TURNING_WORDS = """
    not no never by without against despite unlikely t deny deni denie refus reject fail halt stop end delay
    postpon cancel cancell false fake hoax rumor rumour unconfirm retract withdraw withdrawn suspend ban block
    overturn revers drop lose lost dismiss
"""
_TURNING = frozenset(_TURNING_WORDS.split())
"""Words, without endings, that turn a statement around when they are added to it."""


def canonical_url(url: str) -> str:
    """Return one spelling of an address: https, lower-case host, no tracking, no fragment; empty if it is not http."""
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return ""
    if parts.scheme.lower() not in {"http", "https"} or not host or len(url) > MAX_URL:
        return ""
    place = f"[{host}]" if ":" in host else host
    if port not in {None, 80, 443}:
        place += f":{port}"
    query = sorted((k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.match(k))
    return urlunsplit(("https", place, parts.path.rstrip("/"), urlencode(query), ""))


def article_id(url: str, source: str, title: str, published_at: datetime | None) -> str:
    """Return the id of an article: by its canonical address, without one by source, title and time."""
    when = datetime.min.replace(tzinfo=UTC) if published_at is None else published_at.astimezone(UTC)
    base = url or f"{source}\n{title}\n{when.isoformat()}"
    return hashlib.sha256(base.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def title_words(title: str) -> tuple[str, ...]:
    """Return what a title is compared by: its words in their order without fillers; numbers stay."""
    return tuple(word for word in _WORD.findall(title.lower()) if word not in _FILLER)


def same_story(one: Sequence[str], other: Sequence[str]) -> bool:
    """Return whether two titles are nearly the same.

    Different numbers make different news, and so does a word that each title has in the place of the other's: nothing
    here knows whether "approves" and "clears" or "approves" and "rejects" mean the same. Titles are the same story when
    one says what the other does in the same order and perhaps a little more, without turning it around ("not",
    "denies", "by").
    """
    if min(len(set(one)), len(set(other))) < _MIN_WORDS or _numbers(one) != _numbers(other):
        return False
    fewer, more = sorted((_stems(one), _stems(other)), key=lambda stems: len(set(stems)))
    if not set(fewer) <= set(more) or (set(more) - set(fewer)) & _TURNING:
        return False
    if len(set(fewer)) < _SAME_TITLE * len(set(more)):
        return False
    common = set(fewer)
    return list(dict.fromkeys(fewer)) == list(dict.fromkeys(stem for stem in more if stem in common))


def _numbers(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word for word in words if any(character.isdigit() for character in word))


def _stems(words: Iterable[str]) -> list[str]:
    """Return words without the endings of plural and tense."""
    return [_ENDING.sub("", word) if len(word) > _SHORT else word for word in words]


def known_story(words: Sequence[str], known: Iterable[Sequence[str]]) -> bool:
    """Return whether a title is nearly the same as one of those known."""
    return any(same_story(words, other) for other in known)
