"""Trade archives that exchanges offer for download: Kraken's and Binance's CSV files, plain, gzipped or zipped."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum

from candlewave.contracts.records import Trade
from candlewave.core.times import format_time, from_us, utc_now
from candlewave.services.ingest.files import FileFormatError, Lines
from candlewave.services.ingest.rows import Row, read_rows
from candlewave.services.ingest.validate import BadRecord, Reject, RejectedTradeError, Validator, epoch_us, sequence

_REMEMBERED = 10_000
_CLOCK_CHECK = 1_000
_KLINE_COLUMNS = 12
_OHLCVT_COLUMNS = (7, 8)


class Format(StrEnum):
    """A layout of archive files."""

    KRAKEN = "kraken"
    BINANCE = "binance"


class KrakenLayout:
    """Kraken: unix time in seconds, price, volume; no header, id or side.

    The id is ``a:<time>:<n>``, n counting the trades of equal time from 1, so that loading a file again, or
    another file that overlaps it in whole seconds, gives the same ids. For that the file must be sorted by
    time.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[int, int] = OrderedDict()
        self._forgotten = -1

    def is_header(self, _values: Sequence[str]) -> bool:
        """Kraken's files have none."""
        return False

    def fields(self, values: Sequence[str]) -> dict[str, object]:
        """Return the arguments of :meth:`Validator.check`.

        Raises:
            RejectedTradeError: not Kraken's columns, no time, or a time long before that of earlier lines.
        """
        if len(values) in _OHLCVT_COLUMNS:
            raise RejectedTradeError(
                "wrong_columns",
                f"{len(values)} columns as of an OHLCVT file: these are candles, not trades; load them with --candles",
            )
        if len(values) != 3:
            raise RejectedTradeError("wrong_columns", f"{len(values)} columns instead of 3: time, price, volume")
        moment = epoch_us(values[0], 1_000_000)
        count = self._counts.get(moment, 0) + 1
        if count == 1 and moment <= self._forgotten:
            raise RejectedTradeError(
                "out_of_order", f"time {values[0]} is out of order, so the trade cannot get its number"
            )
        self._counts[moment] = count
        if len(self._counts) > _REMEMBERED:
            oldest, _ = self._counts.popitem(last=False)
            self._forgotten = max(self._forgotten, oldest)
        ts = from_us(moment)
        return {
            "trade_id": f"a:{format_time(ts)}:{count}",
            "seq": count,
            "ts": ts,
            "price": values[1],
            "quantity": values[2],
            "side": None,
        }


class BinanceLayout:
    """Binance's trades and aggregate trades, spot and futures, with a header or without, times in ms or µs.

    Trades: id, price, quantity, quote quantity, time, is buyer maker[, is best match]. Aggregate trades: id, price,
    quantity, first and last trade id, time, is buyer maker[, is best match]. The two are numbered differently: API and
    stream have aggregate ids, so those stay as they are, and a trade's id becomes ``t:<id>``.
    """

    def is_header(self, values: Sequence[str]) -> bool:
        """Return whether a file's first line names columns: it has letters where the id should be."""
        return bool(values) and any(c.isalpha() for c in values[0])

    def fields(self, values: Sequence[str]) -> dict[str, object]:
        """Return the arguments of :meth:`Validator.check`.

        Raises:
            RejectedTradeError: not Binance's columns, no time, or no maker flag.
        """
        flags = [value.lower() in ("true", "false") for value in values]
        if len(values) in (7, 8) and flags[6] and not flags[5]:
            identity, time, maker = values[0], values[5], values[6]
        elif len(values) in (6, 7):
            identity, time, maker = f"t:{values[0]}", values[4], values[5]
        elif len(values) == _KLINE_COLUMNS:
            raise RejectedTradeError(
                "wrong_columns",
                "12 columns as of a klines file: these are candles, not trades; load them with --candles",
            )
        else:
            raise RejectedTradeError(
                "wrong_columns", f"{len(values)} columns instead of 6 or 7 of trades, 7 or 8 of aggregate trades"
            )
        if maker.lower() not in ("true", "false"):
            raise RejectedTradeError("bad_side", f"is_buyer_maker {maker[:20]!r} is neither true nor false")
        # Binance went from milliseconds to microseconds in 2025; no trade is older than 1973 in the latter.
        unit = 1 if len(time) >= 15 else 1_000
        return {
            "trade_id": identity,
            "seq": sequence(values[0]),
            "ts": from_us(epoch_us(time, unit)),
            "price": values[1],
            "quantity": values[2],
            "side": "sell" if maker.lower() == "true" else "buy",
        }


Layout = KrakenLayout | BinanceLayout


def layout_of(name: Format) -> Layout:
    """Return a fresh layout of a format."""
    return KrakenLayout() if name is Format.KRAKEN else BinanceLayout()


class ArchiveReader:
    """Read an archive file of one market as trades and bad records, one line at a time.

    Args:
        lines: the open file.
        layout: its columns; a fresh one for each reading.
        exchange: name as in ``candlewave.toml``.
        symbol: the market, such as BTC/USD; the files do not say.
        clock: when lines count as received.
    """

    def __init__(
        self,
        lines: Lines,
        layout: Layout,
        exchange: str,
        symbol: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._lines = lines
        self._layout = layout
        self._symbol = symbol
        self._validator = Validator(exchange, {symbol}, "backfill")
        self._clock = clock

    def __iter__(self) -> Iterator[Trade | BadRecord]:
        """Yield each line's trade, or why it has none.

        Raises:
            FileFormatError: the first line shows that the file has another layout.
        """
        received_at = self._clock()
        good = False
        for count, row in enumerate(read_rows(self._lines)):
            if count % _CLOCK_CHECK == 0:
                received_at = self._clock()
            if row.number == 1 and self._layout.is_header(row.values):
                continue
            checked = self._check(row, received_at)
            if isinstance(checked, Reject):
                if not good and checked.code == "wrong_columns":
                    raise FileFormatError(f"{row.source}, line {row.number}: {checked.text}")
                yield BadRecord(row.source, f"line {row.number}", row.raw, checked)
            else:
                good = True
                yield checked

    def _check(self, row: Row, received_at: datetime) -> Trade | Reject:
        if row.problem:
            return Reject("unreadable", row.problem)
        try:
            fields = self._layout.fields(row.values)
        except RejectedTradeError as refused:
            return refused.reject
        return self._validator.check(symbol=self._symbol, received_at=received_at, **fields)  # type: ignore[arg-type]
