"""Every view holds the same rows on RisingWave as on the embedded engine, fed equally and after every batch."""

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.engine.risingwave.api import statements
from tests.integration.engine.risingwave.pair import Pair
from tests.worlds.streams import (
    BAD,
    MINUTE,
    START,
    SYMBOLS,
    heartbeat,
    recorded,
    simulated,
    trade,
    with_heartbeats,
)

from candlewave.core.paths import project_root
from candlewave.engine.golden.table import Row

pytestmark = [pytest.mark.stack, pytest.mark.timeout(3600)]

DATA = project_root().parent / "shared" / "data"


def test_recorded_trades(pair: Pair) -> None:
    """Two and a half days of a thinly traded market and a busy hour of another, each trade arriving at once."""
    files = ("trades-binance-xrpeth-2019-10-11.csv.gz", "trades-kraken-btcusd-2019-07-01.csv.gz")
    missing = [name for name in files if not (DATA / name).exists()]
    if missing:
        pytest.skip(f"recorded trades {missing} are not on this machine")
    for name in files:
        rows = with_heartbeats(recorded(DATA / name, name.split("-")[1]))
        for begin in range(0, len(rows), 4_000):
            pair.feed({"trades": rows[begin : begin + 4_000]})
            pair.assert_same()
    counts = pair.assert_same()
    assert counts["candles"] > 3_000
    assert counts["trades_rejected"] == counts["late_trades"] == 0


def test_disturbed_trades(pair: Pair) -> None:
    """Late, repeated, shuffled and bad trades, a poisoned clock, its repair, and the repair taken back."""
    batches = list(simulated())
    for batch in batches[:3]:
        pair.feed({"trades": batch})
        pair.assert_same()
    pair.feed({"trades": BAD})
    pair.assert_same()

    ahead = START + timedelta(days=2)
    pair.feed({"trades": [heartbeat("simulated", "AAA/USD", ahead)]})
    poisoned = pair.assert_same()
    pair.feed(
        {
            "clock_exclusions": [
                {
                    "exchange": "simulated",
                    "symbol": "AAA/USD",
                    "minute": ahead.isoformat(),
                    "reason": "far in the future",
                }
            ]
        }
    )
    repaired = pair.assert_same()
    assert repaired["candles"] < poisoned["candles"]

    for batch in batches[3:]:
        pair.feed({"trades": batch})
    counts = pair.assert_same()
    pair.both("DELETE FROM clock_exclusions WHERE exchange = 'simulated'")
    assert pair.assert_same()["candles"] > counts["candles"]
    assert counts["late_trades"] > 0
    assert counts["trades_rejected"] == len(BAD)


def test_forecasts_and_news(pair: Pair) -> None:
    """Features with sentiment, forecasts of three models, their outcomes and errors, drift, amended inputs."""
    batches = list(simulated())
    pair.feed({"symbols": list(MARKETS), "news_sentiment": scores(0)})
    for batch in batches[:-3]:
        pair.feed({"trades": batch})
    pair.assert_same()

    rows = pair.rows("features")
    pair.feed({"feature_reference": references(rows)})
    pair.feed({"prediction_inputs": inputs(rows), "predictions": forecasts(pair.rows("candles"))})
    due = pair.assert_same()
    assert due["prediction_outcomes"] > 1_000
    assert due["feature_drift"] > 0

    # The last hour makes more outcomes due, and a large late trade amends what forecasts had seen.
    at = START + timedelta(hours=2)
    late = trade("simulated", "AAA/USD", "8000000", at, "61000", "50", "buy", arrival=at + timedelta(hours=1))
    pair.feed({"trades": [*batches[-3], late], "news_sentiment": scores(1)})
    pair.feed({"trades": batches[-2] + batches[-1]})
    later = pair.assert_same()
    assert later["prediction_outcomes"] > due["prediction_outcomes"]
    assert later["served_predictions"] == len(MARKETS) * len(HORIZONS)
    assert any(row["amended_features"] for row in pair.rows("input_amendments"))

    counts = {name: pair.assert_same_answers(query) for name, query in statements("simulated", "AAA/USD", "AAA", at)}
    assert {name for name, count in counts.items() if not count} == WITHOUT_ROWS


