"""One-minute candles in files: exchanges' archives, freqtrade's files, CSV and Parquet with named columns.

Read a piece at a time, so that memory does not grow with the file.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from candlewave.core.errors import one_line
from candlewave.core.times import to_us
from candlewave.services.ingest.candle_names import candle_members
from candlewave.services.ingest.candles import RawCandle
from candlewave.services.ingest.files import DAMAGED, MAX_LINE, FileFormatError, Lines, Stream
from candlewave.services.ingest.records import payload_bytes
from candlewave.services.ingest.rows import read_rows
from candlewave.services.ingest.validate import BadRecord, Reject, RejectedTradeError, epoch_us

REQUIRED = ("open_time", "open", "high", "low", "close", "volume")
OPTIONAL = ("turnover", "trades", "buy_volume")
_NAMES = REQUIRED + OPTIONAL
_HEADER_LINES = 5
"""Within so many lines the header must come: some files begin with a line about themselves."""

_MAGIC = {b"PAR1": "Parquet", b"ARRO": "Feather"}
_TABLE_SUFFIXES = {".parquet": "Parquet", ".feather": "Feather", ".arrow": "Feather"}
_ROWS_AT_ONCE = 8_192
_CHUNK = 65_536
_UNITS = ((10**11, 1_000_000), (10**14, 1_000), (10**17, 1))
"""Below which number a time counts seconds, ms or µs: up to the year 5138. Above are nanoseconds."""
_EPOCH_TEXT = re.compile(r"[0-9]{1,30}(?:\.[0-9]{0,30})?").fullmatch

_LATEST_US = 253_402_300_799_999_999


class Microseconds(int):
    """A time in microseconds since 1970, which says so, unlike a number from a file."""


Fields = tuple[int, object, object, object, object, object, object, object, object]
"""Opening time in microseconds, open, high, low, close, volume, turnover, trades, buy_volume."""


class CandleFormat(StrEnum):
    """A layout of files with candles."""

    KRAKEN = "kraken"
    BINANCE = "binance"
    FREQTRADE = "freqtrade"
    COLUMNS = "columns"


@dataclass(frozen=True)
class CandleLayout:
    """How a file is read.

    Attributes:
        format: its layout.
        columns: for ``COLUMNS`` the name in the file, or the number from 1, of each of our columns.
        zone: of times that state none; None refuses these.
    """

    format: CandleFormat
    columns: Mapping[str, str] | None = None
    zone: tzinfo | None = None


_FREQTRADE = {name: "date" if name == "open_time" else name for name in REQUIRED}


def parse_columns(text: str) -> dict[str, str]:
    """Read ``open_time=date,open=o,…``: our names and the file's.

    Raises:
        ValueError: in another form, an unknown name, or one that is missing; the text says which.
    """
    columns: dict[str, str] = {}
    for part in text.split(","):
        ours, equals, theirs = (piece.strip() for piece in part.partition("="))
        if not equals or not theirs:
            raise ValueError(f"{part.strip()!r} is not of the form NAME=COLUMN, such as open_time=date")
        if ours not in _NAMES:
            raise ValueError(f"{ours!r} is not one of {', '.join(_NAMES)}")
        if ours in columns:
            raise ValueError(f"{ours} is there twice")
        columns[ours] = theirs
    if absent := [name for name in REQUIRED if name not in columns]:
        raise ValueError(f"no column for {', '.join(absent)}")
    return columns


def format_of(path: Path, exchange: str) -> CandleFormat | None:
    """Return the layout that a file most likely has, None when there is nothing to go by."""
    if _table_kind(path) is not None or ".json" in _suffixes(path):
        return CandleFormat.FREQTRADE
    if exchange.startswith("binance"):
        return CandleFormat.BINANCE
    return CandleFormat.KRAKEN if exchange == "kraken" else None


class CandleFile:
    """The candles of one market in a file, as a context manager and iterator.

    Args:
        path: the file.
        layout: how it is read.
        exchange: name as in ``candlewave.toml``.
        symbol: the market, such as BTC/USD; files do not say it inside.

    Attributes:
        source: the file's name, and of an archive the member that is being read.
        unit: what rows are counted in: line or row.
        files: the files that are read; known after the first row.
    """

    def __init__(self, path: Path, layout: CandleLayout, exchange: str, symbol: str) -> None:
        self._path = path
        self._layout = layout
        self._exchange = exchange
        self._symbol = symbol
        self.source = path.name
        self.unit = "line"
        self.files: list[str] = []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave; what was open closes with its iterator."""

    def __iter__(self) -> Iterator[RawCandle | BadRecord]:
        """Yield each row's candle, or why it has none.

        Raises:
            FileFormatError: the file cannot be used, is another market's, or holds no one-minute candles.
        """
        kind = _table_kind(self._path)
        if kind is not None:
            self.unit = "row"
            self._select([self._path.name])
            yield from _table_rows(self._path, kind, self._layout.columns or _FREQTRADE, self._layout.zone)
            return
        with Lines(self._path, self._select) as lines:
            if self._layout.format is CandleFormat.FREQTRADE:
                self.unit = "row"
                for stream in lines.streams():
                    yield from _json_rows(stream)
                return
            yield from self._csv_rows(lines)

    def _select(self, names: Sequence[str]) -> Sequence[str]:
        self.files = candle_members(names, self._exchange, self._symbol)
        return self.files

    def _csv_rows(self, lines: Lines) -> Iterator[RawCandle | BadRecord]:
        reader: _CsvReader | None = None
        good = False
        for row in read_rows(lines):
            if reader is None or row.source != self.source:
                self.source = row.source
                reader = self._csv_reader()
            if row.problem:
                yield BadRecord(row.source, f"line {row.number}", row.raw, Reject("unreadable", row.problem))
                continue
            try:
                if reader.is_header(row.number, row.values):
                    continue
                yield RawCandle(*reader.fields(row.values), row.number, row.raw)
                good = True
            except RejectedTradeError as refused:
                if not good and refused.reject.code in ("wrong_columns", "wrong_interval"):
                    raise FileFormatError(f"{row.source}, line {row.number}: {refused}") from None
                yield BadRecord(row.source, f"line {row.number}", row.raw, refused.reject)

    def _csv_reader(self) -> "_CsvReader":
        if self._layout.format is CandleFormat.KRAKEN:
            return _KrakenReader()
        if self._layout.format is CandleFormat.BINANCE:
            return _BinanceReader(inverse=_is_inverse(self._symbol))
        return _ColumnReader(self._layout.columns or _FREQTRADE, self._layout.zone)


