"""Time, memory and quality of a training: thirty days of three markets with the shipped defaults.

The rows are made with NumPy, not by the engine: returns whose volatility wanders, a planted signal in the order flow
that a real feature would show, moments of past returns, and columns of noise up to the number of columns of
``features``. So the work is that of a real training; the skill is that of the planted process.
"""

import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Row
from candlewave.ml.baseline import fit_baseline
from candlewave.ml.candidates.catalog import SHIPPED
from candlewave.ml.candidates.parameters import BoostingParameters
from candlewave.ml.dataset import Dataset
from candlewave.ml.feature_set import DEFAULT_VOLATILITY
from candlewave.ml.folds import walk_forward
from candlewave.ml.judge import judge
from candlewave.ml.model import fit_horizon
from candlewave.ml.scores import coverage, pinball
from candlewave.ml.settings import TrainSettings
from candlewave.ml.walk import walk

HORIZONS = (1, 5, 15, 60)
MARKETS = ("BTC/USD", "ETH/USD", "SOL/USD")
COLUMNS = 92
SIGNAL = 0.3
_TRADES_PER_MINUTE = 60
_LARGER = 10
_ALONE = "boosted"


@dataclass(frozen=True)
class Cost:
    """What a training took, and how good its forecasts of unseen data were.

    Attributes:
        seconds, cpu_seconds: wall clock and processor.
        megabytes: peak of the process.
        fits: candidates and LightGBM models fitted.
        losses: mean pinball loss per horizon, by that of the baseline.
        skill: share of the mean absolute error of the last price that the median saves, at the shortest horizon.
        verdicts: per horizon, in words.
        hits: per horizon, 1 where an outcome lay in the 80 % interval, else 0, of forecasts that do not overlap.
    """

    seconds: float
    cpu_seconds: float
    megabytes: float
    fits: int
    losses: dict[int, float]
    skill: float
    verdicts: dict[int, str]
    hits: dict[int, NDArray[np.float64]]


def make_dataset(days: float, seed: int = 1, signal: float = SIGNAL, columns: int = COLUMNS) -> Dataset:
    """Return rows of a planted process, ascending by time and market."""
    parts = [
        _market(name, int(days * 1440), np.random.default_rng([seed, n]), signal, columns)
        for n, name in enumerate(MARKETS)
    ]
    order = np.argsort(np.concatenate([p.open_time for p in parts]), kind="stable")
    return Dataset(
        np.concatenate([p.exchange for p in parts])[order],
        np.concatenate([p.symbol for p in parts])[order],
        np.concatenate([p.open_time for p in parts])[order],
        np.concatenate([p.close for p in parts])[order],
        parts[0].names,
        np.concatenate([p.values for p in parts])[order],
        {h: np.concatenate([p.labels[h] for p in parts])[order] for h in HORIZONS},
    )


def _market(name: str, minutes: int, rng: np.random.Generator, signal: float, columns: int) -> Dataset:
    wandering = np.zeros(minutes)
    steps = 0.02 * rng.standard_normal(minutes)
    for t in range(1, minutes):
        wandering[t] = 0.998 * wandering[t - 1] + steps[t]
    sigma = 7e-4 * np.exp(wandering)
    flow = rng.standard_normal(minutes)
    seen = 0.5 + 0.2 * flow + 0.5 / np.sqrt(_TRADES_PER_MINUTE) * rng.standard_normal(minutes)
    before = np.concatenate(([0.0], flow[:-1]))
    returns = sigma * (signal * before + np.sqrt(1 - signal**2) * rng.standard_normal(minutes))
    log_price = np.cumsum(returns)
    volatility = np.sqrt(_trailing(returns**2, 60) / 60)
    made: dict[str, NDArray[np.float64]] = {
        DEFAULT_VOLATILITY: volatility,
        "order_flow_1_1m": seen,
        "order_flow_14_1m": _trailing(seen, 14) / 14,
        "return_1_1m": returns / volatility,
    }
    for bars in (5, 15, 60, 240):
        made[f"return_{bars}_1m"] = _trailing(returns, bars) / (volatility * np.sqrt(bars))
        made[f"volatility_{bars}_5m"] = np.sqrt(_trailing(returns**2, bars) / bars)
    angle = 2 * np.pi * (np.arange(minutes) % 1440) / 1440
    made["day_sin"], made["day_cos"] = np.sin(angle), np.cos(angle)
    values = np.empty((minutes, columns), np.float32)
    for place, column in enumerate(made.values()):
        values[:, place] = column
    noise = rng.standard_normal((minutes, columns - len(made)), np.float32)
    # Half of them change every minute, half slowly, as those of longer timeframes do.
    slow = noise.shape[1] // 2
    noise[:, :slow] = np.repeat(noise[::15, :slow], 15, axis=0)[:minutes]
    values[:, len(made) :] = noise
    labels = {}
    for horizon in HORIZONS:
        label = np.full(minutes, np.nan)
        label[:-horizon] = log_price[horizon:] - log_price[:-horizon]
        labels[horizon] = label
    start = np.datetime64("2026-03-02T00:00", "us")
    return Dataset(
        np.full(minutes, "simulated", dtype=object),
        np.full(minutes, name, dtype=object),
        start + np.arange(minutes) * np.timedelta64(1, "m"),
        100 * np.exp(log_price),
        (*made, *(f"noise_{n}_1h" for n in range(columns - len(made)))),
        values,
        labels,
    )


