"""Compare loaded candles with what the engine stores, and count those that trades outrank."""

import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import psycopg
from psycopg.rows import tuple_row

from candlewave.contracts.records import LoadedCandle
from candlewave.core.markets import Market
from candlewave.core.times import from_us, to_us

_BATCH = 5_000
_SHOWN = 5
_COLUMNS = ("open", "high", "low", "close", "volume", "turnover", "trades", "buy_volume")
_UNKNOWN = float("nan")


class StoredCandles:
    """Keeps what was published, eighty bytes a candle, and looks it up in table ``loaded_candles`` afterwards.

    Args:
        conn: connection in autocommit mode.
        timeout: seconds to wait for candles that the engine has not taken in yet.

    Attributes:
        checked: candles looked up.
        missing: candles that are not stored, after the timeout.
        differing: candles stored with another content.
        examples: the first few of both, in words.
    """

    def __init__(
        self,
        conn: psycopg.Connection,
        timeout: float = 300.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._conn = conn
        self._timeout = timeout
        self._clock = clock
        self._sleep = sleep
        self._published: dict[tuple[Market, datetime], _Candles] = {}
        self.checked = self.missing = self.differing = 0
        self.examples: list[str] = []

    def note(self, candles: Sequence[LoadedCandle]) -> None:
        """Remember candles that were published."""
        for candle in candles:
            key = Market(candle.exchange, candle.symbol), candle.loaded_at
            kept = self._published.get(key)
            if kept is None:
                kept = self._published[key] = _Candles()
            kept.add(candle)

    def check(self) -> None:
        """Look up what was published since the last call, and forget it."""
        deadline = self._clock() + self._timeout
        for (market, loaded_at), candles in self._published.items():
            for batch in candles.batches():
                self._check_batch(market, loaded_at, batch, deadline)
        self._published.clear()

    def shadowed(self) -> dict[Market, int]:
        """Return how many published minutes of each market have trades of their own, which the views show instead.

        Call it before :meth:`check`, which forgets them.
        """
        found: dict[Market, int] = {}
        for (market, _), candles in self._published.items():
            for batch in candles.batches():
                traded = self._traded(market, batch.first, batch.last)
                found[market] = found.get(market, 0) + len(traded & batch.rows.keys())
        return found

    def repeated(self) -> int:
        """Return how many published minutes an earlier load had stored; they are there twice, and the newer counts.

        Call it before :meth:`check`, which forgets them.
        """
        count = 0
        for (market, loaded_at), candles in self._published.items():
            for batch in candles.batches():
                count += len(self._before(market, loaded_at, batch.first, batch.last) & batch.rows.keys())
        return count

    def problem(self) -> str | None:
        """Return what is wrong in one sentence, None when everything is stored as it was published."""
        if not self.missing and not self.differing:
            return None
        parts = []
        if self.differing:
            parts.append(f"{self.differing:,} are stored with another content")
        if self.missing:
            parts.append(f"{self.missing:,} are not stored after {self._timeout:g} s")
        return f"of {self.checked:,} candles {' and '.join(parts)}: {'; '.join(self.examples)}"

    def _check_batch(self, market: Market, loaded_at: datetime, batch: "_Batch", deadline: float) -> None:
        self.checked += batch.count
        pause = 0.05
        while True:
            stored = self._stored(market, loaded_at, batch.first, batch.last)
            if stored.keys() >= batch.rows.keys() or self._clock() > deadline:
                break
            self._sleep(pause)
            pause = min(pause * 1.5, 1.0)
        for open_us, contents in batch.rows.items():
            for content in contents:
                self._compare(open_us, content, stored.get(open_us))

    def _compare(self, open_us: int, content: tuple[float, ...], stored: tuple[float, ...] | None) -> None:
        minute = f"{from_us(open_us):%Y-%m-%dT%H:%MZ}"
        if stored is None:
            self.missing += 1
            self._show(f"{minute} is absent")
        elif repr(stored) != repr(content):  # NaN equals itself here
            self.differing += 1
            self._show(f"{minute} was published as {_words(content)}, stored is {_words(stored)}")

    def _show(self, example: str) -> None:
        if len(self.examples) < _SHOWN:
            self.examples.append(example)

    def _stored(self, market: Market, loaded_at: datetime, first: int, last: int) -> dict[int, tuple[float, ...]]:
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(
                f"SELECT open_time, {', '.join(_COLUMNS)} FROM loaded_candles WHERE exchange = %s AND symbol = %s"
                " AND loaded_at = %s AND open_time >= %s AND open_time <= %s",
                [*market, loaded_at, from_us(first), from_us(last)],
            )
            return {to_us(row[0]): tuple(_UNKNOWN if v is None else float(v) for v in row[1:]) for row in cursor}

    def _before(self, market: Market, loaded_at: datetime, first: int, last: int) -> set[int]:
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(
                "SELECT DISTINCT open_time FROM loaded_candles WHERE exchange = %s AND symbol = %s"
                " AND loaded_at < %s AND open_time >= %s AND open_time <= %s",
                [*market, loaded_at, from_us(first), from_us(last)],
            )
            return {to_us(row[0]) for row in cursor}

    def _traded(self, market: Market, first: int, last: int) -> set[int]:
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(
                "SELECT DISTINCT date_trunc('minute', ts) FROM trades WHERE exchange = %s AND symbol = %s"
                " AND kind = 'trade' AND ts >= %s AND ts < %s::timestamptz + INTERVAL '1 minute'",
                [*market, from_us(first), from_us(last)],
            )
            return {to_us(row[0]) for row in cursor}


class _Batch:
    """Candles of a span: contents by opening time; more than one only where a source repeats a minute."""

    def __init__(self) -> None:
        self.rows: dict[int, list[tuple[float, ...]]] = {}
        self.count = 0

    @property
    def first(self) -> int:
        """The first opening time in microseconds."""
        return min(self.rows)

    @property
    def last(self) -> int:
        """The last one."""
        return max(self.rows)


class _Candles:
    """Candles in columns."""

    def __init__(self) -> None:
        self._opened = array("q")
        self._values = [array("d") for _ in _COLUMNS]

    def add(self, candle: LoadedCandle) -> None:
        """Add one."""
        self._opened.append(to_us(candle.open_time))
        for name, values in zip(_COLUMNS, self._values, strict=True):
            value = getattr(candle, name)
            values.append(_UNKNOWN if value is None else float(value))

    def batches(self) -> Iterator[_Batch]:
        """Yield them in batches by time."""
        order = sorted(range(len(self._opened)), key=self._opened.__getitem__)
        for begin in range(0, len(order), _BATCH):
            batch = _Batch()
            for index in order[begin : begin + _BATCH]:
                content = tuple(values[index] for values in self._values)
                batch.rows.setdefault(self._opened[index], []).append(content)
                batch.count += 1
            yield batch


def _words(content: tuple[float, ...]) -> str:
    return " ".join(f"{name} {value:g}" for name, value in zip(_COLUMNS, content, strict=True) if value == value)
