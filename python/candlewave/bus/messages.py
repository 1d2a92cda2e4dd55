"""The records of the bus as they are on the wire: JSON, prices as strings, times in UTC with ``Z``.

Decoding checks types and presence. What a usable trade is (known symbol, positive price, plausible time) is
the publisher's business.
"""

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar

import msgspec

from candlewave.bus.protocol import Message
from candlewave.contracts.topics import DEAD_LETTER_SUFFIX

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with a time zone, microseconds."""

T = TypeVar("T")

Side = Literal["buy", "sell"]
Origin = Literal["live", "backfill", "replay"]


class MalformedMessageError(ValueError):
    """Bytes that are not the expected record; the text is the reason for a dead letter."""


class Trade(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="trade"):
    """One trade.

    ``seq`` orders trades of equal ``ts`` inside one market. ``side`` is the taker's, None when the source
    lacks it. ``price`` and ``quantity`` are exact decimals in text. ``origin`` is the path the trade came by.
    """

    exchange: str
    symbol: str
    trade_id: str
    seq: int
    ts: Time
    price: str
    quantity: str
    side: Side | None = None
    origin: Origin = "live"


class Heartbeat(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="heartbeat"):
    """The feed of a market was alive at ``ts``: a quiet market's candles can close. See :func:`heartbeat`."""

    exchange: str
    symbol: str
    trade_id: str
    ts: Time
    origin: Origin = "live"
    seq: Literal[0] = 0
    side: None = None
    price: None = None
    quantity: None = None


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """What could not be used on the way to ``topic``, where it came from, why. See :func:`dead_letter`."""

    topic: str
    id: str
    payload_base64: str
    reason: str
    source: str
    position: str
    occurred_at: Time


class TrainingRequest(msgspec.Struct, frozen=True, gc=False):
    """Why a training of a registered model is wanted. ``reason`` is the name of the alert that began it, or words."""

    request_id: str
    model_name: str
    reason: str
    evidence: dict[str, object]
    requested_at: Time


_encoder = msgspec.json.Encoder()
_trade_decoder: msgspec.json.Decoder[Trade | Heartbeat] = msgspec.json.Decoder(Trade | Heartbeat)
_dead_letter_decoder = msgspec.json.Decoder(DeadLetter)
_training_request_decoder = msgspec.json.Decoder(TrainingRequest)


def encode(record: msgspec.Struct) -> bytes:
    """Return the JSON bytes of a record."""
    return _encoder.encode(record)


def decode_trade(value: bytes | None) -> Trade | Heartbeat:
    """Read a record of topic ``trades``.

    Raises:
        MalformedMessageError: not such a record.
    """
    return decode_record(_trade_decoder, value)


def decode_dead_letter(value: bytes | None) -> DeadLetter:
    """Read a record of a ``.dlq`` topic.

    Raises:
        MalformedMessageError: not such a record.
    """
    return decode_record(_dead_letter_decoder, value)


def decode_training_request(value: bytes | None) -> TrainingRequest:
    """Read a record of topic ``training_requests``.

    Raises:
        MalformedMessageError: not such a record.
    """
    return decode_record(_training_request_decoder, value)


def decode_record(decoder: msgspec.json.Decoder[T], value: bytes | None) -> T:
    """Read a record that a decoder knows.

    Raises:
        MalformedMessageError: not such a record; the text says where.
    """
    if value is None:
        raise MalformedMessageError("empty message")
    try:
        return decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessageError(str(error)) from None


def market_key(exchange: str, symbol: str) -> str:
    """Return the message key of a market; trades and heartbeats of one market keep their order through it."""
    return f"{exchange}|{symbol}"


def to_message(record: Trade | Heartbeat, *, append_ts: datetime | None = None) -> Message:
    """Return the message of topic ``trades`` for a record."""
    return Message(_encoder.encode(record), f"{record.exchange}|{record.symbol}", None, append_ts)


def to_messages(records: Iterable[Trade | Heartbeat]) -> list[Message]:
    """Return the messages of topic ``trades`` for records, in order."""
    encode_one = _encoder.encode
    return [Message(encode_one(r), f"{r.exchange}|{r.symbol}") for r in records]


def training_request_message(request: TrainingRequest) -> Message:
    """Return the message of topic ``training_requests``."""
    return Message(_encoder.encode(request), request.model_name)


def heartbeat(exchange: str, symbol: str, ts: datetime, origin: Origin = "live") -> Heartbeat:
    """Return the heartbeat of a market at ``ts``; equal moments, in whatever zone, give equal records."""
    return Heartbeat(exchange, symbol, f"hb:{format_time(ts)}", ts.astimezone(UTC), origin)


def format_time(ts: datetime) -> str:
    """Return ISO-8601 in UTC with six decimals and ``Z``.

    Raises:
        ValueError: ``ts`` has no time zone.
    """
    if ts.tzinfo is None:
        raise ValueError(f"{ts} has no time zone")
    return ts.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def dead_letter_id(source: str, position: str, payload: bytes) -> str:
    """Return the id of a rejected piece of input: the same input gives the same id at every attempt.

    It is the SHA-256 of source, position and bytes; lengths go in first, so that moving a character from one
    part to the next gives another id.
    """
    where = f"{len(source)}:{source}{len(position)}:{position}"
    return hashlib.sha256(where.encode("utf-8", "surrogatepass") + payload).hexdigest()


def dead_letter(
    topic: str, payload: bytes | None, *, reason: str, source: str, position: str, occurred_at: datetime
) -> DeadLetter:
    """Build the record that goes to ``<topic>.dlq``.

    Args:
        topic: the topic the payload was meant for.
        payload: the bytes as they came; None as an empty message.
        reason: complete sentence: what was found, what was expected.
        source: the feed, file or topic it came from.
        position: where in the source: a line, an offset, a message number.
        occurred_at: when it was rejected, with time zone.
    """
    payload = payload or b""
    return DeadLetter(
        topic=topic.removesuffix(DEAD_LETTER_SUFFIX),
        id=dead_letter_id(source, position, payload),
        payload_base64=base64.b64encode(payload).decode("ascii"),
        reason=reason,
        source=source,
        position=position,
        occurred_at=occurred_at.astimezone(UTC),
    )
