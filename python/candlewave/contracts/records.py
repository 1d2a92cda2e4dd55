"""The record of every topic, once: JSON on the wire, prices as strings, times in UTC with ``Z``.

``key`` is the key of a record's message: messages of one key keep their order. Decoding checks types and presence;
what a usable trade or article is (known symbol, positive price, plausible time) is its publisher's business. The
topics themselves are in :mod:`candlewave.contracts.topics`.
"""

import base64
import hashlib
import struct
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeVar

import msgspec

from candlewave.contracts.topics import DEAD_LETTER_SUFFIX
from candlewave.core.errors import CandlewaveError
from candlewave.core.markets import market_key
from candlewave.core.times import format_time, to_us

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with a time zone, microseconds."""

Side = Literal["buy", "sell"]
BASELINE = "baseline"
"""Model name of the last-price baseline, which no model may have: forecasts of both would have the same key."""

Origin = Literal["live", "backfill", "replay"]
Role = Literal["champion", "challenger", "baseline"]
ModelEventKind = Literal["training", "failed", "registered", "promoted", "rejected", "confirmed", "rolled_back"]
"""``training`` and ``failed`` are of a training, which has no version yet: its ``model_version`` is empty."""
Severity = Literal["info", "warning", "critical"]
AlertStatus = Literal["firing", "resolved"]

T = TypeVar("T", bound=msgspec.Struct)


class MalformedMessageError(CandlewaveError, ValueError):
    """Bytes that are not the expected record; the text is the reason for a dead letter."""


class Trade(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="trade"):
    """A record of topic ``trades``: one trade.

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

    @property
    def key(self) -> str:
        """The market: its trades and heartbeats keep their order."""
        return market_key(self.exchange, self.symbol)


class Heartbeat(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="heartbeat"):
    """A record of topic ``trades``: the feed of a market was alive at ``ts``, so a quiet market's candles can close.

    See :func:`heartbeat`.
    """

    exchange: str
    symbol: str
    trade_id: str
    ts: Time
    origin: Origin = "live"
    seq: Literal[0] = 0
    side: None = None
    price: None = None
    quantity: None = None

    @property
    def key(self) -> str:
        """The market."""
        return market_key(self.exchange, self.symbol)


