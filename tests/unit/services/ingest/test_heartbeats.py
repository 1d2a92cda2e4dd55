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


LASTS = timedelta(seconds=15)


def test_without_recent_evidence_a_symbol_is_owed_nothing() -> None:
    # seconds  50       55      62            80     90      122
    #          start    answer  due           poll   silence due
    feed = LiveFeed([A, B], timedelta(seconds=2), seconds(50), LASTS)
    feed.evidence(A, seconds(55))
    assert feed.due(seconds(62)) == [(A, seconds(62))], "nothing has shown that B is served"
    assert feed.wanting(seconds(62)) == [B]
    assert feed.due(seconds(72)) == [], "A was last heard of 17 s ago"
    feed.evidence(B, seconds(80))
    assert feed.due(seconds(80)) == [(B, seconds(62))], "its minute was not over yet when it was last known"
    assert feed.due(seconds(90)) == [(B, seconds(90))]
    assert feed.due(seconds(122)) == []
    assert feed.wanting(seconds(122)) == [A, B], "the one that waits longest comes first"


def test_a_page_proves_the_minutes_before_it() -> None:
    feed = LiveFeed([A], timedelta(seconds=2), seconds(50), LASTS)
    assert feed.due(seconds(300)) == []
    feed.proven(A, seconds(290))
    assert feed.due(seconds(300)) == [(A, seconds(s)) for s in (62, 122, 182, 242)]
    feed.proven(A, seconds(100 * 3_600))
    assert len(feed.due(seconds(100 * 3_600))) == LiveFeed.PROVEN_MINUTES + 1


def test_a_lost_connection_ends_all_evidence() -> None:
    feed = LiveFeed([A], timedelta(seconds=2), seconds(50), LASTS)
    feed.evidence(A, seconds(61))
    feed.lost()
    assert feed.due(seconds(62)) == []
    feed.remove(A)
    assert feed.wanting(seconds(122)) == []
    feed.evidence(A, seconds(130))
    assert feed.due(seconds(182)) == []
    feed.evidence(A, seconds(181))
    assert feed.due(seconds(182)) == [(A, seconds(182))]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([A, B]), st.sampled_from(["evidence", "proven", "trade", "lost"]), st.integers(1, 40)
        ),
        max_size=60,
    )
)
def test_each_heartbeat_has_evidence_and_none_comes_twice(events: list[tuple[str, str, int]]) -> None:
    feed = LiveFeed([A, B], timedelta(seconds=2), seconds(0), LASTS)
    now, evidence, pages = 0, dict[str, int](), dict[str, int]()
    given_by: dict[str, list[datetime]] = {A: [], B: []}
    for symbol, kind, step in events:
        now += step
        if kind == "lost":
            feed.lost()
            evidence.clear()
        elif kind == "trade":
            feed.trade(symbol, seconds(now), seconds(now))
            feed.evidence(symbol, seconds(now))
            evidence[symbol] = now
        else:
            getattr(feed, kind)(symbol, seconds(now))
            evidence[symbol] = now
            if kind == "proven":
                pages[symbol] = now
        for beat, ts in feed.due(seconds(now)):
            assert ts not in given_by[beat]
            given_by[beat].append(ts)
            recent = beat in evidence and ts <= seconds(evidence[beat] + 15)
            assert recent or ts <= seconds(pages.get(beat, -1))
    assert all(beats == sorted(beats) for beats in given_by.values())
