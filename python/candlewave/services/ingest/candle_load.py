"""Load history as one-minute candles: from files or over an exchange's REST API.

Trades win over candles wherever both are known, so candles may be loaded beside any trades. A minute without trades is
no candle, whether its source leaves it out or lists it with a volume of zero: within a loaded range it gets a
heartbeat, as in a load of trades, and is quiet in the views.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING

from candlewave.bus.protocol import Bus
from candlewave.contracts.records import LoadedCandle
from candlewave.core.markets import Market
from candlewave.core.times import MINUTE, floor_to_minute, from_us, to_us, utc_now
from candlewave.services.ingest.candle_files import CandleFile, CandleLayout
from candlewave.services.ingest.candles import MINUTE_US, CandleChecker, Quiet, RawCandle
from candlewave.services.ingest.files import FileFormatError
from candlewave.services.ingest.heartbeats import CompleteRange
from candlewave.services.ingest.ledger import AlreadyLoadedError, Ledger, LoadedRange, RangeSource
from candlewave.services.ingest.publish import CandlePublisher
from candlewave.services.ingest.records import HistoryUnavailableError
from candlewave.services.ingest.validate import BadRecord, Reject

if TYPE_CHECKING:
    from candlewave.services.ingest.exchanges.exchange import Exchange

_SAVE_EVERY = 20_000
"""Candles between two notes of progress in the ledger."""

LATE = timedelta(hours=1)
"""A first candle that comes so much later than asked for says that there is none before, not that it was quiet."""

_SPACED = 10
"""From so many candles on, their common spacing says which interval a file has."""


@dataclass(frozen=True, slots=True)
class CandlesLoaded:
    """What a load of candles did.

    Attributes:
        candles, heartbeats: how many were published now; a heartbeat for each minute without trades.
        rejected: refused rows by reason.
        resumed: how many candles an earlier, interrupted load had published already.
        ranges: the ranges now complete.
        files: the files that were read.
        first: the first minute that there was, quiet or not; None when there was none.
    """

    candles: int
    heartbeats: int
    rejected: dict[str, int]
    resumed: int
    ranges: tuple[LoadedRange, ...]
    files: tuple[str, ...] = ()
    first: datetime | None = None

    @property
    def published(self) -> str:
        """What was published, in words."""
        return f"{self.candles:,} candles"


@dataclass(frozen=True)
class CandleLoader:
    """What both kinds of load need.

    Attributes:
        bus, ledger: where candles and notes of progress go.
        grace: how long after a minute's end its candle closes.
        on_reject: called for each bad row.
        on_progress: called now and then with the number of candles and the event time reached.
        on_accepted: called when a load has passed its checks, before anything is published.
        on_published: called with candles that the bus has taken.
        clock: the present time.
    """

    bus: Bus
    ledger: Ledger
    grace: timedelta
    on_reject: Callable[[BadRecord], None] | None = None
    on_progress: Callable[[int, datetime], None] | None = None
    on_accepted: Callable[[], None] | None = None
    on_published: Callable[[list[LoadedCandle]], None] | None = None
    clock: Callable[[], datetime] = utc_now
    save_every: int = _SAVE_EVERY

    def load_file(self, path: Path, layout: CandleLayout, exchange: str, symbol: str) -> CandlesLoaded:
        """Load a file of one market; go on where an interrupted load of the same file ended.

        Raises:
            FileFormatError: the file cannot be used, has no one-minute candles, or is another market's by its name.
            BusError: the bus takes no more; run it again to go on.
        """
        now = self.clock()
        begin, end, files = self._range_of(path, layout, exchange, symbol, now)
        if not self.ledger.missing(exchange, symbol, begin, end, candles=True):
            return CandlesLoaded(0, 0, {}, 0, ())
        self._accept()
        identity: dict[str, object] = {"file": path.name, "bytes": path.stat().st_size}
        skip, loaded_at, before = self._resume_file(exchange, symbol, begin, identity)
        loaded_at = loaded_at or now
        note = _note(identity, records=skip, loaded_at=loaded_at)
        entry = self.ledger.record(
            LoadedRange(exchange, symbol, RangeSource.CANDLE_ARCHIVE, begin, end, reached=note, trades=before)
        )
        publisher = self._publisher(exchange, symbol)
        minutes = CompleteRange([symbol], begin)
        checker = CandleChecker(exchange, symbol, "archive", loaded_at, now)
        saved, first = skip, None
        with CandleFile(path, layout, exchange, symbol) as rows:
            for number, row in enumerate(rows, start=1):
                checked = self._checked(checker, row, rows.source, rows.unit)
                traded = isinstance(checked, LoadedCandle)
                empty = minutes.advance(symbol, checked.open_time) if isinstance(checked, LoadedCandle) else []
                if isinstance(checked, LoadedCandle) and (first is None or checked.open_time < first):
                    first = checked.open_time
                if number <= skip:
                    continue
                publisher.quiet(empty)
                if isinstance(checked, LoadedCandle):
                    publisher.candle(checked)
                elif isinstance(checked, BadRecord):
                    publisher.reject(checked)
                if number - saved >= self.save_every:
                    publisher.flush()
                    note = _note(identity, records=number, loaded_at=loaded_at)
                    entry = self.ledger.record(replace(entry, reached=note, trades=before + publisher.candles))
                    saved = number
                if self.on_progress is not None and traded and number % 1_000 == 0:
                    self.on_progress(publisher.candles, minutes.last_minute or begin)
        self._close(publisher, minutes, symbol, end)
        entry = self.ledger.finish(replace(entry, trades=before + publisher.candles))
        return CandlesLoaded(
            publisher.candles,
            publisher.heartbeats,
            dict(publisher.rejected),
            before,
            (entry,),
            tuple(files),
            first,
        )

    async def load_api(self, exchange: "Exchange", symbol: str, begin: datetime, end: datetime) -> CandlesLoaded:
        """Load the parts of a range that are not loaded yet over an exchange's REST API, resuming interrupted ones.

        Only whole minutes that are over by the exchange's clock as well are loaded.

        Raises:
            AlreadyLoadedError: there is no such minute in the range.
            HistoryUnavailableError: the exchange does not know the symbol, has no one-minute candles, or does not keep
                them for so long; the text says what to do instead.
            ccxt.BaseError: the exchange refuses, or was unreachable for too long; run it again to go on.
            BusError: the bus takes no more; likewise.
        """
        await exchange.load_markets()
        if exchange.unknown_symbols([symbol]):
            raise HistoryUnavailableError(f"{exchange.name} does not trade {symbol}")
        now = await exchange.now(self.clock())
        begin, end = whole_minutes(begin, min(end, now - self.grace))
        if begin >= end:
            raise AlreadyLoadedError(
                f"{begin.isoformat()} to {end.isoformat()} contains no whole minute that has ended"
            )
        _refuse_too_old(exchange, begin, now)
        self._accept()
        publisher = self._publisher(exchange.name, symbol)
        resumed, done, first = 0, [], None
        for part_begin, part_end in self.ledger.missing(exchange.name, symbol, begin, end, candles=True):
            part = self._part(exchange.name, symbol, part_begin, part_end)
            resumed += part.entry.trades
            await self._load_part(exchange, part, now, publisher)
            done.append(part.entry)
            first = first or part.first
        return CandlesLoaded(
            publisher.candles,
            publisher.heartbeats,
            dict(publisher.rejected),
            resumed,
            tuple(done),
            first=first,
        )

    async def _load_part(self, exchange: "Exchange", part: "_Part", now: datetime, publisher: CandlePublisher) -> None:
        from candlewave.services.ingest.candle_pages import candle_pages

        symbol, end = part.entry.symbol, part.entry.end
        part.entry = self.ledger.record(part.noted())
        minutes = None if part.first is None else CompleteRange([symbol], part.reached)
        checker = CandleChecker(exchange.name, symbol, "rest", part.loaded_at, now)
        before, saved = part.entry.trades - publisher.candles, publisher.candles
        async for page in candle_pages(exchange, symbol, part.reached, end):
            for row in page.rows:
                checked = self._checked(checker, row, f"{exchange.name} REST {symbol}", None)
                if isinstance(checked, BadRecord):
                    publisher.reject(checked)
                    continue
                if minutes is None:
                    part.first = checked.minute if isinstance(checked, Quiet) else checked.open_time
                    minutes = CompleteRange([symbol], part.begin)
                if isinstance(checked, LoadedCandle):
                    publisher.quiet(minutes.advance(symbol, checked.open_time))
                    publisher.candle(checked)
            if minutes is not None:
                publisher.quiet(minutes.finish(page.reached))
            publisher.flush()
            part.reached = page.reached
            if publisher.candles - saved >= self.save_every:
                part.entry = self.ledger.record(replace(part.noted(), trades=before + publisher.candles))
                saved = publisher.candles
            if self.on_progress is not None:
                self.on_progress(publisher.candles, page.reached)
        if minutes is not None:
            self._close(publisher, minutes, symbol, end)
        publisher.flush()
        part.entry = self._finish(part, before + publisher.candles)

    def _finish(self, part: "_Part", candles: int) -> LoadedRange:
        """Mark a part as complete from where its exchange has candles on; before, a file may still have them."""
        entry = part.entry
        if part.first is not None and part.begin == entry.begin:
            return self.ledger.finish(replace(entry, trades=candles))
        unknown = replace(entry, end=entry.end if part.first is None else part.first, trades=0, reached="")
        self.ledger.record(unknown)
        return unknown if part.first is None else self.ledger.finish(replace(entry, begin=part.first, trades=candles))

    def _checked(
        self, checker: CandleChecker, row: RawCandle | BadRecord, source: str, unit: str | None
    ) -> LoadedCandle | Quiet | BadRecord:
        if isinstance(row, BadRecord):
            return row
        checked = checker.check(row)
        if not isinstance(checked, Reject):
            return checked
        # Rows of a page have another number in the next attempt; their time is the same.
        where = f"candle {from_us(row.open_us):%Y-%m-%dT%H:%MZ}" if unit is None else f"{unit} {row.number}"
        return BadRecord(source, where, row.payload_bytes, checked)

    def _publisher(self, exchange: str, symbol: str) -> CandlePublisher:
        return CandlePublisher(
            self.bus,
            Market(exchange, symbol),
            on_reject=self.on_reject,
            on_published=self.on_published,
            clock=self.clock,
        )

    def _close(self, publisher: CandlePublisher, minutes: CompleteRange, symbol: str, end: datetime) -> None:
        """Publish heartbeats for the rest of the range, and one that closes its last minute."""
        publisher.quiet(minutes.finish(end))
        closed_by = end + self.grace
        if closed_by <= self.clock():
            publisher.quiet([(symbol, closed_by)])
        publisher.flush()

    def _accept(self) -> None:
        if self.on_accepted is not None:
            self.on_accepted()

    def _range_of(
        self, path: Path, layout: CandleLayout, exchange: str, symbol: str, now: datetime
    ) -> tuple[datetime, datetime, list[str]]:
        """Read a file once to find the minutes that it covers, and that they are minutes."""
        checker = CandleChecker(exchange, symbol, "archive", now, now)
        spacing = _Spacing()
        first, last, usable = to_us(now), -1, False
        with CandleFile(path, layout, exchange, symbol) as rows:
            for row in rows:
                if isinstance(row, BadRecord):
                    continue
                open_us = row.open_us
                spacing.add(open_us)
                if checker.is_over(open_us):
                    first, last = min(first, open_us), max(last, open_us)
                    usable = usable or not isinstance(checker.check(row), Reject)
            files = rows.files
        if (problem := spacing.problem()) is not None:
            raise FileFormatError(f"{path}: {problem}; only 1-minute candles are loaded")
        if not usable:
            raise FileFormatError(f"{path}: no usable candle in it")
        return from_us(first), from_us(last) + MINUTE, files

    def _resume_file(
        self, exchange: str, symbol: str, begin: datetime, identity: dict[str, object]
    ) -> tuple[int, datetime | None, int]:
        """Return what an interrupted load of this very file had read, when it began, and how many candles it sent."""
        entry = self.ledger.interrupted(exchange, symbol, RangeSource.CANDLE_ARCHIVE, begin)
        if entry is None or not entry.reached:
            return 0, None, 0
        note = json.loads(entry.reached)
        if {k: note.get(k) for k in identity} != identity:
            return 0, None, 0
        return int(note["records"]), datetime.fromisoformat(note["loaded_at"]), entry.trades

    def _part(self, exchange: str, symbol: str, begin: datetime, end: datetime) -> "_Part":
        """Return a part to load over REST, with what an interrupted load of it has noted."""
        entry = self.ledger.interrupted(exchange, symbol, RangeSource.CANDLE_API, begin)
        if entry is None or not entry.reached:
            entry = LoadedRange(exchange, symbol, RangeSource.CANDLE_API, begin, end)
            return _Part(entry, self.clock(), begin, None)
        note = json.loads(entry.reached)
        reached, loaded_at = (datetime.fromisoformat(note[key]) for key in ("reached", "loaded_at"))
        first = None if note["first"] is None else datetime.fromisoformat(note["first"])
        return _Part(replace(entry, end=max(end, reached)), loaded_at, reached, first)


@dataclass
class _Part:
    """A range that is loaded over REST: its row of the ledger, when its load began, and how far it has come.

    Attributes:
        first: the first minute that the exchange has, quiet or not.
    """

    entry: LoadedRange
    loaded_at: datetime
    reached: datetime
    first: datetime | None

    @property
    def begin(self) -> datetime:
        """From when on minutes without trades are quiet: not long before the first candle, where no market may be."""
        late = self.first is not None and self.first - self.entry.begin > LATE
        return self.first if late and self.first is not None else self.entry.begin

    def noted(self) -> LoadedRange:
        """Return the ledger's row with a note of where to go on."""
        note = _note({}, reached=self.reached, loaded_at=self.loaded_at, first=self.first)
        return replace(self.entry, reached=note)


