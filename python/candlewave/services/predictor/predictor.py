"""One cycle of the predictor: look at the clocks, read what is due, forecast, publish."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg

from candlewave.bus.protocol import Bus
from candlewave.contracts.topics import PREDICTION_INPUTS, PREDICTIONS
from candlewave.core.markets import Market
from candlewave.core.times import MINUTE, utc_now
from candlewave.engine.clocks import due_candles
from candlewave.ml.feature_set import feature_names, feature_set
from candlewave.services.predictor import metrics
from candlewave.services.predictor.forecast import NO_STRETCHES, Forecast, Forecasting
from candlewave.services.predictor.messages import input_messages, prediction_messages
from candlewave.services.predictor.models import Models
from candlewave.services.predictor.reading import last_forecasts, read_features, read_stretches
from candlewave.services.predictor.schedule import DueTasks, ForecastSchedule, Task, batches
from candlewave.telemetry import get_logger, tracing

_NAMES_SECONDS = 30.0
_AGAIN_SECONDS = 1.0

_log = get_logger(__name__)


@dataclass
class Cycle:
    """What one cycle did.

    Attributes:
        forecasts: that the bus has taken.
        stale: markets without a recent candle.
        skipped: markets left out, with the reason.
    """

    forecasts: list[Forecast] = field(default_factory=list)
    stale: list[Market] = field(default_factory=list)
    skipped: list[tuple[Market, str]] = field(default_factory=list)


class Predictor:
    """Forecast what is due. One thread uses it.

    Args:
        bus: where to.
        models: returns the models to use now.
        horizons: minutes ahead, as configured.
        grace: seconds a market's feed must be past a candle's end, as configured.
        schedule: how far markets have come.
        follow_baseline: called with a connection now and then: the baseline's spreads may be new.
        owns: says whether this process forecasts a market.
        batch_rows: most feature rows in one call of a model.
        clock: present time, UTC.
    """

    def __init__(
        self,
        bus: Bus,
        models: Callable[[], Models],
        horizons: Sequence[int],
        grace: timedelta,
        schedule: ForecastSchedule,
        *,
        follow_baseline: Callable[[psycopg.Connection], None] = lambda _: None,
        owns: Callable[[Market], bool] = lambda _: True,
        batch_rows: int = 5_000,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._bus = bus
        self._models = models
        self._forecasting = Forecasting(horizons)
        self._last_horizon = max(horizons)
        self._grace = grace
        self._schedule = schedule
        self._follow_baseline = follow_baseline
        self._owns = owns
        self._batch_rows = batch_rows
        self._clock = clock
        self._names: tuple[str, ...] = ()
        self._feature_set = ""
        self._stretches = NO_STRETCHES
        self._names_read = float("-inf")
        self._seen: dict[Market, datetime] = {}
        self._tried = 0.0

    def cycle(self, conn: psycopg.Connection, going_on: Callable[[], bool] = lambda: True) -> Cycle:
        """Forecast everything that is due and not forecast yet.

        Args:
            conn: to the engine; after an error open another one and call again: nothing is lost or published twice.
            going_on: asked between batches; False ends the cycle early.

        Raises:
            psycopg.Error, NoFeaturesError: the engine is down, or lacks a view.
            BusError: the bus did not take the forecasts; they are made again with the next cycle.
        """
        started = time.perf_counter()
        due = {market: when for market, when in due_candles(conn, self._grace).items() if self._owns(market)}
        now = self._clock()
        if unknown := self._schedule.unknown(due):
            last = last_forecasts(conn, self._last_horizon)
            for market in unknown:
                self._schedule.resume(market, last.get(market))
        plan = self._schedule.plan(due, now)
        if plan.oldest_due is not None:
            metrics.FEATURE_AGE.set((now - plan.oldest_due).total_seconds() - 60)
        done = Cycle(stale=plan.stale, skipped=list(plan.skipped))
        for _, reason in plan.skipped:
            metrics.SKIPPED.labels(reason).inc()
        if plan.tasks and (due != self._seen or not self._schedule.waiting or started - self._tried >= _AGAIN_SECONDS):
            self._tried = started
            self._forecast(conn, plan, done, going_on)
            self._seen = due
            metrics.CYCLE_SECONDS.observe(time.perf_counter() - started)
        return done

    def _forecast(self, conn: psycopg.Connection, plan: DueTasks, done: Cycle, going_on: Callable[[], bool]) -> None:
        with tracing.tracer(__name__).start_as_current_span("cycle") as span:
            names = self._feature_names(conn)
            for tasks in batches(plan.tasks, self._batch_rows):
                if not going_on():
                    return
                rows = read_features(conn, names, tasks)
                made = []
                if len(rows.matrix):
                    for task in rows.usable:
                        tracing.record("close", task, task.open_time + MINUTE, self._clock())
                    with tracing.minutes("forecast", rows.usable) as headers:
                        made = self._forecasting.forecast(
                            self._models(), rows.matrix, self._feature_set, self._stretches
                        )
                        made_at = self._clock()
                        inputs = input_messages(rows.matrix, self._feature_set, made_at, headers)
                        self._bus.publish(PREDICTION_INPUTS.name, inputs)
                        self._bus.publish(PREDICTIONS.name, prediction_messages(made, made_at, headers))
                served = {Task(f.exchange, f.symbol, f.feature_time) for f in made}
                left_out = {"no_feed": rows.silent, "warming_up": [t for t in rows.usable if t not in served]}
                self._count(plan, tasks, rows.found, left_out, made, done)
            span.set_attribute("candlewave.markets", len(plan.newest))
            span.set_attribute("candlewave.forecasts", len(done.forecasts))

    def _count(
        self,
        plan: DueTasks,
        tasks: Sequence[Task],
        found: Sequence[Task],
        left_out: dict[str, list[Task]],
        made: Sequence[Forecast],
        done: Cycle,
    ) -> None:
        missing = self._schedule.finish(plan, tasks, found)
        for reason, without in (("no_features", missing), *left_out.items()):
            done.skipped += [(task.market, reason) for task in without]
            if without:
                metrics.SKIPPED.labels(reason).inc(len(without))
        for forecast in made:
            metrics.PUBLISHED.labels(forecast.role).inc()
        done.forecasts += made

    def _feature_names(self, conn: psycopg.Connection) -> tuple[str, ...]:
        """Return the view's features; now and then look for new ones, a new baseline, and what came of forecasts."""
        if time.monotonic() - self._names_read >= _NAMES_SECONDS:
            self._follow_baseline(conn)
            self._names, self._feature_set = feature_names(conn), feature_set(conn)
            self._stretches = read_stretches(conn, self._models().identities)
            self._names_read = time.monotonic()
        return self._names

    def forget_names(self) -> None:
        """Read the names of the features again in the next cycle, after an error."""
        self._names_read = float("-inf")
