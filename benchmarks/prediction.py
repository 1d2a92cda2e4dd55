"""The predictor: from a feature row being visible, and from the close plus grace, to the forecasts acknowledged."""

import statistics
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
from numpy.typing import NDArray

from benchmarks.embedded import memory_of, open_engine
from benchmarks.report import Row
from candlewave.bus.messages import to_message
from candlewave.bus.postgres import PostgresBus
from candlewave.contracts.records import heartbeat
from candlewave.contracts.topics import PREDICTIONS
from candlewave.core.config import load_config
from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.refresh import Refresher
from candlewave.ml.baseline import LastPriceBaseline
from candlewave.ml.feature_set import feature_names
from candlewave.ml.forecaster import QUANTILES, FeatureMatrix, Part, require_features
from candlewave.services.ingest.simulate import to_messages
from candlewave.services.ingest.simulator import Simulator, make_symbols
from candlewave.services.predictor.models import Models
from candlewave.services.predictor.predictor import Predictor
from candlewave.services.predictor.schedule import ForecastSchedule
from candlewave.services.predictor.settings import PredictSettings
from candlewave.services.predictor.waker import Waker
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.render import render_objects
from candlewave.telemetry.progress import progress

START = datetime(2024, 1, 1, tzinfo=UTC)
SYMBOLS = 10
TREES, LEAVES = 200, 31
HISTORY = timedelta(hours=8)
GRACE = timedelta(seconds=2)
LAYERS = ("sources", "views/ohlc", "views/indicators", "views/sentiment", "views/features", "views/evaluation")


def prediction(minutes: int) -> list[Row]:
    """Measure live minutes: simulated trades, the whole SQL chain, a boosted model of common size and the baseline."""
    config = load_config()
    horizons = tuple(config.predictions.horizons_minutes)
    with open_engine(LAYERS) as (conn, bus, server_pid):
        for found in render_objects(config):
            if found.kind is Kind.SINK and found.name == "candles_sink":
                catalog.apply(conn, found.text.replace("${topic_prefix}", ""))
        simulator = Simulator(make_symbols(SYMBOLS, rate=5 / 60), start=START)
        end = START + HISTORY
        _publish(bus, simulator, end)
        refresher = Refresher(conn, bus=bus)
        with progress("history through all layers", None):
            refresher.run_until_idle()
        champion = _Boosted(feature_names(conn), horizons)
        stop = threading.Event()
        per_minute = SYMBOLS * len(horizons) * 2
        models = Models(LastPriceBaseline(horizons), champion)
        desk = _Desk(conn.info.dsn, conn.info.password or "", bus, models, per_minute, stop)
        desk.start()
        desk.started.wait(60)
        refreshes, visible, closed = [], [], []
        for minute in range(1, minutes + 1):
            close = end + timedelta(minutes=minute)
            began = time.perf_counter()
            _publish(bus, simulator, close + GRACE, beat=close + GRACE)
            refresher.run_once()
            seen = time.perf_counter()
            done = desk.wait_for(close - timedelta(minutes=1))
            refreshes.append(seen - began)
            visible.append(done - seen)
            closed.append(done - began)
        stop.set()
        desk.join()
        refresher.run_until_idle()
        right = _each_once(conn, end, minutes * per_minute)
        memory = memory_of(server_pid)
    refresh = statistics.median(refreshes)
    what = f"{SYMBOLS} symbols × {len(horizons)} horizons, {champion.size}, {minutes} minutes"
    cpu = statistics.median(desk.cpu)
    return [
        Row(
            f"feature row visible to forecasts acknowledged: {what}",
            _quantiles(visible),
            "p99 ≤ 250 ms",
            f"{statistics.median(visible) / refresh:.2f} × the refresh before it; its thread: {cpu * 1000:.0f} ms CPU",
            right,
            _p99(visible),
        ),
        Row(
            f"close plus grace to forecasts acknowledged: {what}",
            _quantiles(closed),
            "p99 ≤ 1.5 s",
            f"refresh of all layers p50 {refresh * 1000:.0f} ms",
            right,
            _p99(closed),
        ),
        Row(f"memory after it: {memory[0]}", memory[1], "Python ≤ 600 MB, PostgreSQL ≤ 1 GB"),
    ]


