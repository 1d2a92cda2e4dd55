"""What makes two articles the same: their address, or nearly their title."""

import hashlib
import re
from collections.abc import Iterable
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
_FILLER_WORDS = "a an the of to in on at for and or is are was as by with from its it s after amid"
_FILLER = frozenset(_FILLER_WORDS.split())
_SAME_TITLE = 0.75


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


def article_id(url: str, source: str, title: str, published_at: datetime) -> str:
    """Return the id of an article: by its canonical address, without one by source, title and time."""
    base = url or f"{source}\n{title}\n{published_at.astimezone(UTC).isoformat()}"
    return hashlib.sha256(base.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def title_words(title: str) -> frozenset[str]:
    """Return what a title is compared by: its words without fillers; numbers stay."""
    return frozenset(word for word in _WORD.findall(title.lower()) if word not in _FILLER)


def same_story(one: frozenset[str], other: frozenset[str]) -> bool:
    """Tell whether two titles are nearly the same; different numbers make different news."""
    if not one or not other:
        return False
    if {w for w in one if w.isdigit()} != {w for w in other if w.isdigit()}:
        return False
    return len(one & other) >= _SAME_TITLE * len(one | other) and min(len(one), len(other)) >= 3


def known_story(words: frozenset[str], known: Iterable[frozenset[str]]) -> bool:
    """Tell whether a title is nearly the same as one of those known."""
    return any(same_story(words, other) for other in known)
