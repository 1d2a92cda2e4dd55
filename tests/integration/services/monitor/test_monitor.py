"""The monitor's cycle on an engine: what is stored, what is sent, and what a restart finds again."""

import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from prometheus_client import REGISTRY
from tests.integration.services.monitor.tables import Tables
from tests.worlds.clock import Clock

from candlewave.bus import BusUnavailableError
from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Received
from candlewave.core.config import Config, ExchangeConfig
from candlewave.rules import judge, monitor_config
from candlewave.rules.readings import Subject
from candlewave.services.monitor.delivery import AlertmanagerSender
from candlewave.services.monitor.monitor import Monitor, withdraw
from candlewave.services.monitor.reading import firing_alerts, read

CLOSED = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
CONFIG = Config(
    exchanges={"kraken": ExchangeConfig(symbols=["BTC/USD"])},
    monitor={"resolve_after": 2, "training_interval_hours": 6},
)


@pytest.fixture
def tables(conn: psycopg.Connection) -> Tables:
    return Tables(conn, CLOSED)


@pytest.fixture
def published(bus: PostgresBus) -> Iterator[Callable[[str], list[Received]]]:
    """Messages that a topic got since the last call."""
    subscriptions = {topic: bus.subscribe("test", [topic]) for topic in ("alerts", "training_requests")}

    def take(topic: str) -> list[Received]:
        messages = subscriptions[topic].poll(timeout=0.0)
        subscriptions[topic].commit()
        return messages

    yield take
    for subscription in subscriptions.values():
        subscription.close()


def records(messages: list[Received]) -> list:
    return [json.loads(message.value or b"") for message in messages]


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


class Sent(AlertmanagerSender):
    """Keeps what it would send."""

    def __init__(self) -> None:
        self.states: list[tuple[list[str], list[str]]] = []

    def update(self, firing: object, changes: object) -> None:
        self.states.append(([a.rule for a in firing], [a.status for a in changes]))  # type: ignore[attr-defined]


def test_an_alert_is_stored_and_told_and_asks_for_a_training_and_ends(
    conn: psycopg.Connection,
    tables: Tables,
    bus: PostgresBus,
    clock: Clock,
    published: Callable[[str], list[Received]],
) -> None:
    sent = Sent()
    monitor = Monitor(conn, bus, CONFIG, "candlewave", [sent], clock)
    tables.outcomes("i % 5 <> 0")
    tables.errors()
    assert monitor.evaluate().changes == []
    tables.outcomes("i % 2 = 0")
    monitor.evaluate()
    clock.advance(minutes=1)
    monitor.evaluate()
    (alert,) = records(published("alerts"))
    assert alert == {
        "fingerprint": monitor.firing[0].fingerprint,
        "rule": "coverage",
        "severity": "warning",
        "labels": {"model_name": "candlewave", "model_version": "3", "horizon_minutes": "5"},
        "value": pytest.approx(0.5, abs=0.01),
        "status": "firing",
        "occurred_at": "2026-05-04T12:00:00Z",
    }
    (request,) = records(published("training_requests"))
    assert request["reason"] == "coverage"
    assert request["model_name"] == "candlewave"
    cause = request["evidence"]["alerts"][0]
    assert cause["log_evidence"] > cause["threshold"]
    assert gauge("candlewave_monitor_alerts", rule="coverage", severity="warning") == 1
    tables.outcomes("i % 5 <> 0")
    for _ in range(2):
        clock.advance(minutes=1)
        monitor.evaluate()
    assert [r["status"] for r in records(published("alerts"))] == ["resolved"]
    assert gauge("candlewave_monitor_alerts", rule="coverage", severity="warning") is None
    assert sent.states == [
        ([], []),
        ([], []),
        (["coverage"], ["firing"]),
        (["coverage"], []),
        (["coverage"], []),
        ([], ["resolved"]),
    ]


