"""Datasets of processes whose truth is known."""

from collections.abc import Sequence

import numpy as np

from candlewave.ml.dataset import Dataset
from candlewave.ml.feature_set import DEFAULT_VOLATILITY

START = np.datetime64("2026-03-02T00:00", "us")
MINUTE = np.timedelta64(1, "m")


def planted(
    minutes: int,
    signal: float,
    *,
    symbols: Sequence[str] = ("A/USD", "B/USD"),
    horizons: Sequence[int] = (1, 5),
    seed: int = 1,
    noise_columns: int = 2,
) -> Dataset:
    """Return markets whose feature ``tell`` has the correlation ``signal`` with the next minute's return.

    Returns are normal with a standard deviation of 0.001, so that the volatility feature tells no more than that.
    """
    parts = []
    for number, _symbol in enumerate(symbols):
        rng = np.random.default_rng([seed, number])
        tell = rng.standard_normal(minutes)
        shock = signal * np.concatenate(([0.0], tell[:-1]))
        shock = shock + np.sqrt(1 - signal**2) * rng.standard_normal(minutes)
        price = np.cumsum(0.001 * shock)
        columns = [np.full(minutes, 0.001), tell, *rng.standard_normal((noise_columns, minutes))]
        labels = {}
        for horizon in horizons:
            label = np.full(minutes, np.nan)
            label[:-horizon] = price[horizon:] - price[:-horizon]
            labels[horizon] = label
        parts.append((np.stack(columns, axis=1).astype(np.float32), labels, np.exp(price)))
    times = START + np.arange(minutes) * MINUTE
    order = np.argsort(np.tile(np.arange(minutes), len(symbols)), kind="stable")
    return Dataset(
        np.full(minutes * len(symbols), "simulated", dtype=object),
        np.repeat(np.array(symbols, dtype=object), minutes)[order],
        np.tile(times, len(symbols))[order],
        np.concatenate([price for _, _, price in parts])[order],
        (DEFAULT_VOLATILITY, "tell", *(f"noise_{n}" for n in range(noise_columns))),
        np.concatenate([values for values, _, _ in parts])[order],
        {h: np.concatenate([labels[h] for _, labels, _ in parts])[order] for h in horizons},
    )


def bound(signal: float) -> float:
    """Return the skill that knowing a normal part of correlation ``signal`` allows: 1 − √(1 − ρ²)."""
    return float(1 - np.sqrt(1 - signal**2))