# -- CSV ---------------------------------------------------------------------------------------------------------


class _CsvReader(Protocol):
    """Reads the rows of one layout."""

    def is_header(self, number: int, values: Sequence[str]) -> bool:
        """Return whether a row is no candle but names columns; ``number`` is that of its line."""

    def fields(self, values: Sequence[str]) -> Fields:
        """Return what a row says.

        Raises:
            RejectedTradeError: it is not of this layout, or has no time.
        """


class _KrakenReader:
    """Kraken's OHLCVT files: time in seconds, open, high, low, close, volume, trades; no header.

    With eight columns the sixth is the average price, as over REST.
    """

    def is_header(self, _number: int, _values: Sequence[str]) -> bool:
        return False

    def fields(self, values: Sequence[str]) -> Fields:
        if len(values) == 3:
            raise RejectedTradeError("wrong_columns", "3 columns as of trades; load them without --candles")
        if len(values) not in (7, 8):
            raise RejectedTradeError(
                "wrong_columns", f"{len(values)} columns instead of 7: time, open, high, low, close, volume, trades"
            )
        moment = epoch_us(values[0], 1_000_000)
        return (moment, *values[1:5], values[-2], None, values[-1], None)  # type: ignore[return-value]


class _BinanceReader:
    """Binance's klines, spot and futures, with a header or without, times in ms or µs.

    Open time, open, high, low, close, volume, close time, turnover, trades, volume and turnover of takers that bought,
    unused. Contracts that are paid in their base have contracts as volume, and the base where turnover is.
    """

    def __init__(self, *, inverse: bool) -> None:
        self._inverse = inverse

    def is_header(self, number: int, values: Sequence[str]) -> bool:
        return number == 1 and any(c.isalpha() for c in values[0])

    def fields(self, values: Sequence[str]) -> Fields:
        if 6 <= len(values) <= 8:
            raise RejectedTradeError(
                "wrong_columns", f"{len(values)} columns as of trades; load them without --candles"
            )
        if len(values) not in (11, 12):
            raise RejectedTradeError("wrong_columns", f"{len(values)} columns instead of the 12 of klines")
        opened, closed = (epoch_us(text, 1 if len(text) >= 15 else 1_000) for text in (values[0], values[6]))
        # The close is the last moment of the minute, in ms or µs.
        seconds = round((closed - opened) / 1e6)
        if seconds != 60:
            raise RejectedTradeError(
                "wrong_interval", f"a candle of {seconds} seconds by its close time; only 1-minute candles are loaded"
            )
        if self._inverse:
            return (opened, *values[1:5], values[7], None, values[8], values[10])  # type: ignore[return-value]
        return (opened, *values[1:6], values[7], values[8], values[9])  # type: ignore[return-value]