def test_a_restart_goes_on_where_the_last_monitor_ended(
    conn: psycopg.Connection,
    tables: Tables,
    bus: PostgresBus,
    clock: Clock,
    published: Callable[[str], list[Received]],
) -> None:
    tables.outcomes("i % 2 = 0")
    first = Monitor(conn, bus, CONFIG, "candlewave", [], clock)
    first.evaluate()
    for topic in ("alerts", "training_requests"):
        tables.store(topic, published(topic))
    clock.advance(minutes=1)
    second = Monitor(conn, bus, CONFIG, "candlewave", [], clock)
    assert [(a.rule, a.began_at) for a in second.firing] == [("coverage", CLOSED)]
    again = second.evaluate()
    assert (again.changes, again.request) == ([], None)
    tables.outcomes("i % 5 <> 0")
    second.evaluate()
    assert [a.status for a in second.evaluate().changes] == ["resolved"]
    tables.store("alerts", published("alerts"))
    assert Monitor(conn, bus, CONFIG, "candlewave", [], clock).firing == []


def test_a_training_that_somebody_else_asked_for_meanwhile_is_waited_for(
    conn: psycopg.Connection, tables: Tables, bus: PostgresBus, clock: Clock
) -> None:
    monitor = Monitor(conn, bus, CONFIG, "candlewave", [], clock)
    for model, when in (("candlewave", clock.now), ("another", clock.now + timedelta(hours=5))):
        tables.conn.execute(
            "INSERT INTO training_requests VALUES (%s, %s, 'by hand', '{}', %s)", [f"by hand {model}", model, when]
        )
    tables.outcomes("i % 2 = 0")
    clock.advance(hours=5)
    assert monitor.evaluate().request is None
    clock.advance(hours=1)
    assert monitor.evaluate().request is not None


