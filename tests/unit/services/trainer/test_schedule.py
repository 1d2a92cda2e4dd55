"""When to train."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlewave.contracts.records import TrainingRequest
from candlewave.services.trainer.schedule import TrainingSchedule

NOW = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def wish(minutes: float = 0, identity: str = "r1") -> TrainingRequest:
    return TrainingRequest(identity, "candlewave", "coverage", {}, NOW + timedelta(minutes=minutes))


def make(last: datetime | None = NOW) -> TrainingSchedule:
    return TrainingSchedule(DAY, timedelta(minutes=30), last)


def test_without_a_model_it_trains_at_once() -> None:
    assert make(None).due(NOW) == "no model is registered yet"


def test_it_trains_again_after_the_interval() -> None:
    schedule = make()
    assert schedule.due(NOW + DAY - timedelta(seconds=1)) is None
    assert schedule.due(NOW + DAY) == "the last training is 24.0 hours old"
    schedule.done(NOW + DAY)
    assert schedule.due(NOW + DAY + HOUR) is None


def test_an_urgent_wish_keeps_no_pause() -> None:
    """The champion cannot be used: every minute without a model counts."""
    schedule = make()
    assert schedule.ask(wish(1, "calm"))
    assert schedule.due(NOW + timedelta(minutes=1)) is None
    urgent = TrainingRequest("r9", "candlewave", "features changed", {"urgent": True}, NOW + timedelta(minutes=1))
    assert schedule.ask(urgent)
    assert "features changed (r9)" in (schedule.due(NOW + timedelta(minutes=1)) or "")


def test_a_wish_waits_for_the_pause_and_is_answered_once() -> None:
    schedule = make()
    assert schedule.ask(wish(5))
    assert schedule.due(NOW + timedelta(minutes=10)) is None
    assert schedule.waiting
    assert schedule.due(NOW + timedelta(minutes=30)) == "asked for: coverage (r1)"
    schedule.done(NOW + timedelta(minutes=30))
    assert not schedule.waiting
    assert not schedule.ask(wish(5)), "a repetition of what was answered"


def test_wishes_during_a_training_stay() -> None:
    schedule = make()
    schedule.ask(wish(1, "old"))
    schedule.ask(wish(50, "new"))
    schedule.done(NOW + timedelta(minutes=40))
    assert schedule.due(NOW + 2 * HOUR) == "asked for: coverage (new)"


@given(st.integers(1, 40))
def test_pauses_after_failures_grow_to_ten_minutes_and_a_success_ends_them(failures: int) -> None:
    schedule = make(None)
    pauses = [schedule.failed(NOW) for _ in range(failures)]
    assert pauses == sorted(pauses)
    assert pauses[0] == timedelta(seconds=15)
    assert pauses[-1] <= timedelta(minutes=10)
    assert schedule.due(NOW + pauses[-1] - timedelta(seconds=1)) is None
    assert schedule.due(NOW + pauses[-1]) is not None
    schedule.done(NOW + HOUR)
    assert schedule.failed(NOW + HOUR) == timedelta(seconds=15)


@pytest.mark.parametrize("again", [1, 3])
def test_the_same_wish_twice_is_one(again: int) -> None:
    schedule = make()
    for _ in range(again + 1):
        schedule.ask(wish())
    schedule.ask(wish(1))
    assert schedule.due(NOW + HOUR) == "asked for: coverage (r1)"
