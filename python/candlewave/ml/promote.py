"""Whether a new model may serve, and on which horizons; the reasons in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from candlewave.ml.forecaster import Part
from candlewave.ml.judge import OutOfSample, Verdict
from candlewave.ml.model import QuantileModel
from candlewave.ml.scores import Floats, Interval, interval_loss, skill

_MIN_MINUTES, _MIN_BLOCKS = 1_200, 8
"""Twenty hours, and enough blocks of twice the longest horizon: on less the bootstrap is too sure and chance promotes.

Not a whole day: of the day between two daily trainings, outcomes of the last minutes are not in.
"""


_MARGIN = 0.01
"""Share of the loss that a refreshed champion may be worse by; the gates see to it that it has skill."""

_COVERAGE, _LOW, _HIGH = 0.8, 0.78, 0.82
"""What an 80 % interval should hold, and may."""


@dataclass(frozen=True)
class Decision:
    """What becomes of a new version.

    Attributes:
        promoted: it becomes the champion.
        served: horizons on which its median beat the last price or its interval the baseline's.
        reason: in words, for people and the log of model events.
        confirms_champion: the present champion was compared with this one, and stays.
        against_champion: share of the champion's error that the new one saves, on data after the champion's training;
            None without a champion.
        parts: of the served horizons, those where only one of the two did.
    """

    promoted: bool
    served: tuple[int, ...]
    reason: str
    against_champion: Interval | None = None
    confirms_champion: bool = False
    parts: Mapping[int, Part] = field(default_factory=dict)


@dataclass(frozen=True)
class Compared:
    """A candidate against the champion, as users would get and got them, on data that both had not seen.

    Attributes:
        point: share of the champion's absolute error that the candidate saves.
        interval: the same of the outer quantiles' pinball loss.
        minutes: what this rests on.
    """

    point: Interval | None
    interval: Interval | None
    minutes: int

    @property
    def is_better(self) -> bool:
        """Whether one of the two is better at 95 %, and the other not worse."""
        known = [found for found in (self.point, self.interval) if found is not None]
        return any(found.low > 0 for found in known) and not any(found.high < 0 for found in known)

    @property
    def is_not_worse(self) -> bool:
        """Whether neither of the two is worse by more than the margin, at 95 %."""
        return all(found.low > -_MARGIN for found in (self.point, self.interval) if found is not None)

    @property
    def text(self) -> str:
        """The figures in words."""
        named = (("median", self.point), ("interval", self.interval))
        return ", ".join(f"{name} {_figure(found)}" for name, found in named if found is not None)


def holds_its_share(coverage: Interval) -> bool:
    """Return whether an 80 % interval held 78 to 82 % of the outcomes, or, of few, as many as 80 % may be by chance."""
    return _LOW <= coverage.value <= _HIGH or coverage.low <= _COVERAGE <= coverage.high


def decide(
    verdicts: Sequence[Verdict],
    champion: QuantileModel | None,
    compared: Compared | None,
    *,
    is_refresh: bool = False,
) -> Decision:
    """Promote only what is better than the baseline, and than the present champion, on unseen data.

    Each horizon has two gates: the median's, against the last price, and the interval's, against the baseline's. Both
    are at 95 % over all horizons together (``judge_together``), the comparison with the champion is at 95 %.

    Args:
        verdicts: of the new version, per horizon, over all folds.
        champion: the present one.
        compared: the new one against the champion (:func:`against`); None without a champion.
        is_refresh: both are of the same recipe; the new one, of newer data, need not be better, only not worse.
    """
    points = tuple(v.horizon_minutes for v in verdicts if v.skill.low > 0)
    intervals = tuple(v.horizon_minutes for v in verdicts if v.interval_skill.low > 0 and holds_its_share(v.coverage))
    served = tuple(v.horizon_minutes for v in verdicts if v.horizon_minutes in {*points, *intervals})
    parts: dict[int, Part] = {
        h: "median" if h in points else "interval" for h in served if (h in points) != (h in intervals)
    }
    figures = (
        ", ".join(f"{v.horizon_minutes}m {_figure(v.skill)}" for v in verdicts)
        + "; intervals: "
        + ", ".join(f"{v.horizon_minutes}m {_figure(v.interval_skill)}, {_inside(v)}" for v in verdicts)
    )
    against_champion = None if compared is None else compared.point
    if not served:
        text = f"no skill against the last price on any horizon, the baseline serves: {figures}"
        return Decision(False, (), text, against_champion)
    better = " and ".join(
        f"{words} on {', '.join(f'{h}m' for h in horizons)}"
        for words, horizons in (("beats the last price", points), ("has better intervals than the baseline", intervals))
        if horizons
    )
    if champion is None:
        return Decision(True, served, f"{better}: {figures}", parts=parts)
    needed = max(_MIN_MINUTES, *(2 * _MIN_BLOCKS * v.horizon_minutes for v in verdicts))
    minutes = 0 if compared is None else compared.minutes
    if compared is None or minutes < needed:
        return Decision(
            False,
            served,
            f"{better}, but only {minutes} minutes lie after the training of"
            f" version {champion.model_version}, {needed} are needed to compare the two",
            against_champion,
            parts=parts,
        )
    if compared.is_better:
        return Decision(
            True,
            served,
            f"better than version {champion.model_version} on data that both had not seen ({compared.text}), and"
            f" {better}: {figures}",
            against_champion,
            parts=parts,
        )
    if is_refresh and compared.is_not_worse:
        return Decision(
            True,
            served,
            f"refreshes version {champion.model_version}: of the same recipe, trained on newer data, and not worse by"
            f" {100 * _MARGIN:g} % on data that both had not seen ({compared.text}); {better}: {figures}",
            against_champion,
            parts=parts,
        )
    return Decision(
        False,
        served,
        f"not better than version {champion.model_version} on data that both had not seen ({compared.text});"
        f" {better}: {figures}",
        against_champion,
        confirms_champion=True,
        parts=parts,
    )


def _figure(found: Interval) -> str:
    return f"{100 * found.value:+.2f} % [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"


def _inside(verdict: Verdict) -> str:
    return f"{100 * verdict.coverage.value:.1f} % inside"


def against(candidates: Sequence[OutOfSample], champions: Sequence[OutOfSample]) -> Compared:
    """Compare forecasts of the same rows, horizons together, each loss in units of the horizon's last-price error.

    Both have the same rows, horizon by horizon, and hold what users would get and got: what does not serve counts as
    the baseline.
    """
    errors, losses = _Pairs(), _Pairs()
    times = []
    longest = 1
    for mine, theirs in zip(candidates, champions, strict=True):
        realised = mine.realised
        scale = float(np.abs(realised).mean()) if len(realised) else 0.0
        if scale == 0:
            continue
        errors.add(*(np.abs(realised - of.quantiles[:, 1]) / scale for of in (mine, theirs)))
        losses.add(*(interval_loss(of.quantiles, realised) / scale for of in (mine, theirs)))
        times.append(mine.open_time)
        longest = max(longest, mine.horizon_minutes)
    if not times:
        return Compared(None, None, 0)
    time = np.concatenate(times)
    return Compared(errors.skill(time, longest), losses.skill(time, longest), len(np.unique(time)))


class _Pairs:
    """Losses of the candidate and of the champion, horizon after horizon."""

    def __init__(self) -> None:
        self._mine: list[Floats] = []
        self._theirs: list[Floats] = []

    def add(self, mine: Floats, theirs: Floats) -> None:
        self._mine.append(mine)
        self._theirs.append(theirs)

    def skill(self, time: NDArray[np.datetime64], longest: int) -> Interval:
        return skill(np.concatenate(self._mine), np.concatenate(self._theirs), time, longest)