class _Spacing:
    """Finds out whether open times are those of one-minute candles."""

    def __init__(self) -> None:
        self._before: int | None = None
        self._common = 0
        self._steps: dict[int, int] = {}
        self._count = 0

    def add(self, open_us: int) -> None:
        """Note a candle."""
        if self._before is not None and open_us != self._before:
            step = abs(open_us - self._before)
            if step < MINUTE_US:
                self._steps[step] = self._steps.get(step, 0) + 1
            if self._common != MINUTE_US and not step % MINUTE_US:
                self._common = gcd(self._common, step)
        self._before = open_us
        self._count += 1

    def problem(self) -> str | None:
        """Return which other candles these are; None for those of one minute, or when there are too few to say."""
        if self._count < _SPACED:
            return None
        often = max(self._steps, key=lambda step: self._steps[step], default=0)
        if self._steps.get(often, 0) * 2 > self._count:
            return f"its candles are {often / 1e6:g} seconds apart"
        if self._common > MINUTE_US:
            return f"its candles are {self._common // MINUTE_US} minutes apart"
        return None


def whole_minutes(begin: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return the part of a range that consists of whole minutes."""
    first = floor_to_minute(begin)
    return (first if first == begin else first + MINUTE), floor_to_minute(end)


def oldest_candle(exchange: "Exchange", now: datetime) -> datetime | None:
    """Return the opening time of the oldest candle that an exchange keeps; None where it keeps them all."""
    kept = exchange.profile.candles_kept
    return None if kept is None else floor_to_minute(now) - (kept - 1) * MINUTE


def _refuse_too_old(exchange: "Exchange", begin: datetime, now: datetime) -> None:
    oldest = oldest_candle(exchange, now)
    if oldest is not None and begin < oldest:
        raise HistoryUnavailableError(
            f"{exchange.name} keeps only its newest {exchange.profile.candles_kept} one-minute candles, now back "
            f"to {oldest:%Y-%m-%d %H:%MZ}, but the range begins at {begin:%Y-%m-%d %H:%MZ}. Load the time before from "
            "its archive (--candles --archive FILE), or as trades (--older-from-trades), which takes longer"
        )


def _note(identity: dict[str, object], **more: object) -> str:
    """Return where to go on, for the ledger."""
    return json.dumps({**identity, **more}, default=lambda moment: moment.isoformat())
