"""From trades to a request for training, through all the SQL: a market whose volatility jumps is noticed, once."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.worlds.market import Market, open_market

from candlewave.core.config import Config, load_config
from candlewave.core.settings import Settings
from candlewave.ml.feature_set import feature_names, feature_set
from candlewave.ml.forecaster import QUANTILES, FeatureMatrix, Forecaster, Part, require_features
from candlewave.ml.registry import artifact_root, open_registry
from candlewave.ml.settings import TrainSettings
from candlewave.ml.train import Trained, read_training_data, train
from candlewave.services.ingest.simulator import RegimeChange, Simulator, make_symbols
from candlewave.services.monitor.alerts import Alert
from candlewave.services.monitor.monitor import Monitor
from candlewave.services.predictor.forecast import Forecast, Forecasting
from candlewave.services.predictor.messages import input_messages, prediction_messages
from candlewave.services.predictor.models import Models
from candlewave.services.predictor.reading import read_features
from candlewave.services.predictor.schedule import Task
from candlewave.services.trainer.service import GROUP, Trainer

START = datetime(2026, 5, 4, tzinfo=UTC)
CHANGE = START + timedelta(hours=12)
MOST = timedelta(hours=5)
"""Longest time until a fourfold volatility must be noticed, with ten calm hours in the window."""

MINUTE = timedelta(minutes=1)
CONFIG = load_config()
HORIZONS = (1, 5)
SETTINGS = TrainSettings(TRAIN_TREES=10, TRAIN_FOLDS=2, TRAIN_MIN_HISTORY_MINUTES=600, TRAIN_THREADS=1)  # type: ignore[call-arg]


def forecast(market: Market, models: Models, since: datetime, until: datetime) -> None:
    """Forecast each minute of a range as the predictor would have done just after its close."""
    names = feature_names(market.conn)
    minutes = [since + MINUTE * i for i in range((until - since) // MINUTE)]
    tasks = [Task("simulated", s.symbol, when) for when in minutes for s in market.simulator.symbols]
    matrix = read_features(market.conn, names, tasks).matrix
    by_time: dict[datetime, list[Forecast]] = {}
    for made in Forecasting(HORIZONS).forecast(models, matrix):
        by_time.setdefault(made.feature_time, []).append(made)
    market.bus.publish("prediction_inputs", input_messages(matrix, feature_set(market.conn), until))
    for when, made_then in by_time.items():
        market.bus.publish("predictions", prediction_messages(made_then, when + MINUTE + timedelta(seconds=3)))
    market.refresher.run_until_idle()


def returns(market: Market, horizon: int) -> NDArray[np.float64]:
    """Realised log returns of all markets over a horizon."""
    rows = market.conn.execute(
        "SELECT realised_return FROM labels WHERE horizon_minutes = %s AND realised_return IS NOT NULL", [horizon]
    ).fetchall()
    return np.array([row[0] for row in rows])


class Learned:
    """A model that has learnt how far prices moved, and nothing else."""

    def __init__(self, name: str, version: str, names: tuple[str, ...], quantiles: NDArray[np.float64]) -> None:
        self.model_name, self.model_version = name, version
        self.feature_names = names
        self.horizons_minutes = self.served_horizons = HORIZONS
        self.served_parts: dict[int, Part] = {}
        self._quantiles = quantiles

    def predict(self, matrix: FeatureMatrix) -> NDArray[np.float64]:
        require_features(self.feature_names, matrix.names)
        return np.tile(self._quantiles, (len(matrix), 1, 1))


@pytest.fixture
def market(make_engine: Callable[[Config], str]) -> Iterator[Market]:
    change = RegimeChange(CHANGE, volatility=4.0)
    simulator = Simulator(make_symbols(2, rate=0.2), start=START, regimes=False, change=change)
    with open_market(make_engine(CONFIG), simulator) as opened:
        yield opened


def make_trainer(market: Market, folder: Path, clock: Callable[[], datetime]) -> Trainer:
    """Return the trainer's desk on the market, with a registry of its own."""
    settings = Settings(CANDLEWAVE_DATA_DIR=folder)  # type: ignore[call-arg]
    registry = open_registry(settings)

    def run(reason: str, end: datetime) -> Trained:
        data, warnings = read_training_data(market.conn, CONFIG, SETTINGS, end)
        root = artifact_root(settings)
        return train(
            data, market.bus, registry, CONFIG, SETTINGS, reason=reason, end=end, warnings=warnings, artifact_root=root
        )

    return Trainer(market.bus, registry, run, SETTINGS, clock=clock)


