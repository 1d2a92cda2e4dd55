"""Forecasts through replayed history: each candle is forecast from as if its minute had just closed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Protocol

import numpy as np
import psycopg

from candlewave.bus.protocol import Bus, Message
from candlewave.contracts.topics import PREDICTION_INPUTS, PREDICTIONS
from candlewave.core.config import Config
from candlewave.core.errors import CandlewaveError
from candlewave.core.markets import Market
from candlewave.core.times import MINUTE, floor_to_minute
from candlewave.engine.clocks import history_markets
from candlewave.ml.feature_set import feature_names, feature_set
from candlewave.ml.forecaster import FeatureMatrix, Forecaster
from candlewave.services.predictor.forecast import Forecasting
from candlewave.services.predictor.messages import input_messages, prediction_messages
from candlewave.services.predictor.models import CHALLENGER, CHAMPION, Models
from candlewave.services.predictor.reading import read_features
from candlewave.services.predictor.schedule import Task

_ROWS = 2_000


class NoHistoryError(CandlewaveError):
    """No market is history in the time that was asked for; the text says which there are."""


class TrainedVersion(Protocol):
    """What is used of :class:`candlewave.ml.registry.ModelVersion`."""

    @property
    def version(self) -> str: ...
    @property
    def train_end(self) -> datetime | None: ...
    @property
    def feature_set(self) -> str | None: ...


class TrainedRegistry(Protocol):
    """What is used of :class:`candlewave.ml.registry.Registry`."""

    def load(self, alias: str, /) -> Forecaster | None:
        """Return the model under an alias, None when there is none."""

    def metadata(self, alias: str, /) -> TrainedVersion | None:
        """Return what an alias points at, None when it points at nothing."""


@dataclass
class Rehearsal:
    """What was forecast.

    Attributes:
        markets: replayed markets, with the open time of their newest candle.
        forecasts: number of forecasts published.
        left_out: models that were not used, with the reason.
    """

    markets: dict[Market, datetime]
    forecasts: int = 0
    left_out: list[str] = field(default_factory=list)


def forecast_history(
    conn: psycopg.Connection,
    bus: Bus,
    registry: TrainedRegistry,
    baseline: Forecaster,
    config: Config,
    begin: datetime,
    now: datetime,
    *,
    on_minutes: Callable[[float], None] = lambda _: None,
) -> Rehearsal:
    """Forecast every closed candle of replayed markets that opens at ``begin`` or later, and publish it.

    ``made_at`` is the market's own time, the candle's close and the grace, so that outcomes are judged as live ones
    are. A model is used only if its training ended by ``begin``: one that has seen what it forecasts would look too
    good. Live markets are left alone for the same reason: they are judged by what was forecast at the time. Doing it
    again changes nothing, for the first forecast of a key counts.

    Args:
        conn: to the engine.
        bus: where to.
        registry: champion and challenger.
        baseline: the baseline.
        config: horizons, grace, and the markets that are followed live.
        begin: open time of the first candle, UTC.
        now: wall clock, UTC.
        on_minutes: called with the minutes of market time that were done since the last call.

    Raises:
        NoHistoryError: there is no replayed market, or it ends before ``begin``.
        EngineError, BusError, NoFeaturesError, RegistryError, psycopg.Error: one of them cannot be used.
    """
    grace = timedelta(seconds=config.candles.grace_seconds)
    begin = floor_to_minute(begin)
    found = history_markets(conn, config.markets, grace, now)
    markets = {market: newest for market, newest in found.items() if newest >= begin}
    if not markets:
        ends = ", ".join(f"{market} ends at {newest + MINUTE:%Y-%m-%d %H:%M}" for market, newest in found.items())
        raise NoHistoryError(
            f"no replayed market has candles from {begin:%Y-%m-%d %H:%M} UTC on ({ends or 'there is none'}); a market"
            " of candlewave.toml, or one that traded within the hour, is live and is never forecast afterwards"
        )
    done = Rehearsal(markets)
    models = _models(registry, baseline, begin, done.left_out)
    forecasting = Forecasting(config.predictions.horizons_minutes)
    names, set_id = feature_names(conn), feature_set(conn)
    bus.ensure_topics([PREDICTION_INPUTS, PREDICTIONS])
    for tasks in _batches(markets, begin):
        rows = read_features(conn, names, tasks)
        if len(rows.matrix):
            by_minute = groupby(
                forecasting.forecast(models, rows.matrix, set_id), lambda forecast: forecast.feature_time
            )
            messages = []
            for open_time, forecasts in by_minute:
                messages += prediction_messages(forecasts, open_time + MINUTE + grace)
            bus.publish(PREDICTION_INPUTS.name, _inputs(rows.matrix, set_id, grace))
            bus.publish(PREDICTIONS.name, messages)
            done.forecasts += len(messages)
        on_minutes((tasks[-1].open_time - tasks[0].open_time) / MINUTE + 1)
    return done


def _inputs(matrix: FeatureMatrix, set_id: str, grace: timedelta) -> list[Message]:
    """Return the vectors of each minute as messages of that minute."""
    messages = []
    for time in np.unique(matrix.open_time):
        chosen = matrix.open_time == time
        minute = replace(
            matrix,
            exchange=matrix.exchange[chosen],
            symbol=matrix.symbol[chosen],
            open_time=matrix.open_time[chosen],
            close=matrix.close[chosen],
            values=matrix.values[chosen],
        )
        made_at = time.astype("datetime64[us]").item().replace(tzinfo=UTC) + MINUTE + grace
        messages += input_messages(minute, set_id, made_at)
    return messages


def _models(registry: TrainedRegistry, baseline: Forecaster, begin: datetime, left_out: list[str]) -> Models:
    """Return the registered models that know nothing of what is to be forecast."""
    usable: dict[str, Forecaster] = {}
    feature_sets: dict[str, str] = {}
    for alias in (CHAMPION, CHALLENGER):
        version = registry.metadata(alias)
        if version is None:
            continue
        if version.train_end is None or version.train_end > begin:
            until = "" if version.train_end is None else f" up to {version.train_end:%Y-%m-%d %H:%M} UTC"
            left_out.append(f"{alias} {version.version}: it was trained on data{until}")
            continue
        model = registry.load(alias)
        if model is not None and all(model.model_version != other.model_version for other in usable.values()):
            usable[alias] = model
            if version.feature_set is not None:
                feature_sets[version.version] = version.feature_set
    return Models(baseline, usable.get(CHAMPION), usable.get(CHALLENGER), feature_sets)


def _batches(markets: dict[Market, datetime], begin: datetime) -> Iterator[list[Task]]:
    """Yield the candles by time, a few thousand at once."""
    minutes = max(_ROWS // len(markets), 1)
    last = max(markets.values())
    while begin <= last:
        times = [begin + MINUTE * n for n in range(minutes)]
        tasks = [Task(*market, when) for when in times for market, newest in markets.items() if when <= newest]
        yield tasks
        begin = times[-1] + MINUTE
