"""The evidence on a challenger is read from the engine, and the registry and everybody else told what follows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from candlewave.bus import BusUnavailableError
from candlewave.bus.postgres import PostgresBus
from candlewave.ml.challenge import settle
from candlewave.ml.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry

BORN = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)
NOW = BORN + timedelta(days=3)
HOUR = timedelta(hours=1)
UNITS = 60


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as opened:
        opened.execute("SET timezone = 'UTC'")
        opened.execute(
            "CREATE TABLE challenger_hours (exchange text, symbol text, horizon_minutes int, model_name text,"
            " model_version text, served_name text, served_version text, hour timestamptz, units bigint,"
            " point_evidence float8, point_evidence_squares float8, interval_evidence float8,"
            " interval_evidence_squares float8)"
        )
        yield opened


@pytest.fixture
def duel(registry: Registry) -> Registry:
    """A registry in which version 1 is champion and version 2 challenger, both for one minute ahead."""
    experiment = registry.client.create_experiment(registry.name)
    for alias in (CHAMPION, CHALLENGER):
        run = registry.client.create_run(experiment)
        version = registry.register(run.info.run_id, f"{run.info.artifact_uri}/model", {"train_end": BORN.isoformat()})
        registry.set_alias(alias, version.version, (1,))
    return registry


def hour(conn: psycopg.Connection, name: str, number: int, gain: float, version: str = "2", served: str = "1") -> None:
    """An hour in which each median of a version gained so much of what it could over the served one's."""
    conn.execute(
        "INSERT INTO challenger_hours VALUES ('x', 'A/USD', 1, %s, %s, %s, %s, %s, %s, %s, %s, 0, 0)",
        [name, version, name, served, BORN.replace(minute=0) + number * HOUR, UNITS, UNITS * gain, UNITS * gain**2],
    )


def events(bus: PostgresBus) -> list[tuple[str, str]]:
    with bus.subscribe("test-events", ["model_events"]) as subscription:
        read: list[dict[str, Any]] = [msgspec.json.decode(m.value or b"") for m in subscription.poll(timeout=5)]
    return [(event["event"], event["model_version"]) for event in read]


def aliases(registry: Registry) -> list[str | None]:
    return [registry.version(alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS)]


def test_evidence_promotes_when_it_is_enough(conn: psycopg.Connection, duel: Registry, bus: PostgresBus) -> None:
    hour(conn, duel.name, 1, 0.1)
    found = settle(conn, bus, duel, NOW)
    assert found is not None
    assert (found.verdict, found.units) == (None, 60)
    assert aliases(duel) == ["1", "2", None]
    for number in range(2, 12):
        hour(conn, duel.name, number, 0.1)
    found = settle(conn, bus, duel, NOW)
    assert found is not None
    assert (found.verdict, found.units) == ("better", 660)
    assert aliases(duel) == ["2", None, "1"]
    champion = duel.metadata(CHAMPION)
    assert champion is not None
    assert champion.served_horizons == (1,)
    assert events(bus) == [("promoted", "2")]
    assert settle(conn, bus, duel, NOW) is None, "nobody challenges the new champion yet"


def test_a_worse_challenger_goes_and_the_champion_is_confirmed(
    conn: psycopg.Connection, duel: Registry, bus: PostgresBus
) -> None:
    for number in range(1, 12):
        hour(conn, duel.name, number, -0.1)
    assert settle(conn, bus, duel, NOW) is not None
    assert aliases(duel) == ["1", None, None]
    assert events(bus) == [("rejected", "2"), ("confirmed", "1")]


def test_only_what_the_two_forecast_since_the_challengers_birth_counts(
    conn: psycopg.Connection, duel: Registry, bus: PostgresBus
) -> None:
    hour(conn, duel.name, 0, 1.0)  # the hour in which it was born
    hour(conn, duel.name, 3, 1.0, version="3")
    hour(conn, duel.name, 4, 1.0, served="0")
    hour(conn, "other", 5, 1.0)
    found = settle(conn, bus, duel, NOW)
    assert found is not None
    assert (found.better, found.units) == (0.0, 0)


class NoBus:
    def publish(self, *_: object) -> None:
        raise BusUnavailableError("the bus is away")


def test_nothing_changes_without_the_bus(conn: psycopg.Connection, duel: Registry) -> None:
    for number in range(1, 12):
        hour(conn, duel.name, number, 0.1)
    with pytest.raises(BusUnavailableError):
        settle(conn, NoBus(), duel, NOW)  # type: ignore[arg-type]
    assert aliases(duel) == ["1", "2", None]
