"""The service ``model-trainer``: of several replicas one trains, the others stand by."""

import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg

from candlewave.bus import BusError
from candlewave.bus.messages import to_message
from candlewave.bus.protocol import Bus, CommitRefusedError, Received, Subscription
from candlewave.bus.shards import Lease
from candlewave.contracts.records import MalformedMessageError, TrainingRequest, dead_letter, decode
from candlewave.contracts.topics import (
    BASELINE_SPREADS,
    FEATURE_REFERENCE,
    MODEL_EVENTS,
    TRAINING_REQUESTS,
    TRAINING_REQUESTS_DLQ,
)
from candlewave.core.config import Config
from candlewave.core.settings import Settings
from candlewave.core.times import utc_now
from candlewave.engine.clocks import market_now
from candlewave.engine.connect import EngineError, connect, explain
from candlewave.ml.challenge import Weighed, settle
from candlewave.ml.feature_set import NoFeaturesError
from candlewave.ml.model import TooLittleDataError
from candlewave.ml.registry import CHAMPION, Registry, RegistryError, artifact_root, open_registry
from candlewave.ml.settings import TrainSettings
from candlewave.ml.train import Trained, fits, read_training_data, train
from candlewave.ml.tuning import search
from candlewave.services.frame import Service
from candlewave.services.trainer import metrics
from candlewave.services.trainer.announce import Announcement, publish_event
from candlewave.services.trainer.schedule import TrainingSchedule
from candlewave.telemetry import tracing
from candlewave.telemetry.admin import Status
from candlewave.telemetry.logs import get_logger

_log = get_logger(__name__)

GROUP = "model-trainer"
_STANDBY_SECONDS = 1.0
_PAUSE_SECONDS = 5.0
_LOOK_SECONDS = 15.0
_SETTLE_EVERY = timedelta(minutes=10)
"""Between two looks at the evidence on the challenger, which an hour's forecasts hardly change."""


class StoppedError(Exception):
    """The service ends in the middle of a training, of which nothing remains."""


class Trainer:
    """Reads requests, trains when it is time, commits requests that were answered.

    Args:
        bus: where requests come from, and rejected ones go.
        registry: the newest version in it says when the last training was.
        run: trains on what was known at a moment, for a reason.
        settings: name of the model, and intervals.
        clock: present time.
        settle: promotes a challenger, or takes its place from it, when there is enough evidence by a moment.
    """

    def __init__(
        self,
        bus: Bus,
        registry: Registry,
        run: Callable[[str, datetime], Trained],
        settings: TrainSettings,
        *,
        clock: Callable[[], datetime],
        settle: Callable[[datetime], Weighed | None] = lambda _: None,
    ) -> None:
        self._bus, self._registry, self._run, self._settings = bus, registry, run, settings
        self._clock, self._settle = clock, settle
        self._settled_at: datetime | None = None
        self._asked: list[tracing.Headers] = []
        """Of the requests since the last training: its span continues their traces."""
        last = registry.newest()
        self._schedule = TrainingSchedule(
            settings.every, timedelta(minutes=settings.min_pause_minutes), None if last is None else last.trained_at
        )
        if last is not None and last.train_end is not None:
            metrics.LAST_SUCCESS.set(last.train_end.timestamp())
        self._tell_champion()

    def step(self, requests: Subscription, timeout: float = 1.0) -> Trained | None:
        """Read what was asked for, and train if it is time.

        Raises:
            BusError, psycopg.Error, EngineError, RegistryError: one of them is down; nothing was committed.
            StoppedError: by ``run``.
        """
        read = requests.poll(timeout=timeout)
        self._asked += [message.headers for message in read]
        for message in read:
            self._take(message)
        self._settle_if_due()
        trained = self._train_if_due()
        if (read or trained) and not self._schedule.waiting:
            requests.commit()
        return trained

    def _take(self, message: Received) -> None:
        try:
            request = decode(TrainingRequest, message.value)
        except MalformedMessageError as error:
            letter = dead_letter(
                TRAINING_REQUESTS.name,
                message.value,
                reason=str(error),
                source=f"topic {TRAINING_REQUESTS.name}",
                position=message.position,
                occurred_at=self._clock(),
            )
            self._bus.publish(TRAINING_REQUESTS_DLQ.name, [to_message(letter)])
            metrics.REQUESTS.labels("rejected").inc()
            _log.warning("request rejected", position=message.position, reason=str(error))
            return
        if request.model_name != self._settings.model_name:
            metrics.REQUESTS.labels("other_model").inc()
            return
        taken = self._schedule.ask(request)
        metrics.REQUESTS.labels("taken" if taken else "answered").inc()
        _log.info("training asked for", request_id=request.request_id, reason=request.reason, answered=not taken)

    def _settle_if_due(self) -> None:
        now = self._clock()
        if self._settled_at is not None and now < self._settled_at + _SETTLE_EVERY:
            return
        self._settled_at = now
        try:
            found = self._settle(now)
        except (psycopg.Error, EngineError) as error:
            _log.warning("evidence on the challenger cannot be read", reason=explain(error))
            return
        if found is not None and found.verdict is not None:
            metrics.PROMOTIONS.labels("promoted" if found.verdict == "better" else "rejected").inc()
            self._tell_champion()

    def _train_if_due(self) -> Trained | None:
        end = self._clock()
        reason = self._schedule.due(end)
        if reason is None:
            return None
        _log.info("training", reason=reason)
        begun = time.perf_counter()
        try:
            with tracing.consuming("train", self._asked):
                trained = self._run(reason, end)
        except (TooLittleDataError, NoFeaturesError) as error:
            pause = self._schedule.failed(self._clock())
            metrics.RUNS.labels("too_little_data").inc()
            _log.warning("too little data to train on", reason=str(error), again_in_seconds=pause.total_seconds())
            self._say_failed(str(error))
            return None
        except (psycopg.Error, EngineError, BusError, RegistryError) as error:
            pause = self._schedule.failed(self._clock())
            metrics.RUNS.labels("failed").inc()
            _log.warning("training failed", reason=explain(error), again_in_seconds=pause.total_seconds())
            if isinstance(error, RegistryError):  # without the others nothing can be published
                self._say_failed(str(error))
            return None
        except StoppedError:
            raise
        except Exception as error:  # noqa: BLE001 (whatever the data or a library breaks, it is this training's)
            pause = self._schedule.failed(self._clock())
            metrics.RUNS.labels("failed").inc()
            reason = f"{type(error).__name__}: {error}"
            _log.exception("training failed", reason=reason, again_in_seconds=pause.total_seconds())
            self._say_failed(reason)
            return None
        metrics.RUN_SECONDS.observe(time.perf_counter() - begun)
        decision = "promoted" if trained.decision.promoted else "rejected"
        metrics.RUNS.labels(decision).inc()
        metrics.PROMOTIONS.labels(decision).inc()
        metrics.LAST_SUCCESS.set(end.timestamp())
        self._schedule.done(end)
        self._asked = []
        self._tell_champion()
        return trained

    def _say_failed(self, reason: str) -> None:
        publish_event(self._bus, self._settings.model_name, "failed", reason, self._clock())

    def _tell_champion(self) -> None:
        champion = self._registry.metadata(CHAMPION)
        metrics.CHAMPION_CREATED.set(0 if champion is None else champion.created_at.timestamp())


