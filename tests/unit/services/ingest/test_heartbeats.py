"""Heartbeats: one per empty minute of a complete range, and those a silent live feed owes."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from candlewave.core.times import MINUTE
from candlewave.services.ingest.heartbeats import CompleteRange, LiveFeed

T0 = datetime(2026, 3, 1, tzinfo=UTC)
A, B = "A/USD", "B/USD"


def at(minutes: float) -> datetime:
    return T0 + minutes * MINUTE


def test_every_empty_minute_of_each_symbol_is_given_once_in_order() -> None:
    # minute   0   1   2   3   4
    # A        x           x   x
    # B            x       x
    minutes = CompleteRange()
    assert minutes.advance(A, at(0.5)) == []
    assert minutes.advance(B, at(1.2)) == [], "a symbol's range begins with its first trade"
    assert minutes.advance(A, at(3.1)) == [(A, at(1)), (A, at(2)), (B, at(2))]
    assert minutes.advance(B, at(3.2)) == []
    assert minutes.advance(A, at(4.0)) == []
    assert minutes.finish() == [(B, at(4))]
    assert minutes.finish() == []


def test_a_range_with_a_stated_begin_and_end_is_covered_to_its_edges() -> None:
    minutes = CompleteRange([A], begin=at(0))
    assert minutes.advance(A, at(2.5)) == [(A, at(0)), (A, at(1))]
    assert minutes.finish(at(5)) == [(A, at(3)), (A, at(4))]


def test_a_range_without_trades_is_all_heartbeats() -> None:
    assert CompleteRange([A], begin=at(0)).finish(at(2)) == [(A, at(0)), (A, at(1))]


def test_a_trade_out_of_order_changes_nothing() -> None:
    minutes = CompleteRange()
    minutes.advance(A, at(5))
    assert minutes.advance(A, at(2)) == []
    assert minutes.last_minute == at(5)


def test_silence_ends_after_a_day() -> None:
    minutes = CompleteRange()
    minutes.advance(A, at(0))
    assert len(minutes.advance(B, at(60 * 24 * 365 * 50))) == 60 * 24


@given(
    st.lists(
        st.tuples(st.sampled_from([A, B]), st.integers(0, 200 * 60).map(lambda s: s / 60)),
        min_size=1,
        max_size=60,
    )
)
def test_no_minute_is_empty_after_heartbeats(trades: list[tuple[str, float]]) -> None:
    trades.sort(key=lambda pair: pair[1])
    minutes = CompleteRange()
    beats = [beat for symbol, minute in trades for beat in minutes.advance(symbol, at(minute))]
    beats += minutes.finish()
    assert len(set(beats)) == len(beats)
    last = int(trades[-1][1])
    for symbol in {s for s, _ in trades}:
        traded = {int(m) for s, m in trades if s == symbol}
        beaten = {int((ts - T0) / MINUTE) for s, ts in beats if s == symbol}
        assert traded.isdisjoint(beaten)
        assert sorted(traded | beaten) == list(range(min(traded), last + 1))


def seconds(value: float) -> datetime:
    return T0 + timedelta(seconds=value)


def test_a_live_feed_owes_a_heartbeat_at_the_minutes_end_plus_grace_and_in_silence() -> None:
    # seconds  50        58   60 62        72            122
    #          start     t            due       silence
    feed = LiveFeed([A], timedelta(seconds=2), now=seconds(50))
    feed.trade(A, seconds(57.9), seconds(58))
    assert feed.due(seconds(61.9)) == []
    assert feed.due(seconds(62.1)) == [(A, seconds(62))]
    assert feed.due(seconds(62.2)) == [], "once"
    assert feed.due(seconds(71.9)) == []
    assert feed.due(seconds(72.1)) == [(A, seconds(72))]
    assert feed.due(seconds(80)) == []
    assert feed.due(seconds(82.2)) == [(A, seconds(82))]


def test_a_trade_past_the_boundary_makes_the_heartbeat_needless() -> None:
    feed = LiveFeed([A, B], timedelta(seconds=2), now=seconds(55))
    feed.trade(A, seconds(62.5), seconds(62.6))
    assert feed.due(seconds(62.7)) == [(B, seconds(62))]


def test_after_a_pause_one_heartbeat_says_it_all() -> None:
    feed = LiveFeed([A], timedelta(seconds=2), now=seconds(0))
    assert feed.due(seconds(600)) == [(A, seconds(542))]
