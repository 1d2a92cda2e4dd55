"""Pauses that double."""

from datetime import timedelta
from typing import TypeVar

_MOST_DOUBLINGS = 30
"""Beyond any longest pause that is sensible, and far from an overflow."""

Pause = TypeVar("Pause", float, timedelta)


def doubled(first: Pause, times: int, longest: Pause) -> Pause:
    """Return the pause after ``times`` doublings of the first, at most the longest."""
    return min(first * 2.0 ** min(times, _MOST_DOUBLINGS), longest)
