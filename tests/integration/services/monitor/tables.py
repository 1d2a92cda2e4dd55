"""The tables and views that the monitor reads, whose rows a test writes by hand.

They are those of ``sql/`` on an engine that refreshes nothing: its materialized views are tables.
"""

import json
from datetime import datetime, timedelta

import psycopg

from candlewave.bus.protocol import Received

MINUTE = timedelta(minutes=1)


class Tables:
    """The tables, with a market and a champion in good order until a test says otherwise."""

    def __init__(self, conn: psycopg.Connection, closed_until: datetime) -> None:
        self.conn = conn
        self.closed_until = closed_until
        conn.execute("SET timezone = 'UTC'")
        conn.execute("INSERT INTO market_clock (exchange, closed_until) VALUES ('kraken', %s)", [closed_until])
        conn.execute(
            "INSERT INTO feed_clock VALUES ('kraken', 'BTC/USD', %(now)s, %(now)s)",
            {"now": closed_until + timedelta(seconds=3)},
        )
        newest = closed_until - MINUTE
        self.forecast("kraken", "BTC/USD", 5, newest, "candlewave", "3", "champion", closed_until)
        self.forecast("kraken", "BTC/USD", 60, newest, "baseline", "1", "baseline", closed_until)
        conn.execute(
            "INSERT INTO model_events VALUES ('e1', 'candlewave', '3', 'promoted', 'better', %s)",
            [closed_until - timedelta(hours=1)],
        )

    def forecast(
        self,
        exchange: str,
        symbol: str,
        horizon: int,
        feature_time: datetime,
        model_name: str,
        model_version: str,
        role: str,
        made_at: datetime,
    ) -> None:
        """Write the newest forecast of a market, which is served too."""
        for relation in ("latest_predictions", "served_predictions"):
            self.conn.execute(
                f"INSERT INTO {relation} (exchange, symbol, horizon_minutes, feature_time, model_name, model_version,"  # type: ignore[arg-type]
                " role, made_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                [exchange, symbol, horizon, feature_time, model_name, model_version, role, made_at],
            )

    def outcomes(self, hit: str, *, version: str = "3", minutes: int = 600) -> None:
        """Replace the champion's outcomes of the last minutes; ``hit`` is SQL over the minute ``i``."""
        escaped = hit.replace("%", "%%")
        self.conn.execute("DELETE FROM prediction_outcomes WHERE model_version = %s", [version])
        self.conn.execute(
            "INSERT INTO prediction_outcomes (exchange, symbol, horizon_minutes, feature_time, model_name,"
            " model_version, is_covered, made_at, target_time)"
            " SELECT 'kraken', 'BTC/USD', 5, %s::timestamptz - i * INTERVAL '1 minute',"
            f" 'candlewave', %s, {escaped}, now(), 'infinity' FROM generate_series(7, %s) AS i",
            [self.closed_until, version, minutes],
        )
        self.conn.execute("DELETE FROM outcome_hours WHERE model_version = %s", [version])
        self.conn.execute(
            "INSERT INTO outcome_hours (exchange, symbol, horizon_minutes, model_name, model_version, hour, units,"
            " units_covered, point_units, point_evidence, point_evidence_squares, interval_units, interval_evidence,"
            " interval_evidence_squares)"
            " SELECT exchange, symbol, horizon_minutes, model_name, model_version,"
            " date_bin('1 hour', feature_time, '2000-01-01 00:00:00+00'), count(*), count(*) FILTER (WHERE is_covered),"
            " count(*), 0, count(*), count(*), 0, count(*)"
            " FROM prediction_outcomes WHERE model_version = %s GROUP BY 1, 2, 3, 4, 5, 6",
            [version],
        )

    def errors(self, **columns: float) -> None:
        """Replace the champion's hourly errors of the last ten hours, and its week's."""
        row = {
            "forecasts": 60,
            "mae": 1.0,
            "scaled_error": 0.3,
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
                    "INSERT INTO model_error (exchange, symbol, horizon_minutes, model_name, model_version, span, hour,"
                    f" {', '.join(row)}) VALUES ('kraken', 'BTC/USD', 5, 'candlewave', '3', %s, %s,"
                    " %s, %s, %s, %s, %s, %s, %s)",
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
