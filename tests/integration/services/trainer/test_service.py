"""The service: requests, schedule, failures, and its end."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from typer.testing import CliRunner

from candlewave.bus.messages import to_message
from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Message
from candlewave.cli import app
from candlewave.contracts.records import DeadLetter, ModelEvent, TrainingRequest, decode
from candlewave.contracts.topics import TOPICS, TRAINING_REQUESTS
from candlewave.core.config import Config
from candlewave.core.settings import Settings
from candlewave.ml.challenge import Weighed
from candlewave.ml.model import TooLittleDataError
from candlewave.ml.promote import Decision
from candlewave.ml.registry import ModelVersion, Registry, RegistryError
from candlewave.ml.settings import TrainSettings
from candlewave.ml.train import Trained
from candlewave.services.trainer.service import GROUP, StoppedError, Trainer, train_once

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SETTINGS = TrainSettings.load()


class FakeRegistry:
    """The newest version, and a champion."""

    def __init__(self, last: datetime | None) -> None:
        self.last = last

    def newest(self) -> ModelVersion | None:
        if self.last is None:
            return None
        return ModelVersion("1", "run", self.last, (), {"train_end": self.last.isoformat(), "complete": "true"})

    def metadata(self, _: str) -> ModelVersion | None:
        return self.newest()


class Desk:
    """A trainer whose trainings are notes, and whose clock the test sets."""

    def __init__(self, bus: PostgresBus, last: datetime | None) -> None:
        self.bus, self.now, self.reasons = bus, NOW, list[str]()
        self.failure: Exception | None = None
        self.looks, self.engine_is_down = list[datetime](), False
        self.evidence: Weighed | None = None
        self.trainer = Trainer(
            bus,
            FakeRegistry(last),  # type: ignore[arg-type]
            self._run,
            SETTINGS,
            clock=lambda: self.now,
            settle=self._settle,
        )

    def _settle(self, now: datetime) -> Weighed | None:
        self.looks.append(now)
        if self.engine_is_down:
            raise psycopg.OperationalError("the engine is away")
        return self.evidence

    def _run(self, reason: str, _: datetime) -> Trained:
        if self.failure is not None:
            raise self.failure
        self.reasons.append(reason)
        return Trained("2", "run", Decision(True, (1,), "better"), [], 10)

    def step(self) -> Trained | None:
        with self.bus.subscribe(GROUP, [TRAINING_REQUESTS.name]) as requests:
            return self.trainer.step(requests, timeout=0.2)

    @property
    def waiting(self) -> int:
        return sum(self.bus.lag(GROUP, [TRAINING_REQUESTS.name]).values())

    def ask(self, minutes_ago: float = 0, model: str = "candlewave", identity: str = "r1") -> None:
        moment = self.now - timedelta(minutes=minutes_ago)
        self.bus.publish(
            TRAINING_REQUESTS.name,
            [to_message(TrainingRequest(identity, model, "coverage", {}, moment))],
        )


@pytest.fixture
def bus(database: str) -> Iterator[PostgresBus]:
    with PostgresBus(database) as opened:
        opened.install()
        opened.ensure_topics(TOPICS.values())
        yield opened


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_it_trains_at_once_without_a_model_and_not_again_before_its_time(bus: PostgresBus) -> None:
    desk = Desk(bus, None)
    before = value("candlewave_trainer_runs_total", outcome="promoted")
    assert desk.step() is not None
    assert desk.reasons == ["no model is registered yet"]
    assert desk.step() is None
    desk.now += timedelta(hours=24)
    assert desk.step() is not None
    assert value("candlewave_trainer_runs_total", outcome="promoted") == before + 2
    assert value("candlewave_trainer_last_success_timestamp_seconds") == desk.now.timestamp()


def test_a_restart_keeps_the_time_of_the_last_training(bus: PostgresBus) -> None:
    Desk(bus, NOW - timedelta(hours=3))
    assert value("candlewave_trainer_last_success_timestamp_seconds") == (NOW - timedelta(hours=3)).timestamp()


def test_a_request_is_trained_for_and_then_committed(bus: PostgresBus) -> None:
    desk = Desk(bus, NOW - timedelta(hours=2))
    desk.ask()
    assert desk.step() is not None
    assert desk.reasons == ["asked for: coverage (r1)"]
    assert desk.waiting == 0


def test_a_request_that_came_too_soon_waits_uncommitted(bus: PostgresBus) -> None:
    desk = Desk(bus, NOW - timedelta(minutes=5))
    desk.ask()
    assert desk.step() is None
    assert desk.waiting == 1, "a trainer that is killed now would not lose it"
    desk.now += timedelta(minutes=30)
    assert desk.step() is not None


def test_a_request_that_a_training_answered_is_committed_without_another(bus: PostgresBus) -> None:
    desk = Desk(bus, NOW)
    desk.ask(minutes_ago=10)
    assert desk.step() is None
    assert (desk.reasons, desk.waiting) == ([], 0)


def test_it_looks_at_the_evidence_on_the_challenger_every_ten_minutes(bus: PostgresBus) -> None:
    desk = Desk(bus, NOW)
    desk.engine_is_down = True
    with capture_logs() as logs:
        desk.step()
    assert [log["event"] for log in logs] == ["evidence on the challenger cannot be read"]
    desk.engine_is_down = False
    desk.now += timedelta(minutes=9)
    desk.step()
    desk.now += timedelta(minutes=1)
    desk.step()
    assert desk.looks == [NOW, NOW + timedelta(minutes=10)]
    assert desk.reasons == []


@pytest.mark.parametrize(
    ("better", "worse", "decision"), [(9.0, 0.0, "promoted"), (0.0, 9.0, "rejected"), (0.0, 0.0, None)]
)
def test_what_evidence_decides_is_counted(bus: PostgresBus, better: float, worse: float, decision: str | None) -> None:
    desk = Desk(bus, NOW)
    desk.evidence = Weighed(better, {"median": worse, "interval": 0.0}, 100)
    kinds = ("promoted", "rejected")
    before = {kind: value("candlewave_trainer_promotions_total", decision=kind) for kind in kinds}
    desk.step()
    after = {kind: value("candlewave_trainer_promotions_total", decision=kind) for kind in kinds}
    assert after == {kind: before[kind] + (kind == decision) for kind in kinds}


def test_requests_for_other_models_and_nonsense_are_put_aside(bus: PostgresBus) -> None:
    desk = Desk(bus, NOW - timedelta(hours=2))
    desk.ask(model="other")
    bus.publish(TRAINING_REQUESTS.name, [Message(b'{"reason": 7}')])
    before = value("candlewave_trainer_requests_total", outcome="rejected")
    assert desk.step() is None
    assert desk.waiting == 0
    assert value("candlewave_trainer_requests_total", outcome="rejected") == before + 1
    with bus.subscribe("test", ["training_requests.dlq"]) as subscription:
        [letter] = [decode(DeadLetter, m.value) for m in subscription.poll(timeout=5)]
    assert "`$.reason`" in letter.reason or "request_id" in letter.reason


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (RegistryError("the registry is away"), "failed"),
        (psycopg.OperationalError("the engine is away"), "failed"),
        (TooLittleDataError("too short"), "too_little_data"),
        (ValueError("input contains infinity"), "failed"),
        (MemoryError(), "failed"),
    ],
)
def test_a_training_that_fails_is_tried_again_and_its_request_kept(
    bus: PostgresBus, failure: Exception, outcome: str
) -> None:
    desk = Desk(bus, NOW - timedelta(hours=2))
    desk.ask()
    desk.failure = failure
    before = value("candlewave_trainer_runs_total", outcome=outcome)
    assert desk.step() is None
    assert desk.waiting == 1
    assert value("candlewave_trainer_runs_total", outcome=outcome) == before + 1
    with bus.subscribe("told", ["model_events"]) as told:
        events = [decode(ModelEvent, message.value) for message in told.poll(timeout=1)]
    if isinstance(failure, psycopg.Error):  # then nothing can be published, either
        return
    assert [(e.event, e.model_version, e.occurred_at) for e in events] == [("failed", "", NOW)]
    assert str(failure) in events[0].reason
    desk.failure = None
    assert desk.step() is None, "not before its pause is over"
    desk.now += timedelta(seconds=15)
    assert desk.step() is not None
    assert desk.waiting == 0


def test_an_error_that_nobody_foresaw_is_named(bus: PostgresBus) -> None:
    desk = Desk(bus, None)
    desk.failure = ZeroDivisionError("float division by zero")
    with capture_logs() as said:
        assert desk.step() is None
    assert said[-1]["reason"] == "ZeroDivisionError: float division by zero"
    assert said[-1]["exc_info"]
    desk.failure = StoppedError()
    desk.now += timedelta(hours=1)
    with pytest.raises(StoppedError):
        desk.step()


def test_a_registry_that_is_down_is_noticed_before_anything_is_read(
    bus: PostgresBus, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candlewave.services.trainer.service.connect", lambda _: pytest.fail("it read first"))
    settings = Settings(CANDLEWAVE_DATA_DIR=data_dir)  # type: ignore[call-arg]
    away = Registry("http://127.0.0.1:9", "candlewave", data_dir / "models")
    with pytest.raises(RegistryError, match="cannot look up alias champion"):
        train_once(settings, Config(), SETTINGS, bus, away, "test", NOW)


def test_commands_explain_what_is_missing(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDLEWAVE_DATA_DIR", str(data_dir))

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, [*arguments])
        return result.exit_code, result.output

    code, output = run("train", "--dry-run")
    assert code == 1
    assert "candlewave up" in output
    assert run("models", "list") == (0, "No model is registered: the baseline serves. `candlewave train` trains one.\n")
    code, output = run("models", "rollback")
    assert code == 1
    assert "candlewave up" in output
    code, output = run("train", "--end", "2100-01-01")
    assert code == 1
    assert "--end 2100-01-01 00:00 UTC lies in the future" in output
    monkeypatch.setenv("TRAIN_FOLDS", "1")
    code, output = run("train")
    assert code == 1
    assert "TRAIN_FOLDS" in output