class _ColumnReader:
    """Columns by the names of a header, or by their numbers."""

    def __init__(self, columns: Mapping[str, str], zone: tzinfo | None) -> None:
        self._columns = columns
        self._zone = zone
        self._places: list[int | None] | None = None
        self._before: Sequence[str] = ()
        if all(name.isdigit() and int(name) > 0 for name in columns.values()):
            self._places = [int(columns[name]) - 1 if name in columns else None for name in _NAMES]

    def is_header(self, number: int, values: Sequence[str]) -> bool:
        if self._places is not None:
            return number == 1 and not any(c.isdigit() for c in self._text(values, 0) or "")
        known = [value.lower() for value in values]
        if all(name.lower() in known for name in self._columns.values()):
            self._places = [
                known.index(self._columns[name].lower()) if name in self._columns else None for name in _NAMES
            ]
        elif number >= _HEADER_LINES:
            _refuse_names(self._columns, self._before)
        self._before = self._before or values
        return True

    def fields(self, values: Sequence[str]) -> Fields:
        texts = [self._text(values, place) for place in range(len(_NAMES))]
        moment = texts[0]
        if moment is None:
            raise RejectedTradeError("no_time", f"{len(values)} columns, so there is no time of the candle")
        return (moment_us(moment, self._zone), *texts[1:])  # type: ignore[return-value]

    def _text(self, values: Sequence[str], which: int) -> str | None:
        place = self._places[which] if self._places is not None else None
        return values[place] if place is not None and place < len(values) else None


def _refuse_names(columns: Mapping[str, str], found: Iterable[str]) -> None:
    known = {name.lower() for name in found}
    absent = [name for name in columns.values() if name.lower() not in known]
    raise RejectedTradeError(
        "wrong_columns", f"no column {', '.join(absent)} among {', '.join(found)}; name them by --columns"
    )


# -- JSON --------------------------------------------------------------------------------------------------------

_JSON_ROW = re.compile(rb"\[([^\[\]]*)\]")
_BETWEEN = re.compile(rb"[\s,\[\]]*")


