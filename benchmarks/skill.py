"""What forecasts are worth on real markets: a walk over files of real candles, market by market and horizon by horizon.

Each day of the walk is forecast by a model of the days before it, as production would train it, and chosen by what had
come by then. Without the files a simulated market takes their place, which says nothing about real ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.real_candles import JANUARY, MARCH, CandleFile, load
from benchmarks.report import Row
from benchmarks.training import make_dataset
from candlewave.ml.candidates.catalog import SHIPPED
from candlewave.ml.dataset import Dataset
from candlewave.ml.feature_set import DEFAULT_VOLATILITY
from candlewave.ml.folds import Fold
from candlewave.ml.judge import OutOfSample, Verdict, judge
from candlewave.ml.online import follow
from candlewave.ml.scores import Interval
from candlewave.ml.settings import TrainSettings
from candlewave.ml.walk import chosen_by_then, walk
from candlewave.telemetry.progress import progress

HORIZONS = (1, 5, 15, 60)
_DAY = np.timedelta64(1, "D")
_GRACE = np.timedelta64(2, "s")


@dataclass(frozen=True)
class Journey:
    """A walk.

    Attributes:
        begin, end: feature times judged, UTC; a training a day.
        history: what each training sees; None for all that there is.
    """

    begin: np.datetime64
    end: np.datetime64
    history: np.timedelta64 | None

    @property
    def days(self) -> Iterator[tuple[np.datetime64, np.datetime64]]:
        """Beginning and end of each day."""
        moment = self.begin
        while moment < self.end:
            yield moment, min(moment + _DAY, self.end)
            moment = moment + _DAY


WALKS: tuple[tuple[CandleFile, Journey], ...] = (
    (
        JANUARY,
        Journey(
            np.datetime64("2022-01-16T05:30", "us"), np.datetime64("2022-02-01T05:30", "us"), np.timedelta64(15, "D")
        ),
    ),
    (MARCH, Journey(np.datetime64("2023-03-06T00:00", "us"), np.datetime64("2023-03-12T00:00", "us"), None)),
)


def skill(folder: Path, names: tuple[str, ...]) -> list[Row]:
    """Return a row per file, market and horizon.

    Args:
        folder: with the files of real candles.
        names: candidates, of which each day's is chosen; the shipped ones when empty.
    """
    rows = []
    for file, journey in WALKS:
        if not (folder / file.name).exists():
            continue
        data = load(file, folder, HORIZONS)
        rows += _rows(file.title, data, journey, names)
    if not rows:
        data = make_dataset(10)
        first = data.open_time[0]
        journey = Journey(first + 5 * _DAY, data.open_time[-1], None)
        rows = _rows("simulated, no file of real candles was found", data, journey, names)
    return rows


def forecasts(
    data: Dataset, journey: Journey, names: tuple[str, ...], title: str
) -> tuple[dict[int, OutOfSample], dict[int, list[str]]]:
    """Return each horizon's forecasts of the whole walk, and the candidate of each day."""
    settings = TrainSettings.load()
    parts: dict[int, list[dict[str, OutOfSample]]] = {h: [] for h in HORIZONS}
    with progress(title, len(list(journey.days))) as bar:
        for moment, until in journey.days:
            inside = data.open_time < until
            if journey.history is not None:
                inside &= data.open_time >= moment - journey.history
            fold = Fold(moment - _GRACE, moment, until)
            walked = walk(
                data.rows(inside),
                HORIZONS,
                [fold],
                settings.boosting,
                DEFAULT_VOLATILITY,
                candidates=names or SHIPPED,
                point_baselines=False,
            )
            for horizon in HORIZONS:
                parts[horizon].append(walked[horizon].candidates)
            bar.advance(1)
    found, chosen = chosen_by_then(parts)
    return {horizon: follow(outcome).outcome for horizon, outcome in found.items()}, chosen


def _rows(title: str, data: Dataset, journey: Journey, names: tuple[str, ...]) -> list[Row]:
    found, chosen = forecasts(data, journey, names, title)
    rows = []
    for market in np.unique(data.markets).tolist():
        for horizon in HORIZONS:
            whole = found[horizon]
            verdict = judge(whole.rows(np.flatnonzero(whole.symbol == market)))
            rows.append(Row(f"{title}: {market.replace('|', ' ')} {horizon}m", _figures(verdict)))
    for horizon in HORIZONS:
        days = chosen[horizon]
        counts = ", ".join(f"{name} {days.count(name)}" for name in dict.fromkeys(days))
        rows.append(Row(f"{title}: days of each candidate, {horizon}m", counts))
    return rows


def _figures(verdict: Verdict) -> str:
    return (
        f"interval {_percent(verdict.interval_skill)}, point {_percent(verdict.skill)},"
        f" right {_percent(verdict.direction, 1)}, inside {_percent(verdict.coverage, 1)}"
    )


def _percent(figure: Interval, digits: int = 2) -> str:
    value, low, high = (100 * number for number in (figure.value, figure.low, figure.high))
    return f"{value:.{digits}f} % [{low:.{digits}f}, {high:.{digits}f}]"
