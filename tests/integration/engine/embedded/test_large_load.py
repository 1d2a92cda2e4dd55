"""A load of much history: each row is computed once, in portions, and sinks get it in portions too."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Message
from candlewave.core.config import Config, load_config
from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.refresh import Refresher, differences
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.render import render_objects

DAY = datetime(2024, 3, 1, tzinfo=UTC)
MINUTES = 1440
MARKETS = ("Ä/B", "C/D")
BARS = len(MARKETS) * (MINUTES + MINUTES // 5 + MINUTES // 15 + MINUTES // 60)
PORTION = 500
SINKS = {"candles": "candles_sink", "technical_indicators": "indicators_sink"}


class Counting(PostgresBus):
    """A bus that remembers how many messages each call of the refresh handed to it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.handed: list[int] = []

    def publish_in(self, conn: psycopg.Connection, topic: str, messages: Iterable[Message]) -> int:
        """Publish and count."""
        self.handed.append(super().publish_in(conn, topic, messages))
        return self.handed[-1]


@pytest.fixture
def url(make_engine: Callable[[Config], str]) -> str:
    return make_engine(load_config())


@pytest.fixture
def conn(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        for found in render_objects(load_config()):
            if found.kind is Kind.SINK and found.name in SINKS.values():
                catalog.apply(connection, found.text.replace("${topic_prefix}", ""))
        yield connection


@pytest.fixture
def bus(url: str) -> Iterator[Counting]:
    with Counting(url) as opened:
        yield opened


def load(conn: psycopg.Connection, begin: datetime, minutes: int, price: float = 100.0) -> None:
    """Insert a trade in each minute of each market, whose price goes up and down."""
    conn.execute(
        "INSERT INTO trades (exchange, symbol, trade_id, kind, seq, ts, side, price, quantity, origin, ingest_ts)"
        " SELECT 'x', symbol, concat(%(price)s::text, ' ', ts), 'trade', n, ts, 'buy', %(price)s + 5 * sin(n / 40.0),"
        " 2, 'backfill', now() FROM unnest(%(markets)s::text[]) AS symbol, generate_series(0, %(minutes)s - 1) AS n,"
        " LATERAL (SELECT %(begin)s + n * INTERVAL '1 minute' + INTERVAL '30 s') AS t(ts)",
        {"price": price, "begin": begin, "minutes": minutes, "markets": list(MARKETS)},
    )


def count(conn: psycopg.Connection, relation: str) -> int:
    row = conn.execute(f"SELECT count(*) FROM {relation}").fetchone()
    assert row is not None
    return int(row[0])


def sent(conn: psycopg.Connection, topic: str) -> Counter[tuple[str, ...]]:
    """Return how many messages of a topic each key has, after a look at how the key is spelt."""
    row = conn.execute("SELECT relation FROM bus.topics WHERE topic = %s", [topic]).fetchone()
    assert row is not None
    keys: Counter[tuple[str, ...]] = Counter()
    for key, value in conn.execute(f"SELECT key, value FROM {row[0]}"):
        record = json.loads(value)
        parts = {name: record[name] for name in ("exchange", "open_time", "symbol", "timeframe")}
        assert key == json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
        keys[tuple(parts.values())] += 1
    return keys


def test_a_load_computes_each_view_once(conn: psycopg.Connection) -> None:
    load(conn, DAY, MINUTES)
    stats = Refresher(conn).run_once()
    # A carry reaches 11 chunks of 256 hours ahead, which counts as more rows than a portion has.
    assert {view for view, times in stats.computed.items() if times > 1} <= {"indicator_carry"}
    assert {"candles_1m_live", "candles_1m", "candles", "indicators", "features", "labels"} <= stats.computed.keys()
    # The last minute is not closed yet, nor are the bars that end with it.
    assert stats.written["indicators"] == count(conn, "indicators") == BARS - 4 * len(MARKETS)
    assert sum(stats.deleted.values()) == 0
    assert differences(conn) == []


def test_a_larger_load_is_computed_in_portions_and_each_row_once(conn: psycopg.Connection, bus: Counting) -> None:
    load(conn, DAY, MINUTES)
    stats = Refresher(conn, bus=bus, portion_rows=PORTION).run_once()
    for view, rows in (("candles_1m", len(MARKETS) * MINUTES), ("indicator_sums", BARS), ("indicators", BARS)):
        # Besides the rows there are those that changed bars could reach after the last one.
        assert rows / PORTION <= stats.computed[view] <= rows / PORTION + 6
        assert stats.written[view] == count(conn, view)
    assert sum(stats.deleted.values()) == 0
    assert differences(conn) == []
    for topic, view in (("candles", "candles"), ("technical_indicators", "indicators")):
        keys = sent(conn, topic)
        assert len(keys) == keys.total() == count(conn, view)
    # A portion of candles has a bar a minute and those of the longer timeframes, one more of each at most.
    assert max(bus.handed) <= PORTION * BARS / (len(MARKETS) * MINUTES) + 3


def test_older_and_restated_history_is_computed_in_portions(conn: psycopg.Connection, bus: Counting) -> None:
    refresher = Refresher(conn, bus=bus, portion_rows=PORTION)
    load(conn, DAY, MINUTES)
    refresher.run_once()
    load(conn, DAY - timedelta(minutes=MINUTES), MINUTES)
    load(conn, DAY + timedelta(minutes=300), 60, price=200.0)
    stats = refresher.run_once()
    assert stats.computed["candles_1m"] >= 2 * MINUTES / PORTION
    assert stats.deleted["candles_1m"] == 0
    assert count(conn, "candles_1m") == len(MARKETS) * (2 * MINUTES - 1)
    assert differences(conn) == []
    keys = sent(conn, "candles")
    assert set(keys.values()) == {1, 2}
    assert sum(n == 2 for (_, _, _, timeframe), n in keys.items() if timeframe == "1h") == len(MARKETS)
