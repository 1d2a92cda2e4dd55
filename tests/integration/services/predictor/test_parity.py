"""One definition, two readers: what the predictor gives a model is what the trainer gave it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import pytest
from tests.worlds.market import Market, open_market

from candlewave.core.config import Config, load_config
from candlewave.ml.dataset import read_dataset
from candlewave.ml.feature_set import feature_names, feature_set
from candlewave.services.ingest.simulator import Disturbances, Simulator, make_symbols
from candlewave.services.predictor.messages import input_messages
from candlewave.services.predictor.reading import read_features
from candlewave.services.predictor.schedule import Task

START = datetime(2026, 5, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CONFIG = load_config()


@pytest.fixture
def market(make_engine: Callable[[Config], str]) -> Iterator[Market]:
    """Three hours with late, repeated and disordered trades, and minutes without any."""
    faults = Disturbances(late=0.01, duplicate=0.01, out_of_order=0.01, late_seconds=30.0)
    simulator = Simulator(make_symbols(3, rate=0.05), start=START, disturbances=faults)
    with open_market(make_engine(CONFIG), simulator) as opened:
        opened.advance(START + timedelta(hours=3))
        yield opened


@pytest.mark.parametrize("source", ["features", "inputs"])
def test_the_predictors_rows_are_the_trainers(market: Market, source: Literal["features", "inputs"]) -> None:
    names = feature_names(market.conn)
    tasks = [
        Task("simulated", s.symbol, START + MINUTE * i) for i in range(180) for s in reversed(market.simulator.symbols)
    ]
    served = read_features(market.conn, names, tasks).matrix
    assert len(served) > 400
    market.bus.publish("prediction_inputs", input_messages(served, feature_set(market.conn), market.now))
    market.refresher.run_until_idle()
    trained = read_dataset(
        market.conn, CONFIG.predictions.horizons_minutes, START, START + timedelta(hours=3), source=source
    )
    assert trained.names == served.names
    place = {
        (exchange, symbol, when): i
        for i, (exchange, symbol, when) in enumerate(
            zip(trained.exchange.tolist(), trained.symbol.tolist(), trained.open_time.tolist(), strict=True)
        )
    }
    order = [
        place[key]
        for key in zip(served.exchange.tolist(), served.symbol.tolist(), served.open_time.tolist(), strict=True)
    ]
    trained = trained.rows(np.array(order))
    np.testing.assert_array_equal(trained.close, served.close)
    np.testing.assert_array_equal(trained.values, served.values.astype(np.float32))
    assert np.isnan(served.values).any()
    own = [not name.startswith("peer_") for name in served.names]  # this market has no peer
    assert np.isfinite(served.values[:, own]).mean() > 0.5
