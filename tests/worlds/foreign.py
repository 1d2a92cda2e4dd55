"""Records that other writers might put on a topic: good ones, broken ones, and bytes that are none."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

from candlewave.core.times import MINUTE, format_time

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


def replaced(record: dict[str, Any], field: str, raw: str) -> str:
    """Return a record as JSON with one value written as given."""
    rest = json.dumps({name: value for name, value in record.items() if name != field})
    return f"{rest[:-1]}, {json.dumps(field)}: {raw}}}"


def good(topic: str, key: str) -> dict[str, Any]:
    """Return a record that no other has the key of."""
    name, record = RECORDS[topic]
    return {**record, name: key}


def fuzzed(chance: Random, topic: str, key: str, **more: str) -> bytes | None:
    """Return a payload that was a good record, with ``more``, before something happened to it; None is a tombstone."""
    return chance.choice(_HARM)(chance, {**good(topic, key), **more})


def _field(chance: Random, record: dict[str, Any]) -> str:
    return chance.choice(sorted(record))


def _replaced(chance: Random, record: dict[str, Any]) -> bytes:
    return replaced(record, _field(chance, record), chance.choice(JUNK)).encode()


def _twice(chance: Random, record: dict[str, Any]) -> bytes:
    field = _field(chance, record)
    return json.dumps(record)[:-1].encode() + f", {json.dumps(field)}: {chance.choice(JUNK)}}}".encode()


def _lacking(chance: Random, record: dict[str, Any]) -> bytes:
    field = _field(chance, record)
    return json.dumps({name: value for name, value in record.items() if name != field}).encode()


def _cut(chance: Random, record: dict[str, Any]) -> bytes:
    text = json.dumps(record).encode()
    return text[: chance.randrange(len(text))]


def _flipped(chance: Random, record: dict[str, Any]) -> bytes:
    text = bytearray(json.dumps(record).encode())
    for _ in range(chance.randint(1, 4)):
        text[chance.randrange(len(text))] = chance.randrange(256)
    return bytes(text)


def _deep(chance: Random, record: dict[str, Any]) -> bytes:
    depth = chance.choice((10, 500, 20_000))
    return json.dumps({**record, "more": None}).replace("null}", "[" * depth + "]" * depth + "}").encode()


_HARM: tuple[Callable[[Random, dict[str, Any]], bytes | None], ...] = (
    _replaced,
    _replaced,
    _replaced,
    _twice,
    _lacking,
    _cut,
    _flipped,
    _deep,
    lambda chance, _: chance.choice(JUNK).encode("utf-8", "surrogatepass"),
    lambda chance, _: chance.randbytes(chance.choice((0, 1, 30, 3_000))),
    lambda _, record: json.dumps(record).encode("utf-16"),
    lambda _, record: b"\xef\xbb\xbf" + json.dumps(record).encode(),
    lambda _, record: json.dumps([record]).encode(),
    lambda *_: None,
)
