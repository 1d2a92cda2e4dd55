"""The service ``price-predictor``. Replicas share the markets by the partitions of topic ``ingest-shards``."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import psycopg

from candlewave.bus import BusError, open_bus
from candlewave.bus.protocol import Bus
from candlewave.bus.shards import ShardOwnership
from candlewave.contracts.records import market_key
from candlewave.contracts.topics import INGEST_SHARDS, PREDICTION_INPUTS, PREDICTIONS
from candlewave.core.config import Config
from candlewave.core.settings import Settings
from candlewave.engine.connect import EngineError, connect, explain, is_risingwave
from candlewave.ml.baseline import LastPriceBaseline
from candlewave.ml.feature_set import NoFeaturesError, volatility_feature
from candlewave.ml.registry import open_registry
from candlewave.services.predictor.models import ModelWatch
from candlewave.services.predictor.predictor import Cycle, Predictor
from candlewave.services.predictor.schedule import Market, Schedule
from candlewave.services.predictor.settings import PredictSettings
from candlewave.services.predictor.waker import Waker
from candlewave.telemetry.metrics import FRESHNESS
from candlewave.telemetry.service import Service

GROUP = "price-predictor"
_PAUSE_SECONDS = 2.0
_FIRST_MODELS_SECONDS = 30.0


def main(service: Service, config: Config, own: PredictSettings) -> None:
    """Run until the service stops; engine, bus and registry may come and go.

    Raises:
        BusError: the bus cannot be reached at the start.
    """
    bus = open_bus(service.settings)
    service.on_close("bus", bus.close)
    bus.ensure_topics([PREDICTIONS, PREDICTION_INPUTS, INGEST_SHARDS])
    shards = ShardOwnership(bus, GROUP, lambda owned: service.log.info("owned shards changed", shards=sorted(owned)))
    watch = watch_models(service.settings, config)
    watched = threading.Event()
    sharing = threading.Thread(target=shards.run, args=(service.stop,), name="shards")
    sharing.start()
    service.on_close("shards", sharing.join)
    # A registry may hang; its thread ends with the process.
    threading.Thread(
        target=watch.run, args=(service.stop, own.reload_seconds, watched.set), name="models", daemon=True
    ).start()
    predictor = make_predictor(bus, watch, config, own, lambda market: shards.owns(market_key(*market)))
    problems: dict[str, str | None] = {"engine": "not connected yet", "features": None}
    for name in problems:
        service.readiness.add(name, lambda name=name: problems[name])  # type: ignore[misc]
    deadline = time.monotonic() + _FIRST_MODELS_SECONDS
    while not watched.wait(0.2) and not service.stop.is_set() and time.monotonic() < deadline:
        pass
    try:
        while not service.stop.is_set():
            try:
                with connect(service.settings) as conn, _waker(service.settings, conn) as waker:
                    predictor.forget_names()
                    _forecast(service, predictor, conn, waker, own, problems)
            except (psycopg.Error, EngineError, BusError, NoFeaturesError) as error:
                problems["engine"] = explain(error) if isinstance(error, psycopg.Error) else str(error)
                service.log.warning("waiting for the engine", error=problems["engine"])
                service.stop.wait(_PAUSE_SECONDS)
    finally:
        service.stop.set()


def make_predictor(
    bus: Bus, watch: ModelWatch, config: Config, own: PredictSettings, owns: Callable[[Market], bool] = lambda _: True
) -> Predictor:
    """Return the predictor that configuration and settings describe."""
    return Predictor(
        bus,
        lambda: watch.models,
        config.predictions.horizons_minutes,
        timedelta(seconds=config.candles.grace_seconds),
        Schedule(
            own.catch_up, own.max_feature_age, [Market(market.exchange, market.symbol) for market in config.symbols]
        ),
        owns=owns,
        batch_rows=own.batch_rows,
    )


def watch_models(settings: Settings, config: Config) -> ModelWatch:
    """Return what follows the registry; nothing is loaded yet."""
    baseline = LastPriceBaseline(tuple(config.predictions.horizons_minutes), volatility_feature(config))
    return ModelWatch(open_registry(settings), baseline)


def predict_once(settings: Settings, config: Config, own: PredictSettings) -> Cycle:
    """Forecast what is due now, for all markets, and publish it.

    Raises:
        EngineError, BusError, NoFeaturesError, psycopg.Error: engine or bus cannot be used.
    """
    with connect(settings) as conn, open_bus(settings) as bus:
        bus.ensure_topics([PREDICTIONS, PREDICTION_INPUTS])
        watch = watch_models(settings, config)
        watch.refresh()
        return make_predictor(bus, watch, config, own).cycle(conn)


def _forecast(
    service: Service,
    predictor: Predictor,
    conn: psycopg.Connection,
    waker: Waker,
    own: PredictSettings,
    problems: dict[str, str | None],
) -> None:
    while not service.stop.is_set():
        done = predictor.cycle(conn, lambda: not service.stop.is_set())
        problems["engine"] = None
        problems["features"] = (
            f"no recent candle of {', '.join(' '.join(market) for market in done.stale[:5])}"
            + (f" and {len(done.stale) - 5} more" if len(done.stale) > 5 else "")
            if done.stale
            else None
        )
        if done.forecasts:
            for forecast in done.forecasts:
                FRESHNESS.newest("predictions", forecast.feature_time, forecast.exchange, forecast.symbol)
            service.log.info(
                "forecast",
                forecasts=len(done.forecasts),
                candles=len({(f.exchange, f.symbol, f.feature_time) for f in done.forecasts}),
                newest=max(f.feature_time for f in done.forecasts).isoformat(),
            )
        if done.skipped:
            reasons = sorted({reason for _, reason in done.skipped})
            service.log.warning("markets without forecasts", skipped=len(done.skipped), reasons=reasons)
        waker.wait(own.poll_seconds, service.stop)


def _waker(settings: Settings, conn: psycopg.Connection) -> Waker:
    return Waker(None if is_risingwave(conn) else connect(settings))
