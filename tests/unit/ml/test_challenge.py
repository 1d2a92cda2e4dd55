"""A challenger is promoted by evidence that grows: rarely when it is no better, within days when it is."""

import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from candlewave.ml.challenge import ENOUGH, Pair, Weighed, serves, waits, weigh
from candlewave.ml.registry import ModelVersion

BORN = datetime(2026, 3, 2, tzinfo=UTC)
Floats = NDArray[np.float64]


def version(number: str, served: list[int], parts: dict[int, str] | None = None, **tags: str) -> ModelVersion:
    told = {"served_horizons": json.dumps(served), "served_parts": json.dumps(parts or {})}
    return ModelVersion(number, "run", BORN, (), {**told, "trained_at": BORN.isoformat(), "features": "f", **tags})


def pair(model: str, horizon: int, median: tuple[float, float], interval: tuple[float, float] = (0, 0)) -> Pair:
    return Pair("x A", horizon, model, 10, {"median": median, "interval": interval})


CHAMPION, CHALLENGER = version("1", [1]), version("2", [1])


def test_wealth_by_hand() -> None:
    """Ten units at each of which the median gained all that it could: a share b of the wealth grows by 1 + b or so."""
    found = weigh([pair("m", 1, (10, 10))], CHALLENGER, CHAMPION)
    # exp(b·x + (ln(1 − b) + b)·x²) = exp(2b)·(1 − b) for x = 1. The interval, where nothing is gained, keeps its 1.
    bets = (0.02, 0.05, 0.15, 0.4)
    gained = sum((math.exp(2 * bet) * (1 - bet)) ** 10 for bet in bets) / 4
    assert math.exp(found.better) == pytest.approx((gained + 1) / 2)
    # Who bet on the opposite has exp(−b)·(1 − b)·exp(b) = 1 − b left of each.
    assert math.exp(found.worse["median"]) == pytest.approx(sum((1 - bet) ** 10 for bet in bets) / 4)
    assert (found.worse["interval"], found.units) == (0.0, 10)


def test_what_users_would_get_is_compared_with_what_they_get() -> None:
    champion = version("1", [1, 15], {15: "interval"})
    challenger = version("2", [1, 5], {5: "median"})
    assert [serves(challenger, h, "median") for h in (1, 5, 15)] == [True, True, False]
    assert [serves(challenger, h, "interval") for h in (1, 5, 15)] == [True, False, False]
    gain, nothing = (200.0, 200.0), (0.0, 0.0)

    def weighed(*pairs: Pair) -> Weighed:
        return weigh(pairs, challenger, champion)

    assert weighed(pair("m", 1, nothing, gain)).verdict == "better"
    assert weighed(pair("m", 5, gain)).verdict == "better"
    assert weighed(pair("m", 5, nothing, gain)).verdict is None, "the baseline's interval would go on there"
    assert weighed(pair("m", 15, gain, gain)).verdict is None, "it would not serve there"
    # There the baseline would, in place of the champion's interval.
    assert weighed(pair("baseline", 15, gain)).verdict is None
    assert weighed(pair("baseline", 15, nothing, gain)).verdict == "better"
    assert weighed(pair("baseline", 15, nothing, (-200.0, 200.0))).verdict == "worse"
    assert weighed(pair("baseline", 1, gain, gain)).verdict is None, "the challenger itself would serve there"


def test_a_better_median_does_not_pay_for_a_worse_interval() -> None:
    assert weigh([pair("m", 1, (300, 300), (-300, 300))], CHALLENGER, CHAMPION).verdict == "worse"
    assert weigh([], CHALLENGER, CHAMPION) == Weighed(0.0, {"median": 0.0, "interval": 0.0}, 0)


def test_the_words_have_the_figures() -> None:
    found = Weighed(ENOUGH, {"median": math.log(0.5), "interval": 0.0}, 1234)
    assert found.verdict == "better"
    assert found.text == (
        "evidence of 20 to 1 that it is better and of 1 to 1 that it is worse, 20 are needed, from 1,234 forecasts that"
        " do not overlap"
    )


@pytest.mark.parametrize(
    ("challenger", "champion", "days", "keeps"),
    [
        (CHALLENGER, CHAMPION, 13, True),
        (CHALLENGER, CHAMPION, 14, False),
        (CHALLENGER, None, 1, False),
        (None, CHAMPION, 1, False),
        (version("2", []), CHAMPION, 1, False),
        (version("2", [1], features="others"), CHAMPION, 1, False),
    ],
)
def test_an_undecided_challenger_keeps_its_place(
    challenger: ModelVersion | None, champion: ModelVersion | None, days: int, keeps: bool
) -> None:
    assert waits(challenger, champion, "f", BORN + timedelta(days=days)) == keeps


MARKETS, DAYS, PER_DAY = 3, 14, 1440


def evidence(rng: np.random.Generator, champion: float, challenger: float) -> tuple[Floats, Floats]:
    """Each market's evidence, minute by minute, of the medians of two models that know shares of what can be known.

    The known part of a return has a standard deviation of 0.2, the rest of 1; both models add noise of their own, of
    0.05. Markets move together. As ``challenger_hours`` has it; the interval is 2.56 wide.
    """
    shape = (MARKETS, DAYS * PER_DAY)
    known = 0.2 * rng.standard_normal(shape)
    moved = known + math.sqrt(0.5) * (rng.standard_normal(shape[1]) + rng.standard_normal(shape))
    served, other = (share * known + 0.05 * rng.standard_normal(shape) for share in (champion, challenger))
    gained = np.abs(moved - served) - np.abs(moved - other)
    found = gained / np.maximum(np.abs(other - served), 0.05 * 2.56)
    assert np.abs(found).max() <= 1 + 1e-9
    return np.cumsum(found, axis=1), np.cumsum(found**2, axis=1)


def days_until_decided(rng: np.random.Generator, champion: float, challenger: float) -> dict[str | None, float]:
    """Look every four hours until there is a verdict, and return it with its day; ``None`` when there never is."""
    sums, squares = evidence(rng, champion, challenger)
    for minute in range(240, DAYS * PER_DAY + 1, 240):
        pairs = [
            Pair(str(m), 1, "m", minute, {"median": (sums[m, minute - 1], squares[m, minute - 1]), "interval": (0, 0)})
            for m in range(MARKETS)
        ]
        verdict = weigh(pairs, CHALLENGER, CHAMPION).verdict
        if verdict is not None:
            return {verdict: minute / PER_DAY}
    return {None: DAYS}


def test_a_challenger_that_is_no_better_is_promoted_once_in_twenty_times_at_most() -> None:
    found = [days_until_decided(np.random.default_rng([1, seed]), 0.5, 0.5) for seed in range(60)]
    assert sum("better" in one for one in found) <= 3


def test_a_better_challenger_is_found_within_days_and_a_worse_one_sent_away() -> None:
    """Knowing all of it instead of half saves half a percent of the error, which a day does not show."""
    better = [days_until_decided(np.random.default_rng([2, seed]), 0.5, 1.0) for seed in range(20)]
    assert not any("worse" in one for one in better)
    assert np.median([one.get("better", 99.0) for one in better]) <= 7
    worse = [days_until_decided(np.random.default_rng([3, seed]), 1.0, 0.5) for seed in range(20)]
    assert not any("better" in one for one in worse)
    assert np.median([one.get("worse", 99.0) for one in worse]) <= 7
