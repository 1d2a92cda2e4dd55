"""The walk: at each training time of production fit on what was known, forecast until the next training, judge all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg

from candlewave.backtest.costs import Terms, terms
from candlewave.backtest.fills import Fills, read_fills
from candlewave.backtest.groups import groups
from candlewave.backtest.report import Backtest
from candlewave.backtest.strategy import StrategyRun, decided, run_strategy
from candlewave.core.config import Config
from candlewave.core.markets import Market
from candlewave.ml.candidates.catalog import SHIPPED
from candlewave.ml.candidates.parameters import BoostingParameters
from candlewave.ml.dataset import Dataset, FeatureSource, read_dataset
from candlewave.ml.feature_set import require_volatility, volatility_feature
from candlewave.ml.folds import Fold, tested
from candlewave.ml.judge import OutOfSample, judge_together
from candlewave.ml.model import TooLittleDataError
from candlewave.ml.online import follow
from candlewave.ml.settings import TrainSettings
from candlewave.ml.walk import chosen_by_then, walk

_SYNTHETIC = "simulated"
_MINUTE = np.timedelta64(1, "m")
_TO_CLOSE = timedelta(days=1)
"""How long after the last forecast a trade is looked for that closes its position."""


@dataclass(frozen=True)
class Timetable:
    """What to test.

    Attributes:
        begin, end: feature times judged, UTC; ``end`` exclusive.
        cadence: time between trainings.
        history: what each training sees.
        min_history_minutes: a market with less history in a training is left out of it.
        grace: after a candle's close, when it is known.
    """

    begin: datetime
    end: datetime
    cadence: timedelta
    history: timedelta
    min_history_minutes: int
    grace: timedelta

    @property
    def steps(self) -> list[tuple[datetime, datetime]]:
        """Training times, each with the end of the time its model forecasts."""
        found, moment = [], self.begin
        while moment < self.end:
            found.append((moment, min(moment + self.cadence, self.end)))
            moment += self.cadence
        return found


@dataclass
class _Collected:
    """Forecasts of every candidate so far, step by step, per horizon, and how many of each have no known outcome."""

    parts: dict[int, list[dict[str, OutOfSample]]]
    unknown: dict[int, int]
    trainings: int = 0
    left_out: dict[str, int] = field(default_factory=dict)


def plan(config: Config, settings: TrainSettings, begin: datetime, end: datetime) -> Timetable:
    """Return the plan that repeats production: its cadence, its history, its grace."""
    return Timetable(
        begin,
        end,
        settings.every,
        timedelta(days=settings.days),
        settings.min_history_minutes,
        timedelta(seconds=config.candles.grace_seconds),
    )


def backtest(
    conn: psycopg.Connection,
    config: Config,
    steps: Timetable,
    parameters: BoostingParameters,
    *,
    command: str,
    fee_bps: float | None = None,
    spread_bps: float | None = None,
    candidates: Sequence[str] = SHIPPED,
    source: FeatureSource = "features",
    on_step: Callable[[], None] = lambda: None,
) -> Backtest:
    """Walk forward over history.

    In memory is one window of history and what was forecast.

    Args:
        conn: to the engine.
        config: horizons and more.
        steps: when to train and on what.
        parameters: of LightGBM.
        command: makes the report again.
        fee_bps, spread_bps: what the toy strategy pays, in place of each exchange's own.
        candidates: those that production would try.
        source: which vectors to train on and to forecast from.
        on_step: called after each training and its forecasts.

    Raises:
        TooLittleDataError: nothing could be judged.
        NoFeaturesError: the view ``features`` is not there, or not the configured one.
    """
    horizons = tuple(config.predictions.horizons_minutes)
    volatility = volatility_feature(config)
    found = _Collected({horizon: [] for horizon in horizons}, dict.fromkeys(horizons, 0))
    for moment, until, window in _windows(conn, horizons, steps, source):
        require_volatility(config, window.names)
        _step(found, window, moment, until, steps, horizons, parameters, volatility, candidates)
        on_step()
    if not found.trainings:
        raise TooLittleDataError(
            f"no market has {steps.min_history_minutes} minutes of history (TRAIN_MIN_HISTORY_MINUTES) before any"
            f" training between {steps.begin:%Y-%m-%d %H:%M} and {steps.end:%Y-%m-%d %H:%M} UTC"
        )
    chosen, _ = chosen_by_then(found.parts)
    data = [follow(chosen[horizon]).outcome for horizon in horizons]
    if not all(len(one.realised) for one in data):
        raise TooLittleDataError("the history ends before the first forecasts fall due: nothing can be judged")
    markets = sorted({str(name) for one in data for name in np.unique(one.symbol)})
    traded = {name: terms(_market(name), config, fee_bps=fee_bps, spread_bps=spread_bps) for name in markets}
    return Backtest(
        markets=[name.replace("|", " ") for name in markets],
        begin=_moment(min(one.open_time[0] for one in data)),
        end=_moment(max(one.open_time[-1] for one in data)),
        train_span=steps.history,
        cadence=steps.cadence,
        trainings=found.trainings,
        synthetic=any(name.startswith(f"{_SYNTHETIC}|") for name in markets),
        command=command,
        data=data,
        verdicts=judge_together(data),
        groups=[groups(one) for one in data],
        unknown=[found.unknown[horizon] for horizon in horizons],
        strategy=_trade(conn, data, traded, steps),
        terms=list(traded.values()),
        notes=[
            f"{name.replace('|', ' ')}: left out of {count} of {len(steps.steps)} trainings for too little history."
            for name, count in sorted(found.left_out.items())
        ],
    )


def _trade(
    conn: psycopg.Connection, data: Sequence[OutOfSample], traded: Mapping[str, Terms], steps: Timetable
) -> list[StrategyRun]:
    """Let the toy strategy trade every horizon's medians."""
    markets = {name: found.market for name, found in traded.items() if found.refusal is None}
    longest = timedelta(minutes=max(one.horizon_minutes for one in data))
    read = read_fills(conn, list(markets.values()), steps.begin, steps.end + longest + _TO_CLOSE)
    fills: dict[str, Fills] = {name: read[market] for name, market in markets.items()}
    runs = []
    for one in data:
        close = one.open_time + _MINUTE
        made_at = close + np.timedelta64(steps.grace)
        decisions = {
            name: decided(made_at[rows], close[rows], one.quantiles[rows, 1], one.horizon_minutes)
            for name in markets
            if (rows := one.symbol == name).any()
        }
        runs.append(run_strategy(one.horizon_minutes, decisions, fills, traded))
    return runs


