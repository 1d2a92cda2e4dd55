"""The ledger of loaded history, table ``loaded_ranges``: what came from an archive, what from the exchange's API.

An archive and the API give the same trade different ids, so a range loaded from both would count twice. The
ledger refuses that, and remembers how far an interrupted load has come. Candles have one key wherever they come from,
and give way to trades, so their ranges exclude nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

import psycopg
from psycopg.rows import tuple_row

from candlewave.core.errors import CandlewaveError
from candlewave.core.times import utc_now

_COLUMNS = "exchange, symbol, source, range_from, range_to, state, reached, trades, updated_at"


class RangeSource(StrEnum):
    """Where history is loaded from, and whether as trades or as candles."""

    ARCHIVE = "archive"
    API = "api"
    CANDLE_ARCHIVE = "candles of an archive"
    CANDLE_API = "candles of the api"

    @property
    def of_candles(self) -> bool:
        """Whether candles are loaded, not trades."""
        return self in (RangeSource.CANDLE_ARCHIVE, RangeSource.CANDLE_API)


class State(StrEnum):
    """How far a load is: begun but not ended (or interrupted), or complete."""

    LOADING = "loading"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class LoadedRange:
    """One range of one market.

    Attributes:
        exchange, symbol: the market.
        source: where its trades or candles come from.
        begin, end: the range in event time, end exclusive, UTC.
        state: complete or not.
        reached: where an interrupted load resumes; only the loader interprets it.
        trades: how many trades or candles were loaded so far.
    """

    exchange: str
    symbol: str
    source: RangeSource
    begin: datetime
    end: datetime
    state: State = State.LOADING
    reached: str = ""
    trades: int = 0

    def overlaps(self, begin: datetime, end: datetime) -> bool:
        """Return whether the ranges share a moment."""
        return self.begin < end and begin < self.end

    def __str__(self) -> str:
        """Name market, range and source."""
        return f"{self.exchange} {self.symbol} {_short(self.begin)} to {_short(self.end)} ({self.source}, {self.state})"


class AlreadyLoadedError(CandlewaveError):
    """A range must not be loaded; the text says why and what to do instead."""


class Ledger:
    """Read and write the ledger.

    Args:
        conn: connection in autocommit mode.
    """

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn

    def ranges(self, exchange: str, symbol: str) -> list[LoadedRange]:
        """Return a market's ranges, oldest first."""
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(
                f"SELECT {_COLUMNS} FROM loaded_ranges WHERE exchange = %s AND symbol = %s ORDER BY range_from",
                [exchange, symbol],
            )
            return [
                LoadedRange(
                    row[0],
                    row[1],
                    RangeSource(row[2]),
                    row[3].astimezone(UTC),
                    row[4].astimezone(UTC),
                    State(row[5]),
                    row[6] or "",
                    row[7] or 0,
                )
                for row in cursor
            ]

    def interrupted(self, exchange: str, symbol: str, source: RangeSource, begin: datetime) -> LoadedRange | None:
        """Return the range of a load that began there and broke off; None when there is none.

        What a live feed notes of its own holes is no load.
        """
        for entry in self.ranges(exchange, symbol):
            is_hole = source is RangeSource.API and entry.reached.startswith("{")
            if (entry.source, entry.begin, entry.state, is_hole) == (source, begin, State.LOADING, False):
                return entry
        return None

    def record(self, loaded: LoadedRange) -> LoadedRange:
        """Write a range, over what was written for its begin before; return it."""
        self._conn.execute(
            f"INSERT INTO loaded_ranges ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                loaded.exchange,
                loaded.symbol,
                loaded.source.value,
                loaded.begin,
                loaded.end,
                loaded.state.value,
                loaded.reached,
                loaded.trades,
                utc_now(),
            ],
        )
        return loaded

    def finish(self, loaded: LoadedRange) -> LoadedRange:
        """Mark a range as complete."""
        return self.record(replace(loaded, state=State.DONE, reached=""))

    def refuse_conflicts(self, exchange: str, symbol: str, source: RangeSource, begin: datetime, end: datetime) -> None:
        """Check that loading trades of a range would count nothing twice.

        Raises:
            AlreadyLoadedError: a part of it was loaded from the other source, or holds trades of a live feed or
                replay that an archive would add a second time.
        """
        for other in self.ranges(exchange, symbol):
            if not other.source.of_candles and other.source is not source and other.overlaps(begin, end):
                raise AlreadyLoadedError(
                    f"{exchange} {symbol}: {_short(begin)} to {_short(end)} cannot be loaded from the {source}, "
                    f"because {_short(other.begin)} to {_short(other.end)} was loaded from the {other.source}, which "
                    f"has other trade ids: its trades would count twice. Choose a range outside of it, or go on with "
                    f"the {other.source}."
                )
        if source is RangeSource.ARCHIVE and (found := self._foreign_trade(exchange, symbol, begin, end)):
            raise AlreadyLoadedError(
                f"{exchange} {symbol}: {_short(begin)} to {_short(end)} cannot be loaded from an archive, because "
                f"trades of the {found[0]} feed are stored there (the first at {_short(found[1])}): they would count "
                "twice. Choose a range outside of them, or load it from the API (without --archive)."
            )

    def missing(
        self, exchange: str, symbol: str, begin: datetime, end: datetime, *, candles: bool = False
    ) -> list[tuple[datetime, datetime]]:
        """Return the parts of a range that no complete load of trades covers, or of ``candles``, oldest first."""
        done = [r for r in self.ranges(exchange, symbol) if r.state is State.DONE and r.source.of_candles is candles]
        return subtract((begin, end), [(r.begin, r.end) for r in done])

    def _foreign_trade(self, exchange: str, symbol: str, begin: datetime, end: datetime) -> tuple[str, datetime] | None:
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(
                "SELECT origin, ts FROM trades WHERE exchange = %s AND symbol = %s AND kind = 'trade'"
                " AND origin <> 'backfill' AND ts >= %s AND ts < %s ORDER BY ts LIMIT 1",
                [exchange, symbol, begin, end],
            )
            return cursor.fetchone()


def subtract(
    whole: tuple[datetime, datetime], parts: Iterable[tuple[datetime, datetime]]
) -> list[tuple[datetime, datetime]]:
    """Return what is left of ``whole`` without ``parts``, oldest first."""
    left, end = whole
    rest = []
    for begin, until in sorted(parts):
        if begin > left:
            rest.append((left, min(begin, end)))
        left = max(left, until)
        if left >= end:
            break
    if left < end:
        rest.append((left, end))
    return [(a, b) for a, b in rest if a < b]


def _short(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