WITHOUT_ROWS = {
    "new alerts", "events", "alerts firing, first page", "alerts firing, later page", "alerts all, first page",
    "alerts all, later page",
}  # fmt: skip
"""Queries that have nothing to find here; that the engines take them is what counts."""
MARKETS: tuple[Row, ...] = tuple(
    {"exchange": "simulated", "symbol": s.symbol, "base": s.symbol.split("/")[0], "quote": "USD"} for s in SYMBOLS
)
HORIZONS = (1, 5, 15, 60)
MODELS = (("trees", "1", "champion", 0.0), ("trees", "2", "challenger", 1e-4), ("baseline", "b1", "baseline", -1e-4))
"""Name, version, role, and by how much their forecasts lean."""
KEYS = ("exchange", "symbol", "open_time", "close_time", "available_at")


def scores(part: int) -> list[Row]:
    """Scores of articles over five hours, some scored an hour after they were published, one twice."""
    rows: list[Row] = []
    for n in range(20 * part, 20 * part + 20):
        at = START + timedelta(minutes=n * 7)
        for version in ("1", "2") if n % 6 == 0 else ("1",):
            scored = at + timedelta(minutes=60 if n % 5 == 0 else 1, seconds=20 * int(version))
            score = ((n * 37) % 200 - 100) / 100
            rows.append(
                {
                    "article_id": f"article-{n}", "asset": "AAA" if n % 3 else "BBB", "score": repr(score),
                    "confidence": "0.75", "relevance": "0.5" if n % 2 else "1", "event_type": "other",
                    "extractor": "lexicon", "extractor_version": version, "published_at": at.isoformat(),
                    "fetched_at": (at + MINUTE).isoformat(), "scored_at": scored.isoformat(),
                    "ingest_ts": scored.isoformat(),
                }
            )  # fmt: skip
    return rows


def references(rows: list[dict[str, Any]]) -> list[Row]:
    """Reference histograms of six features, with edges that make the present look shifted."""
    names = [name for name in rows[0] if name not in KEYS][:6]
    edges = "{" + ",".join(str(x / 4) for x in range(-4, 5)) + "}"
    shares = "{0.05," + ",".join(["0.095"] * 10) + "}"
    return [
        {"model_version": version, "feature": name, "edges": edges, "shares": shares}
        for version in ("1", "2")
        for name in names
    ]


def inputs(rows: list[dict[str, Any]]) -> list[Row]:
    """The vectors of every minute as they were known."""
    return [
        {
            "exchange": row["exchange"],
            "symbol": row["symbol"],
            "feature_time": row["open_time"].isoformat(),
            "feature_set": "f1",
            "values": json.dumps({name: value for name, value in row.items() if name not in KEYS}),
            "made_at": row["available_at"].isoformat(),
        }
        for row in rows
    ]


def forecasts(candles: list[dict[str, Any]]) -> list[Row]:
    """Forecasts of every minute, horizon and model: a spread that grows with the horizon around a lean."""
    rows: list[Row] = []
    for candle in candles:
        if candle["timeframe"] != "1m":
            continue
        for horizon in HORIZONS:
            for name, version, role, lean in MODELS:
                q10, q50, q90 = (lean + side * 5e-4 * horizon**0.5 for side in (-1, 0, 1))
                close, closed = candle["close"], candle["close_time"]
                rows.append(
                    {
                        "exchange": candle["exchange"], "symbol": candle["symbol"], "horizon_minutes": str(horizon),
                        "feature_time": candle["open_time"].isoformat(),
                        "target_time": (closed + horizon * MINUTE).isoformat(), "model_name": name,
                        "model_version": version, "role": role, "q10": repr(q10), "q50": repr(q50), "q90": repr(q90),
                        "price_q10": repr(close * (1 + q10)), "price_q50": repr(close * (1 + q50)),
                        "price_q90": repr(close * (1 + q90)), "reference_price": repr(close),
                        "made_at": (closed + timedelta(seconds=3)).isoformat(),
                    }
                )  # fmt: skip
    return rows
