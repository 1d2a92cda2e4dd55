"""Skill is found where it was put: one market, one hour, one tercile."""

import numpy as np
import pytest

from candlewave.backtest.groups import groups, terciles
from candlewave.ml.judge import OutOfSample

COUNT = 2 * 1440


def data(known: np.ndarray, width: np.ndarray | None = None, symbol: np.ndarray | None = None) -> OutOfSample:
    """Forecasts that know half of the move where ``known``, and nothing elsewhere."""
    realised = np.random.default_rng(3).standard_normal(COUNT) / 1000
    median = np.where(known, realised / 2, 0.0)
    spread = np.array([-0.001, 0.0, 0.001])
    wide = np.ones(COUNT) if width is None else width
    return OutOfSample(
        1,
        np.full(COUNT, "x|A") if symbol is None else symbol,
        np.datetime64("2026-01-01", "us") + np.arange(COUNT) * np.timedelta64(1, "m"),
        median[:, None] + spread,
        wide[:, None] * spread,
        realised,
    )


def of(found: OutOfSample, kind: str) -> dict[str, tuple[int, float]]:
    return {g.name: (g.forecasts, g.skill.value) for g in groups(found) if g.kind == kind}


def test_by_hour_of_the_close() -> None:
    minutes = np.arange(COUNT) + 1
    hours = of(data(minutes // 60 % 24 == 7), "hour")
    assert list(hours) == [f"{h:02d}" for h in range(24)]
    assert hours["07"] == pytest.approx((120, 0.5))
    assert {skill for hour, (_, skill) in hours.items() if hour != "07"} == {0.0}


def test_by_market() -> None:
    symbol = np.where(np.arange(COUNT) % 2 == 0, "x|A", "x|B")
    assert of(data(symbol == "x|B", symbol=symbol), "market") == {
        "x A": (COUNT // 2, 0.0),
        "x B": pytest.approx((COUNT // 2, 0.5)),
    }


def test_by_volatility_of_the_same_market() -> None:
    symbol = np.where(np.arange(COUNT) % 2 == 0, "x|A", "x|B")
    rank = np.arange(COUNT) // 2
    # B moves a hundred times as much: its calm third is still calm.
    width = (1 + rank) * np.where(symbol == "x|A", 1, 100)
    found = data(rank >= COUNT // 3, width, symbol)
    assert np.bincount(terciles(found)).tolist() == [COUNT // 3] * 3
    assert of(found, "volatility") == {
        "calm": (COUNT // 3, 0.0),
        "usual": (COUNT // 3, 0.0),
        "volatile": pytest.approx((COUNT // 3, 0.5)),
    }


def test_more_groups_need_more_certainty() -> None:
    one, several = (data(np.ones(COUNT, bool), symbol=s) for s in (None, np.repeat([f"x|{i}" for i in range(8)], 360)))
    assert len(of(one, "market")) == 1
    wide = {g.name: g for g in groups(several) if g.kind == "market"}["x|0".replace("|", " ")]
    alone = next(g for g in groups(several.rows(several.symbol == "x|0")) if g.kind == "market")
    assert wide.skill.low <= alone.skill.low
    assert wide.skill.high >= alone.skill.high
    assert wide.interval_skill.high > alone.interval_skill.high
