"""Records as they are on the wire."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlewave.bus.messages import to_message
from candlewave.contracts import records
from candlewave.contracts.records import Heartbeat, MalformedMessageError, Trade
from candlewave.core.markets import market_key
from candlewave.core.times import format_time

TS = datetime(2024, 1, 1, 0, 0, 59, 123456, tzinfo=UTC)
TRADE = Trade("kraken", "BTC/USD", "71", 71, TS, "42000.10", "0.00000001", "buy", "live")


def test_a_trade_is_json_with_exact_decimals_as_text() -> None:
    assert json.loads(records.encode(TRADE)) == {
        "kind": "trade",
        "exchange": "kraken",
        "symbol": "BTC/USD",
        "trade_id": "71",
        "seq": 71,
        "ts": "2024-01-01T00:00:59.123456Z",
        "price": "42000.10",
        "quantity": "0.00000001",
        "side": "buy",
        "origin": "live",
    }


def test_a_heartbeat_has_the_shape_of_a_trade_without_a_price() -> None:
    beat = records.heartbeat("kraken", "BTC/USD", TS, "replay")
    assert json.loads(records.encode(beat)) == {
        "kind": "heartbeat",
        "exchange": "kraken",
        "symbol": "BTC/USD",
        "trade_id": "hb:2024-01-01T00:00:59.123456Z",
        "seq": 0,
        "ts": "2024-01-01T00:00:59.123456Z",
        "price": None,
        "quantity": None,
        "side": None,
        "origin": "replay",
    }


def test_a_loaded_candle_says_null_where_its_source_does_not_tell() -> None:
    minute = TS.replace(second=0, microsecond=0)
    candle = records.LoadedCandle(
        exchange="kraken", symbol="BTC/USD", open_time=minute, open="42000.10", high="42000.2", low="42000",
        close="42000.1", volume="0.00000001", source="rest", loaded_at=TS,
    )  # fmt: skip
    assert candle.key == market_key("kraken", "BTC/USD")
    assert json.loads(records.encode(candle)) == {
        "exchange": "kraken",
        "symbol": "BTC/USD",
        "open_time": "2024-01-01T00:00:00Z",
        "open": "42000.10",
        "high": "42000.2",
        "low": "42000",
        "close": "42000.1",
        "volume": "0.00000001",
        "turnover": None,
        "trades": None,
        "buy_volume": None,
        "source": "rest",
        "loaded_at": "2024-01-01T00:00:59.123456Z",
    }
    assert records.decode(records.LoadedCandle, records.encode(candle)) == candle


def test_equal_moments_give_equal_heartbeats_in_any_zone() -> None:
    elsewhere = TS.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert records.heartbeat("kraken", "BTC/USD", elsewhere) == records.heartbeat("kraken", "BTC/USD", TS)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        format_time(datetime(2024, 1, 1))


texts = st.text(st.characters(codec="utf-8"), max_size=20)
trades = st.builds(
    Trade,
    exchange=texts,
    symbol=texts,
    trade_id=texts,
    seq=st.integers(0, 2**63 - 1),
    ts=st.datetimes(timezones=st.just(UTC)),
    price=texts,
    quantity=texts,
    side=st.sampled_from(["buy", "sell", None]),
    origin=st.sampled_from(["live", "backfill", "replay"]),
)


@given(trades | st.builds(records.heartbeat, texts, texts, st.datetimes(timezones=st.just(UTC))))
def test_what_is_encoded_is_decoded(record: Trade | Heartbeat) -> None:
    assert records.decode(type(record), records.encode(record)) == record


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty message"),
        (b"", "truncated"),
        (b"not json", "malformed"),
        (b"[1]", "Expected `object`"),
        (b"{}", "missing required field `exchange`"),
        (b'{"kind":"quote"}', "Invalid value 'quote'"),
        (b'{"kind":"trade","exchange":"kraken"}', "missing required field `symbol`"),
        (records.encode(TRADE).replace(b'"42000.10"', b"42000.10"), r"Expected `str`, got `float` - at `\$.price`"),
        (records.encode(TRADE).replace(b"123456Z", b"123456"), r"Expected `datetime` with a timezone.*\$.ts"),
        (records.encode(TRADE).replace(b'"buy"', b'"bid"'), r"Invalid enum value 'bid' - at `\$.side`"),
        (records.encode(TRADE)[:-2], "truncated"),
        (b'{"kind":"trade","exchange":"\xff"}', "utf-8"),
        (b'{"kind":"trade","more":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "nested too deep"),
    ],
)
def test_what_is_not_a_trade_says_why(value: bytes | None, reason: str) -> None:
    with pytest.raises(MalformedMessageError, match=reason):
        records.decode(Trade, value)


def test_messages_of_a_market_share_its_key() -> None:
    beat = records.heartbeat("kraken", "BTC/USD", TS)
    assert to_message(TRADE).key == to_message(beat).key == market_key("kraken", "BTC/USD") == "kraken|BTC/USD"
    assert to_message(TRADE, append_ts=TS).append_ts == TS


def reject(payload: bytes | None = b"\xff bad", source: str = "a.csv", position: str = "7") -> records.DeadLetter:
    return records.dead_letter(
        "trades", payload, reason="price is negative", source=source, position=position, occurred_at=TS
    )


def test_a_dead_letter_keeps_the_bytes_and_says_where_they_came_from() -> None:
    letter = reject()
    assert json.loads(records.encode(letter)) == {
        "topic": "trades",
        "id": letter.id,
        "payload_base64": base64.b64encode(b"\xff bad").decode(),
        "reason": "price is negative",
        "source": "a.csv",
        "position": "7",
        "occurred_at": "2024-01-01T00:00:59.123456Z",
    }
    assert records.decode(records.DeadLetter, records.encode(letter)) == letter
    assert reject(None).payload_base64 == ""
    assert records.dead_letter(
        "trades.dlq", b"", reason="", source="", position="", occurred_at=TS
    ).topic == "trades"  # fmt: skip


@given(texts, texts, st.binary(max_size=20), texts, texts, st.binary(max_size=20))
def test_a_dead_letters_id_tells_its_input_and_nothing_else(
    source: str, position: str, payload: bytes, source2: str, position2: str, payload2: bytes
) -> None:
    one = records.dead_letter_id(source, position, payload)
    two = records.dead_letter_id(source2, position2, payload2)
    assert (one == two) == ((source, position, payload) == (source2, position2, payload2))


def test_text_cannot_move_between_the_parts_of_an_id() -> None:
    assert reject(b"1x").id != reject(b"x", position="71").id
    assert reject(source="a", position="b7").id != reject(source="ab", position="7").id
    assert reject().id == "209644cd339aa5527d17ec5f5178417575ba3acaf284365184eccd7e45033b14"


@pytest.mark.parametrize(("size", "kept"), [(65_536, 65_536), (65_537, 65_536), (10_000_000, 65_536)])
def test_a_dead_letter_keeps_the_beginning_of_a_large_payload(size: int, kept: int) -> None:
    payload = bytes(size)
    letter = records.dead_letter("trades", payload, reason="not a trade", source="s", position="1", occurred_at=TS)
    assert len(base64.b64decode(letter.payload_base64)) == kept
    cut = f" (the first 65,536 of {size:,} bytes are kept)" if size > kept else ""
    assert letter.reason == f"not a trade{cut}"
    assert letter.id == records.dead_letter_id("s", "1", payload)
