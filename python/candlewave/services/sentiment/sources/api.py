"""What news APIs that answer in JSON share."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from candlewave.contracts.records import Article
from candlewave.services.sentiment.fetch import FetchRefusedError
from candlewave.services.sentiment.sources.base import MAX_ITEMS, BadItem

MAX_PAGES = 5


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        FetchRefusedError: it is not one.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FetchRefusedError("malformed", f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise FetchRefusedError("malformed", f"expected a JSON object, found {type(found).__name__}")
    return found


def read_items(
    found: dict[str, Any], name: str, make: Callable[[dict[str, Any]], Article]
) -> tuple[list[Article], list[BadItem]]:
    """Make articles from a list of objects; the others are bad items.

    Raises:
        FetchRefusedError: there is no such list, or it is too long.
    """
    items = found.get(name)
    if not isinstance(items, list):
        raise FetchRefusedError("malformed", f"no list {name!r} in the answer")
    if len(items) > MAX_ITEMS:
        raise FetchRefusedError("too_many_items", f"{len(items):,} items, more than {MAX_ITEMS}")
    articles: list[Article] = []
    bad: list[BadItem] = []
    for number, item in enumerate(items, 1):
        try:
            if not isinstance(item, dict):
                raise ValueError(f"type {type(item).__name__} instead of an object")
            articles.append(make(item))
        except ValueError as error:
            bad.append(BadItem(f"item {number}", json.dumps(item)[:4_000].encode(), f"item has {error}"))
    return articles, bad


def reached(articles: Sequence[Article], state_newest: Any) -> bool:
    """Return whether a page of articles, newest first, goes back to what was seen before."""
    return (
        state_newest is None
        or any(a.published_at is not None and a.published_at <= state_newest for a in articles)
        or not articles
    )
