"""Refuse XML that does harm before a parser for feeds sees it: entities, deep nesting, floods of elements."""

import re
from xml.parsers import expat

from candlewave.services.sentiment.fetch import FetchRefusedError

_MAX_DEPTH = 40
_MAX_ELEMENTS = 60_000
_CDATA = re.compile(rb"<!\[CDATA\[.*?\]\]>", re.DOTALL)
_DECLARATIONS = re.compile(rb"<!ENTITY|<!DOCTYPE[^>]*\[", re.IGNORECASE)


def refuse_harmful(body: bytes) -> None:
    """Raise for a document that is empty, declares entities, or has too many elements.

    A document that is not well-formed is counted up to where it breaks and, as a parser that repairs it may go on, by
    its opening brackets; whether it is a feed at all is not decided here. A document type without declarations, as old
    feeds have it, does no harm.

    Raises:
        FetchRefusedError: ``malformed``, ``doctype``, ``too_deep`` or ``too_many_elements``.
    """
    text = body.replace(b"\0", b"")  # UTF-16 and UTF-32, as far as markup goes
    if not text.strip():
        raise FetchRefusedError("malformed", "the answer is empty")
    if _DECLARATIONS.search(_CDATA.sub(b"", text)):
        raise FetchRefusedError("doctype", "declarations of entities are not accepted")
    if text.count(b"<") > 4 * _MAX_ELEMENTS:
        raise FetchRefusedError("too_many_elements", f"more than {4 * _MAX_ELEMENTS:,} opening brackets")
    depth = count = 0

    def start(*_: object) -> None:
        nonlocal depth, count
        depth += 1
        count += 1
        if depth > _MAX_DEPTH:
            raise FetchRefusedError("too_deep", f"more than {_MAX_DEPTH} elements inside each other")
        if count > _MAX_ELEMENTS:
            raise FetchRefusedError("too_many_elements", f"more than {_MAX_ELEMENTS:,} elements")

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(body.lstrip(), True)
    except (expat.ExpatError, ValueError, LookupError):
        return  # not well-formed, or in an encoding that this parser does not know: the feed parser decides
