"""How far intervals are stretched is read from what came of the models' forecasts."""

import math

import psycopg
import pytest

from candlewave.services.predictor.reading import read_stretches


def test_every_hour_of_the_models_that_forecast_counts_and_none_of_others(database: str) -> None:
    rows = [
        ("A/USD", 1, "candlewave", "7", "2026-05-01T00:00Z", 60, 42),
        ("A/USD", 1, "candlewave", "7", "2026-05-09T00:00Z", 60, 48),
        ("A/USD", 5, "candlewave", "7", "2026-05-09T00:00Z", 60, 54),
        ("B/USD", 1, "candlewave", "7", "2026-05-09T00:00Z", 60_000, 0),
        ("A/USD", 1, "candlewave", "6", "2026-05-09T00:00Z", 60, 0),
        ("A/USD", 1, "baseline", "training-7", "2026-05-09T00:00Z", 60, 36),
    ]
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE outcome_hours (exchange text, symbol text, horizon_minutes int, model_name text,"
            " model_version text, hour timestamptz, forecasts bigint, covered bigint)"
        )
        for row in rows:
            conn.execute("INSERT INTO outcome_hours VALUES ('x', %s, %s, %s, %s, %s, %s, %s)", row)
        found = read_stretches(conn, [("candlewave", "7"), ("baseline", "training-7")])
    # A tenth of the logarithm for an hour whose outcomes are all outside, from four fifths inside on.
    assert found.keys() == {("candlewave", "7"), ("baseline", "training-7")}
    assert found["candlewave", "7"][1] == pytest.approx({"x|A/USD": 0.1 * 0.1, "x|B/USD": math.log(3)})
    assert found["candlewave", "7"][5] == pytest.approx({"x|A/USD": -0.1 * 0.1})
    assert found["baseline", "training-7"] == {1: pytest.approx({"x|A/USD": 0.1 * 0.2})}