def _json_rows(stream: Stream) -> Iterator[RawCandle | BadRecord]:
    """Read freqtrade's JSON, one list of lists: time in ms, open, high, low, close, volume."""
    waiting, number = b"", 0
    while True:
        try:
            chunk = stream.file.read(_CHUNK)
        except DAMAGED as error:
            text = f"the {stream.format} file is damaged or cut off here: {error}"
            yield BadRecord(stream.source, f"behind row {number}", b"", Reject("unreadable", text))
            return
        waiting += chunk
        end = 0
        for found in _JSON_ROW.finditer(waiting):
            number += 1
            yield _json_row(stream.source, number, waiting[end : found.start()], found[1])
            end = found.end()
        waiting = waiting[end:]
        if not chunk or len(waiting) > MAX_LINE:
            break
    if number == 0:
        raise FileFormatError(
            f"{stream.source}: not a list of candles [time, open, high, low, close, volume], it begins with "
            f"{waiting[:20]!r}"
        )
    if not _BETWEEN.fullmatch(waiting):
        rest = waiting[:MAX_LINE]
        yield BadRecord(stream.source, f"behind row {number}", rest, Reject("unreadable", "not a list of six numbers"))


def _json_row(source: str, number: int, before: bytes, inside: bytes) -> RawCandle | BadRecord:
    where = f"row {number}"
    try:
        if not _BETWEEN.fullmatch(before):
            raise RejectedTradeError("unreadable", f"unexpected {before[:40]!r} before it")
        values = [piece.strip().strip('"') for piece in inside.decode().split(",")]
        if len(values) != len(REQUIRED):
            raise RejectedTradeError("wrong_columns", f"{len(values)} values instead of 6: {', '.join(REQUIRED)}")
        texts = [None if value == "null" else value for value in values]
        fields = (moment_us(values[0], UTC), *texts[1:], None, None, None)
        return RawCandle._make((*fields, number, b"[" + inside + b"]"))
    except UnicodeDecodeError:
        refused = Reject("unreadable", "the row is not UTF-8 text")
    except RejectedTradeError as error:
        if number == 1 and error.reject.code == "wrong_columns":
            raise FileFormatError(f"{source}, {where}: {error}") from None
        refused = error.reject
    return BadRecord(source, where, before + b"[" + inside + b"]", refused)


# -- Parquet and Feather -------------------------------------------------------------------------------------------


def _table_rows(
    path: Path, kind: str, columns: Mapping[str, str], zone: tzinfo | None
) -> Iterator[RawCandle | BadRecord]:
    """Read a table in batches of rows."""
    import pyarrow as pa

    number = 0
    try:
        schema, batches = _open_table(path, kind, list(columns.values()))
        if absent := [name for name in columns.values() if name not in schema.names]:
            raise FileFormatError(
                f"{path}: no column {', '.join(absent)} among {', '.join(schema.names)}; name them by --columns"
            )
        _refuse_naive(path, schema.field(columns["open_time"]), zone)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FileFormatError(f"{path}: cannot be read as {kind}: {one_line(error)[:300]}") from None
    try:
        for batch in batches:
            for fields in _batch_rows(batch, columns):
                number += 1
                yield _table_row(path.name, number, fields, zone)
    except (pa.ArrowException, OSError, ValueError) as error:
        text = f"the {kind} file is damaged or cut off here: {one_line(error)[:300]}"
        yield BadRecord(path.name, f"behind row {number}", b"", Reject("unreadable", text))


def _open_table(path: Path, kind: str, names: list[str]) -> tuple[Any, Iterator[Any]]:
    """Return the schema, and the batches of the named columns."""
    if kind == "Parquet":
        from pyarrow.parquet import ParquetFile

        table = ParquetFile(path)
        return table.schema_arrow, table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=names)
    from pyarrow import ipc, memory_map

    reader = ipc.open_file(memory_map(str(path)))

    def batches() -> Iterator[Any]:
        for index in range(reader.num_record_batches):
            batch = reader.get_batch(index)
            for begin in range(0, batch.num_rows, _ROWS_AT_ONCE):
                yield batch.slice(begin, _ROWS_AT_ONCE)

    return reader.schema, batches()


def _refuse_naive(path: Path, column: Any, zone: tzinfo | None) -> None:
    from pyarrow import types

    if types.is_timestamp(column.type) and column.type.tz is None and zone is None:
        raise FileFormatError(
            f"{path}: times in column {column.name} have no time zone: name it with --zone, such as UTC"
        )