def test_a_bus_that_is_away_delays_and_loses_nothing(
    conn: psycopg.Connection,
    tables: Tables,
    bus: PostgresBus,
    clock: Clock,
    published: Callable[[str], list[Received]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables.outcomes("i % 2 = 0")
    monitor = Monitor(conn, bus, CONFIG, "candlewave", [], clock)

    def unavailable(*_: object) -> None:
        raise BusUnavailableError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(bus, "publish", unavailable)
        for _ in range(2):
            with pytest.raises(BusUnavailableError):
                monitor.evaluate()
    assert monitor.firing == []
    monitor.evaluate()
    assert [r["status"] for r in records(published("alerts"))] == ["firing"]
    assert len(published("training_requests")) == 1


def test_windows_end_at_the_markets_clock_and_ages_at_the_wall_clock(
    conn: psycopg.Connection, tables: Tables, clock: Clock
) -> None:
    tables.outcomes("true", minutes=60)
    clock.advance(days=3)
    readings = read(conn, CONFIG, clock.now)
    assert readings is not None
    assert sum(row.units for row in readings.evidence) == 60 - 6
    (market,) = readings.markets
    assert (market.due, market.forecast) == (CLOSED - timedelta(minutes=1),) * 2


def test_a_silent_feed_is_an_alert_of_its_exchange(
    conn: psycopg.Connection, tables: Tables, bus: PostgresBus, clock: Clock
) -> None:
    assert tables.conn is conn
    monitor = Monitor(conn, bus, CONFIG, "candlewave", [], clock)
    clock.advance(minutes=5, seconds=1)
    monitor.evaluate()
    assert [(a.rule, dict(a.labels), a.severity) for a in monitor.firing] == [
        ("stale-features", {"exchange": "kraken"}, "critical")
    ]


def test_figures_of_the_views_are_exported_and_withdrawn(
    conn: psycopg.Connection, tables: Tables, bus: PostgresBus, clock: Clock
) -> None:
    tables.errors(mae=0.25, interval_skill=0.5)
    tables.outcomes("true", minutes=60)
    conn.execute(
        "INSERT INTO input_amendments (exchange, symbol, feature_time, inputs_amended)"
        " SELECT exchange, symbol, feature_time, extract(minute FROM feature_time) < 10"
        " FROM prediction_outcomes WHERE extract(minute FROM feature_time) < 20"
    )
    for symbol, psi, rows in (("BTC/USD", 0.15, 240), ("ETH/USD", 0.1, 240), ("SOL/USD", 9.0, 239)):
        conn.execute(
            "INSERT INTO feature_drift (model_version, exchange, symbol, feature, hour, psi, rows)"
            " VALUES ('3', 'kraken', %s, 'rsi_14_1m', %s, %s, %s)",
            [symbol, CLOSED - timedelta(hours=1), psi, rows],
        )
    monitor = Monitor(conn, bus, CONFIG, "candlewave", [], clock)
    monitor.evaluate()
    labels = {
        "exchange": "kraken",
        "symbol": "BTC/USD",
        "horizon_minutes": "5",
        "model_name": "candlewave",
        "model_version": "3",
        "span": "1h",
    }
    assert gauge("candlewave_model_mae", **labels) == 0.25
    assert gauge("candlewave_model_interval_skill", **labels) == 0.5
    assert gauge("candlewave_model_coverage_ratio", **labels) == 0.8
    assert gauge("candlewave_model_bias", **labels) == 0.1
    assert gauge("candlewave_model_skill", **labels) == 0.1
    assert gauge("candlewave_model_drift_psi", feature="rsi_14_1m") == 0.15
    assert gauge("candlewave_model_amended_inputs_ratio") == pytest.approx(10 / 54)
    conn.execute("DELETE FROM model_error")
    monitor.evaluate()
    assert gauge("candlewave_model_mae", **labels) is None
    sent = Sent()
    withdraw([sent])
    assert gauge("candlewave_model_drift_psi", feature="rsi_14_1m") is None
    assert math.isnan(gauge("candlewave_model_amended_inputs_ratio") or 0.0)
    assert sent.states == [([], [])]


def test_the_standing_champion_is_the_last_that_was_promoted_or_put_back(
    conn: psycopg.Connection, tables: Tables, clock: Clock
) -> None:
    tables.conn.execute("DELETE FROM model_events")
    assert read(conn, CONFIG, clock.now).standing is None  # type: ignore[union-attr]
    back = {"promoted": 50, "rolled_back": 40, "rejected": 30}
    for version, (event, minutes) in enumerate(back.items(), 1):
        tables.conn.execute(
            "INSERT INTO model_events VALUES (%s, 'candlewave', %s, %s, 'why', %s)",
            [f"e{version}", str(version), event, CLOSED - timedelta(minutes=minutes)],
        )
    standing = read(conn, CONFIG, clock.now).standing  # type: ignore[union-attr]
    assert standing is not None
    assert (standing.model_version, standing.since) == ("2", CLOSED - timedelta(minutes=40))
    assert standing.forecast is None


@pytest.mark.parametrize("event", ["promoted", "rolled_back", "confirmed"])
def test_a_champion_is_as_old_as_the_last_decision_for_it(
    conn: psycopg.Connection, tables: Tables, clock: Clock, event: str
) -> None:
    when = CLOSED - timedelta(minutes=5)
    for place, (name, at) in enumerate(((event, when), ("rejected", when + timedelta(minutes=1)))):
        tables.conn.execute(
            "INSERT INTO model_events VALUES (%s, 'candlewave', '3', %s, 'better', %s)", [f"later-{place}", name, at]
        )
    readings = read(conn, CONFIG, clock.now)
    assert readings is not None
    assert readings.champion_since == when


def test_without_any_trade_there_is_nothing_to_judge(
    conn: psycopg.Connection, tables: Tables, bus: PostgresBus, clock: Clock
) -> None:
    conn.execute("DELETE FROM market_clock")
    assert tables.conn is conn
    assert Monitor(conn, bus, CONFIG, "candlewave", [], clock).evaluate().findings == []


def test_windows_and_markets_are_bounded(conn: psycopg.Connection, tables: Tables, clock: Clock) -> None:
    tables.outcomes("true", minutes=600)
    conn.execute("UPDATE prediction_outcomes SET target_time = made_at WHERE extract(minute FROM feature_time) = 0")
    conn.execute(
        "INSERT INTO feed_clock (exchange, symbol, last_ts, last_trade_ts)"
        " SELECT 'replayed', s, last_ts, last_trade_ts FROM feed_clock, unnest(ARRAY['A', 'B']) s"
    )
    conn.execute("INSERT INTO market_clock SELECT 'replayed', closed_until FROM market_clock")
    for symbol, minutes in (("A", 59), ("B", 61)):
        made = CLOSED - timedelta(minutes=minutes)
        tables.forecast("replayed", symbol, 60, made, "baseline", "1", "baseline", made)
    config = CONFIG.model_copy(update={"monitor": {"evidence_hours": 2}})
    readings = read(conn, config, clock.now)
    assert readings is not None
    assert {row.subject for row in readings.evidence} == {Subject("candlewave", "3", 5)}
    assert len(readings.evidence) == 2
    assert readings.judged == 594 - 10
    assert [(market.exchange, market.symbol) for market in readings.markets] == [
        ("kraken", "BTC/USD"),
        ("replayed", "A"),
    ]


def test_an_alert_that_ended_in_the_moment_it_began_does_not_fire(conn: psycopg.Connection, tables: Tables) -> None:
    for status in ("resolved", "firing"):
        tables.conn.execute(
            "INSERT INTO alerts VALUES ('f', 'coverage', 'warning', '{\"a\": \"b\"}', 1, %s, %s)", [status, CLOSED]
        )
    assert firing_alerts(conn) == []


@pytest.mark.usefixtures("tables")
def test_a_market_is_silent_only_against_its_own_pace(conn: psycopg.Connection) -> None:
    """BTC trades every minute by day and every half hour by night, ETH every three hours; 14 days of both."""
    config = CONFIG.model_copy(update={"exchanges": {"kraken": ExchangeConfig(symbols=["BTC/USD", "ETH/USD"])}})
    minutes = (
        "INSERT INTO trading_hours (exchange, symbol, hour, first_minute, last_minute, longest_pause)"
        " SELECT 'kraken', %(symbol)s, h, h, h + %(last)s * INTERVAL '1 minute', %(pause)s"
        " FROM generate_series(%(begin)s, %(end)s, %(step)s * INTERVAL '1 hour') AS h"
        " WHERE extract(hour FROM h AT TIME ZONE 'UTC') BETWEEN %(from)s AND %(to)s"
    )
    day = {"begin": CLOSED - timedelta(days=14), "end": CLOSED - timedelta(hours=1), "from": 0, "to": 23}
    conn.execute(minutes, {**day, "symbol": "BTC/USD", "last": 59, "pause": 60.0, "step": 1, "from": 6})
    conn.execute(minutes, {**day, "symbol": "BTC/USD", "last": 30, "pause": 1_800.0, "step": 1, "to": 5})
    conn.execute(minutes, {**day, "symbol": "ETH/USD", "last": 0, "pause": None, "step": 3})

    def silent(now: datetime, **last_trade: datetime) -> dict[str, object]:
        conn.execute("DELETE FROM feed_clock")
        for base, ts in last_trade.items():
            conn.execute("INSERT INTO feed_clock VALUES ('kraken', %s, %s, %s)", [f"{base}/USD", now, ts])
        found = read(conn, config, now)
        assert found is not None
        (finding,) = [f for f in judge(found, monitor_config(config)) if f.rule == "silent-markets"]
        assert finding.evidence["markets"] == len(last_trade)
        return dict(finding.evidence["threshold_seconds"])  # type: ignore[call-overload]

    noon, night = CLOSED, CLOSED.replace(hour=3)
    assert silent(noon, BTC=noon - timedelta(minutes=4), ETH=noon - timedelta(hours=8)) == {}
    assert silent(noon, BTC=noon - timedelta(minutes=6), ETH=noon) == {"BTC/USD": 300.0}
    assert silent(night, BTC=night - timedelta(minutes=80), ETH=night) == {}, "by night it pauses for half an hour"
    assert silent(night, BTC=night - timedelta(minutes=100), ETH=night) == {"BTC/USD": 5_400.0}
    assert silent(noon, BTC=noon, ETH=noon - timedelta(hours=10)) == {"ETH/USD": 32_400.0}
