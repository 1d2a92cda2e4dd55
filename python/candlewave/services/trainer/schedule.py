"""When to train: at first, at intervals, and when asked; never twice for one wish, and not at once after a failure."""

from datetime import datetime, timedelta

from candlewave.contracts.records import TrainingRequest
from candlewave.core.backoff import doubled

_FIRST_RETRY = timedelta(seconds=15)
_LONGEST_RETRY = timedelta(minutes=10)


class TrainingSchedule:
    """Keeps wishes and the time of the last training.

    Args:
        every: time between two trainings.
        min_pause: minimum time between a training and a requested one.
        last: end of the data of the newest version in the registry; None if there is none.
    """

    def __init__(self, every: timedelta, min_pause: timedelta, last: datetime | None) -> None:
        self._every = every
        self._min_pause = min_pause
        self._last = last
        self._wishes: dict[str, TrainingRequest] = {}
        self._failures = 0
        self._not_before: datetime | None = None

    @property
    def waiting(self) -> bool:
        """Whether a wish waits for its training."""
        return bool(self._wishes)

    def ask(self, request: TrainingRequest) -> bool:
        """Note a wish; False when a training after it has answered it already."""
        if self._last is not None and request.requested_at <= self._last:
            return False
        self._wishes[request.request_id] = request
        return True

    def due(self, now: datetime) -> str | None:
        """Return why to train now; None when there is no need, or it is too soon."""
        if self._not_before is not None and now < self._not_before:
            return None
        if self._last is None:
            return "no model is registered yet"
        urgent = any(wish.is_urgent for wish in self._wishes.values())
        if self._wishes and (urgent or now >= self._last + self._min_pause):
            return "asked for: " + "; ".join(f"{wish.reason} ({wish.request_id})" for wish in self._wishes.values())
        if now >= self._last + self._every:
            return f"the last training is {_hours(now - self._last)} old"
        return None

    def done(self, end: datetime) -> None:
        """Note a training on data up to ``end``; it answers all earlier wishes."""
        self._last = end
        self._wishes = {key: wish for key, wish in self._wishes.items() if wish.requested_at > end}
        self._failures = 0
        self._not_before = None

    def failed(self, now: datetime) -> timedelta:
        """Note that a training failed; return the pause before the next attempt, which grows."""
        pause = doubled(_FIRST_RETRY, self._failures, _LONGEST_RETRY)
        self._failures += 1
        self._not_before = now + pause
        return pause


def _hours(age: timedelta) -> str:
    return f"{age / timedelta(hours=1):.1f} hours"
