"""Where the skill comes from: by market, hour of the day, and how volatile the market was."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candlewave.ml.judge import OutOfSample
from candlewave.ml.scores import Interval, interval_loss, skill

_TERCILES = ("calm", "usual", "volatile")


@dataclass(frozen=True)
class Group:
    """What some of a horizon's forecasts are worth.

    Attributes:
        kind: by what they are grouped.
        name: which group of them.
        forecasts: how many.
        skill, interval_skill: as those of a verdict, at 95 % over all groups of the kind together (Bonferroni).
    """

    kind: str
    name: str
    forecasts: int
    skill: Interval
    interval_skill: Interval


def groups(data: OutOfSample) -> list[Group]:
    """Judge a horizon's forecasts by market, hour and volatility; groups without forecasts are left out."""
    found = []
    for kind, labels, names in _labels(data):
        used = [name for name in names if (labels == name).any()]
        level = 1 - 0.05 / max(len(used), 1)
        found += [_judged(kind, name, data.rows(labels == name), level) for name in used]
    return found


def _judged(kind: str, name: str, data: OutOfSample, level: float) -> Group:
    time, horizon, realised = data.open_time, data.horizon_minutes, data.realised
    return Group(
        kind,
        name,
        len(realised),
        skill(np.abs(realised - data.quantiles[:, 1]), np.abs(realised), time, horizon, level=level),
        skill(
            interval_loss(data.quantiles, realised), interval_loss(data.baseline, realised), time, horizon, level=level
        ),
    )


def _labels(data: OutOfSample) -> Iterator[tuple[str, NDArray[Any], list[str]]]:
    markets = np.char.replace(data.symbol.astype(str), "|", " ")
    yield "market", markets, sorted(set(markets.tolist()))
    close = data.open_time + np.timedelta64(1, "m")
    hours = (close - close.astype("datetime64[D]")) // np.timedelta64(1, "h")
    names = np.array([f"{hour:02d}" for hour in range(24)])
    yield "hour", names[hours.astype(np.int64)], names.tolist()
    yield "volatility", np.array(_TERCILES)[terciles(data)], list(_TERCILES)


def terciles(data: OutOfSample) -> NDArray[np.int64]:
    """Return (n,) 0, 1 or 2: how wide the baseline's interval was among those of the same market.

    The baseline's interval is as wide as the market was volatile in the hour before, which was known then.
    """
    width = data.baseline[:, 2] - data.baseline[:, 0]
    found = np.zeros(len(width), np.int64)
    for name in np.unique(data.symbol):
        rows = data.symbol == name
        edges = np.quantile(width[rows], (1 / 3, 2 / 3))
        found[rows] = np.searchsorted(edges, width[rows], side="left")
    return found
