"""Whether a new model may serve, and on which horizons; the reasons in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from candlewave.ml.judge import OutOfSample, Verdict
from candlewave.ml.model import QuantileModel
from candlewave.ml.scores import Interval, skill

_MIN_MINUTES, _MIN_BLOCKS = 1_200, 8
"""Twenty hours, and enough blocks of twice the longest horizon: on less the bootstrap is too sure and chance promotes.

Not a whole day: of the day between two daily trainings, outcomes of the last minutes are not in.
"""


@dataclass(frozen=True)
class Decision:
    """What becomes of a new version.

    Attributes:
        promoted: it becomes the champion.
        served: horizons on which it beat the last price.
        reason: in words, for people and the log of model events.
        confirms_champion: the present champion was compared with this one, and stays.
        against_champion: share of the champion's error that the new one saves, on data after the champion's training;
            None without a champion.
    """

    promoted: bool
    served: tuple[int, ...]
    reason: str
    against_champion: Interval | None = None
    confirms_champion: bool = False


def decide(
    verdicts: Sequence[Verdict], champion: QuantileModel | None, compared: Interval | None, compared_minutes: int
) -> Decision:
    """Promote only what is better than the last price for certain, and than the present champion on unseen data.

    Args:
        verdicts: of the new version, per horizon, over all folds.
        champion: the present one.
        compared: skill of the new one's median against the champion's (:func:`against`); None without a champion.
        compared_minutes: minutes that this rests on.
    """
    served = tuple(v.horizon_minutes for v in verdicts if v.skill.low > 0)
    figures = ", ".join(
        f"{v.horizon_minutes}m {100 * v.skill.value:+.2f} % [{100 * v.skill.low:+.2f}, {100 * v.skill.high:+.2f}]"
        for v in verdicts
    )
    if not served:
        return Decision(
            False, (), f"no skill against the last price on any horizon, the baseline serves: {figures}", compared
        )
    horizons = ", ".join(f"{h}m" for h in served)
    if champion is None:
        return Decision(True, served, f"beats the last price on {horizons}: {figures}")
    needed = max(_MIN_MINUTES, *(2 * _MIN_BLOCKS * v.horizon_minutes for v in verdicts))
    if compared is None or compared_minutes < needed:
        return Decision(
            False,
            served,
            f"beats the last price on {horizons}, but only {compared_minutes} minutes lie after the training of"
            f" version {champion.model_version}, {needed} are needed to compare the two",
            compared,
        )
    against_text = f"{100 * compared.value:+.2f} % [{100 * compared.low:+.2f}, {100 * compared.high:+.2f}]"
    if compared.low > 0:
        return Decision(
            True,
            served,
            f"better than version {champion.model_version} on data that both had not seen ({against_text}), and than"
            f" the last price on {horizons}: {figures}",
            compared,
        )
    return Decision(
        False,
        served,
        f"not better than version {champion.model_version} on data that both had not seen ({against_text});"
        f" beats the last price on {horizons}: {figures}",
        compared,
        confirms_champion=True,
    )


def against(candidates: Sequence[OutOfSample], champions: Sequence[OutOfSample]) -> tuple[Interval | None, int]:
    """Compare medians on the same rows, horizons together, each error in units of the horizon's last-price error.

    Both have the same rows, horizon by horizon. A horizon that the champion does not serve counts as the last price:
    that is what users got.

    Returns:
        Skill of the candidate with its interval, None without rows; and the number of minutes it rests on.
    """
    losses, references, times = [], [], []
    longest = 1
    for mine, theirs in zip(candidates, champions, strict=True):
        scale = float(np.abs(mine.realised).mean()) if len(mine.realised) else 0.0
        if scale == 0:
            continue
        losses.append(np.abs(mine.realised - mine.quantiles[:, 1]) / scale)
        references.append(np.abs(theirs.realised - theirs.quantiles[:, 1]) / scale)
        times.append(mine.open_time)
        longest = max(longest, mine.horizon_minutes)
    if not losses:
        return None, 0
    time = np.concatenate(times)
    found = skill(np.concatenate(losses), np.concatenate(references), time, longest)
    return found, len(np.unique(time))
