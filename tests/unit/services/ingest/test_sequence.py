"""The order of a market's live trades: what is new, what came before, where trades are missing."""

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from candlewave.contracts.records import Trade
from candlewave.services.ingest.holes import Hole, Last
from candlewave.services.ingest.ledger import State, subtract
from candlewave.services.ingest.live.sequence import TradeSequence

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def trade(identity: int | str, seconds: float = 0.0) -> Trade:
    seq = identity if isinstance(identity, int) else 0
    return Trade("x", "A/B", str(identity), seq, T0 + timedelta(seconds=seconds), "1", "1", "buy")


def last(number: int | None, identity: str, seconds: float = 0.0) -> Last:
    return Last(number, identity, T0 + timedelta(seconds=seconds))


def numbered(previous: Last | None = None) -> TradeSequence:
    return TradeSequence("x", "A/B", previous, running_ids=True)


def unnumbered(previous: Last | None = None) -> TradeSequence:
    return TradeSequence("x", "A/B", previous, running_ids=False)


def test_the_first_trade_of_a_new_market_has_no_hole_before_it() -> None:
    assert numbered().take(trade(500)) == (True, None)
    assert unnumbered().take(trade("q")) == (True, None)


def test_a_jump_of_running_ids_is_a_hole() -> None:
    market = numbered(last(5, "5"))
    assert market.take(trade(6, 1)) == (True, None)
    assert market.take(trade(6, 1)) == (False, None)
    new, hole = market.take(trade(9, 4))
    assert new
    assert hole == Hole("x", "A/B", last(6, "6", 1), last(9, "9", 4))
    assert market.take(trade(7, 2)) == (False, None), "the hole's trades come by its filling"


def test_ids_that_begin_anew_are_taken() -> None:
    market = numbered(last(1_000_000, "1000000"))
    assert market.take(trade(1, 30)) == (False, None)
    assert market.take(trade(2, 90)) == (True, None)
    assert market.take(trade(3, 91)) == (True, None)


def test_only_ids_that_may_belong_to_another_trade_are_doubtful() -> None:
    def doubtful(market: TradeSequence, *taken: Trade) -> list[bool]:
        found = []
        for one in taken:
            market.take(one)
            found.append(market.doubtful)
        return found

    other = msgspec.structs.replace(trade(6, 1), price="2")
    assert doubtful(numbered(), trade(6, 1), trade(6, 1), other, trade(7, 2)) == [False, False, True, False]
    restarted = numbered(last(6, "6"))
    assert doubtful(restarted, trade(6), trade(7, 2), trade(1, 90), trade(2, 91), trade(8, 92)) == [
        True,
        False,
        True,
        True,
        False,
    ]
    other = msgspec.structs.replace(trade("q", 1), price="2")
    assert doubtful(unnumbered(), trade("q", 1), trade("q", 1), other, trade("r", 2)) == [False, False, True, False]


def test_without_running_ids_only_a_broken_connection_makes_a_hole() -> None:
    market = unnumbered(last(None, "a", 0))
    new, hole = market.take(trade("c", 5))
    assert new
    assert hole is not None
    assert (hole.after.trade_id, hole.before.trade_id) == ("a", "c")
    assert market.take(trade("d", 6)) == (True, None)
    assert market.take(trade("d", 6)) == (False, None)
    assert market.take(trade("late", 5.5)) == (True, None)
    market.broken = True
    assert market.take(trade("old", 1)) == (False, None)
    new, hole = market.take(trade("e", 9))
    assert new
    assert hole is not None
    assert hole.before.trade_id == "e"


@given(st.lists(st.integers(1, 60), max_size=80))
def test_every_id_is_published_or_in_a_hole_exactly_once(ids: list[int]) -> None:
    market = numbered(last(0, "0"))
    taken: list[int] = []
    for number in ids:
        new, hole = market.take(trade(number))
        if hole is not None:
            assert hole.after.number is not None
            assert hole.before.number is not None
            taken += range(hole.after.number + 1, hole.before.number)
        if new:
            taken.append(number)
    assert taken == list(range(1, max(ids, default=0) + 1))


def test_a_hole_survives_the_ledger() -> None:
    hole = Hole("x", "A/B", last(6, "6", 1), last(9, "9", 4))
    assert Hole.from_entry(hole.entry()) == hole
    assert Hole.from_entry(hole.entry(State.DONE)) is None


def test_subtracting_ranges() -> None:
    def at(hour: int) -> datetime:
        return T0 + timedelta(hours=hour)

    whole = (at(2), at(10))
    assert subtract(whole, []) == [whole]
    assert subtract(whole, [(at(0), at(12))]) == []
    assert subtract(whole, [(at(3), at(4)), (at(0), at(2)), (at(6), at(20))]) == [(at(2), at(3)), (at(4), at(6))]
    assert subtract(whole, [(at(4), at(6)), (at(3), at(5))]) == [(at(2), at(3)), (at(6), at(10))]
