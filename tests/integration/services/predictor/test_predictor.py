"""The predictor's cycle on an engine: each candle once, after its own feed, with the vector that was used."""

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import psycopg
import pytest
from prometheus_client import REGISTRY
from tests.fakes.forecasters import FakeForecaster
from tests.integration.services.predictor.conftest import MARKETS, MINUTE, NOON, Views

from candlewave.bus import BusUnavailableError
from candlewave.bus.postgres import PostgresBus
from candlewave.core.markets import Market
from candlewave.services.predictor.models import Models
from candlewave.services.predictor.predictor import Predictor
from candlewave.services.predictor.schedule import ForecastSchedule

NAMES = ("a", "b", "volatility_60_1m")
BTC, ETH = MARKETS


class Clock:
    def __init__(self) -> None:
        self.now = NOON + MINUTE + timedelta(seconds=3)

    def __call__(self) -> datetime:
        return self.now


def models() -> Models:
    return Models(
        FakeForecaster(model_name="baseline", model_version="b", feature_names=("a",)),
        FakeForecaster("7", feature_names=NAMES, served_horizons=(5,)),
    )


def make(
    bus: PostgresBus,
    clock: Clock,
    found: Models | None = None,
    owns: Callable[[Market], bool] = lambda _: True,
    catch_up: timedelta = timedelta(hours=3),
) -> Predictor:
    found = found or models()
    return Predictor(
        bus,
        lambda: found,
        (1, 5),
        timedelta(seconds=2),
        ForecastSchedule(catch_up, timedelta(seconds=300)),
        owns=owns,
        clock=clock,
        batch_rows=3,
    )


def published(role: str) -> float:
    return REGISTRY.get_sample_value("candlewave_predictor_published_forecasts_total", {"role": role}) or 0.0


def skipped(reason: str) -> float:
    return REGISTRY.get_sample_value("candlewave_predictor_skipped_markets_total", {"reason": reason}) or 0.0


def test_a_closed_minute_is_forecast_once_for_every_market_horizon_and_model(
    conn: psycopg.Connection, views: Views, bus: PostgresBus
) -> None:
    views.close_minute(NOON)
    before = published("champion")
    found = models()
    predictor = make(bus, Clock(), found)
    done = predictor.cycle(conn)
    assert len(done.forecasts) == 2 * (2 + 2)
    assert predictor.cycle(conn).forecasts == []
    assert len(found.baseline.asked) == 1  # type: ignore[attr-defined]
    records = views.take("predictions")
    assert [(r["symbol"], r["model_version"], r["horizon_minutes"], r["role"]) for r in records] == [
        (symbol, *rest)
        for symbol in ("BTC/USD", "ETH/USD")
        for rest in (("7", 1, "challenger"), ("7", 5, "champion"), ("b", 1, "baseline"), ("b", 5, "baseline"))
    ]
    assert records[5] == {
        "exchange": "kraken",
        "symbol": "ETH/USD",
        "horizon_minutes": 5,
        "feature_time": "2026-05-04T12:00:00Z",
        "target_time": "2026-05-04T12:06:00Z",
        "model_name": "candlewave",
        "model_version": "7",
        "role": "champion",
        "q10": pytest.approx(0.0),
        "q50": pytest.approx(0.01),
        "q90": pytest.approx(0.02),
        "price_q10": pytest.approx(200.0),
        "price_q50": pytest.approx(200 * np.exp(0.01)),
        "price_q90": pytest.approx(200 * np.exp(0.02)),
        "reference_price": 200.0,
        "made_at": "2026-05-04T12:01:03Z",
    }
    assert views.take("prediction_inputs") == [
        {
            "exchange": "kraken",
            "symbol": symbol,
            "feature_time": "2026-05-04T12:00:00Z",
            "feature_set": "set-1",
            "values": {"a": a, "b": None, "volatility_60_1m": 0.001},
            "made_at": "2026-05-04T12:01:03Z",
        }
        for symbol, a in (("BTC/USD", 0.001), ("ETH/USD", 0.002))
    ]
    assert published("champion") - before == 2