def test_a_jump_of_volatility_is_noticed_a_training_asked_for_once_and_its_outcome_reasoned(
    market: Market, tmp_path: Path
) -> None:
    train_until = START + timedelta(hours=2)
    market.advance(CHANGE)
    names = feature_names(market.conn)
    learned = np.array([np.quantile(returns(market, h), QUANTILES) for h in HORIZONS])

    def models(version: str, quantiles: NDArray[np.float64]) -> Models:
        baseline: Forecaster = Learned("baseline", "1", names, learned * 2)
        return Models(baseline, Learned("candlewave", version, names, quantiles))

    forecast(market, models("7", learned), train_until, CHANGE - MINUTE * 5)
    clock: Callable[[], datetime] = lambda: market.now + timedelta(seconds=30)  # noqa: E731
    trainer = make_trainer(market, tmp_path, clock)
    with market.bus.subscribe(GROUP, ["training_requests"]) as wishes:
        assert trainer.step(wishes, timeout=0.0) is not None, "there was no model"
    monitor = Monitor(market.conn, market.bus, CONFIG, "candlewave", [], clock)
    calm = {v.rule: v.holds for v in monitor.evaluate().findings if v.labels.get("model_name") == "candlewave"}
    assert calm["coverage"] is False
    assert monitor.firing == []

    changes: list[Alert] = []
    while not changes:
        begin = market.now
        assert begin < CHANGE + MOST, "not noticed in time"
        market.advance(begin + timedelta(hours=1))
        forecast(market, models("7", learned), begin - MINUTE * 5, market.now - MINUTE * 5)
        changes = monitor.evaluate().changes
    assert {(a.rule, a.labels["model_version"]) for a in changes} == {("coverage", "7")}
    assert all(a.value < 0.8 for a in changes)
    market.refresher.run_until_idle()
    requests = market.conn.execute("SELECT request_id, model_name, reason, evidence FROM training_requests").fetchall()
    assert [(name, reason) for _, name, reason, _ in requests] == [("candlewave", "coverage")]
    evidence = requests[0][3] if isinstance(requests[0][3], dict) else json.loads(requests[0][3])
    assert {cause["rule"] for cause in evidence["alerts"]} == {"coverage"}

    again = Monitor(market.conn, market.bus, CONFIG, "candlewave", [], clock)
    assert {a.fingerprint for a in again.firing} == {a.fingerprint for a in changes}
    assert again.evaluate().request is None
    assert again.evaluate().changes == []

    with market.bus.subscribe(GROUP, ["training_requests"]) as wishes:
        trained = trainer.step(wishes, timeout=5.0)
    assert trained is not None
    market.refresher.run_until_idle()
    events = market.conn.execute(
        "SELECT model_version, event, reason FROM model_events ORDER BY occurred_at, event DESC"
    ).fetchall()
    assert [version for version, _, _ in events] == ["1", "1", "2", "2"]
    asked = {event: reason for version, event, reason in events if version == "2"}
    assert asked["registered"].startswith(f"asked for: coverage ({requests[0][0]}); trained on ")
    decided = asked["promoted" if trained.decision.promoted else "rejected"]
    assert decided == trained.decision.reason
    # Prices wander without drift before and after: no median beats the last price, whatever is said of intervals.
    assert "beats the last price" not in decided
    assert "intervals: " in decided
