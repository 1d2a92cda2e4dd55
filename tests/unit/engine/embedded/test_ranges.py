"""Footprints forth and back: what a changed row reaches, and what an output row is made of."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from candlewave.engine.embedded.ranges import EVER, inputs_of, merged, outputs_of, project, union
from candlewave.sqlproject.header import Bound, Footprint, Reach

MINUTE = 60_000_000
FILL = Footprint("x", Reach.RANGE, ("k",), None, "t", "t", Bound(), Bound(seconds=240 * 60))
HOUR = Footprint("x", Reach.TUMBLE, ("k",), None, "t", "t", upper=Bound(seconds=3600))
BARS = Footprint("x", Reach.RANGE, ("k", "timeframe"), None, "t", "t", Bound(), Bound(bars=3))


def test_a_fill_reaches_forward_and_reads_back() -> None:
    assert outputs_of(FILL, {("a",): [(0, MINUTE)]}) == {("a",): [(0, 241 * MINUTE)]}
    assert inputs_of(FILL, {("a",): [(0, MINUTE)]}) == {("a",): [(-240 * MINUTE, MINUTE)]}


def test_a_tumble_is_the_aligned_interval_both_ways() -> None:
    touched = {("a",): [(61 * MINUTE, 62 * MINUTE)]}
    assert outputs_of(HOUR, touched) == inputs_of(HOUR, touched) == {("a",): [(60 * MINUTE, 120 * MINUTE)]}


def test_bars_are_as_long_as_the_rows_timeframe() -> None:
    touched = {("a", "1m"): [(0, 1)], ("a", "5m"): [(0, 1)]}
    assert outputs_of(BARS, touched) == {("a", "1m"): [(0, 3 * MINUTE + 1)], ("a", "5m"): [(0, 15 * MINUTE + 1)]}


def test_an_open_end_stays_open() -> None:
    assert outputs_of(FILL, {("a",): [(EVER[0], MINUTE)]}) == {("a",): [(EVER[0], 241 * MINUTE)]}
    assert outputs_of(HOUR, {("a",): [EVER]}) == {("a",): [EVER]}
    assert outputs_of(replace(FILL, reach=Reach.ALL), {("a",): [(0, 1)]}) == {("a",): [EVER]}


def test_fewer_keys_unite_ranges() -> None:
    touched = {("a", "1m"): [(0, 5)], ("a", "5m"): [(3, 9)], ("b", "1m"): [(0, 1)]}
    assert project(touched, ("k", "timeframe"), ("k",)) == {("a",): [(0, 9)], ("b",): [(0, 1)]}


ranges = st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 20)).map(lambda r: (r[0], r[0] + r[1])), max_size=8)


@given(ranges, ranges)
def test_union_has_the_points_of_both_and_is_disjoint(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    points = {p for lo, hi in a + b for p in range(lo, hi)}
    result = union({("k",): a}, {("k",): b})[("k",)]
    assert {p for lo, hi in result for p in range(lo, hi)} == points
    assert all(left[1] < right[0] for left, right in pairwise(result))


@given(st.integers(-300, 300), st.integers(0, 200), st.integers(0, 200), st.integers(-300, 300))
def test_what_a_row_reaches_and_what_a_row_reads_agree(t: int, back: int, forth: int, u: int) -> None:
    footprint = replace(FILL, lower=Bound(seconds=-back), upper=Bound(seconds=forth))
    second = 1_000_000
    reached = outputs_of(footprint, {("k",): [(t * second, t * second + 1)]})[("k",)]
    read = inputs_of(footprint, {("k",): [(u * second, u * second + 1)]})[("k",)]
    assert any(lo <= u * second < hi for lo, hi in reached) == any(lo <= t * second < hi for lo, hi in read)


def test_empty_ranges_vanish() -> None:
    assert merged([(5, 5), (7, 6)]) == []
