"""Records of other writers on every topic: whatever they hold, the engine goes on and their neighbours are stored."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Message
from candlewave.core.config import Config, ExchangeConfig
from candlewave.core.times import MINUTE, format_time
from candlewave.engine.connect import connect_url
from candlewave.engine.embedded.refresh import Refresher

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
AT = format_time(NOW)
MARKET = {"exchange": "x", "symbol": "A/B"}
LETTER = {"payload_base64": "", "reason": "r", "source": "s", "position": "1", "occurred_at": AT}
RECORDS: dict[str, tuple[str, dict[str, Any]]] = {
    # A good record of each topic, and the field that makes its key unique.
    "trades": ("trade_id", {
        **MARKET, "kind": "trade", "trade_id": "0", "seq": 1, "ts": AT, "side": "buy", "price": "10", "quantity": "1",
        "origin": "live",
    }),
    "trades.dlq": ("id", {**LETTER, "topic": "trades", "id": "0"}),
    "news": ("article_id", {
        "article_id": "0", "url": "u", "title": "Bitcoin rises", "summary": "", "source": "s", "lang": "en",
        "published_at": AT, "fetched_at": AT, "tags": [],
    }),
    "news.dlq": ("id", {**LETTER, "topic": "news", "id": "0"}),
    "news_sentiment": ("article_id", {
        "article_id": "0", "asset": "A", "score": 0.5, "confidence": 0.5, "relevance": 0.5, "event_type": "other",
        "extractor": "offline", "extractor_version": "1", "published_at": AT, "fetched_at": AT, "scored_at": AT,
    }),
    "predictions": ("model_version", {
        **MARKET, "horizon_minutes": 1, "feature_time": AT, "target_time": format_time(NOW + 2 * MINUTE),
        "model_name": "m", "model_version": "0", "role": "champion", "q10": -0.1, "q50": 0.0, "q90": 0.1,
        "price_q10": 9, "price_q50": 10, "price_q90": 11, "reference_price": 10, "made_at": AT,
    }),
    "prediction_inputs": ("feature_set", {
        **MARKET, "feature_time": AT, "feature_set": "0", "values": {"rsi_14_1m": 50.0, "no_news": 1}, "made_at": AT,
    }),
    "feature_reference": ("feature", {
        "model_version": "1", "feature": "0", "edges": [1, 2, 3, 4, 5, 6, 7, 8, 9], "shares": [0.1] * 11,
    }),
    "training_requests": ("request_id", {
        "request_id": "0", "model_name": "m", "reason": "r", "evidence": {}, "requested_at": AT,
    }),
    "model_events": ("event_id", {
        "event_id": "0", "model_name": "m", "model_version": "1", "event": "promoted", "reason": "r", "occurred_at": AT,
    }),
    "loaded_candles": ("symbol", {
        **MARKET, "open_time": AT, "open": "10", "high": "11", "low": "9", "close": "10", "volume": "1",
        "turnover": "10", "trades": 2, "buy_volume": "0.5", "source": "rest", "loaded_at": AT,
    }),
    "baseline_spreads": ("baseline_version", {
        **MARKET, "baseline_version": "0", "horizon_minutes": 1, "volatility": "realised_volatility_60_1m", "low": -1.1,
        "high": 1.1, "trained_until": AT,
    }),
    "alerts": ("fingerprint", {
        "fingerprint": "0", "rule": "r", "severity": "warning", "labels": {}, "value": 1.0, "status": "firing",
        "occurred_at": AT,
    }),
}  # fmt: skip
JUNK = [
    "null", "true", "-1", "0", "1e308", "-1e308", "1e400", "1e-320", "NaN", "Infinity", "-9223372036854775808",
    "99999999999999999999", '""', '"x"', '"1e308"', '"1e-300"', '"NaN"', '"-Infinity"', r'"\u0000"', r'"\ud800"',
    "[]", "{}", "[null]", "[[1]]", "[1e308]", "[1e999]", '{"rsi_14_1m": 1e308}', '{"rsi_14_1m": "x"}',
    '{"no_news": [1]}', '"0000-01-01T00:00:00Z"', '"0001-01-01T00:00:00Z"', '"294276-12-31T23:59:59Z"',
    '"9999-12-31T23:59:59.999999Z"', '"4714-11-24T00:00:00Z"', '"2026-03-02T12:00:60Z"', '"infinity"',
    f'"{"x" * 70_000}"', f'"{Random(1).randbytes(4_000).hex()}"',
]  # fmt: skip


@st.composite
def broken(draw: st.DrawFn) -> tuple[str, str, str]:
    """A topic, a field of its records, and what another writer puts there instead."""
    topic = draw(st.sampled_from(sorted(RECORDS)))
    field = draw(st.sampled_from(sorted(RECORDS[topic][1])))
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2), max_leaves=3).map(json.dumps)
    return topic, field, draw(st.sampled_from(JUNK) | values)


class Written:
    """An engine with every view, and what was written to it."""

    def __init__(self, conn: psycopg.Connection, bus: PostgresBus) -> None:
        self.conn, self.bus = conn, bus
        self.refresher = Refresher(conn, bus=bus)
        self.number = 0

    def good(self, topic: str) -> tuple[str, dict[str, Any]]:
        """Return a record that is not there yet, with its key."""
        self.number += 1
        name, record = RECORDS[topic]
        return f"n{self.number}", {**record, name: f"n{self.number}"}

    def publish(self, topic: str, *texts: str) -> None:
        self.bus.publish(topic, [Message(t.encode("utf-8", "surrogatepass"), "k", append_ts=NOW) for t in texts])

    def keys(self, topic: str) -> set[str]:
        table = topic.replace(".", "_")
        rows = self.conn.execute(f"SELECT {RECORDS[topic][0]} FROM {table}").fetchall()  # type: ignore[arg-type]
        return {row[0] for row in rows}


@pytest.fixture(scope="module")
def written(databases: Any) -> Iterator[Written]:
    config = Config(exchanges={"x": ExchangeConfig(symbols=["A/B"])})
    url = databases.engine(config)
    with connect_url(url) as conn, PostgresBus(url) as bus:
        conn.execute("INSERT INTO symbols (exchange, symbol, base, quote) VALUES ('x', 'A/B', 'A', 'B')")
        world = Written(conn, bus)
        for minutes in range(200, 0, -1):  # an hour has closed by then
            _, record = world.good("trades")
            world.publish("trades", json.dumps({**record, "ts": format_time(NOW - timedelta(minutes=minutes))}))
        world.refresher.run_until_idle()
        yield world
    databases.drop(url)


def replaced(record: dict[str, Any], field: str, raw: str) -> str:
    """Return a record as JSON with one value written as given."""
    rest = json.dumps({name: value for name, value in record.items() if name != field})
    return f"{rest[:-1]}, {json.dumps(field)}: {raw}}}"


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(broken(), min_size=1, max_size=25))
def test_the_engine_goes_on_and_neighbours_are_stored(written: Written, records: list[tuple[str, str, str]]) -> None:
    wanted: dict[str, set[str]] = {}
    for topic, field, raw in records:
        before, first = written.good(topic)
        after, second = written.good(topic)
        _, mutated = written.good(topic)
        written.publish(topic, json.dumps(first), replaced(mutated, field, raw), json.dumps(second))
        wanted.setdefault(topic, set()).update((before, after))
    written.refresher.run_until_idle()
    for topic, keys in wanted.items():
        assert keys <= written.keys(topic)
    assert not sum(sum(written.bus.lag(f"engine.public.{t.replace('.', '_')}", [t]).values()) for t in wanted)


@pytest.mark.parametrize(
    ("topic", "field", "raw", "reason"),
    [
        ("trades", "ts", '"0001-01-01T00:00:00Z"', "CardinalityViolation"),
        ("news_sentiment", "score", "1e-320", "underflow"),
        ("predictions", "role", "null", "NotNullViolation"),
    ],
)
def test_what_no_view_can_compute_with_is_rejected_with_a_reason(
    written: Written, capsys: pytest.CaptureFixture[str], topic: str, field: str, raw: str, reason: str
) -> None:
    _, mutated = written.good(topic)
    key, neighbour = written.good(topic)
    written.publish(topic, replaced(mutated, field, raw), json.dumps(neighbour))
    written.refresher.run_until_idle()
    assert key in written.keys(topic)
    said = capsys.readouterr().out
    assert "message rejected" in said
    assert reason in said


def test_numbers_that_no_indicator_can_compute_with_are_rejected_by_the_view(written: Written) -> None:
    for field, raw in (("price", "1e200"), ("quantity", '"1e-200"'), ("price", "1e308")):
        key, mutated = written.good("trades")
        written.publish("trades", replaced(mutated, field, raw))
        written.refresher.run_until_idle()
        found = written.conn.execute("SELECT reason FROM trades_rejected WHERE trade_id = %s", [key]).fetchall()
        assert [row[0] for row in found] == [f"{field} out of range"]


def test_a_trade_that_no_view_can_compute_with_is_a_dead_letter(written: Written) -> None:
    _, mutated = written.good("trades")
    text = replaced(mutated, "ts", '"0001-01-01T00:00:00Z"')
    written.publish("trades", text)
    written.refresher.run_until_idle()
    with written.bus.subscribe("test", ["trades.dlq"]) as subscription:
        letters = []
        while got := subscription.poll(1_000, 1.0):
            letters += [json.loads(m.value or b"{}") for m in got if b"no view can compute with it" in (m.value or b"")]
    assert letters
