"""Tell people that a training runs, and how far it is, by events of topic ``model_events``."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from candlewave.bus.protocol import Bus
from candlewave.contracts.records import ModelEventKind
from candlewave.contracts.topics import MODEL_EVENTS
from candlewave.contracts.trainings import RunningTraining
from candlewave.core.times import utc_now
from candlewave.ml.messages import event_message

_STEPS = 20
_SILENCE = timedelta(minutes=1)


class Announcement:
    """One training's events: each twentieth of it, and one a minute.

    Args:
        bus: where they go.
        model_name: of the model.
        reason: why it is trained.
        clock: present time.
    """

    def __init__(self, bus: Bus, model_name: str, reason: str, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._bus, self._model_name, self._clock = bus, model_name, clock
        self._state = RunningTraining(clock(), 0, 0, reason)
        self._said, self._said_at = 0, self._state.since

    def begin(self, total: int) -> None:
        """Say that about so many boosters will be fitted."""
        self._state = replace(self._state, total=total)
        self._say()

    def fitted(self) -> None:
        """Count a booster."""
        done = min(self._state.fitted + 1, self._state.total)
        self._state = replace(self._state, fitted=done)
        if (done - self._said) * _STEPS >= self._state.total or self._clock() - self._said_at >= _SILENCE:
            self._say()

    def _say(self) -> None:
        self._said, self._said_at = self._state.fitted, self._clock()
        publish_event(self._bus, self._model_name, "training", str(self._state), self._said_at)


def publish_event(bus: Bus, model_name: str, event: ModelEventKind, reason: str, at: datetime) -> None:
    """Publish an event of a training that has no version yet."""
    bus.publish(MODEL_EVENTS.name, [event_message(model_name, "", event, reason, at)])
