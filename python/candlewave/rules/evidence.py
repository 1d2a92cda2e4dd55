"""Evidence against forecasts that may be looked at as often as one likes: e-processes and the detectors made of them.

An e-process is the wealth of a bettor who cannot expect to gain while forecasts are honest (Ramdas, Grünwald, Vovk,
Shafer 2023). Here a new bet begins with every hour, because forecasts may go bad at any time, and the detector is the
sum of their wealth (Shiryaev-Roberts; Shin, Ramdas, Rinaldo 2024, "E-detectors"): of honest forecasts its expectation
after n hours is at most n, so that within n hours it reaches c with a probability of at most n / c, however often one
looks. Means of such detectors are detectors, whatever depends on what: over sizes of the bet, and over markets.

Bets are on units that do not overlap; ``outcome_hours`` has their sums, hour by hour.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from candlewave.rules.base import Limits
from candlewave.rules.readings import EvidenceRow, Readings, Subject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HOURS_A_MONTH = 720
KINDS = ("coverage", "point", "interval")
"""What is tested of a subject."""

_HOUR = timedelta(hours=1)
_BETS = (0.05, 0.15, 0.4)
"""Shares of the wealth that are bet on a loss: small ones find small losses."""

_FALSE_SHARE = 0.05
"""Of the markets that an alarm names, how many may be innocent."""

_TOO_FEW = (0.70, 0.60, 0.45)
_TOO_MANY = (0.90, 0.95)
"""Shares of hits that bets on coverage are made for."""


class EvidenceLimits(Limits):
    """Thresholds.

    Attributes:
        evidence_hours: how far back bets begin.
        false_alarms_a_month: how many false alarms in thirty days are allowed at most, over all models, horizons and
            markets, of rules ``coverage``, ``point-skill`` and ``interval-skill`` together.
    """

    evidence_hours: Annotated[int, Field(ge=2, le=720)] = 168
    false_alarms_a_month: Annotated[float, Field(gt=0, le=100)] = 1.0

    def threshold(self, tests: int) -> float:
        """Return the logarithm of the detector at which one of so many tests is an alarm."""
        return math.log(HOURS_A_MONTH * max(tests, 1) / self.false_alarms_a_month)


@dataclass(frozen=True)
class Detected:
    """What the evidence says of a subject.

    Attributes:
        log: logarithm of the detector.
        by_market: the same of each market alone.
        units: forecasts that do not overlap behind it.
        hours: that the bets have begun in.
    """

    log: float
    by_market: dict[str, float]
    units: int
    hours: int

    @property
    def accused(self) -> list[str]:
        """The markets that the evidence is against, the clearest first; of these one in twenty is innocent at most.

        On average, and whatever depends on what (e-BH: Wang, Ramdas 2022). A detector's expectation is at most the
        number of hours, so that their quotient is an e-value.
        """
        ordered = sorted(self.by_market, key=lambda market: -self.by_market[market])
        for count in range(len(ordered), 0, -1):
            least = self.by_market[ordered[count - 1]] - math.log(max(self.hours, 1))
            if least >= math.log(len(ordered) / (_FALSE_SHARE * count)):
                return ordered[:count]
        return []

    def holds(self, threshold: float) -> bool | None:
        """Return whether this is an alarm; None when it is neither that nor half way back."""
        return True if self.log >= threshold else False if self.log < threshold / 2 else None


def tests(readings: Readings) -> int:
    """Return how many tests share the false alarms: coverage of all that is served, skill of the champion's."""
    champion = sum(subject[:2] == readings.champion for subject in readings.served)
    return len(readings.served) + 2 * champion


def coverage_evidence(rows: Sequence[EvidenceRow], subject: Subject, low: float, high: float) -> Detected:
    """Bet on a share of hits below ``low``, and on one above ``high``."""
    return _detect(
        rows,
        subject,
        lambda r: (r.units, r.units, r.units_covered),
        lambda units, hits: coverage_bets(units, hits, low, high),
    )


def loss_evidence(rows: Sequence[EvidenceRow], subject: Subject, kind: str) -> Detected:
    """Bet on losses larger than the reference's; ``kind`` is ``point`` or ``interval``."""
    if kind == "point":
        return _detect(rows, subject, lambda r: (r.point_units, r.point, r.point_squares), loss_bets)
    return _detect(rows, subject, lambda r: (r.interval_units, r.interval, r.interval_squares), loss_bets)


def coverage_bets(
    units: "NDArray[np.float64]", hits: "NDArray[np.float64]", low: float, high: float
) -> "NDArray[np.float64]":
    """Return the logarithm of what so many units, and hits among them, multiply each bet's wealth by: (bets, …)."""
    import numpy as np

    bets = [(share, low) for share in _TOO_FEW] + [(share, high) for share in _TOO_MANY]
    return np.stack(
        [hits * math.log(share / edge) + (units - hits) * math.log((1 - share) / (1 - edge)) for share, edge in bets]
    )


def loss_bets(
    sums: "NDArray[np.float64]", squares: "NDArray[np.float64]", bets: Sequence[float] = _BETS
) -> "NDArray[np.float64]":
    """Return the same for sums of units' evidence x between -1 and 1, and of its squares.

    exp(b·x − ψ(b)·x²) with ψ(b) = −ln(1 − b) − b is at most 1 + b·x for x ≥ −1 (Fan, Grama, Liu 2015), so that sums of
    x and of x² are enough.
    """
    import numpy as np

    return np.stack([bet * sums + (math.log1p(-bet) + bet) * squares for bet in bets])


def detector(increments: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return the logarithm of the Shiryaev-Roberts detector after each hour, of every bet.

    Args:
        increments: (…, hours) logarithms of what each hour multiplies a bet's wealth by.
    """
    import numpy as np

    found = np.empty_like(increments)
    present = np.full(increments.shape[:-1], -np.inf)
    for hour in range(increments.shape[-1]):
        present = np.logaddexp(0.0, present) + increments[..., hour]
        found[..., hour] = present
    return found


def mean_of(logs: "NDArray[np.float64]", axis: int) -> "NDArray[np.float64]":
    """Return the logarithm of the mean of what these are logarithms of."""
    import numpy as np

    found: NDArray[np.float64] = np.logaddexp.reduce(logs, axis=axis) - math.log(logs.shape[axis])
    return found


def _detect(
    rows: Sequence[EvidenceRow],
    subject: Subject,
    figures: Callable[[EvidenceRow], tuple[int, float, float]],
    increments: "Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]",
) -> Detected:
    """Return the detector after the last hour; ``figures`` are a row's number of units and two sums over them."""
    import numpy as np

    own = [row for row in rows if row.subject == subject and figures(row)[0]]
    if not own:
        return Detected(-math.inf, {}, 0, 0)
    markets = sorted({row.market for row in own})
    place = {market: number for number, market in enumerate(markets)}
    begin: datetime = min(row.hour for row in own)
    hours = (max(row.hour for row in own) - begin) // _HOUR + 1
    sums = np.zeros((2, len(markets), hours))
    units = 0
    for row in own:
        count, *pair = figures(row)
        units += count
        sums[:, place[row.market], (row.hour - begin) // _HOUR] = pair
    logs = mean_of(detector(increments(*sums))[..., -1], axis=0)
    return Detected(float(mean_of(logs, axis=0)), dict(zip(markets, logs.tolist(), strict=True)), units, hours)
