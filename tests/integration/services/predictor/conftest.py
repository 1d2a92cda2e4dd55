"""The views that the predictor reads, as plain tables that a test fills minute by minute."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Received
from candlewave.contracts.topics import INGEST_SHARDS, PREDICTION_INPUTS, PREDICTIONS

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MARKETS = (("kraken", "BTC/USD"), ("kraken", "ETH/USD"))

_TABLES = """
CREATE TABLE market_clock (exchange text PRIMARY KEY, closed_until timestamptz);
CREATE TABLE feed_clock (
    exchange text, symbol text, last_ts timestamptz, last_trade_ts timestamptz, PRIMARY KEY (exchange, symbol)
);
CREATE TABLE candles (
    exchange text, symbol text, timeframe text, open_time timestamptz, close float8, feed_state text,
    PRIMARY KEY (exchange, symbol, timeframe, open_time)
);
CREATE TABLE features (
    exchange text, symbol text, open_time timestamptz, close_time timestamptz, available_at timestamptz,
    a float8, b float8, volatility_60_1m float8,
    PRIMARY KEY (exchange, symbol, open_time)
);
CREATE TABLE feature_catalog (name text, feature_set text);
INSERT INTO feature_catalog VALUES ('a', 'set-1'), ('b', 'set-1');
CREATE TABLE latest_predictions (
    exchange text, symbol text, horizon_minutes int, feature_time timestamptz, model_name text, model_version text,
    role text, made_at timestamptz
);
CREATE TABLE baseline_spreads (
    baseline_version text, exchange text, symbol text, horizon_minutes int, volatility text, low float8, high float8,
    trained_until timestamptz
);
CREATE TABLE outcome_hours (
    exchange text, symbol text, horizon_minutes int, model_name text, model_version text, hour timestamptz,
    forecasts bigint, covered bigint
);
"""


class Views:
    """What SQL would compute."""

    def __init__(self, conn: psycopg.Connection, bus: PostgresBus) -> None:
        self.conn = conn
        conn.execute("SET timezone = 'UTC'")
        conn.execute(_TABLES)
        self._topics = {topic: bus.subscribe("test", [topic]) for topic in (PREDICTIONS.name, PREDICTION_INPUTS.name)}

    def close_minute(
        self,
        open_time: datetime,
        *,
        feeds: Sequence[tuple[str, str]] = MARKETS,
        rows: Sequence[tuple[str, str]] = MARKETS,
        feed_state: str = "traded",
    ) -> None:
        """Close a minute of all markets: ``feeds`` have passed it by the grace, ``rows`` have features."""
        end = open_time + MINUTE
        for exchange in {exchange for exchange, _ in feeds}:
            self.conn.execute(
                "INSERT INTO market_clock VALUES (%s, %s) ON CONFLICT (exchange) DO UPDATE SET closed_until ="
                " excluded.closed_until",
                [exchange, end],
            )
        for exchange, symbol in feeds:
            self.conn.execute(
                "INSERT INTO feed_clock VALUES (%s, %s, %s, %s) ON CONFLICT (exchange, symbol) DO UPDATE SET last_ts ="
                " excluded.last_ts",
                [exchange, symbol, end + timedelta(seconds=2), end],
            )
        for number, (exchange, symbol) in enumerate(rows, 1):
            for timeframe, close in (("1m", 100.0 * number), ("5m", 7.0)):
                self.conn.execute(
                    "INSERT INTO candles VALUES (%s, %s, %s, %s, %s, %s)",
                    [exchange, symbol, timeframe, open_time, close, feed_state],
                )
            self.conn.execute(
                "INSERT INTO features VALUES (%s, %s, %s, %s, %s, %s, NULL, 0.001)",
                [exchange, symbol, open_time, end, end + timedelta(seconds=2), number / 1000],
            )

    def store_predictions(self) -> None:
        """Move what was published to the view of newest forecasts."""
        for record in self.take("predictions"):
            self.conn.execute(
                "INSERT INTO latest_predictions VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    record[name]
                    for name in (
                        "exchange",
                        "symbol",
                        "horizon_minutes",
                        "feature_time",
                        "model_name",
                        "model_version",
                        "role",
                        "made_at",
                    )
                ],
            )

    def take(self, topic: str) -> list[dict]:
        """Return the records a topic got since the last call, market by market."""
        messages = sorted(self.take_raw(topic), key=lambda message: message.key or "")
        return [msgspec.json.decode(message.value or b"") for message in messages]

    def wait(self, topic: str) -> list[dict]:
        """Return the next records of a topic, as soon as there are any."""
        while not (messages := self._topics[topic].poll(timeout=10)):
            pass
        self._topics[topic].commit()
        return [msgspec.json.decode(message.value or b"") for message in messages]

    def take_raw(self, topic: str) -> list[Received]:
        messages = list(itertools.chain.from_iterable(iter(lambda: self._topics[topic].poll(timeout=0.0), [])))
        self._topics[topic].commit()
        return messages

    def close(self) -> None:
        for subscription in self._topics.values():
            subscription.close()


@pytest.fixture
def bus(database: str) -> Iterator[PostgresBus]:
    with PostgresBus(database) as opened:
        opened.install()
        opened.ensure_topics([PREDICTIONS, PREDICTION_INPUTS, INGEST_SHARDS])
        yield opened


@pytest.fixture
def views(conn: psycopg.Connection, bus: PostgresBus) -> Iterator[Views]:
    opened = Views(conn, bus)
    yield opened
    opened.close()