def main(service: Service, config: Config, settings: TrainSettings) -> None:
    """Run until the service stops; engine, bus and registry may come and go.

    Raises:
        BusError: the bus cannot be reached at the start.
    """
    service.bus.ensure_topics(
        [TRAINING_REQUESTS, TRAINING_REQUESTS_DLQ, MODEL_EVENTS, FEATURE_REFERENCE, BASELINE_SPREADS]
    )
    lease = service.lease("trainer")
    registry = open_registry(service.settings, settings.model_name)
    look = _now_and_then(lambda: registry.metadata(CHAMPION))

    def work(status: Status) -> None:
        while not service.stop.is_set():
            look()
            status.problem = None
            if not lease.held:
                service.stop.wait(_STANDBY_SECONDS)
                continue
            try:
                _train_while_held(service, config, settings, registry, lease, look)
            except StoppedError:
                service.log.info("training was interrupted; nothing was registered")

    service.supervise("registry", work, retry=(BusError, RegistryError), pause_seconds=_PAUSE_SECONDS)


def _now_and_then(ask: Callable[[], object]) -> Callable[[], None]:
    """Return what asks at its first call, and again when the last answer is old."""
    answered = -math.inf

    def look() -> None:
        nonlocal answered
        if time.monotonic() - answered > _LOOK_SECONDS:
            ask()
            answered = time.monotonic()

    return look


def _train_while_held(
    service: Service,
    config: Config,
    settings: TrainSettings,
    registry: Registry,
    lease: Lease,
    look: Callable[[], None],
) -> None:
    bus = service.bus

    def go_on(_: int = 0) -> None:
        if service.stop.is_set() or not lease.held:
            raise StoppedError

    def run(reason: str, end: datetime) -> Trained:
        return train_once(service.settings, config, settings, bus, registry, reason, end, on_rows=go_on, on_fit=go_on)

    def weigh_challenger(now: datetime) -> Weighed | None:
        with connect(service.settings) as conn:
            return settle(conn, bus, registry, now)

    trainer = Trainer(bus, registry, run, settings, clock=utc_now, settle=weigh_challenger)
    with bus.subscribe(GROUP, [TRAINING_REQUESTS.name]) as requests:
        while not service.stop.is_set() and lease.held:
            look()
            try:
                trainer.step(requests)
            except CommitRefusedError:
                # The training took longer than the bus waits for a member; the requests come again, as answered.
                service.log.info("requests are read again after a long training")


def train_once(
    settings: Settings,
    config: Config,
    train_settings: TrainSettings,
    bus: Bus,
    registry: Registry,
    reason: str,
    end: datetime,
    *,
    on_rows: Callable[[int], None] = lambda _: None,
    on_fit: Callable[[], None] = lambda: None,
) -> Trained:
    """Read, train, register, decide, publish. See :func:`candlewave.ml.train.train`.

    ``end`` is the wall clock. Where all markets are history, the training ends where they do.

    Raises:
        TooLittleDataError, NoFeaturesError: there is nothing to train on.
        psycopg.Error, EngineError, BusError, RegistryError: one of them is down.
    """
    registry.metadata(CHAMPION)  # fail now, not after the work, when it is unreachable
    with connect(settings) as conn:
        until = market_now(conn, end)
        data, warnings = read_training_data(conn, config, train_settings, until, on_rows=on_rows)
    announcement = Announcement(bus, train_settings.model_name, reason)
    announcement.begin(fits(config, train_settings))

    def fitted() -> None:
        on_fit()
        announcement.fitted()

    parameters = train_settings.boosting
    if train_settings.search_trials:
        parameters = search(data, config, train_settings, on_fit=on_fit).parameters
    return train(
        data,
        bus,
        registry,
        config,
        train_settings,
        reason=reason,
        end=until,
        at=end,
        warnings=warnings,
        parameters=parameters,
        artifact_root=artifact_root(settings),
        on_fit=fitted,
    )