def _trailing(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    sums = np.concatenate(([0.0], np.cumsum(values)))
    found = np.full(len(values), np.nan)
    found[count - 1 :] = sums[count:] - sums[:-count]
    return found


def run(
    days: float, parameters: BoostingParameters, folds: int, embargo: int, *, whole: bool, signal: float = SIGNAL
) -> Cost:
    """Train as the trainer does: every fold with every candidate, then the model of all data.

    Args:
        days: of each market.
        parameters: of LightGBM.
        folds, embargo: see :class:`candlewave.ml.settings.TrainSettings`.
        whole: False leaves out what only the trainer's choice needs: other candidates, baselines, the final model.
        signal: planted correlation of the order flow with the next minute; 0 for a random walk.
    """
    data = make_dataset(days, signal=signal)
    fits = [0]

    def count() -> None:
        fits[0] += 1

    begin, cpu = time.perf_counter(), time.process_time()
    cut = walk_forward(data.open_time, folds, embargo, 2)
    walked = walk(
        data,
        HORIZONS,
        cut,
        parameters,
        DEFAULT_VOLATILITY,
        candidates=SHIPPED if whole else (_ALONE,),
        point_baselines=whole,
        on_fit=count,
    )
    if whole:
        baseline = fit_baseline(HORIZONS, data.values[:, data.names.index(DEFAULT_VOLATILITY)], data.labels)
        for horizon in HORIZONS:
            fit_horizon(data, horizon, baseline, parameters, (walked[horizon].best,), on_fit=count)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    found = {h: walked[h].candidates[walked[h].best] for h in HORIZONS}
    shortest = found[HORIZONS[0]]
    return Cost(
        seconds,
        cpu,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        fits[0],
        {
            h: float(pinball(o.quantiles, o.realised).sum() / pinball(o.baseline, o.realised).sum())
            for h, o in ((h, walked[h].candidates[_ALONE]) for h in HORIZONS)
        },
        1 - float(np.abs(shortest.realised - shortest.quantiles[:, 1]).sum() / np.abs(shortest.realised).sum()),
        {h: judge(o).text for h, o in found.items()},
        {h: coverage(o.quantiles, o.realised)[_apart(o.open_time, h)] for h, o in found.items()},
    )


def _apart(open_time: NDArray[np.datetime64], horizon: int) -> NDArray[np.bool_]:
    """Choose every ``horizon``-th minute: forecasts of a market that do not overlap."""
    return np.asarray(open_time.astype("datetime64[m]").astype(np.int64) % horizon == 0)


def training(days: float) -> list[Row]:
    """Return the rows of the table; each run has a process of its own, to measure its peak of memory."""
    settings = TrainSettings.load()
    parameters = settings.boosting
    larger = replace(
        parameters, trees=parameters.trees * _LARGER, learning_rate=parameters.learning_rate / _LARGER**0.5
    )
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        shipped = pool.submit(run, days, parameters, settings.folds, settings.embargo_minutes, whole=True).result()
        more = pool.submit(run, days, larger, settings.folds, settings.embargo_minutes, whole=False).result()
        blind = pool.submit(
            run, days, parameters, settings.folds, settings.embargo_minutes, whole=False, signal=0.0
        ).result()
    worst = max(shipped.losses[h] / more.losses[h] - 1 for h in HORIZONS)
    each = ", ".join(f"{h}m {100 * (shipped.losses[h] / more.losses[h] - 1):+.2f} %" for h in HORIZONS)
    what = f"{days:g} days × {len(MARKETS)} markets × {len(HORIZONS)} horizons × 3 quantiles × {settings.folds} folds"
    hits = np.concatenate(list(shipped.hits.values()))
    bound = 1 - np.sqrt(1 - SIGNAL**2)
    return [
        Row(
            f"training, {what}, {COLUMNS} columns (rows made with NumPy), {shipped.fits} fits",
            f"{shipped.seconds:.0f} s, {shipped.cpu_seconds:.0f} s of processor",
            "180 s",
            value=shipped.seconds,
        ),
        Row("peak memory of that process", f"{shipped.megabytes / 1024:.2f} GB", "1.5 GB", value=shipped.megabytes),
        Row(
            f"pinball loss against {_LARGER} times the trees ({larger.trees} at rate {larger.learning_rate:.3f})",
            f"{100 * worst:+.2f} % at worst ({each})",
            "within 1 %",
            f"{more.cpu_seconds:.0f} s of processor for the larger",
            value=worst,
        ),
        Row(
            f"outcomes in the 80 % interval, {len(hits):,} that do not overlap",
            f"{hits.mean():.1%} ({', '.join(f'{h}m {found.mean():.1%}' for h, found in shipped.hits.items())})",
            "77 to 83 %",
            value=float(hits.mean()),
        ),
        Row(
            f"skill at {HORIZONS[0]}m of what the planted signal allows",
            f"{100 * shipped.skill:.2f} % of {100 * bound:.2f} %",
            "",
            f"{shipped.skill / bound:.0%}",
        ),
        Row(
            "verdicts without a planted signal",
            ", ".join(f"{h}m {said}" for h, said in blind.verdicts.items()),
            "no skill",
            right=set(blind.verdicts.values()) == {"no skill"},
        ),
    ]
