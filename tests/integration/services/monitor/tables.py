"""The tables and views that the monitor reads, as plain tables that a test fills by hand."""

import json
from datetime import datetime, timedelta

import psycopg

from candlewave.bus.protocol import Received

MINUTE = timedelta(minutes=1)

_TABLES = """
CREATE TABLE market_clock (clock_id int, closed_until timestamptz);
CREATE TABLE feed_clock (exchange text, symbol text, last_ts timestamptz, last_trade_ts timestamptz);
CREATE TABLE latest_predictions (
    exchange text, symbol text, horizon_minutes int, feature_time timestamptz, model_name text, model_version text,
    role text, made_at timestamptz
);
CREATE VIEW served_predictions AS SELECT * FROM latest_predictions;
CREATE TABLE prediction_outcomes (
    exchange text, symbol text, horizon_minutes int, feature_time timestamptz, model_name text, model_version text,
    is_covered boolean, made_at timestamptz, target_time timestamptz
);
CREATE TABLE input_amendments (exchange text, symbol text, feature_time timestamptz, inputs_amended boolean);
CREATE TABLE model_error (
    exchange text, symbol text, horizon_minutes int, model_name text, model_version text, span text,
    hour timestamptz, forecasts bigint, mae float8, bias float8, coverage float8, skill float8, interval_skill float8
);
CREATE TABLE feature_drift (
    model_version text, exchange text, symbol text, feature text, hour timestamptz, psi float8, rows bigint
);
CREATE TABLE model_events (
    event_id text, model_name text, model_version text, event text, reason text, occurred_at timestamptz
);
CREATE TABLE alerts (
    fingerprint text, rule text, severity text, labels jsonb, value float8, status text, occurred_at timestamptz,
    PRIMARY KEY (fingerprint, occurred_at, status)
);
CREATE TABLE training_requests (
    request_id text PRIMARY KEY, model_name text, reason text, evidence jsonb, requested_at timestamptz
);
"""


class Tables:
    """The tables, with a market and a champion in good order until a test says otherwise."""

    def __init__(self, conn: psycopg.Connection, closed_until: datetime) -> None:
        self.conn = conn
        self.closed_until = closed_until
        conn.execute("SET timezone = 'UTC'")
        conn.execute(_TABLES)
        conn.execute("INSERT INTO market_clock VALUES (1, %s)", [closed_until])
        conn.execute(
            "INSERT INTO feed_clock VALUES ('kraken', 'BTC/USD', %(now)s, %(now)s)",
            {"now": closed_until + timedelta(seconds=3)},
        )
        newest = closed_until - MINUTE
        for role, name, version in (("champion", "candlewave", "3"), ("baseline", "baseline", "1")):
            conn.execute(
                "INSERT INTO latest_predictions VALUES ('kraken', 'BTC/USD', 5, %s, %s, %s, %s, %s)",
                [newest, name, version, role, closed_until],
            )
        conn.execute("DELETE FROM latest_predictions WHERE role = 'baseline'")
        conn.execute(
            "INSERT INTO latest_predictions VALUES ('kraken', 'BTC/USD', 60, %s, 'baseline', '1', 'baseline', %s)",
            [newest, closed_until],
        )
        conn.execute(
            "INSERT INTO model_events VALUES ('e1', 'candlewave', '3', 'promoted', 'better', %s)",
            [closed_until - timedelta(hours=1)],
        )

    def outcomes(self, hit: str, *, version: str = "3", minutes: int = 600) -> None:
        """Replace the champion's outcomes of the last minutes; ``hit`` is SQL over the minute ``i``."""
        escaped = hit.replace("%", "%%")
        self.conn.execute("DELETE FROM prediction_outcomes WHERE model_version = %s", [version])
        self.conn.execute(
            "INSERT INTO prediction_outcomes SELECT 'kraken', 'BTC/USD', 5, %s::timestamptz - i * INTERVAL '1 minute',"
            f" 'candlewave', %s, {escaped}, now(), 'infinity' FROM generate_series(7, %s) AS i",
            [self.closed_until, version, minutes],
        )

    def errors(self, **columns: float) -> None:
        """Replace the champion's hourly errors of the last ten hours, and its week's."""
        row = {
            "forecasts": 60,
            "mae": 1.0,
            "bias": 0.1,
            "coverage": 0.8,
            "skill": 0.1,
            "interval_skill": 0.2,
            **columns,
        }
        self.conn.execute("DELETE FROM model_error")
        for span, hours in (("1h", range(1, 11)), ("7d", range(1, 2))):
            for back in hours:
                self.conn.execute(
                    "INSERT INTO model_error VALUES ('kraken', 'BTC/USD', 5, 'candlewave', '3', %s, %s,"
                    " %s, %s, %s, %s, %s, %s)",
                    [span, self.closed_until - timedelta(hours=back), *row.values()],
                )

    def store(self, topic: str, messages: list[Received]) -> None:
        """Write messages of ``alerts`` or ``training_requests`` to their table, as the engine does."""
        for message in messages:
            record = json.loads(message.value or b"{}")
            names = list(record)
            self.conn.execute(
                f"INSERT INTO {topic} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"  # type: ignore[arg-type]
                " ON CONFLICT DO NOTHING",
                [json.dumps(v) if isinstance(v, dict) else v for v in record.values()],
            )
