"""Replay a file of trades: symbol (or product_id), trade_id, ts, side, price, quantity."""

import time
from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from candlewave.bus.protocol import Bus
from candlewave.contracts.records import Trade, heartbeat
from candlewave.core.times import MINUTE, floor_to_minute, utc_now
from candlewave.services.ingest.files import FileFormatError, Lines
from candlewave.services.ingest.heartbeats import CompleteRange
from candlewave.services.ingest.publish import Publisher
from candlewave.services.ingest.rows import Row, read_rows
from candlewave.services.ingest.validate import BadRecord, Reject, Validator

_COLUMNS = ("trade_id", "ts", "side", "price", "quantity")
_CLOCK_CHECK = 1_000
_PACE = 0.05


@dataclass(frozen=True, slots=True)
class MarketEnd:
    """Where a replayed market ends, for waiting until views show it.

    Attributes:
        exchange, symbol: the market.
        first_minute, last_minute: open times of its first and last candle with trades.
        last_trade_id: the id of the newest trade.
        closed_by: time of the heartbeat that lets the last candle close.
    """

    exchange: str
    symbol: str
    first_minute: datetime
    last_minute: datetime
    last_trade_id: str
    closed_by: datetime

    @property
    def heartbeat_id(self) -> str:
        """Id of the closing heartbeat."""
        return heartbeat(self.exchange, self.symbol, self.closed_by).trade_id


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did."""

    trades: int
    heartbeats: int
    rejected: dict[str, int]
    markets: tuple[MarketEnd, ...]
    seconds: float


class TradeReader:
    """Read a trades file as trades and bad records, one line at a time.

    Args:
        lines: the open file.
        exchange: the exchange the trades are ascribed to.
        symbols: the known symbols; None accepts any.
        clock: when lines count as received.
    """

    def __init__(
        self,
        lines: Lines,
        exchange: str,
        symbols: Container[str] | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._lines = lines
        self._validator = Validator(exchange, symbols, "replay")
        self._clock = clock
        self._running: defaultdict[str, int] = defaultdict(int)

    def __iter__(self) -> Iterator[Trade | BadRecord]:
        """Yield each line's trade, or why it has none.

        Raises:
            FileFormatError: the header is not the expected one.
        """
        source = None
        columns: list[str] = []
        received_at = self._clock()
        for count, row in enumerate(read_rows(self._lines)):
            if row.source != source:
                source = row.source
                columns = _header(row)
                continue
            if count % _CLOCK_CHECK == 0:
                received_at = self._clock()
            checked = self._check(row, columns, received_at)
            if isinstance(checked, Reject):
                yield BadRecord(row.source, f"line {row.number}", row.raw, checked)
            else:
                yield checked

    def _check(self, read: Row, columns: Sequence[str], received_at: datetime) -> Trade | Reject:
        if read.problem:
            return Reject("unreadable", read.problem)
        if len(read.values) != len(columns):
            return Reject("wrong_columns", f"{len(read.values)} columns instead of {len(columns)}")
        row = dict(zip(columns, read.values, strict=True))
        trade_id = row["trade_id"]
        seq = None
        if not (trade_id.isascii() and trade_id.isdigit() and len(trade_id) < 19):
            self._running[row["symbol"]] += 1
            seq = self._running[row["symbol"]]
        return self._validator.check(
            symbol=row["symbol"],
            trade_id=trade_id,
            ts=row["ts"],
            price=row["price"],
            quantity=row["quantity"],
            side=row["side"],
            received_at=received_at,
            seq=seq,
        )


def _header(row: Row) -> list[str]:
    columns = ["symbol" if name.lower() == "product_id" else name.lower() for name in row.values]
    missing = [name for name in ("symbol", *_COLUMNS) if name not in columns]
    if missing or len(set(columns)) != len(columns):
        found = row.problem or repr(row.raw[:200].decode("utf-8", "replace"))
        raise FileFormatError(
            f"{row.source}: the first line must name the columns symbol (or product_id), "
            f"{', '.join(_COLUMNS)}; found {found}"
        )
    return columns


class Pacer:
    """Let event time pass ``speed`` times as fast as the clock; None is as fast as possible."""

    def __init__(
        self,
        speed: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if speed is not None and speed <= 0:
            raise ValueError(f"speed {speed} must be positive, or max")
        self._speed = speed
        self._clock = clock
        self._sleep = sleep
        self._begin: tuple[datetime, float] | None = None

    def wait_for(self, ts: datetime, before_sleep: Callable[[], None]) -> None:
        """Return when event time has come to ``ts``; call ``before_sleep`` first if that is not yet."""
        if self._speed is None:
            return
        if self._begin is None:
            self._begin = (ts, self._clock())
        first, began = self._begin
        due = began + (ts - first).total_seconds() / self._speed
        if due - self._clock() > _PACE:
            before_sleep()
            while (left := due - self._clock()) > 0:
                self._sleep(min(left, 1.0))


def replay(
    lines: Lines,
    bus: Bus,
    exchange: str,
    *,
    grace: timedelta,
    symbols: Container[str] | None = None,
    pacer: Pacer | None = None,
    on_symbol: Callable[[str], None] | None = None,
    on_reject: Callable[[BadRecord], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Replayed:
    """Publish a file's trades with a heartbeat for each empty minute and one past the last.

    Args:
        lines: the open file.
        bus: where to.
        exchange: the exchange the trades are ascribed to.
        grace: how long after a minute's end its candle closes.
        symbols: the known symbols; None accepts any.
        pacer: how fast; as fast as possible when None.
        on_symbol: called at each symbol's first trade, before it is published.
        on_reject: called for each bad line.
        on_progress: called now and then with the number of trades so far.

    Raises:
        FileFormatError: the file cannot be used at all.
        BusError: the bus takes no more; what came before is published.
    """
    began = time.monotonic()
    pacer = pacer or Pacer(None)
    publisher = Publisher(bus, "replay", on_reject=on_reject, clock=clock)
    minutes = CompleteRange()
    newest: dict[str, Trade] = {}
    oldest: dict[str, datetime] = {}
    for count, record in enumerate(TradeReader(lines, exchange, symbols, clock)):
        if isinstance(record, BadRecord):
            publisher.reject(record)
            continue
        symbol = record.symbol
        for silent in minutes.advance(symbol, record.ts):
            pacer.wait_for(silent[1] + MINUTE, publisher.flush)
            publisher.heartbeats_at(exchange, [silent])
        pacer.wait_for(record.ts, publisher.flush)
        known = newest.get(symbol)
        if known is None:
            if on_symbol is not None:
                on_symbol(symbol)
            oldest[symbol] = record.ts
        if known is None or (record.ts, record.seq) >= (known.ts, known.seq):
            newest[symbol] = record
        if record.ts < oldest[symbol]:
            oldest[symbol] = record.ts
        publisher.trade(record)
        if on_progress is not None and count % 1_000 == 0:
            on_progress(publisher.trades)
    publisher.heartbeats_at(exchange, minutes.finish())
    markets: list[MarketEnd] = []
    if minutes.last_minute is not None:
        publisher.flush()
        closed_by = minutes.last_minute + MINUTE + grace
        # A heartbeat from the future closes nothing: a file that ends just now waits for its minute's end.
        while (early := (closed_by - clock()).total_seconds()) > 0:
            sleep(min(early, 1.0))
        publisher.heartbeats_at(exchange, [(symbol, closed_by) for symbol in newest])
        markets = [
            MarketEnd(exchange, s, floor_to_minute(oldest[s]), floor_to_minute(t.ts), t.trade_id, closed_by)
            for s, t in newest.items()
        ]
    publisher.flush()
    return Replayed(
        publisher.trades,
        publisher.heartbeats,
        dict(publisher.rejected),
        tuple(markets),
        time.monotonic() - began,
    )