class _Desk(threading.Thread):
    """The service's own loop, in a thread; notes when each minute's forecasts were acknowledged."""

    def __init__(
        self, dsn: str, password: str, bus: PostgresBus, models: Models, per_minute: int, stop: threading.Event
    ) -> None:
        super().__init__(name="predictor")
        config, settings = load_config(), PredictSettings.load()
        self._dsn, self._password, self._stop_event = dsn, password, stop
        self._predictor = Predictor(
            bus,
            lambda: models,
            config.predictions.horizons_minutes,
            timedelta(seconds=config.candles.grace_seconds),
            ForecastSchedule(settings.catch_up, None),
        )
        self._poll = settings.poll_seconds
        self._per_minute = per_minute
        self._counts: Counter[datetime] = Counter()
        self._done: dict[datetime, float] = {}
        self._news = threading.Condition()
        self.started = threading.Event()
        self.cpu: list[float] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 (handed to the waiting thread)
            self.error = error
            with self._news:
                self._news.notify_all()

    def _work(self) -> None:
        with self._connect() as conn, Waker(self._connect()) as waker:
            while not self._stop_event.is_set():
                began = time.thread_time()
                forecasts = self._predictor.cycle(conn).forecasts
                if forecasts:
                    now = time.perf_counter()
                    self.cpu.append(time.thread_time() - began)
                    with self._news:
                        self._counts.update(forecast.feature_time for forecast in forecasts)
                        for when, count in self._counts.items():
                            if count >= self._per_minute:
                                self._done.setdefault(when, now)
                        self._news.notify_all()
                self.started.set()
                waker.wait(self._poll, self._stop_event)

    def wait_for(self, open_time: datetime) -> float:
        """Return when all forecasts of a candle were acknowledged."""
        with self._news:
            if not self._news.wait_for(lambda: self.error is not None or open_time in self._done, 60):
                raise TimeoutError(f"no forecast of {open_time}")
        if self.error is not None:
            raise self.error
        return self._done[open_time]

    def _connect(self) -> psycopg.Connection:
        conn = psycopg.connect(self._dsn, password=self._password, autocommit=True)
        conn.execute("SET timezone = 'UTC'")
        return conn


class _Boosted:
    """A LightGBM quantile model of common size on noise: what it says is of no use, what it costs is."""

    model_name, model_version = "candlewave", "bench"

    def __init__(self, names: tuple[str, ...], horizons: tuple[int, ...]) -> None:
        import lightgbm

        self.feature_names = names
        self.horizons_minutes = self.served_horizons = horizons
        self.served_parts: dict[int, Part] = {}
        rng = np.random.default_rng(1)
        x = rng.standard_normal((5_000, len(names)))
        y = rng.standard_normal(5_000) * 1e-3
        with progress("training a model to ask", len(horizons) * len(QUANTILES), "boosters") as bar:
            self._boosters = []
            for _ in horizons:
                for level in QUANTILES:
                    parameters = {"objective": "quantile", "alpha": level, "num_leaves": LEAVES, "verbosity": -1}
                    self._boosters.append(lightgbm.train(parameters, lightgbm.Dataset(x, y), TREES))
                    bar.advance(1)

    @property
    def size(self) -> str:
        """What it consists of."""
        return f"{len(self._boosters)} boosters of {TREES} trees"

    def predict(self, matrix: FeatureMatrix) -> NDArray[np.float64]:
        require_features(self.feature_names, matrix.names)
        columns = [np.asarray(booster.predict(matrix.values)) for booster in self._boosters]
        return np.sort(np.stack(columns, 1).reshape(len(matrix), len(self.horizons_minutes), len(QUANTILES)), axis=-1)


def _publish(bus: PostgresBus, simulator: Simulator, until: datetime, beat: datetime | None = None) -> None:
    """Publish trades, and the heartbeats that live feeds send when the grace of a minute is over."""
    for batch in simulator.batches(until, finish=False):
        bus.publish("trades", to_messages(batch, "bench.", "live", stamp_arrival=True))
    if beat is not None:
        bus.publish(
            "trades",
            [to_message(heartbeat("simulated", s.symbol, beat), append_ts=beat) for s in simulator.symbols],
        )


def _each_once(conn: psycopg.Connection, since: datetime, expected: int) -> bool:
    """Tell whether every forecast was published, each once."""
    row = conn.execute("SELECT relation FROM bus.topics WHERE topic = %s", [PREDICTIONS.name]).fetchone()
    assert row is not None
    found = conn.execute(
        "SELECT count(*), count(DISTINCT (r ->> 'symbol', r ->> 'horizon_minutes', r ->> 'feature_time', r ->>"
        f" 'model_version')) FROM (SELECT value::jsonb AS r FROM {row[0]}) AS records"
        " WHERE (r ->> 'feature_time')::timestamptz >= %s",
        [since],
    ).fetchone()
    return found == (expected, expected)


def _quantiles(seconds: list[float]) -> str:
    return f"p50 {statistics.median(seconds) * 1000:.0f} ms, p99 {_p99(seconds) * 1000:.0f} ms"


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99) - 1]
