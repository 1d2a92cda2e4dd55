"""Messages become rows as RisingWave decodes them; changed rows become messages as its sink writes them."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from msgspec.structs import replace

from candlewave.bus.messages import to_message
from candlewave.bus.metrics import REFUSED
from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Message
from candlewave.contracts.records import Trade, conflict, heartbeat, renumbered
from candlewave.contracts.topics import TOPICS
from candlewave.core.config import load_config
from candlewave.core.times import format_time
from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.connectors import pump
from candlewave.engine.embedded.refresh import Refresher
from candlewave.sqlproject.render import render_objects

AT = datetime(2024, 5, 1, 12, 5, tzinfo=UTC)


@pytest.fixture
def bus(database: str) -> Iterator[PostgresBus]:
    with PostgresBus(database) as opened:
        opened.install()
        opened.ensure_topics(TOPICS.values())
        yield opened


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        catalog.install(connection)
        for sql_object in render_objects(load_config()):
            if sql_object.layer in ("sources", "views/ohlc") or sql_object.name == "candles_sink":
                catalog.apply(connection, sql_object.text.replace("${topic_prefix}", ""))
        yield connection


def trade(**changes: object) -> Message:
    record: dict[str, object] = {
        "kind": "trade",
        "exchange": "x",
        "symbol": "A/B",
        "trade_id": "1",
        "seq": 1,
        "ts": "2024-05-01T12:00:29.500000Z",
        "side": "buy",
        "price": "10.5",
        "quantity": "2",
        "origin": "live",
    }
    return Message(json.dumps(record | changes).encode(), key="x|A/B", append_ts=AT)


def rows(conn: psycopg.Connection, query: str) -> list[tuple]:
    return conn.execute(query).fetchall()


def test_a_good_message_becomes_a_row_with_its_append_time(conn: psycopg.Connection, bus: PostgresBus) -> None:
    bus.publish("trades", [trade()])
    stats = Refresher(conn).run_once()
    assert (stats.messages, stats.rows, stats.skipped) == (1, 1, 0)
    ts = datetime(2024, 5, 1, 12, 0, 29, 500_000, UTC)
    assert rows(conn, "SELECT trade_id, seq, ts, price, quantity, ingest_ts FROM trades") == [
        ("1", 1, ts, 10.5, 2.0, AT)
    ]


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"price": "abc"}, "price"),
        ({"ts": "yesterday"}, "ts"),
        ({"ts": "2024-05-01T12:00:00"}, "ts"),
        ({"ts": "2024-13-01T12:00:00Z"}, "ts"),
        ({"seq": 1.5}, "seq"),
        ({"quantity": None}, "quantity"),
    ],
)
def test_a_value_of_the_wrong_type_becomes_null_alone(
    conn: psycopg.Connection, bus: PostgresBus, changes: dict[str, object], column: str
) -> None:
    bus.publish("trades", [trade(), trade(trade_id="2", **changes)])
    Refresher(conn).run_once()
    nulls = rows(conn, f"SELECT {column} IS NULL, exchange FROM trades ORDER BY trade_id")
    assert nulls == [(False, "x"), (True, "x")]


@pytest.mark.parametrize(
    "value", [b"not json", b"", b"[1]", b"null", b"{}", b"\xff\xfe", b'{"exchange":"x","symbol":"A/B"}', None]
)
def test_a_message_without_a_key_is_skipped_and_counted(
    conn: psycopg.Connection, bus: PostgresBus, value: bytes | None
) -> None:
    bus.publish("trades", [Message(value, key="x|A/B"), trade()])
    stats = Refresher(conn).run_once()
    assert (stats.messages, stats.rows, stats.skipped) == (2, 1, 1)


@pytest.mark.parametrize("value", [b"not json", b"", b"[1]", b"\xff\xfe", b'{"price": "1"}', b'{"a": "\\u0000"}', None])
def test_a_message_without_a_row_is_a_dead_letter(
    conn: psycopg.Connection, bus: PostgresBus, value: bytes | None
) -> None:
    bus.publish("trades", [trade(), Message(value, key="x|A/B")])
    Refresher(conn, bus=bus).run_until_idle()
    [[payload, source, position]] = rows(conn, "SELECT payload_base64, source, position FROM trades_dlq")
    assert base64.b64decode(payload) == (value or b"")
    assert source == "topic trades"
    [[partition, offset]] = rows(
        conn, "SELECT partition, next_offset - 1 FROM bus.offsets WHERE group_id = 'engine.public.trades'"
    )
    assert position == f"{partition}:{offset}"
    assert rows(conn, "SELECT trade_id FROM trades") == [("1",)]


def test_a_message_that_is_nested_too_deep_ends_nothing(conn: psycopg.Connection, bus: PostgresBus) -> None:
    """PostgreSQL gives up on it as on an outage; it is the message's fault, and counts once."""
    before = REFUSED.labels("trades")._value.get()
    good = trade().value or b""
    deep = good[:-1] + b', "more": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    bus.publish("trades", [Message(b"not json", "x|A/B"), Message(deep, "x|A/B"), trade(trade_id="2")])
    Refresher(conn, bus=bus).run_until_idle()
    assert rows(conn, "SELECT trade_id FROM trades") == [("2",)]
    reasons = [row[0] for row in rows(conn, "SELECT reason FROM trades_dlq ORDER BY position")]
    assert [words in reason for reason, words in zip(reasons, ("not a JSON object", "stack depth"), strict=True)] == [
        True,
        True,
    ]
    assert REFUSED.labels("trades")._value.get() - before == 2


