"""What a training knows of its candidates before one is registered."""

from dataclasses import dataclass

from candlewave.ml.dataset import Dataset
from candlewave.ml.folds import Fold
from candlewave.ml.judge import OutOfSample, Verdict
from candlewave.ml.online import Followed
from candlewave.ml.walk import Walked


@dataclass(frozen=True)
class Examined:
    """A candidate before it is registered.

    Attributes:
        data: all rows.
        folds: of the walk.
        walked: per horizon.
        chosen: candidate per horizon.
        followed: per horizon, the chosen candidate's out-of-sample forecasts as they would have been served.
        verdicts: on these.
        warnings: what is peculiar about the data.
    """

    data: Dataset
    folds: list[Fold]
    walked: dict[int, Walked]
    chosen: dict[int, str]
    followed: dict[int, Followed]
    verdicts: list[Verdict]
    warnings: list[str]

    @property
    def outcomes(self) -> list[OutOfSample]:
        """Per horizon, the chosen candidate's out-of-sample forecasts."""
        return [found.outcome for found in self.followed.values()]
