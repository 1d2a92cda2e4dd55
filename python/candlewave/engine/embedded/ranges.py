"""Sets of touched rows: for each key, disjoint half-open time ranges in microseconds since 1970-01-01 UTC."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise

from candlewave.core.config import TIMEFRAME_SECONDS
from candlewave.sqlproject.header import Bound, Footprint, Reach

Key = tuple[str, ...]
Range = tuple[int, int]
Ranges = dict[Key, list[Range]]

EVER: Range = (-(1 << 62), 1 << 62)
"""The range that stands for a whole key."""

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND


def merged(ranges: Iterable[Range]) -> list[Range]:
    """Return the same points as sorted, disjoint, non-empty ranges that do not touch."""
    result: list[Range] = []
    for lo, hi in sorted(ranges):
        if result and lo <= result[-1][1]:
            if hi > result[-1][1]:
                result[-1] = (result[-1][0], hi)
        elif hi > lo:
            result.append((lo, hi))
    return result


def union(*parts: Ranges) -> Ranges:
    """Unite several touched sets over the same key columns."""
    keys = dict.fromkeys(chain.from_iterable(parts))
    return {key: merged(chain.from_iterable(part.get(key, ()) for part in parts)) for key in keys}


def outputs_of(footprint: Footprint, touched: Ranges) -> Ranges:
    """Return the output rows that changed input rows can change."""
    return {key: merged(_outputs(footprint, key, r) for r in ranges) for key, ranges in touched.items()}


def inputs_of(footprint: Footprint, wanted: Ranges) -> Ranges:
    """Return the input rows that the wanted output rows are made of."""
    return {key: merged(_inputs(footprint, key, r) for r in ranges) for key, ranges in wanted.items()}


def project(touched: Ranges, columns: Sequence[str], onto: Sequence[str]) -> Ranges:
    """Reduce keys over ``columns`` to keys over the fewer columns ``onto``."""
    positions = [columns.index(column) for column in onto]
    result: dict[Key, list[Range]] = {}
    for key, ranges in touched.items():
        result.setdefault(tuple(key[p] for p in positions), []).extend(ranges)
    return {key: merged(ranges) for key, ranges in result.items()}


def split(ranges: Iterable[Range], at: Iterable[Range]) -> Iterator[Range]:
    """Yield the same points with a cut where one of the other ranges begins or ends; only what has no end is cut."""
    ends = sorted({end for range_ in at for end in range_})
    for lo, hi in ranges:
        inner = [end for end in ends if lo < end < hi] if lo in EVER or hi in EVER else []
        yield from pairwise([lo, *inner, hi])


def size(wanted: Ranges, columns: Sequence[str]) -> int:
    """Estimate how many rows lie in ranges: a row a bar of the timeframe, or a minute; without an end one."""
    return sum(_rows(range_, _step(columns, key)) for key, ranges in wanted.items() for range_ in ranges)


def cut(wanted: Ranges, columns: Sequence[str], rows: int) -> Iterator[Ranges]:
    """Yield the same points in portions of at most so many rows, as :func:`size` counts them.

    A range is cut at midnight UTC where that can be, so that what a day is made of is read once.
    """
    portion: Ranges = {}
    room = rows
    for key, ranges in wanted.items():
        step = _step(columns, key)
        for lo, hi in ranges:
            while (needed := _rows((lo, hi), step)) > room:
                middle = lo + room * step
                if middle // _DAY * _DAY > lo:
                    middle = middle // _DAY * _DAY
                if room:
                    portion.setdefault(key, []).append((lo, middle))
                    lo = middle
                yield portion
                portion, room = {}, rows
            portion.setdefault(key, []).append((lo, hi))
            room -= needed
    if portion:
        yield portion


def _step(columns: Sequence[str], key: Key) -> int:
    return (TIMEFRAME_SECONDS[key[columns.index("timeframe")]] if "timeframe" in columns else 60) * _SECOND


def _rows(range_: Range, step: int) -> int:
    lo, hi = range_
    return 1 if lo in EVER or hi in EVER else -(-(hi - lo) // step)


def spread(touched: Ranges, columns: Sequence[str], over: Sequence[str], keys: Iterable[Key]) -> Ranges:
    """Extend keys over ``columns`` to those of the given keys over more columns that agree in them."""
    positions = [over.index(column) for column in columns]
    found = ((key, touched.get(tuple(key[p] for p in positions))) for key in keys)
    return {key: ranges for key, ranges in found if ranges}


def _outputs(footprint: Footprint, key: Key, range_: Range) -> Range:
    if footprint.reach in (Reach.ALL, Reach.FULL):
        return EVER
    if footprint.reach is Reach.TUMBLE:
        return _aligned(range_, _microseconds(footprint, footprint.upper, key))
    lo, hi = range_
    return (
        _shifted(lo, _microseconds(footprint, footprint.lower, key)),
        _shifted(hi, _microseconds(footprint, footprint.upper, key)),
    )


def _inputs(footprint: Footprint, key: Key, range_: Range) -> Range:
    if footprint.reach in (Reach.ALL, Reach.FULL):
        return EVER
    if footprint.reach is Reach.TUMBLE:
        return _aligned(range_, _microseconds(footprint, footprint.upper, key))
    lo, hi = range_
    return (
        _shifted(lo, -_microseconds(footprint, footprint.upper, key)),
        _shifted(hi, -_microseconds(footprint, footprint.lower, key)),
    )


def _aligned(range_: Range, size: int) -> Range:
    lo, hi = range_
    return lo if lo in EVER else lo // size * size, hi if hi in EVER else -(-hi // size) * size


def _shifted(end: int, distance: int) -> int:
    return end if end in EVER else end + distance


def _microseconds(footprint: Footprint, bound: Bound, key: Key) -> int:
    timeframe = TIMEFRAME_SECONDS[key[footprint.keys.index("timeframe")]] if bound.bars else 0
    return bound.longest_seconds(timeframe) * _SECOND
