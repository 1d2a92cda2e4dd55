"""Records of exchanges before validation, and errors of asking for them."""

import json
from dataclasses import dataclass

from candlewave.core.errors import CandlewaveError


@dataclass(frozen=True, slots=True)
class RawTrade:
    """A trade as an exchange gave it, not validated.

    Attributes:
        symbol, trade_id, ts, price, quantity, side: arguments of :meth:`Validator.check`.
        payload: what the exchange sent for it, as JSON bytes.
        snapshot: True when it happened before the subscription and was sent along with it.
    """

    symbol: object
    trade_id: object
    ts: object
    price: object
    quantity: object
    side: object
    payload: bytes
    snapshot: bool = False


@dataclass(frozen=True, slots=True)
class Garbage:
    """A frame or record that could not even be read as a trade."""

    payload: bytes
    reason: str


class UnknownExchangeError(CandlewaveError):
    """There is no profile for an exchange."""


class HistoryUnavailableError(CandlewaveError):
    """An exchange does not serve the requested history; the text says how far back it goes."""


class NoSymbolLeftError(CandlewaveError):
    """No exchange trades any of the configured symbols; the text says why for each."""


def payload_bytes(value: object) -> bytes:
    """Return what a source sent as bytes, as JSON where it is not bytes yet."""
    if isinstance(value, bytes):
        return value
    return json.dumps(value, default=repr, ensure_ascii=False).encode("utf-8", "surrogatepass")
