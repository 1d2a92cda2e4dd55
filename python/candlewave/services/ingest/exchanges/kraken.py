"""Kraken's own forms: its names of markets, frames of its websocket v2, and rows of its REST trades.

ccxt reads a frame of Kraken's trade channel as a whole, under one symbol; here each trade stands for itself.
"""

from typing import Any

import ccxt

from candlewave.core.times import from_us
from candlewave.services.ingest.exchanges.id_order import running_id
from candlewave.services.ingest.exchanges.reception import Reception, is_passing
from candlewave.services.ingest.records import Garbage, RawTrade, payload_bytes
from candlewave.services.ingest.validate import RejectedTradeError, epoch_us

_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
"""Assets that the websocket calls otherwise than the REST API."""


class SymbolRefusedError(ccxt.BadSymbol):  # type: ignore[misc]
    """Wakes whoever waits for a symbol that was refused; the refusal itself was handed over already."""


def own_name(symbol: str, market: dict[str, Any]) -> str:
    """Return what the websocket calls a market: its LUNA is the coin that its REST API through ccxt calls LUNC."""
    name = market["info"].get("wsname") or symbol
    return "/".join(_NAMES.get(part, part) for part in name.split("/"))


def take_frame(reception: Reception, client: Any, message: Any) -> None:
    """Read a frame of the trade channel, each trade by itself and under its own symbol."""
    data = message.get("data")
    if not isinstance(data, list):
        reception.record(Garbage(payload_bytes(message), "trade frame without a list of trades"))
        return
    snapshot = message.get("type") == "snapshot"
    for trade in sorted(data, key=_order):
        reception.take(lambda trade=trade: read_trade(reception, trade, snapshot), trade)  # type: ignore[misc]
    for symbol in reception.own_names.values():
        client.resolve(None, f"trade@{symbol}")


def read_trade(reception: Reception, trade: Any, snapshot: bool) -> RawTrade | Garbage:
    """Read one trade of a frame."""
    payload = payload_bytes(trade)
    if not isinstance(trade, dict):
        return Garbage(payload, "trade is not an object")
    own, identity, ts, price, quantity, side = map(
        trade.get, ("symbol", "trade_id", "timestamp", "price", "qty", "side")
    )
    symbol = reception.own_names.get(own, own) if isinstance(own, str) else own
    return RawTrade(symbol, identity, ts, price, quantity, side, payload, snapshot)


def take_answer(reception: Reception, client: Any, message: Any) -> bool:
    """Drop a symbol that is refused; any other error ends the watch, which ccxt would let wait indefinitely.

    Returns:
        Whether ccxt should go on with the message.
    """
    error = message.get("error")
    if error is None:
        if message.get("method") == "subscribe" and message.get("success") is True:
            own = (message.get("result") or {}).get("symbol")
            if own in reception.own_names:
                reception.served(reception.own_names[own])
        return True
    if message.get("method") == "unsubscribe":
        return False  # it was not subscribed to any more
    text = f"kraken refused {message.get('method')}: {error}"
    named = [reception.own_names[own] for own in [message.get("symbol")] if own in reception.own_names]
    named = named or reception.named_in(str(error))
    if not named or is_passing(str(error)):
        client.reject(ccxt.ExchangeError(text))
        return False
    for symbol in named:
        reception.refuse(symbol, text)
        client.reject(SymbolRefusedError(text), f"trade@{symbol}")
    return False


async def fetch_trades(client: Any, market: str, since: int | None, count: int) -> tuple[list[Any], int]:
    """Return rows after ``since`` (ns, exclusive), the newest ones without, and the time of the last.

    Raises:
        ccxt.BaseError: the exchange refuses, cannot be reached, or answers something else.
    """
    begin = {} if since is None else {"since": str(since)}
    response = await client.publicGetTrades({"pair": market, **begin, "count": count})
    try:
        result = response["result"]
        rows = next(value for key, value in result.items() if key != "last")
        return list(rows), int(result["last"])
    except (TypeError, KeyError, StopIteration, ValueError, AttributeError) as error:
        raise ccxt.BadResponse(f"kraken Trades: {str(response)[:200]!r} is not the documented answer") from error


def read_row(symbol: str, row: Any) -> RawTrade | Garbage:
    """Read a row of the REST trades."""
    payload = payload_bytes(row)
    if not isinstance(row, list) or len(row) < 7:
        return Garbage(payload, "trade is not a list of price, quantity, time, side, kind, notes and id")
    side = {"b": "buy", "s": "sell"}.get(str(row[3]), row[3])
    return RawTrade(symbol, row[6], _time(row[2]), row[0], row[1], side, payload)


def place(record: RawTrade | Garbage) -> int:
    """Return where a record stands among others; what has no id comes first."""
    number = running_id(record.trade_id) if isinstance(record, RawTrade) else None
    return -1 if number is None else number


def _order(trade: Any) -> int:
    identity = trade.get("trade_id") if isinstance(trade, dict) else None
    return identity if isinstance(identity, int) else 0


def _time(value: Any) -> object:
    try:
        return from_us(epoch_us(str(value), 1_000_000))
    except RejectedTradeError:
        return str(value)
