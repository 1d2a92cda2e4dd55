"""``candlewave doctor``: poisoned clocks are shown and repaired, slow objects are named."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from typer.testing import CliRunner, Result

from candlewave.bus.postgres import PostgresBus
from candlewave.cli import app
from candlewave.core.config import load_config
from candlewave.core.settings import Settings
from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.refresh import Refresher
from candlewave.sqlproject.parameters import fill
from candlewave.sqlproject.render import render_objects

Doctor = Callable[..., Result]

_OBJECTS = (
    "trades", "loaded_candles", "clock_minutes", "clock_exclusions", "clock_days", "feed_clock", "furthest_clock",
    "market_clock",
)  # fmt: skip


@pytest.fixture
def doctor(engine: str) -> Doctor:
    """Call ``candlewave doctor`` on an engine with the clock's objects."""
    with PostgresBus(engine) as bus:
        bus.install()
    with psycopg.connect(engine, autocommit=True) as conn:
        catalog.install(conn)
        for one in render_objects(load_config()):
            if one.name in _OBJECTS:
                catalog.apply(conn, fill(one.text, Settings()))
    return lambda *arguments: CliRunner().invoke(app, ["doctor", *arguments])


def _trade(engine: str, symbol: str, when: datetime) -> None:
    """Put a trade that the broker, too, believes to be of ``when``, and refresh."""
    with psycopg.connect(engine, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO trades (kind, exchange, symbol, trade_id, seq, ts, side, price, quantity, origin, ingest_ts)"
            " VALUES ('trade', 'kraken', %(symbol)s, '1', 1, %(ts)s, 'buy', 1, 1, 'live', %(ts)s)",
            {"symbol": symbol, "ts": when},
        )
        Refresher(conn).run_until_idle()


def _closed_until(engine: str) -> datetime:
    with psycopg.connect(engine, autocommit=True) as conn:
        Refresher(conn).run_until_idle()
        row = conn.execute("SELECT closed_until FROM market_clock").fetchone()
    assert row is not None
    return datetime.fromisoformat(str(row[0]))


def test_a_clock_ahead_is_shown_and_repaired(engine: str, doctor: Doctor) -> None:
    now = datetime.now(UTC)
    _trade(engine, "BTC/USD", now - timedelta(minutes=5))
    _trade(engine, "ETH/USD", now + timedelta(days=1))
    assert _closed_until(engine) > now

    shown = doctor("clock")
    assert shown.exit_code == 1
    assert "kraken ETH/USD: newest event" in shown.stdout
    assert "BTC/USD" not in shown.stdout

    repaired = doctor("clock", "--repair")
    assert repaired.exit_code == 0
    assert "Excluded 1 minutes." in repaired.stdout
    assert _closed_until(engine) < now
    assert doctor("clock").stdout == "No feed is ahead of now.\n"


def test_a_clock_in_time_is_well(engine: str, doctor: Doctor) -> None:
    _trade(engine, "BTC/USD", datetime.now(UTC) - timedelta(minutes=5))
    assert (doctor("clock").exit_code, doctor("clock").stdout) == (0, "No feed is ahead of now.\n")


def test_views_without_footprint_are_named(engine: str, doctor: Doctor) -> None:
    assert doctor().stdout.endswith("Every view follows its inputs by footprints.\n")
    with psycopg.connect(engine, autocommit=True) as conn:
        catalog.apply(
            conn,
            "-- slow: counts trades.\n-- grain: one row\n-- keys: id\n-- event time: none\n-- late data: counted\n"
            "-- readers: nobody\n"
            "CREATE MATERIALIZED VIEW slow AS SELECT 1 AS id, count(*) AS trades FROM trades",
        )
    assert "\npublic.slow: no footprint in its header" in doctor().stdout


def test_before_the_migrations_it_says_so(engine: str) -> None:
    assert engine
    result = CliRunner().invoke(app, ["doctor", "clock"])
    assert result.exit_code == 1
    assert "`candlewave migrate`" in result.stderr
