"""What a training knows of its candidates before one is registered."""

from dataclasses import dataclass

from candlewave.ml.dataset import Dataset
from candlewave.ml.folds import Fold
from candlewave.ml.judge import OutOfSample, Verdict
from candlewave.ml.walk import Walked


@dataclass(frozen=True)
class Examined:
    """A candidate before it is registered.

    Attributes:
        data: all rows.
        folds: of the walk.
        walked: per horizon.
        chosen: candidate per horizon.
        outcomes: per horizon, the chosen candidate's out-of-sample forecasts.
        verdicts: on these.
        warnings: what is peculiar about the data.
    """

    data: Dataset
    folds: list[Fold]
    walked: dict[int, Walked]
    chosen: dict[int, str]
    outcomes: list[OutOfSample]
    verdicts: list[Verdict]
    warnings: list[str]