def _batch_rows(batch: Any, columns: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
    """Return the rows of a batch in the order of our columns, None for those that it lacks."""
    nothing: list[Any] = [None] * batch.num_rows
    lists = [_values(batch.column(columns[name])) if name in columns else nothing for name in _NAMES]
    return zip(*lists, strict=True)


def _values(column: Any) -> list[Any]:
    """Return a column's values; single precision in its own shortest digits, not in those of double precision."""
    import pyarrow as pa

    if pa.types.is_float32(column.type) or pa.types.is_float16(column.type):
        column = column.cast(pa.string())
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
        if column.type.tz is not None:
            return [None if us is None else Microseconds(us) for us in column.cast(pa.int64()).to_pylist()]
    values: list[Any] = column.to_pylist()
    return values


def _table_row(source: str, number: int, fields: tuple[Any, ...], zone: tzinfo | None) -> RawCandle | BadRecord:
    try:
        return RawCandle._make((moment_us(fields[0], zone), *fields[1:], number, fields))
    except RejectedTradeError as refused:
        return BadRecord(source, f"row {number}", payload_bytes(fields), refused.reject)


def _table_kind(path: Path) -> str | None:
    """Return which table format a file is by its first bytes; None for none.

    Raises:
        FileFormatError: its name says one that it is not.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise FileFormatError(f"{path}: {error.strerror or error}") from None
    kind = _MAGIC.get(magic)
    expected = _TABLE_SUFFIXES.get(path.suffix.lower())
    if expected is not None and kind != expected:
        raise FileFormatError(f"{path}: not a {expected} file, it begins with {magic!r}")
    return kind


# -- times -----------------------------------------------------------------------------------------------------------


def moment_us(value: object, zone: tzinfo | None) -> int:
    """Return a time as microseconds since 1970.

    Args:
        value: a datetime, ISO-8601 text, or a number of seconds, ms, µs or ns since 1970, told apart by their size.
        zone: of a time that states none; None refuses it.

    Raises:
        RejectedTradeError: it is none of these, has no zone, or is beyond the year 9999.
    """
    if isinstance(value, Microseconds):
        if not -_LATEST_US <= value <= _LATEST_US:
            raise RejectedTradeError("bad_time", f"time {int(value)} µs is beyond the year 9999")
        return int(value)
    if isinstance(value, str):
        text = value.strip()
        if not _EPOCH_TEXT(text):
            return _in_zone(_iso(text), zone)
        number = text
    elif isinstance(value, datetime):
        return _in_zone(value, zone)
    elif isinstance(value, int | float) and not isinstance(value, bool) and value == value:
        number = format(value, "f") if isinstance(value, float) else str(value)
    else:
        raise RejectedTradeError("no_time" if value is None else "bad_time", f"time {value!r:.60} is not a time")
    whole = number.partition(".")[0]
    for below, unit in _UNITS:
        if whole.isdigit() and int(whole) < below:
            return epoch_us(number.rstrip("."), unit)
    return epoch_us(whole[:-3], 1)


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.removesuffix(" UTC") + ("Z" if text.endswith(" UTC") else ""))
    except ValueError:
        raise RejectedTradeError(
            "bad_time", f"time {text[:40]!r} is neither ISO-8601, such as 2026-01-31T12:00:00Z, nor a number since 1970"
        ) from None


def _in_zone(moment: datetime, zone: tzinfo | None) -> int:
    if moment.tzinfo is None:
        if zone is None:
            raise RejectedTradeError(
                "no_zone", f"time {moment.isoformat()} has no time zone: give it by --zone, such as UTC"
            )
        moment = moment.replace(tzinfo=zone)
    return to_us(moment)


def _is_inverse(symbol: str) -> bool:
    """Return whether a contract is paid in its base, as BTC/USD:BTC is."""
    pair, _, settled = symbol.partition(":")
    return bool(settled) and settled.partition("-")[0] == pair.partition("/")[0]


def _suffixes(path: Path) -> list[str]:
    return [suffix.lower() for suffix in path.suffixes]