def _market(name: str) -> Market:
    exchange, _, symbol = name.partition("|")
    return Market(exchange, symbol)


def _windows(
    conn: psycopg.Connection, horizons: tuple[int, ...], steps: Timetable, source: FeatureSource
) -> Iterator[tuple[datetime, datetime, Dataset]]:
    """Yield each step's training and test rows; every row is read once."""
    window: Dataset | None = None
    read_until = steps.begin - steps.history
    for moment, until in steps.steps:
        more = read_dataset(conn, horizons, read_until, until, source=source)
        read_until = until
        if window is not None:
            more = window.rows(window.open_time >= _time(moment - steps.history)).joined(more)
        window = more
        yield moment, until, window


def _step(
    found: _Collected,
    window: Dataset,
    moment: datetime,
    until: datetime,
    steps: Timetable,
    horizons: tuple[int, ...],
    parameters: BoostingParameters,
    volatility: str,
    candidates: Sequence[str],
) -> None:
    markets = window.markets
    history = window.open_time < _time(moment)
    usable = []
    for name in np.unique(markets):
        if np.count_nonzero(history & (markets == name)) >= steps.min_history_minutes:
            usable.append(name)
        else:
            found.left_out[str(name)] = found.left_out.get(str(name), 0) + 1
    data = window.rows(np.isin(markets, usable))
    fold = Fold(_time(moment - steps.grace), _time(moment), _time(until))
    if not usable or not (data.open_time >= fold.test_begin).any():
        return
    # The same names in every step, whatever markets it has: the choice goes by all steps before.
    walked = walk(data, horizons, [fold], parameters, volatility, candidates=candidates, point_baselines=False)
    found.trainings += 1
    forecast = tested(data.open_time, fold)
    for horizon in horizons:
        found.parts[horizon].append(walked[horizon].candidates)
        found.unknown[horizon] += int(np.count_nonzero(forecast & ~np.isfinite(data.labels[horizon])))


def _time(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


def _moment(time: np.datetime64) -> datetime:
    found: datetime = time.astype("datetime64[us]").item()
    return found.replace(tzinfo=UTC)


def last_minute(conn: psycopg.Connection, source: FeatureSource = "features") -> datetime | None:
    """Return the start of the newest candle with features, None when there is none."""
    column, relation = ("open_time", "features") if source == "features" else ("feature_time", "prediction_inputs")
    row = conn.execute(f"SELECT max({column}) FROM {relation}").fetchone()
    found: datetime | None = row[0] if row else None
    return found
