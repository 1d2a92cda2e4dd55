"""Trade archives that exchanges offer for download: Kraken's and Binance's CSV files, plain, gzipped or zipped."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum

from candlewave.contracts.records import Trade
from candlewave.core.times import format_time, from_us, utc_now
from candlewave.services.ingest.files import FileFormatError, Line, Lines, split_values
from candlewave.services.ingest.validate import BadRecord, Reject, RejectedTradeError, Validator, epoch_us

_REMEMBERED = 10_000
_CLOCK_CHECK = 1_000


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
    """Binance: id, price, quantity, quote quantity, time (ms or µs), is buyer maker[, is best match]; header or not."""

    def is_header(self, values: Sequence[str]) -> bool:
        """Tell whether a file's first line names columns: it has letters where the id should be."""
        return bool(values) and any(c.isalpha() for c in values[0])

    def fields(self, values: Sequence[str]) -> dict[str, object]:
        """Return the arguments of :meth:`Validator.check`.

        Raises:
            RejectedTradeError: not Binance's columns, no time, or no maker flag.
        """
        if len(values) not in (6, 7):
            raise RejectedTradeError(
                "wrong_columns", f"{len(values)} columns instead of 6 or 7 of a Binance trades file"
            )
        maker = values[5].strip().lower()
        if maker not in ("true", "false"):
            raise RejectedTradeError("bad_side", f"is_buyer_maker {values[5][:20]!r} is neither true nor false")
        # Binance went from milliseconds to microseconds in 2025; no trade is older than 1973 in the latter.
        unit = 1 if len(values[4].strip()) >= 15 else 1_000
        return {
            "trade_id": values[0],
            "ts": from_us(epoch_us(values[4], unit)),
            "price": values[1],
            "quantity": values[2],
            "side": "sell" if maker == "true" else "buy",
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
        for count, line in enumerate(self._lines):
            if count % _CLOCK_CHECK == 0:
                received_at = self._clock()
            if not line.raw and not line.problem:
                continue
            checked = self._check(line, received_at)
            if checked is None:
                continue
            if isinstance(checked, Reject):
                if not good and checked.code == "wrong_columns":
                    raise FileFormatError(f"{line.source}, line {line.number}: {checked.text}")
                yield BadRecord(line.source, f"line {line.number}", line.raw, checked)
            else:
                good = True
                yield checked

    def _check(self, line: Line, received_at: datetime) -> Trade | Reject | None:
        text = line.text
        if text is None:
            return Reject("unreadable", line.problem or "the line is not UTF-8 text")
        values = split_values(text)
        if line.number == 1 and self._layout.is_header(values):
            return None
        try:
            fields = self._layout.fields(values)
        except RejectedTradeError as refused:
            return refused.reject
        return self._validator.check(symbol=self._symbol, received_at=received_at, **fields)  # type: ignore[arg-type]
