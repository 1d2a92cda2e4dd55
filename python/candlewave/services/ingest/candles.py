"""One-minute candles of exchanges and files: what a usable one is, and what becomes of the others."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from candlewave.contracts.records import LoadedCandle
from candlewave.core.times import MINUTE, floor_to_minute, from_us, to_us
from candlewave.services.ingest.records import payload_bytes
from candlewave.services.ingest.validate import Reject, RejectedTradeError, amount, positive

MINUTE_US = 60_000_000
_ROUNDING = 1.000001
"""How far what exchanges add up may exceed the whole; the views use the same bound."""
_BIGINT = 2**63


class RawCandle(NamedTuple):
    """A candle as a source gives it, not validated; None and empty text where it does not tell.

    Attributes:
        open_us: opening time in microseconds since 1970.
        number: of its row in the source, from 1.
        payload: what the source has for it.
    """

    open_us: int
    open: object
    high: object
    low: object
    close: object
    volume: object
    turnover: object
    trades: object
    buy_volume: object
    number: int
    payload: object

    @property
    def payload_bytes(self) -> bytes:
        """What the source has for it, as bytes; made only for the few that are refused."""
        return payload_bytes(self.payload)


class Quiet(NamedTuple):
    """A minute that a source lists without a trade: it is no candle, but says that there was nothing to miss."""

    minute: datetime


class CandleChecker:
    """Make validated records of the candles of one market: views need not reject anything that it accepts.

    Args:
        exchange, symbol: the market.
        source: ``rest`` or ``archive``.
        loaded_at: when the load began.
        now: minutes that are not over by then are refused.
    """

    def __init__(self, exchange: str, symbol: str, source: str, loaded_at: datetime, now: datetime) -> None:
        self._exchange = exchange
        self._symbol = symbol
        self._source = source
        self._loaded_at = loaded_at
        self._now = now
        self._newest_us = to_us(floor_to_minute(now) - MINUTE)

    def is_over(self, open_us: int) -> bool:
        """Return whether a time is the beginning of a minute that is over."""
        return not open_us % MINUTE_US and 0 <= open_us <= self._newest_us

    def check(self, raw: RawCandle) -> LoadedCandle | Quiet | Reject:
        """Return the candle, that its minute was quiet, or the first reason against it."""
        try:
            if not self.is_over(raw.open_us):
                raise self._wrong_minute(raw.open_us)
            numbers = _usual(raw)
            volume = amount("volume", raw.volume) if numbers is None else numbers[4]
            trades = _count(raw.trades)
            if not trades and float(volume) == 0:
                return Quiet(from_us(raw.open_us))
            if trades == 0:
                raise RejectedTradeError("volume_without_trade", f"volume {volume} but no trade")
            prices = numbers or _prices(raw)
            bought = _optional("buy_volume", raw.buy_volume)
            if bought is not None and float(bought) > float(volume) * _ROUNDING:
                raise RejectedTradeError("buy_volume_too_large", f"buy_volume {bought} exceeds the volume of {volume}")
            return LoadedCandle(
                exchange=self._exchange,
                symbol=self._symbol,
                open_time=from_us(raw.open_us),
                open=prices[0],
                high=prices[1],
                low=prices[2],
                close=prices[3],
                volume=volume,
                turnover=_optional("turnover", raw.turnover),
                trades=trades,
                buy_volume=bought,
                source=self._source,
                loaded_at=self._loaded_at,
            )
        except RejectedTradeError as refused:
            return refused.reject

    def _wrong_minute(self, open_us: int) -> RejectedTradeError:
        moment = from_us(open_us).isoformat()
        if open_us % MINUTE_US:
            return RejectedTradeError("not_a_minute", f"open time {moment} is not the beginning of a minute")
        if open_us < 0:
            return RejectedTradeError("bad_time", f"open time {moment} is before 1970")
        return RejectedTradeError(
            "not_over", f"the minute of {moment} was not over when it was read at {self._now:%Y-%m-%dT%H:%M:%SZ}"
        )


_USUAL = re.compile(r"(?:[0-9]{1,15}(?:\.[0-9]{1,25})?;){5}").fullmatch


def _usual(raw: RawCandle) -> list[str] | None:
    """Return prices and volume as text if they are written as usual and agree; None asks to look at each by itself."""
    numbers = [value if type(value) is str else repr(value) for value in raw[1:6]]
    if not _USUAL(";".join(numbers) + ";"):
        return None
    open_, high, low, close = map(float, numbers[:4])
    return numbers if 0 < low <= open_ <= high and low <= close <= high else None


def _prices(raw: RawCandle) -> list[str]:
    prices = [positive(name, getattr(raw, name)) for name in ("open", "high", "low", "close")]
    open_, high, low, close = map(float, prices)
    if low <= open_ <= high and low <= close <= high:
        return prices
    raise RejectedTradeError(
        "prices_disagree", f"open {open_} and close {close} are not between low {low} and high {high}"
    )


def _absent(value: object) -> bool:
    """Return whether a source does not tell; NaN is how columns of numbers say so."""
    return value is None or value == "" or value != value


def _optional(name: str, value: object) -> str | None:
    return None if _absent(value) else amount(name, value)


def _count(value: object) -> int | None:
    if _absent(value):
        return None
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    text = amount("trades", value)
    number = Decimal(text)
    if number != number.to_integral_value() or number >= _BIGINT:
        raise RejectedTradeError("bad_trades", f"trades {text[:60]} is not a whole number below 2^63")
    return int(number)


# -- what exchanges tell beyond open, high, low, close and volume -----------------------------------------------

Extras = tuple[object, object, object]
"""Turnover, number of trades, volume that takers bought."""


def extras(ccxt_id: str, inverse: bool, sent: Any) -> Extras:
    """Return what an exchange's row says beyond ccxt's form; None where it does not say or is not known to.

    Args:
        ccxt_id: the exchange's class in ccxt.
        inverse: whether the market is a contract that is paid in its base.
        sent: the row as the exchange sent it.
    """
    read = _EXTRAS.get(ccxt_id)
    if read is None or not isinstance(sent, Sequence) or isinstance(sent, str):
        return None, None, None
    return read([*sent, *[None] * 12], inverse)


def _kraken(row: list[Any], _inverse: bool) -> Extras:
    """Kraken: time, open, high, low, close, average price by volume, volume, count."""
    return _product(row[5], row[6]), row[7], None


def _binance(row: list[Any], inverse: bool) -> Extras:
    """Binance: time, open, high, low, close, volume, close time, turnover, count, taker's volume, its turnover.

    Contracts that are paid in their base count volume in contracts, and where turnover is have the volume in the base.
    """
    return (None, row[8], row[10]) if inverse else (row[7], row[8], row[9])


def _bybit(row: list[Any], inverse: bool) -> Extras:
    """Bybit: time, open, high, low, close, volume, turnover."""
    return None if inverse else row[6], None, None


_EXTRAS: dict[str, Callable[[list[Any], bool], Extras]] = {
    "kraken": _kraken,
    "binance": _binance,
    "binanceus": _binance,
    "bybit": _bybit,
}


def _product(price: Any, volume: Any) -> str | None:
    """Return average price times volume, the turnover up to the rounding of the average."""
    try:
        product = Decimal(str(price)) * Decimal(str(volume))
    except InvalidOperation:
        return None
    return format(product, "f") if product.is_finite() else None