def test_what_came_of_earlier_forecasts_stretches_the_next_ones_also_after_a_restart(
    conn: psycopg.Connection, views: Views, bus: PostgresBus
) -> None:
    """Of sixty outcomes of the champion's hour in Ether none lay inside: e^0.08 as wide."""
    conn.execute("INSERT INTO outcome_hours VALUES ('kraken', 'ETH/USD', 5, 'candlewave', '7', '2026-05-04', 60, 0)")
    views.close_minute(NOON)
    make(bus, Clock()).cycle(conn)
    widths = {(r["symbol"], r["horizon_minutes"], r["role"]): r["q90"] - r["q50"] for r in views.take("predictions")}
    plain = widths["BTC/USD", 5, "champion"]
    assert widths["ETH/USD", 5, "champion"] == pytest.approx(plain * np.exp(0.08))
    assert widths["ETH/USD", 5, "baseline"] == pytest.approx(widths["BTC/USD", 5, "baseline"])


def test_keys_of_messages_are_the_markets(conn: psycopg.Connection, views: Views, bus: PostgresBus) -> None:
    views.close_minute(NOON)
    make(bus, Clock()).cycle(conn)
    assert {m.key for topic in ("predictions", "prediction_inputs") for m in views.take_raw(topic)} == {
        "kraken|BTC/USD",
        "kraken|ETH/USD",
    }


def test_a_market_waits_for_its_own_feed(conn: psycopg.Connection, views: Views, bus: PostgresBus) -> None:
    """Bitcoin's feed closes the minute for its exchange; Ether's last trades of it have not come."""
    views.close_minute(NOON - MINUTE)
    clock = Clock()
    predictor = make(bus, clock)
    predictor.cycle(conn)
    views.close_minute(NOON, feeds=[BTC])
    assert {f.symbol for f in predictor.cycle(conn).forecasts} == {"BTC/USD"}
    conn.execute("UPDATE feed_clock SET last_ts = %s WHERE symbol = 'ETH/USD'", [NOON + MINUTE + timedelta(seconds=2)])
    late = predictor.cycle(conn).forecasts
    assert {(f.symbol, f.feature_time) for f in late} == {("ETH/USD", NOON)}


def test_a_restart_goes_on_behind_the_last_forecast_and_repeats_nothing(
    conn: psycopg.Connection, views: Views, bus: PostgresBus
) -> None:
    clock = Clock()
    views.close_minute(NOON)
    make(bus, clock).cycle(conn)
    views.store_predictions()
    assert make(bus, clock).cycle(conn).forecasts == []
    for minute in range(1, 6):
        views.close_minute(NOON + minute * MINUTE)
    clock.now = NOON + 6 * MINUTE + timedelta(seconds=3)
    late = make(bus, clock).cycle(conn).forecasts
    assert len(late) == 5 * 8
    records = views.take("predictions")
    assert {r["made_at"] for r in records} == {"2026-05-04T12:06:03Z"}  # honest: late ones are known to be late
    assert sorted({r["feature_time"] for r in records}) == [f"2026-05-04T12:0{minute}:00Z" for minute in range(1, 6)]
    keys = [(r["symbol"], r["horizon_minutes"], r["feature_time"], r["model_version"]) for r in records]
    assert len(keys) == len(set(keys))


def test_a_candle_of_which_the_baseline_is_missing_is_forecast_again(
    conn: psycopg.Connection, views: Views, bus: PostgresBus
) -> None:
    """A crash within a batch: the baseline's forecast is the last of a candle, so its absence tells."""
    views.close_minute(NOON)
    make(bus, Clock()).cycle(conn)
    views.store_predictions()
    conn.execute("DELETE FROM latest_predictions WHERE symbol = 'ETH/USD' AND role = 'baseline'")
    conn.execute(
        "INSERT INTO latest_predictions SELECT exchange, symbol, horizon_minutes, feature_time - INTERVAL '1 minute',"
        " 'baseline', 'b', 'baseline', made_at FROM latest_predictions WHERE symbol = 'ETH/USD'"
    )
    again = make(bus, Clock()).cycle(conn).forecasts
    assert {(f.symbol, f.feature_time) for f in again} == {("ETH/USD", NOON)}


def test_catching_up_has_a_bound(conn: psycopg.Connection, views: Views, bus: PostgresBus) -> None:
    clock = Clock()
    views.close_minute(NOON)
    make(bus, clock).cycle(conn)
    views.store_predictions()
    for minute in range(1, 6):
        views.close_minute(NOON + minute * MINUTE)
    clock.now = NOON + 6 * MINUTE + timedelta(seconds=3)
    before = skipped("missed")
    done = make(bus, clock, catch_up=timedelta(minutes=2)).cycle(conn)
    assert {f.feature_time for f in done.forecasts} == {NOON + minute * MINUTE for minute in (3, 4, 5)}
    assert skipped("missed") - before == 2


