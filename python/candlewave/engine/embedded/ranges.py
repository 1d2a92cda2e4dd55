"""Sets of touched rows: for each key, disjoint half-open time ranges in microseconds since 1970-01-01 UTC."""

from collections.abc import Iterable, Sequence
from itertools import chain

from candlewave.core.config import TIMEFRAME_SECONDS
from candlewave.sqlproject.header import Bound, Footprint, Reach

Key = tuple[str, ...]
Range = tuple[int, int]
Ranges = dict[Key, list[Range]]

EVER: Range = (-(1 << 62), 1 << 62)
"""The range that stands for a whole key."""

_SECOND = 1_000_000


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
