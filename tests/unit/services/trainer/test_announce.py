"""What a running training tells: its start, twentieths of it, and a sign of life each minute."""

from datetime import UTC, datetime, timedelta

import msgspec
from tests.fakes.memory_bus import MemoryBus

from candlewave.contracts.trainings import RunningTraining, parse_training
from candlewave.services.trainer.announce import Announcement

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def told(bus: MemoryBus) -> list[tuple[int, int]]:
    events = [msgspec.json.decode(message.value or b"") for message in bus.messages["model_events"]]
    assert {event["event"] for event in events} == {"training"}
    assert {event["model_version"] for event in events} == {""}
    found = [parse_training(event["reason"]) for event in events]
    assert all(one is not None and one.since == NOW and one.reason == "first" for one in found)
    return [(one.fitted, one.total) for one in found if one is not None]


def test_each_twentieth_is_told() -> None:
    bus = MemoryBus()
    announcement = Announcement(bus, "candlewave", "first", clock=lambda: NOW)  # type: ignore[arg-type]
    announcement.begin(60)
    for _ in range(60):
        announcement.fitted()
    assert told(bus) == [(done, 60) for done in range(0, 61, 3)]


def test_a_slow_training_gives_a_sign_of_life_each_minute() -> None:
    now = [NOW]
    bus = MemoryBus()
    announcement = Announcement(bus, "candlewave", "first", clock=lambda: now[0])  # type: ignore[arg-type]
    announcement.begin(1000)
    for _ in range(4):
        now[0] += timedelta(seconds=31)
        announcement.fitted()
    assert told(bus) == [(0, 1000), (2, 1000), (4, 1000)]


def test_text_of_another_writer_is_none() -> None:
    training = RunningTraining(NOW, 3, 60, "asked for: coverage; twice")
    assert parse_training(str(training)) == training
    assert parse_training("3 of 60") is None
    assert parse_training("since 2026-13-02 12:00:00 UTC: 3 of 60 boosters; why") is None