@pytest.mark.parametrize("text", [r"\u0000", r"a\ud800b", r"\udc00"])
def test_a_text_that_the_engine_cannot_hold_is_skipped_and_does_not_end_it(
    conn: psycopg.Connection, bus: PostgresBus, text: str
) -> None:
    """These are JSON, but no text of PostgreSQL's: one such message must not stop all others for ever."""
    good = trade().value or b""
    for place in (b'"side": "buy"', b'"trade_id": "1"'):
        name = place.split(b":")[0]
        broken = good.replace(place, name + b': "' + text.encode() + b'"')
        assert broken != good
        bus.publish("trades", [Message(broken, key="x|A/B"), trade()])
        stats = Refresher(conn).run_once()
        assert (stats.messages, stats.skipped) == (2, 1)
    assert rows(conn, "SELECT trade_id, side FROM trades") == [("1", "buy")]


@pytest.mark.parametrize("value", [r'{"k": "\u0000"}', r'{"\u0000": 1}', r'{"k": "\ud800"}', '{"k": 1e999999}'])
def test_a_document_that_the_engine_cannot_hold_is_skipped(
    conn: psycopg.Connection, bus: PostgresBus, value: str
) -> None:
    catalog.apply(
        conn,
        "CREATE TABLE documents (fingerprint VARCHAR, labels JSONB, PRIMARY KEY (fingerprint))"
        " WITH (connector = 'kafka', topic = 'candles') FORMAT PLAIN ENCODE JSON",
    )
    records = [f'{{"fingerprint": "bad", "labels": {value}}}', '{"fingerprint": "good", "labels": {}}']
    bus.publish("candles", [Message(record.encode(), key="f") for record in records])
    stats = Refresher(conn).run_once()
    assert (stats.messages, stats.skipped) == (2, 1)
    assert rows(conn, "SELECT * FROM documents") == [("good", {})]


def test_redelivery_changes_nothing_and_the_first_wins(conn: psycopg.Connection, bus: PostgresBus) -> None:
    refresher = Refresher(conn)
    bus.publish("trades", [trade(), trade(price="99")])
    refresher.run_once()
    bus.publish("trades", [trade()])
    assert refresher.run_once().rows == 0
    assert rows(conn, "SELECT price FROM trades WHERE kind = 'trade'") == [(10.5,)]