class LoadedCandle(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A record of topic ``loaded_candles``: a one-minute candle as an exchange or an archive gives it.

    Prices and amounts are exact decimals in text. None means that the source does not tell, never zero.

    Attributes:
        open_time: a full minute; the candle must be over.
        volume: in units of the base asset; 0 for a minute that the source lists without a trade.
        turnover: sum of price times quantity, in units of the quote asset.
        trades: number of trades.
        buy_volume: volume that takers bought.
        source: where from, such as ``rest`` or ``archive``.
        loaded_at: when its load began, one moment for all candles of a load. Of two candles of a minute the one
            loaded later counts; a repetition within a load is the same row.
    """

    exchange: str
    symbol: str
    open_time: Time
    open: str
    high: str
    low: str
    close: str
    volume: str
    turnover: str | None = None
    trades: int | None = None
    buy_volume: str | None = None
    source: str
    loaded_at: Time

    @property
    def key(self) -> str:
        """The market."""
        return market_key(self.exchange, self.symbol)


class Conflict(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="conflict"):
    """A record of topic ``trades``: a trade whose id another trade of its market had used before.

    The first trade of an id wins, so this one is kept under an id of its own, in no candle. See :func:`conflict`.
    """

    exchange: str
    symbol: str
    trade_id: str
    seq: int
    ts: Time
    price: str
    quantity: str
    side: Side | None
    origin: Origin

    @property
    def key(self) -> str:
        """The market."""
        return market_key(self.exchange, self.symbol)


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """A record of a topic ``….dlq``: what could not be used on the way to ``topic``, where it came from, why.

    See :func:`dead_letter`.
    """

    topic: str
    id: str
    payload_base64: str
    reason: str
    source: str
    position: str
    occurred_at: Time

    @property
    def key(self) -> str:
        """The source: its rejects keep their order."""
        return self.source


class Article(msgspec.Struct, frozen=True, kw_only=True):
    """A record of topic ``news``.

    Attributes:
        article_id: the same for the same address, see :func:`candlewave.services.sentiment.articles.article_id`.
        url: canonical address, empty if the source gives none.
        title, summary: plain text.
        source: name of the source in the configuration.
        lang: ISO 639-1, ``und`` if unknown.
        published_at: as the source says, never later than ``fetched_at``; None when it is unknown.
        fetched_at: when this program saw it first.
        tags: tickers that the source attached.
    """

    article_id: str
    url: str
    title: str
    summary: str
    source: str
    lang: str
    published_at: Time | None
    fetched_at: Time
    tags: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The article."""
        return self.article_id


class AssetScore(msgspec.Struct, frozen=True, kw_only=True):
    """A record of topic ``news_sentiment``: what an article means for one asset.

    Attributes:
        score: in [-1, 1].
        confidence, relevance: in [0, 1].
        event_type: such as listing, hack, regulation; ``other`` if none was recognised.
        extractor: ``llm``, ``offline``, or ``fallback``: offline because the language model failed.
        extractor_version: which model and prompt, or which lexicon.
        published_at: the article's; the score of an article of unknown age never counts in a feature.
        scored_at: when the score became available.
    """

    article_id: str
    asset: str
    score: float
    confidence: float
    relevance: float
    event_type: str
    extractor: str
    extractor_version: str
    published_at: Time | None
    fetched_at: Time
    scored_at: Time

    @property
    def key(self) -> str:
        """The asset."""
        return self.asset


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """A record of topic ``predictions``; quantiles are log returns."""

    exchange: str
    symbol: str
    horizon_minutes: int
    feature_time: Time
    target_time: Time
    model_name: str
    model_version: str
    role: Role
    q10: float
    q50: float
    q90: float
    price_q10: float
    price_q50: float
    price_q90: float
    reference_price: float
    made_at: Time

    @property
    def key(self) -> str:
        """The market."""
        return market_key(self.exchange, self.symbol)


class PredictionInput(msgspec.Struct, frozen=True, gc=False):
    """A record of topic ``prediction_inputs``: the features of a minute exactly as the models got them."""

    exchange: str
    symbol: str
    feature_time: Time
    feature_set: str
    values: dict[str, float | None]
    made_at: Time

    @property
    def key(self) -> str:
        """The market."""
        return market_key(self.exchange, self.symbol)


class FeatureReference(msgspec.Struct, frozen=True, gc=False):
    """A record of topic ``feature_reference``: nine inner edges of ten buckets; shares, the first of missing values."""

    model_version: str
    feature: str
    edges: list[float]
    shares: list[float]

    @property
    def key(self) -> str:
        """The version."""
        return self.model_version


class BaselineSpread(msgspec.Struct, frozen=True, gc=False):
    """A record of topic ``baseline_spreads``: how wide the baseline's interval is, as one training found it.

    ``exchange`` and ``symbol`` are empty for all markets together, which holds for those without a row of their own
    and is published last: where it is, the version is whole. ``low`` and ``high`` are in units of the feature
    ``volatility`` times the square root of the horizon.
    """

    baseline_version: str
    exchange: str
    symbol: str
    horizon_minutes: int
    volatility: str
    low: float
    high: float
    trained_until: Time

    @property
    def key(self) -> str:
        """The version."""
        return self.baseline_version


class TrainingRequest(msgspec.Struct, frozen=True, gc=False):
    """A record of topic ``training_requests``: why a training of a registered model is requested.

    ``reason`` is the name of the alert that began it, or words. With ``urgent`` in the evidence the trainer keeps no
    pause after the last training: the champion cannot be used.
    """

    request_id: str
    model_name: str
    reason: str
    evidence: dict[str, object]
    requested_at: Time

    @property
    def is_urgent(self) -> bool:
        """Whether it is not to wait until some time has passed since the last training."""
        return self.evidence.get("urgent") is True

    @property
    def key(self) -> str:
        """The model."""
        return self.model_name


class ModelEvent(msgspec.Struct, frozen=True, gc=False):
    """A record of topic ``model_events``."""

    event_id: str
    model_name: str
    model_version: str
    event: ModelEventKind
    reason: str
    occurred_at: Time

    @property
    def key(self) -> str:
        """The model."""
        return self.model_name


class AlertRecord(msgspec.Struct, frozen=True, gc=False):
    """A record of topic ``alerts``: an alert began to fire, or ended."""

    fingerprint: str
    rule: str
    severity: Severity
    labels: dict[str, str]
    value: float
    status: AlertStatus
    occurred_at: Time

    @property
    def key(self) -> str:
        """The alert."""
        return self.fingerprint


Record = (
    Trade
    | Heartbeat
    | Conflict
    | LoadedCandle
    | DeadLetter
    | Article
    | AssetScore
    | Prediction
    | PredictionInput
    | FeatureReference
    | BaselineSpread
    | TrainingRequest
    | ModelEvent
    | AlertRecord
)
"""A record of any topic."""

_encoder = msgspec.json.Encoder()


def encode(record: Record) -> bytes:
    """Return the JSON bytes of a record."""
    return _encoder.encode(record)


def decode(kind: type[T], value: bytes | None) -> T:
    """Read a record of a kind.

    Raises:
        MalformedMessageError: not such a record; the text says where.
    """
    if value is None:
        raise MalformedMessageError("empty message")
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessageError(str(error)) from None
    except RecursionError:
        raise MalformedMessageError("it is nested too deep") from None


def heartbeat(exchange: str, symbol: str, ts: datetime, origin: Origin = "live") -> Heartbeat:
    """Return the heartbeat of a market at ``ts``; equal moments give equal records, in any zone."""
    return Heartbeat(exchange, symbol, f"hb:{format_time(ts)}", ts.astimezone(UTC), origin)


USED_ID = "used:"
"""Begins the ids of conflicts; no trade's id may begin so."""

RENUMBERED_ID = "r:"
"""Begins the ids of trades whose market counts anew."""

RENUMBERED_AFTER = timedelta(days=1)
"""Trades of one id that are so far apart belong to two numberings: a market that was listed again, or two archives."""


def renumbered(trade: Trade, stored_ts: object) -> Trade | None:
    """Return a trade under the id that it gets where its own is used by a trade of another numbering.

    That id is ``r:<time>:<id>``, so the same trade always gets the same one, wherever it comes from. The embedded
    engine makes it in SQL.

    Args:
        trade: a trade whose id belongs to another trade.
        stored_ts: the time of that one.

    Returns:
        None when both are of one numbering by their times, and the trade is a conflict.
    """
    if not isinstance(stored_ts, datetime) or abs(trade.ts - stored_ts) < RENUMBERED_AFTER:
        return None
    return msgspec.structs.replace(trade, trade_id=f"{RENUMBERED_ID}{format_time(trade.ts)}:{trade.trade_id}")


def conflict(trade: Trade) -> Conflict:
    """Return the record of a trade whose id was used before; the same trade gives the same record.

    Its id is ``used:<id>:<digest>``, the first 16 hexadecimal digits of the SHA-256 of time (microseconds since 1970,
    64 bits), price, quantity (IEEE doubles) and side; numbers begin with their highest byte. The embedded engine makes
    the same id in SQL.
    """
    content = struct.pack(">qdd", to_us(trade.ts), float(trade.price), float(trade.quantity))
    digest = hashlib.sha256(content + (trade.side or "").encode()).hexdigest()[:16]
    return Conflict(
        trade.exchange,
        trade.symbol,
        f"{USED_ID}{trade.trade_id}:{digest}",
        trade.seq,
        trade.ts,
        trade.price,
        trade.quantity,
        trade.side,
        trade.origin,
    )


MAX_DEAD_PAYLOAD = 65_536
"""Bytes of a rejected payload that a dead letter keeps, so that what was too large for a topic fits into its own."""


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
        payload: the bytes as they came, of which 64 KiB are kept; None as an empty message.
        reason: complete sentence: what was found, what was expected; the length of a cut payload is added.
        source: the feed, file or topic it came from.
        position: where in the source: a line, an offset, a message number.
        occurred_at: when it was rejected, with time zone.
    """
    payload = payload or b""
    if len(payload) > MAX_DEAD_PAYLOAD:
        reason = f"{reason} (the first {MAX_DEAD_PAYLOAD:,} of {len(payload):,} bytes are kept)"
    return DeadLetter(
        topic=topic.removesuffix(DEAD_LETTER_SUFFIX),
        id=dead_letter_id(source, position, payload),
        payload_base64=base64.b64encode(payload[:MAX_DEAD_PAYLOAD]).decode("ascii"),
        reason=_storable(reason),
        source=_storable(source),
        position=_storable(position),
        occurred_at=occurred_at.astimezone(UTC),
    )


def _storable(text: str) -> str:
    """Return text that JSON in UTF-8 and PostgreSQL can hold: foreign text may have NUL and half surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
