"""One validator for every source of trades: views need not reject anything that it accepts.

A refusal is a value, not an exception, because bad input never stops a stream.
"""

import math
import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from candlewave.contracts.records import USED_ID, Origin, Side, Trade
from candlewave.core.errors import CandlewaveError
from candlewave.core.markets import normalise_symbol
from candlewave.core.times import EPOCH, utc_now
from candlewave.services.ingest.records import Garbage, RawTrade

FUTURE = timedelta(seconds=2)
"""How far a trade's time may be ahead of its receipt; the views use the same bound."""

_PLAIN_NUMBER = re.compile(r"[0-9]{1,30}(?:\.[0-9]{1,30})?").fullmatch
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?").fullmatch
_EXCHANGE = re.compile(r"[a-z0-9_]+").fullmatch
MIN_NUMBER, MAX_NUMBER = 1e-30, 1e30
"""Of prices and quantities; what indicators make of larger and smaller ones leaves the range of a double."""
_BIGINT = 2**63
_LONGEST = 200
_LATEST_US = 253_402_300_799_999_999


@dataclass(frozen=True, slots=True)
class Reject:
    """Why a record cannot be a trade.

    Attributes:
        code: one of few words, for counting.
        text: the whole reason: what was found and what was expected.
    """

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that cannot be a trade.

    Attributes:
        source: the file or feed it came from.
        position: where in the source, such as ``line 12``.
        payload: its bytes.
        reject: why.
    """

    source: str
    position: str
    payload: bytes
    reject: Reject

    def __str__(self) -> str:
        """Say where and why in one line."""
        return f"{self.source}, {self.position}: {self.reject.text}"


class RejectedTradeError(CandlewaveError):
    """A field cannot be read; carries the :class:`Reject`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.reject = Reject(code, text)


class Validator:
    """Check records of one exchange and make trades of them.

    Args:
        exchange: name as in ``candlewave.toml``.
        symbols: the known symbols; None accepts any that is well-formed.
        origin: the path the records come by.

    Raises:
        ValueError: the exchange's name has other characters than a-z, 0-9 and _.
    """

    def __init__(self, exchange: str, symbols: Container[str] | None, origin: Origin) -> None:
        if not _EXCHANGE(exchange):
            raise ValueError(f"exchange name {exchange!r} must consist of a-z, 0-9 and _")
        self.exchange = exchange
        self._symbols = symbols
        self._origin = origin

    def check(
        self,
        *,
        symbol: object,
        trade_id: object,
        ts: object,
        price: object,
        quantity: object,
        side: object,
        received_at: datetime,
        seq: int | None = None,
    ) -> Trade | Reject:
        """Return the trade, or the first reason against it.

        Args:
            symbol: BTC/USD; BTC-USD and lower case are accepted.
            trade_id: text or number, unique within exchange and symbol.
            ts: event time: a datetime with a zone, or ISO-8601 text with a zone.
            price: a positive decimal number, as text to keep it exact.
            quantity: likewise.
            side: the taker's, buy or sell; None or empty when the source does not say.
            received_at: when the record was received, with a zone.
            seq: order among trades of equal time; taken from a numeric ``trade_id`` when None.
        """
        try:
            known = self._symbol(symbol)
            identity = _identity(trade_id)
            if seq is None:
                seq = sequence(identity)
            return Trade(
                exchange=self.exchange,
                symbol=known,
                trade_id=identity,
                seq=seq,
                ts=_event_time(ts, received_at),
                side=_side(side),
                price=positive("price", price),
                quantity=positive("quantity", quantity),
                origin=self._origin,
            )
        except RejectedTradeError as refused:
            return refused.reject

    def _symbol(self, symbol: object) -> str:
        if symbol is None or symbol == "":
            raise RejectedTradeError("no_symbol", "no symbol")
        name = normalise_symbol(symbol) if isinstance(symbol, str) else None
        if name is None:
            raise RejectedTradeError("bad_symbol", f"symbol {_shown(symbol)} is not of the form BASE/QUOTE")
        if self._symbols is not None and name not in self._symbols:
            raise RejectedTradeError("unknown_symbol", f"symbol {name} of {self.exchange} is not configured")
        return name


class TradeChecker:
    """Make validated trades of what an exchange's API or feed gives.

    Args:
        exchange: name as in ``candlewave.toml``.
        symbols: the known symbols.
        clock: when a record counts as received.
    """

    def __init__(self, exchange: str, symbols: set[str], clock: Callable[[], datetime] = utc_now) -> None:
        self._exchange = exchange
        self._validator = Validator(exchange, symbols, "backfill")
        self._clock = clock

    def check(self, raw: RawTrade | Garbage) -> Trade | BadRecord:
        """Return the trade, or why it is rejected."""
        if isinstance(raw, Garbage):
            return BadRecord(f"{self._exchange} REST", "page of trades", raw.payload, Reject("unreadable", raw.reason))
        checked = check_raw(self._validator, raw, self._clock())
        if isinstance(checked, Reject):
            return BadRecord(f"{self._exchange} REST", f"trade {raw.trade_id}", raw.payload, checked)
        return checked


def check_raw(validator: Validator, raw: RawTrade, received_at: datetime) -> Trade | Reject:
    """Validate an exchange's trade; ids that are not numbers are ordered as text among trades of equal time."""
    identity = raw.trade_id
    numeric = isinstance(identity, int) or (isinstance(identity, str) and identity.isascii() and identity.isdigit())
    return validator.check(
        symbol=raw.symbol,
        trade_id=identity,
        ts=raw.ts,
        price=raw.price,
        quantity=raw.quantity,
        side=raw.side,
        received_at=received_at,
        seq=None if numeric else 0,
    )


