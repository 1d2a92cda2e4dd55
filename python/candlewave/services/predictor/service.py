"""The service ``price-predictor``. Replicas share the markets by the partitions of topic ``ingest-shards``."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import psycopg

from candlewave.bus import open_bus
from candlewave.bus.protocol import Bus
from candlewave.contracts.topics import PREDICTION_INPUTS, PREDICTIONS
from candlewave.core.config import Config
from candlewave.core.markets import Market
from candlewave.core.settings import Settings
from candlewave.core.times import utc_now
from candlewave.engine.connect import connect, is_risingwave
from candlewave.ml.baseline import LastPriceBaseline
from candlewave.ml.feature_set import volatility_feature
from candlewave.ml.registry import open_registry
from candlewave.services.frame import Service
from candlewave.services.predictor.history import Rehearsal, forecast_history
from candlewave.services.predictor.models import ModelWatch
from candlewave.services.predictor.predictor import Cycle, Predictor
from candlewave.services.predictor.reading import newest_spreads, read_baseline
from candlewave.services.predictor.schedule import ForecastSchedule
from candlewave.services.predictor.settings import PredictSettings
from candlewave.services.predictor.waker import Waker
from candlewave.telemetry.admin import Status
from candlewave.telemetry.metrics import FRESHNESS

GROUP = "price-predictor"
_PAUSE_SECONDS = 2.0
_FIRST_MODELS_SECONDS = 30.0


def main(service: Service, config: Config, settings: PredictSettings) -> None:
    """Run until the service stops; engine, bus and registry may come and go.

    Raises:
        BusError: the bus cannot be reached at the start.
    """
    service.bus.ensure_topics([PREDICTIONS, PREDICTION_INPUTS])
    shards = service.shards(GROUP)
    watch = watch_models(service.settings, config)
    watched = threading.Event()
    # A registry may hang; its thread ends with the process.
    service.thread("models", lambda stop: watch.run(stop, settings.reload_seconds, watched.set), wait=False)
    predictor = make_predictor(service.bus, watch, config, settings, lambda market: shards.owns(market.key))
    features = service.readiness.status("features")
    features.problem = None
    deadline = time.monotonic() + _FIRST_MODELS_SECONDS
    while not watched.wait(0.2) and not service.stop.is_set() and time.monotonic() < deadline:
        pass

    def forecast(engine: Status) -> None:
        with connect(service.settings) as conn, _waker(service.settings, conn) as waker:
            predictor.forget_names()
            while not service.stop.is_set():
                cycle = predictor.cycle(conn, lambda: not service.stop.is_set())
                engine.problem, features.problem = None, _stale_text(cycle.stale)
                _report(service, cycle)
                waker.wait(settings.poll_seconds, service.stop)

    service.supervise("engine", forecast, pause_seconds=_PAUSE_SECONDS)


def make_predictor(
    bus: Bus,
    watch: ModelWatch,
    config: Config,
    settings: PredictSettings,
    owns: Callable[[Market], bool] = lambda _: True,
) -> Predictor:
    """Return the predictor that configuration and settings describe."""
    baseline = _default_baseline(config)
    return Predictor(
        bus,
        lambda: watch.models,
        config.predictions.horizons_minutes,
        timedelta(seconds=config.candles.grace_seconds),
        ForecastSchedule(
            settings.catch_up,
            settings.max_feature_age,
            config.markets,
        ),
        follow_baseline=lambda conn: watch.use_baseline(read_baseline(conn, baseline)),
        owns=owns,
        batch_rows=settings.batch_rows,
    )


def watch_models(settings: Settings, config: Config) -> ModelWatch:
    """Return what follows the registry; nothing is loaded yet."""
    return ModelWatch(open_registry(settings), _default_baseline(config))


def _default_baseline(config: Config) -> LastPriceBaseline:
    """Return the baseline that serves until a training has published fitted spreads."""
    return LastPriceBaseline(tuple(config.predictions.horizons_minutes), volatility_feature(config))


def predict_once(settings: Settings, config: Config, predict_settings: PredictSettings) -> Cycle:
    """Forecast what is due now, for all markets, and publish it.

    Raises:
        EngineError, BusError, NoFeaturesError, psycopg.Error: engine or bus cannot be used.
    """
    with connect(settings) as conn, open_bus(settings) as bus:
        bus.ensure_topics([PREDICTIONS, PREDICTION_INPUTS])
        watch = watch_models(settings, config)
        watch.refresh()
        return make_predictor(bus, watch, config, predict_settings).cycle(conn)


def predict_history(
    settings: Settings, config: Config, begin: datetime, on_minutes: Callable[[float], None] = lambda _: None
) -> Rehearsal:
    """Forecast replayed markets from ``begin`` on, as :func:`~.history.forecast_history` does."""
    with connect(settings) as conn, open_bus(settings) as bus:
        registry = open_registry(settings)
        baseline = _default_baseline(config)
        if (until := newest_spreads(conn)) is not None and until <= begin:
            baseline = read_baseline(conn, baseline)
        return forecast_history(conn, bus, registry, baseline, config, begin, utc_now(), on_minutes=on_minutes)


def _stale_text(markets: Sequence[Market]) -> str | None:
    if not markets:
        return None
    more = f" and {len(markets) - 5} more" if len(markets) > 5 else ""
    return f"no recent candle of {', '.join(str(market) for market in markets[:5])}{more}"


def _report(service: Service, cycle: Cycle) -> None:
    if cycle.forecasts:
        for forecast in cycle.forecasts:
            FRESHNESS.newest("predictions", forecast.feature_time, forecast.exchange, forecast.symbol)
        service.log.info(
            "forecast",
            forecasts=len(cycle.forecasts),
            candles=len({(f.exchange, f.symbol, f.feature_time) for f in cycle.forecasts}),
            newest=max(f.feature_time for f in cycle.forecasts).isoformat(),
        )
    if cycle.skipped:
        reasons = sorted({reason for _, reason in cycle.skipped})
        service.log.warning("markets without forecasts", skipped=len(cycle.skipped), reasons=reasons)


def _waker(settings: Settings, conn: psycopg.Connection) -> Waker:
    return Waker(None if is_risingwave(conn) else connect(settings))
