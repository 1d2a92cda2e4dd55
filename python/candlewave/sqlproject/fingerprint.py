"""What an SQL object is, apart from comments and layout: its normalised text and the hash that engines keep of it."""

import hashlib
import re

from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.header import split_header
from candlewave.sqlproject.render import SqlObject

_TOKEN = re.compile(
    r"""\s+|--[^\n]*|/\*.*?\*/|(?P<kept>'(?:[^']|'')*'|"(?:[^"]|"")*"|\$\{\w+\}|\w+|[^\w\s])""", re.DOTALL
)
_MEANINGFUL = ("keys", "event time", "footprint")


def fingerprint(sql_object: SqlObject) -> str:
    """Return the sha256 of an object's normalised text.

    Engines keep this value: if its computation changed, every object would be rebuilt.
    """
    return hashlib.sha256(normalised(sql_object).encode()).hexdigest()


def normalised(sql_object: SqlObject) -> str:
    """Return an object's statement as tokens with single spaces between them, without comments.

    For a view with a footprint, and for any materialized one, the header's keys, event time and footprint follow,
    because the embedded engine computes by them.
    """
    comment, body = split_header(sql_object.text)
    parts = [match["kept"] for match in _TOKEN.finditer(body.rstrip().rstrip(";")) if match["kept"]]
    if sql_object.kind is Kind.MATERIALIZED_VIEW or sql_object.header.footprints:
        parts += meaningful_header(comment)
    return " ".join(parts)


def meaningful_header(comment: str) -> list[str]:
    """Return the lines of a header that say how the embedded engine computes: keys, event time and footprint."""
    kept = []
    inside = False
    for line in comment.splitlines()[1:]:
        text = line.removeprefix("--")
        if not text.startswith("  "):
            inside = text.strip().partition(":")[0] in _MEANINGFUL
        if inside:
            kept.append(" ".join(text.split()))
    return kept