def test_a_crash_between_two_batches_repeats_only_what_was_not_complete(
    conn: psycopg.Connection, views: Views, bus: PostgresBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    views.close_minute(NOON - MINUTE)
    predictor = make(bus, clock)
    predictor.cycle(conn)
    for minute in range(3):
        views.close_minute(NOON + minute * MINUTE)
    clock.now = NOON + 3 * MINUTE
    publish, calls = bus.publish, []

    def failing(topic: str, messages: object) -> None:
        calls.append(topic)
        if len(calls) == 4:
            raise BusUnavailableError("gone")
        publish(topic, messages)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(bus, "publish", failing)
        with pytest.raises(BusUnavailableError):
            predictor.cycle(conn)
    predictor.cycle(conn)
    keys = [
        (r["symbol"], r["horizon_minutes"], r["feature_time"], r["model_version"]) for r in views.take("predictions")
    ]
    assert len(keys) == len(set(keys)) == 4 * 8


def test_stale_markets_are_left_out_and_reported(conn: psycopg.Connection, views: Views, bus: PostgresBus) -> None:
    clock = Clock()
    views.close_minute(NOON)
    clock.now = NOON + MINUTE + timedelta(seconds=301)
    before = skipped("stale")
    predictor = make(bus, clock)
    assert {tuple(market) for market in predictor.cycle(conn).stale} == set(MARKETS)
    assert len(predictor.cycle(conn).stale) == 2
    assert skipped("stale") - before == 2
    assert REGISTRY.get_sample_value("candlewave_predictor_feature_age_seconds") == 301
    assert views.take("predictions") == []


def test_a_minute_without_feed_is_no_ground_for_a_forecast(
    conn: psycopg.Connection, views: Views, bus: PostgresBus
) -> None:
    views.close_minute(NOON, feed_state="no_feed")
    done = make(bus, Clock()).cycle(conn)
    assert done.forecasts == []
    assert {reason for _, reason in done.skipped} == {"no_feed"}


def test_a_market_without_volatility_is_warming_up(conn: psycopg.Connection, views: Views, bus: PostgresBus) -> None:
    views.close_minute(NOON)
    conn.execute("UPDATE features SET a = NULL WHERE symbol = 'BTC/USD'")
    before = REGISTRY.get_sample_value("candlewave_predictor_fallbacks_total", {"reason": "not_finite"}) or 0.0
    done = make(bus, Clock(), Models(models().baseline)).cycle(conn)
    assert {f.symbol for f in done.forecasts} == {"ETH/USD"}
    assert done.skipped == [(BTC, "warming_up")]
    assert before == (REGISTRY.get_sample_value("candlewave_predictor_fallbacks_total", {"reason": "not_finite"}) or 0)


def test_a_hole_is_passed_over(conn: psycopg.Connection, views: Views, bus: PostgresBus) -> None:
    clock = Clock()
    views.close_minute(NOON, rows=[BTC])
    predictor = make(bus, clock)
    assert {f.symbol for f in predictor.cycle(conn).forecasts} == {"BTC/USD"}
    views.close_minute(NOON + MINUTE)
    clock.now += MINUTE
    assert {(f.symbol, f.feature_time) for f in predictor.cycle(conn).forecasts} == {
        (symbol, NOON + MINUTE) for _, symbol in MARKETS
    }


def test_replicas_share_markets(conn: psycopg.Connection, views: Views, bus: PostgresBus) -> None:
    views.close_minute(NOON)
    mine = {BTC}
    predictor = make(bus, Clock(), owns=lambda market: tuple(market) in mine)
    assert {f.symbol for f in predictor.cycle(conn).forecasts} == {"BTC/USD"}
    mine.add(ETH)
    assert {f.symbol for f in predictor.cycle(conn).forecasts} == {"ETH/USD"}


def test_a_model_of_other_features_leaves_the_baseline(
    conn: psycopg.Connection, views: Views, bus: PostgresBus
) -> None:
    views.close_minute(NOON)
    other = FakeForecaster("7", feature_names=("b", "a", "volatility_60_1m"))
    made = make(bus, Clock(), Models(models().baseline, other)).cycle(conn).forecasts
    assert {f.role for f in made} == {"baseline"}
    assert len(views.take("prediction_inputs")) == 2
