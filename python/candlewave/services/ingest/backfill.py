"""Load history: from an exchange's archive files or over its REST API, each range from one of them only."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from candlewave.bus.protocol import Bus
from candlewave.contracts.records import Trade
from candlewave.core.times import MINUTE, floor_to_minute, utc_now
from candlewave.services.ingest.archive import ArchiveReader, Format, layout_of
from candlewave.services.ingest.files import FileFormatError, Lines
from candlewave.services.ingest.heartbeats import CompleteRange
from candlewave.services.ingest.ledger import AlreadyLoadedError, Ledger, LoadedRange, RangeSource
from candlewave.services.ingest.members import files_of_market
from candlewave.services.ingest.publish import Publisher
from candlewave.services.ingest.records import HistoryUnavailableError
from candlewave.services.ingest.validate import BadRecord, TradeChecker

if TYPE_CHECKING:
    from candlewave.services.ingest.exchanges.exchange import Exchange

_SAVE_EVERY = 50_000
"""Trades between two notes of progress in the ledger."""

_REMEMBERED = 20_000
_INVERTED = timedelta(minutes=1)
"""How far the time of a trade may be before that of one with a lower id: a resumed load begins so much earlier."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did.

    Attributes:
        trades, heartbeats: how many were published now.
        rejected: refused records by reason.
        resumed: how many records an earlier, interrupted load had published already.
        ranges: the ranges now complete.
        files: the files that were read; of an archive those of the market.
    """

    trades: int
    heartbeats: int
    rejected: dict[str, int]
    resumed: int
    ranges: tuple[LoadedRange, ...]
    files: tuple[str, ...] = ()

    @property
    def published(self) -> str:
        """What was published, in words."""
        return f"{self.trades:,} trades"


@dataclass(frozen=True)
class Loader:
    """What both kinds of load need.

    Attributes:
        bus, ledger: where trades and notes of progress go.
        grace: how long after a minute's end its candle closes.
        retention: how long raw trades stay; None for no limit.
        on_reject: called for each bad record.
        on_progress: called now and then with the number of trades and the event time reached.
        on_accepted: called when a load has passed its checks, before anything is published.
        on_published: called with trades that the bus has taken.
        clock: the present time.
    """

    bus: Bus
    ledger: Ledger
    grace: timedelta
    retention: timedelta | None = None
    on_reject: Callable[[BadRecord], None] | None = None
    on_progress: Callable[[int, datetime], None] | None = None
    on_accepted: Callable[[], None] | None = None
    on_published: Callable[[list[Trade]], None] | None = None
    clock: Callable[[], datetime] = utc_now
    save_every: int = _SAVE_EVERY

    def load_archive(self, path: Path, format_: Format, exchange: str, symbol: str) -> Loaded:
        """Load an archive file of one market; go on where an interrupted load of the same file ended.

        Of an archive with several files those of the market are read, by their names.

        Raises:
            FileFormatError: the file cannot be used, or is another market's by its name.
            AlreadyLoadedError: its range must not be loaded from an archive.
            BusError: the bus takes no more; run it again to go on.
        """
        files: list[str] = []
        begin, end = self._range_of(path, format_, exchange, symbol, files)
        self.ledger.refuse_conflicts(exchange, symbol, RangeSource.ARCHIVE, begin, end)
        self._refuse_expired(exchange, symbol, begin, end)
        if not self.ledger.missing(exchange, symbol, begin, end):
            return Loaded(0, 0, {}, 0, ())
        self._accept()
        identity = {"file": path.name, "bytes": path.stat().st_size}
        skip, before = self._resume_archive(exchange, symbol, begin, identity)
        entry = self.ledger.record(
            LoadedRange(
                exchange, symbol, RangeSource.ARCHIVE, begin, end, trades=before, reached=_reached(identity, skip)
            )
        )
        publisher = Publisher(self.bus, "backfill", on_reject=self.on_reject, clock=self.clock)
        minutes = CompleteRange([symbol], begin)
        saved = skip
        with Lines(path, lambda names: files_of_market(names, exchange, symbol)) as lines:
            reader = ArchiveReader(lines, layout_of(format_), exchange, symbol, self.clock)
            for number, record in enumerate(reader, start=1):
                empty = minutes.advance(symbol, record.ts) if isinstance(record, Trade) else []
                if number <= skip:
                    continue
                publisher.heartbeats_at(exchange, empty)
                if isinstance(record, Trade):
                    publisher.trade(record)
                else:
                    publisher.reject(record)
                if number - saved >= self.save_every:
                    publisher.flush()
                    reached = _reached(identity, number)
                    entry = self.ledger.record(replace(entry, reached=reached, trades=before + publisher.trades))
                    saved = number
                if self.on_progress is not None and isinstance(record, Trade) and number % 1_000 == 0:
                    self.on_progress(publisher.trades, record.ts)
        self._close(publisher, minutes, exchange, symbol, end)
        entry = self.ledger.finish(replace(entry, trades=before + publisher.trades))
        return Loaded(publisher.trades, publisher.heartbeats, dict(publisher.rejected), skip, (entry,), tuple(files))

    async def load_api(self, exchange: "Exchange", symbol: str, begin: datetime, end: datetime) -> Loaded:
        """Load the parts of a range that are not loaded yet over an exchange's API, resuming interrupted ones.

        Raises:
            AlreadyLoadedError: the range must not be loaded from the API.
            HistoryUnavailableError: the exchange does not reach back so far, or does not know the symbol.
            ccxt.BaseError: the exchange refuses, or was unreachable for too long; run it again to go on.
            BusError: the bus takes no more; likewise.
        """
        end = min(end, self.clock())
        if begin >= end:
            raise AlreadyLoadedError(f"{begin.isoformat()} to {end.isoformat()} is not a range in the past")
        self.ledger.refuse_conflicts(exchange.name, symbol, RangeSource.API, begin, end)
        self._refuse_expired(exchange.name, symbol, begin, end)
        await exchange.load_markets()
        if exchange.unknown_symbols([symbol]):
            raise HistoryUnavailableError(f"{exchange.name} does not trade {symbol}")
        self._accept()
        publisher = Publisher(self.bus, "backfill", on_reject=self.on_reject, clock=self.clock)
        resumed, done = 0, []
        for first, last in self.ledger.missing(exchange.name, symbol, begin, end):
            entry = self._interrupted_api(exchange.name, symbol, first, last)
            resumed += entry.trades
            done.append(await self._load_part(exchange, self.ledger.record(entry), publisher))
        return Loaded(publisher.trades, publisher.heartbeats, dict(publisher.rejected), resumed, tuple(done))

    async def _load_part(self, exchange: "Exchange", entry: LoadedRange, publisher: Publisher) -> LoadedRange:
        symbol = entry.symbol
        start, seen = _resume_point(entry)
        minutes = CompleteRange([symbol], start)
        checker = TradeChecker(exchange.name, {symbol}, self.clock)
        before, saved = entry.trades - publisher.trades, publisher.trades
        reached, recent = start, dict.fromkeys(seen, start + _INVERTED)
        async for page in exchange.history(symbol, start, entry.end):
            ids = set()
            published: list[Trade] = []
            for raw in page:
                record = checker.check(raw)
                if isinstance(record, BadRecord):
                    publisher.reject(record)
                    continue
                ids.add(record.trade_id)
                if record.trade_id in seen or not start <= record.ts < entry.end:
                    continue
                publisher.heartbeats_at(exchange.name, minutes.advance(symbol, record.ts))
                publisher.trade(record)
                published.append(record)
                reached = max(reached, record.ts)
                recent[record.trade_id] = record.ts
            recent = {identity: ts for identity, ts in recent.items() if ts >= reached - _INVERTED}
            seen |= ids
            if len(seen) > _REMEMBERED:
                seen = ids | recent.keys()
            publisher.flush()
            if self.on_published is not None and published:
                self.on_published(published)
            if publisher.trades - saved >= self.save_every:
                point = ",".join([max(reached - _INVERTED, entry.begin).isoformat(), *sorted(recent)])
                entry = self.ledger.record(replace(entry, reached=point, trades=before + publisher.trades))
                saved = publisher.trades
            if self.on_progress is not None:
                self.on_progress(publisher.trades, reached)
        self._close(publisher, minutes, exchange.name, symbol, entry.end)
        return self.ledger.finish(replace(entry, trades=before + publisher.trades))

    def _close(self, publisher: Publisher, minutes: CompleteRange, exchange: str, symbol: str, end: datetime) -> None:
        """Publish heartbeats for the rest of the range, and one that closes its last minute."""
        publisher.heartbeats_at(exchange, minutes.finish(end))
        closed_by = floor_to_minute(end) + self.grace
        if closed_by <= self.clock():
            publisher.heartbeats_at(exchange, [(symbol, closed_by)])
        publisher.flush()

    def _accept(self) -> None:
        if self.on_accepted is not None:
            self.on_accepted()

    def _range_of(
        self, path: Path, format_: Format, exchange: str, symbol: str, files: list[str]
    ) -> tuple[datetime, datetime]:
        """Read a file once to find the whole minutes that it covers, and note which files in it are read."""
        first: datetime | None = None
        last: datetime | None = None

        def select(names: Sequence[str]) -> Sequence[str]:
            files[:] = files_of_market(names, exchange, symbol)
            return files

        with Lines(path, select) as lines:
            for record in ArchiveReader(lines, layout_of(format_), exchange, symbol, self.clock):
                if isinstance(record, Trade):
                    first = record.ts if first is None or record.ts < first else first
                    last = record.ts if last is None or record.ts > last else last
        if first is None or last is None:
            raise FileFormatError(f"{path}: no usable trade in it")
        return floor_to_minute(first), floor_to_minute(last) + MINUTE

    def _resume_archive(
        self, exchange: str, symbol: str, begin: datetime, identity: dict[str, object]
    ) -> tuple[int, int]:
        """Return how many records of this very file an interrupted load published, and how many trades."""
        entry = self.ledger.interrupted(exchange, symbol, RangeSource.ARCHIVE, begin)
        if entry is None or not entry.reached:
            return 0, 0
        reached = json.loads(entry.reached)
        same = {k: reached.get(k) for k in identity} == identity
        return (int(reached["records"]), entry.trades) if same else (0, 0)

    def _interrupted_api(self, exchange: str, symbol: str, begin: datetime, end: datetime) -> LoadedRange:
        entry = self.ledger.interrupted(exchange, symbol, RangeSource.API, begin)
        return LoadedRange(exchange, symbol, RangeSource.API, begin, end) if entry is None else replace(entry, end=end)

    def _refuse_expired(self, exchange: str, symbol: str, begin: datetime, end: datetime) -> None:
        if self.retention is None:
            return
        oldest = self.clock() - self.retention
        for entry in self.ledger.ranges(exchange, symbol):
            if not entry.source.of_candles and entry.overlaps(begin, min(end, oldest)):
                raise AlreadyLoadedError(
                    f"{exchange} {symbol}: trades from before {oldest:%Y-%m-%d %H:%MZ} have expired "
                    f"(retention.trades), but candles of {entry} exist: loading a part of them again would replace "
                    "those candles by incomplete ones. Choose a newer range."
                )


def archived_trades(path: Path, format_: Format, exchange: str, symbol: str) -> Iterator[Trade]:
    """Yield the good trades of an archive file once more, as they were published."""
    with Lines(path, lambda names: files_of_market(names, exchange, symbol)) as lines:
        for record in ArchiveReader(lines, layout_of(format_), exchange, symbol):
            if isinstance(record, Trade):
                yield record


def _resume_point(entry: LoadedRange) -> tuple[datetime, set[str]]:
    """Return the time to go on from, and the ids of the trades from then on that are published already."""
    if not entry.reached:
        return entry.begin, set()
    moment, *ids = entry.reached.split(",")
    return datetime.fromisoformat(moment), set(ids)


def _reached(identity: dict[str, object], records: int) -> str:
    return json.dumps({**identity, "records": records})
