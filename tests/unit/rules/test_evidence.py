"""Evidence by e-processes: rarely against honest forecasts however often one looks, soon against bad ones."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from candlewave.rules.evidence import (
    Detected,
    EvidenceLimits,
    coverage_bets,
    coverage_evidence,
    detector,
    loss_bets,
    loss_evidence,
    mean_of,
)
from candlewave.rules.readings import EvidenceRow, Subject

HORIZONS = (1, 5, 15, 60)
MARKETS = ("BTC/USD", "ETH/USD", "SOL/USD")
TESTS = 3 * len(HORIZONS)
LIMITS = EvidenceLimits()
THRESHOLD = LIMITS.threshold(TESTS)
START = datetime(2026, 5, 4, tzinfo=UTC)
QUANTILE = 1.2815515655446004
Sums = NDArray[np.float64]


def outcomes(
    rng: np.random.Generator, horizon: int, hours: int, scale: Sums | float = 1.0, signal: Sums | float = 0.0
) -> dict[str, Sums]:
    """Sums per market and hour of forecasts that do not overlap: of returns that are normal with a known volatility,
    and markets that move together.

    Args:
        rng: what is drawn.
        horizon: minutes.
        hours: how many.
        scale: (hours, 1) or (markets, 1, 1), times as volatile as the forecasts say.
        signal: (hours, 1) times what the medians say is true: 1 of honest ones.
    """
    shape = (len(MARKETS), hours, 60 // horizon)
    said = 0.3 * rng.standard_normal(shape)
    noise = math.sqrt(0.6) * rng.standard_normal(shape[1:]) + math.sqrt(0.4) * rng.standard_normal(shape)
    moved = scale * noise + signal * said
    wide = np.exp(0.3 * rng.standard_normal(shape))  # the baseline's interval by that of the forecast

    def pinball(level: float, quantile: Sums) -> Sums:
        return np.maximum(level * (moved - quantile), (level - 1) * (moved - quantile))

    low, high = said - QUANTILE, said + QUANTILE
    base_low, base_high = -QUANTILE * wide, QUANTILE * wide
    point = (np.abs(moved - said) - np.abs(moved)) / np.abs(said)
    loss = pinball(0.1, low) - pinball(0.1, base_low) + pinball(0.9, high) - pinball(0.9, base_high)
    interval = loss / (0.9 * (np.abs(low - base_low) + np.abs(high - base_high)))
    return {
        "hits": ((moved >= low) & (moved <= high)).sum(axis=2).astype(float),
        "point": point.sum(axis=2),
        "point_squares": (point**2).sum(axis=2),
        "interval": interval.sum(axis=2),
        "interval_squares": (interval**2).sum(axis=2),
    }


def rows(sums: dict[str, Sums], horizon: int, until: int) -> list[EvidenceRow]:
    """What ``outcome_hours`` has after so many hours, of the last hours that the rules look back."""
    units = 60 // horizon
    return [
        EvidenceRow(
            "kraken",
            market,
            Subject("candlewave", "3", horizon),
            START + timedelta(hours=hour),
            units,
            int(sums["hits"][m, hour]),
            units,
            *(float(sums[name][m, hour]) for name in ("point", "point_squares")),
            units,
            *(float(sums[name][m, hour]) for name in ("interval", "interval_squares")),
        )
        for m, market in enumerate(MARKETS)
        for hour in range(max(0, until - LIMITS.evidence_hours), until)
    ]


def evidence(sums: dict[str, Sums], horizon: int, until: int) -> dict[str, float]:
    """The three tests of a horizon after so many hours."""
    subject, found = Subject("candlewave", "3", horizon), rows(sums, horizon, until)
    return {
        "coverage": coverage_evidence(found, subject, 0.77, 0.83).log,
        "point": loss_evidence(found, subject, "point").log,
        "interval": loss_evidence(found, subject, "interval").log,
    }


def test_honest_forecasts_of_three_markets_and_four_horizons_are_accused_once_in_thirty_days_at_most() -> None:
    """Forty months, looked at every hour; an episode begins at the threshold and ends half way back.

    All bets since the month began count, more than the rules look back.
    """
    rng = np.random.default_rng(4)
    months, episodes = 40, 0
    for horizon in HORIZONS:
        for _ in range(months):
            sums = outcomes(rng, horizon, 720, signal=1.0)
            for bets in (
                coverage_bets(np.full_like(sums["hits"], 60 // horizon), sums["hits"], 0.77, 0.83),
                loss_bets(sums["point"], sums["point_squares"]),
                loss_bets(sums["interval"], sums["interval_squares"]),
            ):
                firing = False
                for log in mean_of(mean_of(detector(bets), axis=0), axis=0):
                    episodes += int(log >= THRESHOLD and not firing)
                    firing = log >= THRESHOLD or (firing and log >= THRESHOLD / 2)
    assert episodes <= months


def hours_until(kind: str, horizon: int, **change: float) -> list[int]:
    """Hours from a change until it is found, of twenty worlds; 999 when it is not within a week."""
    found = []
    before, after = 100, 168
    turn = np.arange(before + after)[:, None] >= before
    for seed in range(20):
        given = {"signal": 1.0, "scale": 1.0}
        moving = {name: np.where(turn, change.get(name, value), value) for name, value in given.items()}
        sums = outcomes(np.random.default_rng([seed, horizon]), horizon, before + after, **moving)
        hours = (n for n in range(1, after + 1) if evidence(sums, horizon, before + n)[kind] >= THRESHOLD)
        found.append(next(hours, 999))
    return found


def test_a_doubled_volatility_is_found_within_hours() -> None:
    assert np.median(hours_until("coverage", 1, scale=2.0)) <= 3
    assert np.median(hours_until("coverage", 5, scale=2.0)) <= 10


def test_a_flipped_signal_is_found_within_hours() -> None:
    assert np.median(hours_until("point", 1, signal=-1.0)) <= 8


def test_a_detector_by_hand() -> None:
    """Bets of 1 begun in each of two hours, which double and then halve: 2; then (2 + 1) / 2."""
    logs = detector(np.log(np.array([[2.0, 0.5]])))
    assert np.exp(logs).tolist() == [pytest.approx([2.0, 1.5])]
    assert math.exp(mean_of(np.log(np.array([1.0, 3.0])), axis=0)) == pytest.approx(2.0)


def test_coverage_by_hand() -> None:
    """One hour of one market, ten units, no hit: a bet that shares of 0.77 are 0.45 wins 0.55 / 0.23 each time."""
    subject = Subject("candlewave", "3", 5)
    row = EvidenceRow("kraken", "BTC/USD", subject, START, 10, 0, 0, 0.0, 0.0, 0, 0.0, 0.0)
    found = coverage_evidence([row], subject, 0.77, 0.83)
    too_few = [(1 - share) / 0.23 for share in (0.70, 0.60, 0.45)]
    too_many = [(1 - share) / 0.17 for share in (0.90, 0.95)]
    assert found.log == pytest.approx(math.log(sum(win**10 for win in too_few + too_many) / 5))
    assert found.by_market == {"kraken BTC/USD": pytest.approx(found.log)}


def test_markets_are_averaged_and_hours_without_outcomes_bet_nothing() -> None:
    subject = Subject("candlewave", "3", 5)

    def row(symbol: str, hour: int, hits: int) -> EvidenceRow:
        when = START + timedelta(hours=hour)
        return EvidenceRow("kraken", symbol, subject, when, 10, hits, 0, 0.0, 0.0, 0, 0.0, 0.0)

    bad, good = row("BTC/USD", 0, 0), row("ETH/USD", 0, 8)
    one = [coverage_evidence([r], subject, 0.77, 0.83).log for r in (bad, good)]
    both = coverage_evidence([bad, good], subject, 0.77, 0.83)
    assert math.exp(both.log) == pytest.approx((math.exp(one[0]) + math.exp(one[1])) / 2)
    assert list(both.by_market.values()) == pytest.approx(one)
    gap = coverage_evidence([bad, row("BTC/USD", 2, 8)], subject, 0.77, 0.83)
    # Of each bet the first hour's wealth, and the stakes of the two hours after it, times what the third multiplies.
    first = np.exp(coverage_bets(np.array(10.0), np.array(0.0), 0.77, 0.83))
    third = np.exp(coverage_bets(np.array(10.0), np.array(8.0), 0.77, 0.83))
    assert math.exp(gap.log) == pytest.approx(float(np.mean((first + 2) * third)))
    assert gap.units == 20


def test_markets_are_accused_by_hand() -> None:
    """Ten hours, four markets: two of them need e-values of 4 / (0.05 · 2) = 40, three 26.7, one alone 80."""

    def accused(**detectors: float) -> list[str]:
        return Detected(0.0, {name: math.log(value) for name, value in detectors.items()}, 10, 10).accused

    assert accused(a=1, b=450, c=260, d=500) == ["d", "b"]
    assert accused(a=1, b=450, c=270, d=500) == ["d", "b", "c"]
    assert accused(a=1, b=1, c=1, d=790) == []
    assert accused(a=1, b=1, c=1, d=810) == ["d"]
    assert Detected(-math.inf, {}, 0, 0).accused == []


def test_of_the_markets_that_are_accused_few_are_innocent() -> None:
    """One of three correlated markets becomes twice as volatile as its forecasts say, for a day."""
    found = []
    for seed in range(40):
        sums = outcomes(np.random.default_rng([6, seed]), 1, 24, scale=np.array([2.0, 1.0, 1.0])[:, None, None])
        found.append(coverage_evidence(rows(sums, 1, 24), Subject("candlewave", "3", 1), 0.77, 0.83).accused)
    guilty = f"kraken {MARKETS[0]}"
    assert sum(guilty in names for names in found) >= 38
    assert np.mean([len(set(names) - {guilty}) / max(len(names), 1) for names in found]) <= 0.05


def test_what_is_not_measured_is_no_evidence() -> None:
    found = coverage_evidence([], Subject("candlewave", "3", 5), 0.77, 0.83)
    assert (found.log, found.units) == (-math.inf, 0)


def test_alarms_share_what_is_allowed() -> None:
    """Twelve tests, one alarm in 720 hours: each at 8,640; ten a month, and a tenth of that is enough."""
    assert math.exp(LIMITS.threshold(12)) == pytest.approx(8_640)
    assert math.exp(EvidenceLimits(false_alarms_a_month=10).threshold(12)) == pytest.approx(864)