def test_a_trade_whose_id_another_one_used_is_kept_as_a_conflict(conn: psycopg.Connection, bus: PostgresBus) -> None:
    kept = Trade("x", "A/B", "1", 1, AT, "10.5", "2", "buy")
    others = [
        Trade("x", "A/B", "1", 1, AT, "10.50000001", "2", "buy"),
        Trade("x", "A/B", "1", 1, AT.replace(microsecond=1), "10.5", "2", "buy"),
        Trade("x", "A/B", "1", 1, AT, "10.5", "1e-9", "buy", "backfill"),
        Trade("x", "A/B", "1", 1, AT, "10.5", "2", None),
    ]
    same = [kept, Trade("x", "A/B", "1", 1, AT, "10.50", "2.0", "buy", "backfill"), heartbeat("x", "A/B", AT)]
    bus.publish("trades", map(to_message, [*same, *others[:2]]))
    Refresher(conn).run_once()
    bus.publish("trades", map(to_message, [*others, *same]))
    bus.publish("trades", map(to_message, [conflict(trade) for trade in others]))
    Refresher(conn).run_once()
    found = rows(conn, "SELECT trade_id, reason, price, quantity, side, origin FROM trades_rejected ORDER BY trade_id")
    assert found == sorted(
        (conflict(t).trade_id, "id used before", float(t.price), float(t.quantity), t.side, t.origin) for t in others
    )
    assert rows(conn, "SELECT price, trades FROM trades JOIN candles_1m_live USING (symbol) WHERE trade_id = '1'") == [
        (10.5, 1)
    ]


def test_a_market_that_counts_anew_loses_no_trade(conn: psycopg.Connection, bus: PostgresBus) -> None:
    """Listed again a day later or more, or an archive's trade ids and the aggregate ids of a later time."""
    first = [Trade("x", "A/B", str(n), n, AT + timedelta(seconds=n), "10.5", "2", "buy") for n in range(3)]
    again = [replace(t, ts=t.ts + timedelta(days=1), price="11") for t in first]
    soon = replace(first[0], ts=AT + timedelta(hours=23))
    for order in (first, [*again, soon], [*again, *first], [made for t in again if (made := renumbered(t, AT))]):
        bus.publish("trades", map(to_message, order))
        Refresher(conn).run_until_idle()
    kept = rows(conn, "SELECT trade_id, ts, price FROM trades WHERE kind = 'trade' ORDER BY ts")
    assert kept == [
        *((t.trade_id, t.ts, 10.5) for t in first),
        *((f"r:{format_time(t.ts)}:{t.trade_id}", t.ts, 11.0) for t in again),
    ]
    assert rows(conn, "SELECT ts, reason FROM trades_rejected") == [(soon.ts, "id used before")]
    assert rows(conn, "SELECT sum(trades)::int FROM candles_1m_live") == [(6,)]


def test_of_a_trade_that_comes_twice_no_other_trade_is_read(conn: psycopg.Connection, bus: PostgresBus) -> None:
    conn.execute(
        "INSERT INTO trades (exchange, symbol, trade_id, kind, seq, ts, price, quantity, ingest_ts)"
        " SELECT 'x', 'A/B', n::text, 'trade', n, %s, 1, 1, %s FROM generate_series(1, 3000) AS n",
        [AT, AT],
    )
    bus.publish("trades", [trade(trade_id=str(n), quantity="9") for n in (7, 8, 9)])
    table = next(stored for stored in catalog.load(conn) if stored.name == "trades")
    with conn.transaction():
        # As in a refresh, and so that reading is counted from here.
        conn.execute("ANALYZE trades; SET LOCAL candlewave.bulk = 'on'; SET LOCAL enable_nestloop = off")
        before = rows(conn, _SCANNED)
        assert pump(conn, table, "public", 100).rows == 3
        assert rows(conn, _SCANNED) == before
    assert rows(conn, "SELECT count(*)::int FROM trades WHERE kind = 'conflict'") == [(3,)]


_SCANNED = "SELECT seq_scan, seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'trades'"


def test_a_conflict_without_readable_values_is_kept_too(conn: psycopg.Connection, bus: PostgresBus) -> None:
    bus.publish("trades", [trade(), trade(price="much", ts="now", quantity=None, side=None, kind=7)])
    Refresher(conn).run_once()
    assert rows(conn, "SELECT left(trade_id, 7), reason, price FROM trades_rejected") == [
        ("used:1:", "id used before", None)
    ]


def test_each_message_is_read_once_across_restarts(conn: psycopg.Connection, bus: PostgresBus) -> None:
    bus.publish("trades", [trade(trade_id=str(n)) for n in range(10)])
    assert Refresher(conn, batch=1).run_once().messages == 1
    assert Refresher(conn).run_once().messages == 9
    assert Refresher(conn).run_once().idle
    assert sum(bus.lag("engine.public.trades", ["trades"]).values()) == 0


