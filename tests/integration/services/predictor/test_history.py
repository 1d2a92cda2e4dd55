"""Replayed history is forecast as if it were then; live markets are not, and no model that has seen what comes."""

from datetime import datetime, timedelta

import pytest
from tests.fakes.forecasters import FakeForecaster, FakeRegistry
from tests.integration.services.predictor.conftest import MARKETS, MINUTE, NOON, Views

from candlewave.bus.postgres import PostgresBus
from candlewave.core.config import Config
from candlewave.core.times import utc_now
from candlewave.engine.clocks import market_now
from candlewave.services.predictor.history import NoHistoryError, Rehearsal, forecast_history

GRACE = timedelta(seconds=2)
NAMES = ("a", "b", "volatility_60_1m")
OLD = (("replayed", "BTC/USD"),)
LATER = NOON + timedelta(days=400)
"""The wall clock."""


def rehearse(views: Views, bus: PostgresBus, registry: FakeRegistry, begin: datetime) -> Rehearsal:
    baseline = FakeForecaster(model_name="baseline", model_version="b", feature_names=("a",), horizons_minutes=(1, 5))
    followed = {"kraken": {"symbols": [symbol for _, symbol in MARKETS]}}
    config = Config.model_validate({"predictions": {"horizons_minutes": [1, 5]}, "exchanges": followed})
    return forecast_history(views.conn, bus, registry, baseline, config, begin, LATER)


@pytest.fixture
def replayed(views: Views) -> Views:
    """Five minutes of a market that candlewave.toml does not list."""
    for n in range(5):
        views.close_minute(NOON + n * MINUTE, feeds=OLD, rows=OLD)
    return views


def test_each_candle_is_forecast_at_its_own_time(replayed: Views, bus: PostgresBus) -> None:
    registry = FakeRegistry({"champion": FakeForecaster("7", feature_names=NAMES)}, train_ends={"7": NOON + MINUTE})
    done = rehearse(replayed, bus, registry, NOON + MINUTE)
    found = replayed.take("predictions")
    assert done.forecasts == len(found) == 4 * 2 * 2  # minutes, horizons, models
    assert {(r["model_version"], r["role"]) for r in found} == {("b", "baseline"), ("7", "champion")}
    for record in (*found, *replayed.take("prediction_inputs")):
        feature_time = datetime.fromisoformat(record["feature_time"])
        assert feature_time >= NOON + MINUTE
        assert datetime.fromisoformat(record["made_at"]) == feature_time + MINUTE + GRACE


def test_a_model_that_has_seen_what_comes_is_left_out(replayed: Views, bus: PostgresBus) -> None:
    models = {"champion": FakeForecaster("7", feature_names=("a",)), "challenger": FakeForecaster("8")}
    registry = FakeRegistry(models, train_ends={"7": NOON + 2 * MINUTE})  # of 8 it is not known
    done = rehearse(replayed, bus, registry, NOON + MINUTE)
    assert {r["role"] for r in replayed.take("predictions")} == {"baseline"}
    assert [text.split(":")[0] for text in done.left_out] == ["champion 7", "challenger 8"]


def test_a_live_market_is_never_forecast_afterwards(views: Views, bus: PostgresBus) -> None:
    views.close_minute(NOON, feeds=MARKETS, rows=MARKETS)  # markets of candlewave.toml, silent for over a year
    with pytest.raises(NoHistoryError, match="there is none"):
        rehearse(views, bus, FakeRegistry(), NOON)
    assert views.take("predictions") == []


def test_what_lies_behind_the_end_of_history_is_refused(replayed: Views, bus: PostgresBus) -> None:
    with pytest.raises(NoHistoryError, match=r"replayed BTC/USD ends at 2026-05-04 12:05"):
        rehearse(replayed, bus, FakeRegistry(), NOON + timedelta(hours=1))


def test_the_present_of_replayed_markets_is_their_end(replayed: Views) -> None:
    end = NOON + 5 * MINUTE + GRACE
    assert market_now(replayed.conn, end + timedelta(hours=1)) == end + timedelta(hours=1)  # it may go on
    assert market_now(replayed.conn, LATER) == end
    replayed.conn.execute("INSERT INTO feed_clock VALUES ('kraken', 'BTC/USD', %s, NULL)", [LATER - MINUTE])
    assert market_now(replayed.conn, LATER) == LATER
    replayed.conn.execute("DELETE FROM feed_clock")
    now = utc_now()
    assert market_now(replayed.conn, now) == now
