"""The predictor on the real views: the models get exactly what SQL has, and SQL serves what they said."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from tests.fakes.forecasters import FakeForecaster
from tests.worlds.market import Market, open_market

from candlewave.bus.messages import to_message
from candlewave.contracts.records import Trade
from candlewave.core.config import Config, load_config
from candlewave.ml.feature_set import feature_names
from candlewave.ml.forecaster import FeatureMatrix
from candlewave.services.ingest.simulator import Simulator, make_symbols
from candlewave.services.predictor.models import Models
from candlewave.services.predictor.predictor import Predictor
from candlewave.services.predictor.schedule import ForecastSchedule

START = datetime(2026, 5, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CONFIG = load_config()


@pytest.fixture
def market(make_engine: Callable[[Config], str]) -> Iterator[Market]:
    with open_market(make_engine(CONFIG), Simulator(make_symbols(2, rate=0.2), start=START)) as opened:
        opened.advance(START + timedelta(hours=2))
        yield opened


def constant(matrix: FeatureMatrix) -> np.ndarray:
    return np.tile([-0.01, 0.001, 0.01], (len(matrix), 4, 1))


def make(market: Market, champion: FakeForecaster | None) -> Predictor:
    names = feature_names(market.conn)
    horizons = tuple(CONFIG.predictions.horizons_minutes)
    baseline = FakeForecaster(
        "b", (names[0],), horizons, horizons, model_name="baseline", answer=lambda m: constant(m) * 2
    )
    return Predictor(
        market.bus,
        lambda: Models(baseline, champion),
        horizons,
        timedelta(seconds=CONFIG.candles.grace_seconds),
        ForecastSchedule(timedelta(hours=3), timedelta(seconds=300)),
        clock=lambda: market.now + timedelta(seconds=3),
    )


def test_models_get_the_views_own_numbers_and_users_what_they_said(market: Market) -> None:
    names = feature_names(market.conn)
    horizons = tuple(CONFIG.predictions.horizons_minutes)
    champion = FakeForecaster("7", names, horizons, (1, 5), {5: "median"}, answer=constant)
    predictor = make(market, champion)
    for minute in range(121, 130):
        market.advance(START + minute * MINUTE)
        assert len(predictor.cycle(market.conn).forecasts) == 2 * 4 * 2
        market.refresher.run_until_idle()
    columns = ", ".join(f'f."{name}"' for name in names)
    for asked in champion.asked:
        for place in range(len(asked)):
            row = market.conn.execute(
                f"SELECT c.close, {columns} FROM features AS f JOIN candles AS c USING (exchange, symbol, open_time)"  # type: ignore[arg-type]
                " WHERE timeframe = '1m' AND exchange = %s AND symbol = %s AND open_time = %s",
                [asked.exchange[place], asked.symbol[place], asked.open_time[place].item().replace(tzinfo=UTC)],
            ).fetchone()
            assert row is not None
            np.testing.assert_array_equal(asked.values[place], np.array(row[1:], np.float64))
            assert asked.close[place] == row[0]
    stored = market.conn.execute(
        'SELECT exchange, symbol, feature_time, "values" FROM prediction_inputs ORDER BY feature_time, symbol'
    ).fetchall()
    assert len(stored) == sum(map(len, champion.asked))
    used = [(asked, place) for asked in champion.asked for place in range(len(asked))]
    for (_, symbol, when, values), (asked, place) in zip(stored, used, strict=True):
        assert (symbol, when.replace(tzinfo=None)) == (asked.symbol[place], asked.open_time[place].item())
        assert set(values) == set(names)
        np.testing.assert_array_equal(np.array([values[name] for name in names], np.float64), asked.values[place])
    served = market.conn.execute(
        "SELECT symbol, horizon_minutes, role, feature_time FROM served_predictions ORDER BY symbol, horizon_minutes"
    ).fetchall()
    newest = START + 128 * MINUTE
    assert served == [
        (symbol, horizon, "champion" if horizon in (1, 5) else "baseline", newest)
        for symbol in ("S000/USD", "S001/USD")
        for horizon in horizons
    ]
    made_by = market.conn.execute(
        "SELECT DISTINCT horizon_minutes, median_by, interval_by FROM served_predictions ORDER BY 1"
    ).fetchall()
    own = "candlewave"
    assert made_by == [(1, own, own), (5, own, "baseline"), (15, "baseline", "baseline"), (60, "baseline", "baseline")]
    judged = market.conn.execute(
        "SELECT horizon_minutes, count(*) FROM prediction_outcomes WHERE model_version = '7' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert judged == [(1, 2 * 8), (5, 2 * 4)]


def test_a_restart_finds_its_place_in_the_views(market: Market) -> None:
    market.advance(START + 121 * MINUTE)
    first = make(market, None).cycle(market.conn).forecasts
    market.refresher.run_until_idle()
    assert make(market, None).cycle(market.conn).forecasts == []
    market.advance(START + 124 * MINUTE)
    late = make(market, None).cycle(market.conn).forecasts
    assert len(first) == 2 * 4
    assert sorted({f.feature_time for f in late}) == [START + minute * MINUTE for minute in (121, 122, 123)]
    market.refresher.run_until_idle()
    total = market.conn.execute("SELECT count(*) FROM predictions").fetchone()
    assert total == (4 * 2 * 4,)


def test_a_late_trade_changes_the_features_and_not_what_was_used(market: Market) -> None:
    names = feature_names(market.conn)
    market.advance(START + 121 * MINUTE)
    make(market, None).cycle(market.conn)
    market.refresher.run_until_idle()
    before = market.conn.execute('SELECT "values" FROM prediction_inputs ORDER BY symbol').fetchall()
    trade = Trade(
        "simulated", "S000/USD", "late", 10**9, START + 120 * MINUTE + timedelta(seconds=59), "99999", "1", "buy"
    )
    market.bus.publish("trades", [to_message(trade, append_ts=market.now + timedelta(seconds=30))])
    market.advance(START + 123 * MINUTE)
    columns = ", ".join(f'"{name}"' for name in names)
    now = market.conn.execute(
        f"SELECT {columns} FROM features WHERE symbol = 'S000/USD' AND open_time = %s",  # type: ignore[arg-type]
        [START + 120 * MINUTE],
    ).fetchone()
    assert now is not None
    assert any(value != before[0][0][name] for name, value in zip(names, now, strict=True))
    assert market.conn.execute('SELECT "values" FROM prediction_inputs ORDER BY symbol').fetchall() == before
    amended = market.conn.execute(
        "SELECT symbol, inputs_amended FROM prediction_outcomes JOIN input_amendments"
        " USING (exchange, symbol, feature_time) WHERE horizon_minutes = 1 ORDER BY symbol"
    ).fetchall()
    assert amended == [("S000/USD", True), ("S001/USD", False)]
