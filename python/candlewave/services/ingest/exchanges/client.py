"""ccxt's client of an exchange, with guards: one item that it cannot read leaves the others alone."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import ccxt
import ccxt.async_support
import ccxt.pro
from aiohttp import WSMsgType

from candlewave.core.times import from_us
from candlewave.services.ingest.exchanges import kraken
from candlewave.services.ingest.exchanges.profiles import Profile
from candlewave.services.ingest.exchanges.reception import Reception, unreadable
from candlewave.services.ingest.records import Garbage, RawTrade, payload_bytes
from candlewave.services.ingest.settings import IngestSettings, Mirror

UNREADABLE_ROWS: ContextVar[list[Garbage] | None] = ContextVar("unreadable_rows", default=None)
"""Takes the rows of the page now being asked for that ccxt cannot read."""
_NO_TRADE: dict[str, Any] = {"symbol": None, "id": None, "timestamp": None}
"""What ccxt goes on with when a trade of a frame cannot be read."""


def make_client(name: str, profile: Profile, reception: Reception, settings: IngestSettings) -> Any:
    """Return a client whose websocket hands trades to ``reception`` and whose REST keeps what it cannot read apart."""
    base = getattr(ccxt.pro, profile.ccxt_id, None) or getattr(ccxt.async_support, profile.ccxt_id)

    class Client(base):  # type: ignore[misc, valid-type]
        def client(self, url: str) -> Any:
            known = url in (self.clients or {})
            made = super().client(url)
            if not known:
                _guard(made, reception)
            return made

        def parse_ohlcvs(self, ohlcvs: Any, market: Any = None, *_filters: Any) -> list[list[Any]]:
            """Keep every row, with what was sent for it: ccxt drops those it cannot read, and further columns."""
            return [_candle_row(super(Client, self).parse_ohlcv, row, market) for row in ohlcvs or []]

        def parse_ws_trade(self, trade: Any, market: Any = None) -> Any:
            # Heard here: what ccxt resolves its waiters with would miss trades of other symbols.
            parsed = _NO_TRADE

            def read() -> RawTrade:
                nonlocal parsed
                parsed = super(Client, self).parse_ws_trade(trade, market)
                return read_trade(parsed, maker_side=profile.maker_side)

            reception.take(read, trade)
            return parsed

        def parse_trades(self, trades: Any, market: Any = None, *_others: Any, **_named: Any) -> list[Any]:
            if not isinstance(trades, list):
                raise ccxt.BadResponse(f"{name} trades: {str(trades)[:200]!r} is not a list")
            found = []
            for row in trades:
                try:
                    found.append(self.parse_trade(row, market))
                except Exception as error:
                    rows = UNREADABLE_ROWS.get()
                    if rows is None:
                        raise
                    rows.append(unreadable(row, error))
            return found

    if profile.ccxt_id == "bybit":
        Client.handle_trades = lambda client, socket, message: (
            base.handle_trades(client, socket, message)
            if isinstance(message.get("data"), list)
            else reception.record(Garbage(payload_bytes(message), "trade frame without a list of trades"))
        )
    if profile.ccxt_id == "kraken":
        Client.handle_trades = lambda _self, client, message: kraken.take_frame(reception, client, message)
        Client.handle_error_message = lambda _self, client, message: kraken.take_answer(reception, client, message)
    config: dict[str, Any] = {"enableRateLimit": True, "options": dict(profile.options)}
    if settings.request_interval_ms is not None:
        config["rateLimit"] = settings.request_interval_ms
    client = Client(config)
    client.number = str
    mirror = settings.exchange_urls.get(name)
    if mirror is not None:
        client.urls["api"] = _mirrored(client.urls["api"], mirror, ws=False)
    return client


def read_trade(trade: dict[str, Any], *, maker_side: bool) -> RawTrade:
    """Return a trade of ccxt's form with its time as near to the wire as possible, and the taker's side."""
    info = trade.get("info")
    ts: object = None
    text = trade.get("datetime")
    if isinstance(text, str) and text.endswith("Z"):
        ts = text
    elif isinstance(trade.get("timestamp"), int):
        ts = from_us(trade["timestamp"] * 1_000)
    fine = info.get("time") if isinstance(info, dict) else None
    if isinstance(fine, str) and fine.endswith("Z") and "T" in fine:
        ts = fine
    side = trade.get("side")
    if maker_side and isinstance(info, dict):
        side = {"buy": "sell", "sell": "buy"}.get(str(info.get("side")), info.get("side"))
    return RawTrade(
        trade.get("symbol"),
        trade.get("id"),
        ts,
        trade.get("price"),
        trade.get("amount"),
        side,
        payload_bytes(info if info is not None else trade),
    )


def _guard(connection: Any, reception: Reception) -> None:
    """Keep a frame that cannot be read from silently ending the connection's receive loop."""
    handle: Callable[[Any], None] = connection.handle_message

    def guarded(message: Any) -> None:
        if message.type == WSMsgType.TEXT and message.data[:1] not in ("{", "[") and message.data != "pong":
            reception.record(Garbage(message.data.encode("utf-8", "surrogatepass"), "frame is not JSON"))
            return
        try:
            handle(message)
        except Exception as error:  # noqa: BLE001 (whatever the library raises, it is this frame's)
            data = message.data if isinstance(message.data, str | bytes) else repr(message.data)
            payload = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
            reception.record(Garbage(payload, f"frame cannot be read: {type(error).__name__}: {error}"))

    connection.handle_message = guarded


def _candle_row(parse: Callable[[Any, Any], Sequence[Any]], row: Any, market: Any) -> list[Any]:
    """Return a candle in ccxt's form, and behind it what was sent; None throughout where ccxt cannot read it."""
    try:
        moment, *values = parse(row, market)
    except Exception:  # noqa: BLE001 (foreign data in a foreign library; it is reported with the row)
        moment, values = None, [None] * 5
    return [moment if isinstance(moment, int) else None, *values[:5], row]


def _mirrored(urls: Any, mirror: Mirror, *, ws: bool) -> Any:
    """Return ccxt's addresses with scheme and host of the mirror's."""
    if isinstance(urls, dict):
        return {k: _mirrored(v, mirror, ws=ws or k == "ws") for k, v in urls.items()}
    target = mirror.ws if ws else mirror.rest
    if not isinstance(urls, str) or target is None:
        return urls
    there, path = urlsplit(target), urlsplit(urls)
    return urlunsplit((there.scheme, there.netloc, path.path, path.query, ""))
