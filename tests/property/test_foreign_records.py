"""Records of other writers on every topic: whatever they hold, the engine goes on and their neighbours are stored."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.worlds.foreign import JUNK, NOW, RECORDS, good, replaced

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Message
from candlewave.core.config import Config, ExchangeConfig
from candlewave.core.times import format_time
from candlewave.engine.connect import connect_url
from candlewave.engine.embedded.refresh import Refresher


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
        return f"n{self.number}", good(topic, f"n{self.number}")

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