def sequence(trade_id: str) -> int:
    """Return a numeric id as an order among trades of equal time.

    Raises:
        RejectedTradeError: the id is not a number below 2^63; such sources number trades themselves and pass ``seq``.
    """
    if trade_id.isascii() and trade_id.isdigit() and int(trade_id) < _BIGINT:
        return int(trade_id)
    raise RejectedTradeError("bad_trade_id", f"trade id {_shown(trade_id)} is not a number below 2^63")


def positive(name: str, value: object) -> str:
    """Return a positive, finite number as plain decimal text, exactly as given.

    Raises:
        RejectedTradeError: it is missing, no number, not finite, not positive, or out of range.
    """
    text = value if isinstance(value, str) else _number_text(value)
    if _PLAIN_NUMBER(text) and float(text) > 0:
        return text
    text = text.strip()
    if not text:
        raise RejectedTradeError(f"no_{name}", f"no {name}")
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise RejectedTradeError(f"{name}_not_finite", f"{name} {_shown(text)} is not finite")
    if not _NUMBER(text) or len(text) > _LONGEST:
        raise RejectedTradeError(f"bad_{name}", f"{name} {_shown(value)} is not a decimal number")
    number = float(text)
    if number <= 0:
        raise RejectedTradeError(f"{name}_not_positive", f"{name} {_shown(text)} is not positive")
    if math.isinf(number):
        raise RejectedTradeError(f"{name}_not_finite", f"{name} {_shown(text)} is too large")
    if not MIN_NUMBER <= number <= MAX_NUMBER:
        expected = f"expected {MIN_NUMBER:g} to {MAX_NUMBER:g}"
        raise RejectedTradeError(f"{name}_out_of_range", f"{name} {_shown(text)} is out of range: {expected}")
    try:
        return format(Decimal(text), "f").lstrip("+")
    except InvalidOperation:
        raise RejectedTradeError(f"bad_{name}", f"{name} {_shown(value)} is not a decimal number") from None


def amount(name: str, value: object) -> str:
    """As :func:`positive`, but zero is accepted.

    Raises:
        RejectedTradeError: it is missing, no number, not finite, negative, or beyond a double's range.
    """
    text = value if isinstance(value, str) else _number_text(value)
    if _PLAIN_NUMBER(text):
        return text
    if _NUMBER(text.strip()):
        number = float(text)
        if number < 0:
            raise RejectedTradeError(f"{name}_negative", f"{name} {_shown(text)} is negative")
        if number == 0:
            return "0"
    return positive(name, value)


def _number_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(value)
    return f"?{type(value).__name__}"


def _identity(trade_id: object) -> str:
    if isinstance(trade_id, int) and not isinstance(trade_id, bool):
        trade_id = str(trade_id)
    if not isinstance(trade_id, str) or not trade_id.strip():
        raise RejectedTradeError("no_trade_id", "trade id is missing, or not a string or integer")
    identity = trade_id.strip()
    if len(identity) > _LONGEST or not identity.isprintable():
        raise RejectedTradeError("bad_trade_id", f"trade id {_shown(identity)} is too long or not printable")
    if identity.startswith(("hb:", USED_ID)):
        raise RejectedTradeError("bad_trade_id", f"trade id {_shown(identity)} is a heartbeat's or a conflict's")
    return identity


def _event_time(ts: object, received_at: datetime) -> datetime:
    if isinstance(ts, str):
        if not ts:
            raise RejectedTradeError("no_time", "no event time")
        try:
            ts = datetime.fromisoformat(ts)
        except ValueError:
            text = f"time {_shown(ts)} is not ISO-8601, such as 2026-01-31T12:00:00Z"
            raise RejectedTradeError("bad_time", text) from None
    if ts is None:
        raise RejectedTradeError("no_time", "no event time")
    if not isinstance(ts, datetime):
        raise RejectedTradeError("bad_time", f"time {_shown(ts)} is not a time")
    if ts.tzinfo is None:
        raise RejectedTradeError("bad_time", f"time {ts.isoformat()} has no time zone: write {ts.isoformat()}Z for UTC")
    if ts > received_at + FUTURE:
        receipt = f"its receipt at {received_at.isoformat()}"
        raise RejectedTradeError(
            "future_time", f"time {ts.isoformat()} is more than {FUTURE.seconds} s after {receipt}"
        )
    if ts < EPOCH:
        raise RejectedTradeError("bad_time", f"time {ts.isoformat()} is before 1970")
    return ts if ts.tzinfo is UTC else ts.astimezone(UTC)


def epoch_us(text: str, unit_us: int) -> int:
    """Return a decimal number of units since 1970 as microseconds, cutting what is finer.

    Raises:
        RejectedTradeError: no number, or no time before the year 10000.
    """
    whole, _, fraction = text.strip().partition(".")
    if not (whole.isascii() and whole.isdigit()) or (fraction and not (fraction.isascii() and fraction.isdigit())):
        raise RejectedTradeError("bad_time", f"time {text[:40]!r} is not a number of seconds, ms or µs since 1970")
    digits = len(str(unit_us)) - 1
    moment = int(whole) * unit_us + int((fraction[:digits]).ljust(digits, "0") or "0")
    if moment > _LATEST_US:
        raise RejectedTradeError("bad_time", f"time {text[:40]!r} is beyond the year 9999")
    return moment


def _side(side: object) -> Side | None:
    if side is None or side == "":
        return None
    word = side.strip().lower() if isinstance(side, str) else None
    if word == "buy":
        return "buy"
    if word == "sell":
        return "sell"
    raise RejectedTradeError("bad_side", f"side {_shown(side)} is neither buy nor sell")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
