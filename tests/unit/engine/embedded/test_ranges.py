"""Footprints forth and back: what a changed row reaches, and what an output row is made of."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from candlewave.engine.embedded.ranges import EVER, cut, inputs_of, merged, outputs_of, project, size, split, union
from candlewave.sqlproject.header import Bound, Footprint, Reach

MINUTE = 60_000_000
FILL = Footprint("x", Reach.RANGE, ("k",), (), None, "t", "t", Bound(), Bound(seconds=240 * 60))
HOUR = Footprint("x", Reach.TUMBLE, ("k",), (), None, "t", "t", upper=Bound(seconds=3600))
BARS = Footprint("x", Reach.RANGE, ("k", "timeframe"), (), None, "t", "t", Bound(), Bound(bars=3))


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


wanted = st.dictionaries(
    st.tuples(st.just("k"), st.sampled_from(["1m", "5m"])),
    st.lists(
        st.tuples(st.integers(-9000, 9000), st.integers(1, 5000)).map(lambda r: (r[0] * MINUTE, sum(r) * MINUTE)),
        min_size=1,
        max_size=5,
    ).map(merged),
)


@given(wanted, st.integers(1, 4000))
def test_portions_have_all_points_once_and_are_small(touched: dict, rows: int) -> None:
    portions = list(cut(touched, ("k", "timeframe"), rows))
    assert union(*portions) == touched
    assert all(0 < size(portion, ("k", "timeframe")) <= rows for portion in portions)
    total = size(touched, ("k", "timeframe"))
    assert sum(hi - lo for p in portions for rs in p.values() for lo, hi in rs) == sum(
        hi - lo for rs in touched.values() for lo, hi in rs
    )
    assert rows < 2 * 1440 or len(portions) <= 1 + total // (rows - 1440)


def test_a_long_range_is_cut_at_midnight() -> None:
    day = 1440 * MINUTE
    touched = {("a",): [(MINUTE, 5 * day)]}
    assert list(cut(touched, ("k",), 3000)) == [
        {("a",): [(MINUTE, 2 * day)]},
        {("a",): [(2 * day, 4 * day)]},
        {("a",): [(4 * day, 5 * day)]},
    ]


def test_small_ranges_of_all_keys_are_one_portion() -> None:
    touched = {("a",): [(0, MINUTE)], ("b",): [(0, MINUTE), EVER]}
    assert list(cut(touched, ("k",), 3)) == [touched]


def test_only_what_has_no_end_is_split_where_rows_begin_and_end() -> None:
    assert list(split([(EVER[0], 9), (20, 30)], [(3, 25)])) == [(EVER[0], 3), (3, 9), (20, 30)]
    assert list(split([EVER], [(3, 25)])) == [(EVER[0], 3), (3, 25), (25, EVER[1])]
