"""How far the host's clock is from an exchange's: from its answers, from the arrival of its trades, from both."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlewave.services.ingest.live.skew import ExchangeClock

T0 = datetime(2026, 3, 1, tzinfo=UTC)
SECOND, MS = timedelta(seconds=1), timedelta(milliseconds=1)


class World:
    """A host whose clock is ``skew`` seconds ahead of the exchange's, and a monotonic clock with a zero of its own."""

    def __init__(self, skew: float) -> None:
        self.passed = 0.0
        self.skew = skew
        self.clock = ExchangeClock(self.host, lambda: 12_345.0 + self.passed)

    def exchange(self) -> datetime:
        return T0 + timedelta(seconds=self.passed)

    def host(self) -> datetime:
        return self.exchange() + timedelta(seconds=self.skew)

    def trade(self, on_the_way: float = 0.05, wrong_by: float = 0.0) -> None:
        event = self.exchange() + timedelta(seconds=wrong_by)
        self.passed += on_the_way
        self.clock.traded(event)
        self.passed += 0.1

    def answer(self, there: float = 0.05, back: float = 0.05, unit: timedelta = MS) -> None:
        asked = self.clock.asked()
        self.passed += there
        since = self.exchange() - T0
        server = T0 + since // unit * unit
        self.passed += back
        self.clock.answered(asked, server, unit)

    @property
    def error(self) -> float:
        """How far :meth:`ExchangeClock.now` is from the exchange's time, in seconds."""
        return (self.clock.now() - self.exchange()).total_seconds()


def test_nothing_is_known_at_first() -> None:
    world = World(-7.3)
    assert world.clock.skew is None
    assert world.clock.now() == world.host()
    assert world.clock.problem("kraken") is None


@pytest.mark.parametrize("skew", [-7.3, 7.3, -3_600.0, 86_400.0 * 30])
def test_an_answer_shows_a_slow_and_a_fast_clock(skew: float) -> None:
    world = World(skew)
    world.answer()
    assert abs(world.error) <= 0.051
    side = "behind" if skew < 0 else "ahead of"
    assert world.clock.problem("kraken") in [
        f"this host's clock is {abs(skew) + d:.1f} s {side} kraken's" for d in (0, 0.1)
    ]


def test_trades_alone_show_a_slow_clock() -> None:
    world = World(-7.3)
    for _ in range(20):
        world.trade()
    assert str(world.clock.problem("kraken")) == "this host's clock is 7.2 s behind kraken's", (
        "less the time on the way"
    )
    assert abs(world.error) <= 0.06


def test_trades_that_come_late_do_not_show_a_fast_clock_but_an_answer_does() -> None:
    world = World(0.0)
    for _ in range(20):
        world.trade(on_the_way=300)
    assert world.clock.problem("kraken") is None
    assert world.error == 0
    world = World(30.0)
    for _ in range(20):
        world.trade(on_the_way=4)
    assert world.clock.problem("kraken") is None
    world.answer()
    assert abs(world.error) <= 0.051


def test_a_few_wrong_dates_do_not_matter() -> None:
    world = World(0.0)
    for i in range(400):
        world.trade(wrong_by=86_400.0 if i % 25 == 0 else 0.0)
        assert abs(world.error) < 1 or i < 20
    assert world.clock.problem("kraken") is None
    for _ in range(400):
        world.trade(wrong_by=86_400.0 * 365)
    assert world.clock.problem("kraken") is None, "no trade is believed to be a year ahead"


def test_trades_are_judged_by_the_clock_that_dates_them() -> None:
    world = World(0.0)
    world.answer()
    for _ in range(50):
        world.trade(wrong_by=9.0)
    assert 8.9 <= world.error <= 9.0
    assert "9.0 s behind" in str(world.clock.problem("bybit")) or "8.9 s behind" in str(world.clock.problem("bybit"))


def test_setting_the_hosts_clock_takes_effect_at_once() -> None:
    world = World(-7.3)
    world.answer()
    for _ in range(20):
        world.trade()
    world.skew = 0.0
    assert abs(world.error) <= 0.06
    assert world.clock.problem("kraken") is None
    world.skew = 20.0
    assert abs(world.error) <= 0.06
    assert "20.1 s ahead of kraken" in str(world.clock.problem("kraken"))


def test_a_small_difference_is_left_alone() -> None:
    world = World(-0.3)
    world.answer()
    assert world.clock.correction == timedelta(0)


@given(
    skew=st.floats(-500, 500),
    unit=st.sampled_from([SECOND, MS]),
    steps=st.lists(st.tuples(st.sampled_from(["trade", "answer"]), st.floats(0.001, 0.4)), min_size=1, max_size=60),
)
def test_once_the_exchange_has_answered_its_time_is_known_to_a_unit(
    skew: float, unit: timedelta, steps: list[tuple[str, float]]
) -> None:
    world = World(skew)
    world.answer(0.1, 0.1, unit)
    for kind, seconds in steps:
        if kind == "trade":
            world.trade(on_the_way=seconds)
        else:
            world.answer(seconds, 0.4 - seconds, unit)
        left_alone = 0.5
        assert abs(world.error) <= unit.total_seconds() + 0.4 + left_alone
