"""How a running training is told in ``model_events``: the trainer writes the text, the API reads it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_TEXT = re.compile(
    r"since (?P<since>\S+ \S+) UTC: (?P<fitted>\d+) of (?P<total>\d+) boosters; (?P<reason>.*)", re.DOTALL
)


@dataclass(frozen=True)
class RunningTraining:
    """How far a training is.

    Attributes:
        since: when it began, UTC.
        fitted: boosters that are done.
        total: about how many there will be.
        reason: why it runs.
    """

    since: datetime
    fitted: int
    total: int
    reason: str

    def __str__(self) -> str:
        """Return the reason of an event ``training``."""
        return f"since {self.since:%Y-%m-%d %H:%M:%S} UTC: {self.fitted} of {self.total} boosters; {self.reason}"


def parse_training(text: str) -> RunningTraining | None:
    """Return what an event ``training`` says; None for the text of another writer."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    try:
        since = datetime.strptime(found["since"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return RunningTraining(since, int(found["fitted"]), int(found["total"]), found["reason"])