def test_partitions_of_a_backlog_are_read_in_step(conn: psycopg.Connection, bus: PostgresBus) -> None:
    """A quiet symbol must not run hours ahead of a busy one: the clock would close minutes still to come."""
    busy = [trade(trade_id=f"b{n}", ts=f"2024-05-01T12:{n:02}:00Z") for n in range(40)]
    quiet = [trade(trade_id=f"q{n}", symbol="C/D", ts=f"2024-05-01T12:{n:02}:00Z") for n in (0, 39)]
    at = {f"2024-05-01T12:{n:02}:00Z": AT.replace(minute=n) for n in range(40)}
    for symbol, messages in (("A/B", busy), ("E/F", quiet)):
        stamped = [
            Message(m.value, key=f"x|{symbol}", append_ts=at[json.loads(m.value or b"")["ts"]]) for m in messages
        ]
        bus.publish("trades", stamped)
    assert (
        len(
            {
                bus_partition
                for (bus_partition,) in rows(
                    conn, "SELECT DISTINCT partition FROM bus.partitions p WHERE next_offset > 0"
                )
            }
        )
        == 2
    )
    Refresher(conn, batch=10).run_once()
    assert rows(conn, "SELECT symbol, count(*) FROM trades GROUP BY symbol ORDER BY symbol") == [
        ("A/B", 10),
        ("C/D", 1),
    ]


def test_an_overwriting_table_keeps_the_last_row(conn: psycopg.Connection, bus: PostgresBus) -> None:
    catalog.apply(
        conn,
        "CREATE TABLE alerts_now (fingerprint VARCHAR, value DOUBLE PRECISION, labels JSONB, on_call BOOLEAN,"
        " edges DOUBLE PRECISION[], PRIMARY KEY (fingerprint)) WITH (connector = 'kafka', topic = 'alerts')"
        " FORMAT PLAIN ENCODE JSON",
    )
    for value in (1, 2, 3):
        record = {
            "fingerprint": "f",
            "value": value,
            "labels": {"a": value},
            "on_call": value > 1,
            "edges": [0.5, value],
        }
        bus.publish("alerts", [Message(json.dumps(record).encode(), key="f")] * 2)
        Refresher(conn).run_once()
    assert rows(conn, "SELECT * FROM alerts_now") == [("f", 3.0, {"a": 3}, True, [0.5, 3.0])]


def test_a_sink_publishes_new_and_amended_rows_once(conn: psycopg.Connection, bus: PostgresBus) -> None:
    refresher = Refresher(conn, bus=bus)
    bus.publish("trades", [trade(), trade(trade_id="2", ts="2024-05-01T12:01:10Z")])
    refresher.run_once()
    bus.publish("trades", [trade(trade_id="3", ts="2024-05-01T12:00:01Z", price="9")])
    refresher.run_once()
    refresher.run_once()
    with bus.subscribe("test", ["candles"]) as subscription:
        received = subscription.poll(100, timeout=5)
    key = '{"exchange":"x","open_time":"2024-05-01T12:00:00.000000Z","symbol":"A/B","timeframe":"1m"}'
    assert [(m.key, json.loads(m.value or b"")["open"]) for m in received] == [(key, 10.5), (key, 9)]
    assert json.loads(received[0].value or b"")["close_time"] == "2024-05-01T12:01:00.000000Z"


def test_a_new_sink_first_sends_what_is_there(conn: psycopg.Connection, bus: PostgresBus) -> None:
    refresher = Refresher(conn, bus=bus)
    bus.publish("trades", [trade(), trade(trade_id="2", ts="2024-05-01T12:03:10Z")])
    refresher.run_once()
    definition = next(o.definition for o in catalog.load(conn) if o.name == "candles_sink")
    catalog.drop(conn, "sink", "candles_sink")
    catalog.apply(conn, definition)
    for _ in range(2):
        refresher.run_once()
    with bus.subscribe("test", ["candles"]) as subscription:
        received = subscription.poll(100, timeout=5)
    times = sorted(json.loads(m.value or b"")["open_time"][11:16] for m in received)
    assert times == ["12:00", "12:00", "12:01", "12:01", "12:02", "12:02"]
