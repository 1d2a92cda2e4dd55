"""Answer for the OHLC layer: are its objects there, is it fresh, and are its candles what the trades say.

Candles are computed again in plain Python from raw ``trades`` and ``loaded_candles``, sharing nothing with the SQL.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString, Self, TypeVar

import psycopg
from prometheus_client import Counter, Gauge
from psycopg.rows import tuple_row

from candlewave.core.config import TIMEFRAME_SECONDS
from candlewave.core.times import MINUTE, floor_to_minute, utc_now
from candlewave.telemetry.metrics import FRESHNESS

OBJECTS = (
    "trades",
    "clock_minutes",
    "clock_days",
    "feed_clock",
    "furthest_clock",
    "market_clock",
    "clock_steps",
    "closed_minutes",
    "candles_1m_live",
    "candles_1m",
    "candles",
    "late_trades",
    "trades_rejected",
    "loaded_candles",
    "loaded_candles_rejected",
    "loaded_candles_restated",
)
"""What the layer consists of, for the check against sql/."""

T = TypeVar("T")

_FUTURE = timedelta(seconds=2)
_SMALLEST, _LARGEST = 1e-30, 1e30
_SUM_TOLERANCE = 1e-12
_EXACT = ("open", "high", "low", "close", "trades")
_SUMS = ("volume", "turnover", "buy_volume")

AUDITED = Counter("candlewave_ohlc_audited_candles_total", "Candles computed again from raw trades")
DIFFERENCES = Counter(
    "candlewave_ohlc_audit_differences_total", "Candles that differ from their raw trades", ["exchange", "symbol"]
)
DEVIATIONS = Gauge("candlewave_ohlc_deviating_objects", "Objects of the layer that differ from sql/")
LATE = Gauge(
    "candlewave_ohlc_late_trades",
    "Live trades that came after their exchange had closed their minute",
    ["exchange", "symbol"],
)
BEHIND = Gauge(
    "candlewave_ohlc_clock_behind_seconds", "How far an exchange's candles are closed behind the furthest", ["exchange"]
)
REJECTED = Gauge(
    "candlewave_ohlc_rejected_rows", "Rows of trades or loaded_candles that no candle can use", ["table", "reason"]
)
RESTATED = Gauge(
    "candlewave_ohlc_restated_minutes", "Minutes of which loads of history say different things", ["exchange", "symbol"]
)
FILLED = Gauge(
    "candlewave_ohlc_filled_minutes", "Closed minutes without a trade within the last day", ["exchange", "symbol"]
)


@dataclass(frozen=True, slots=True)
class Candle:
    """The values of a candle that are audited; times in UTC."""

    exchange: str
    symbol: str
    timeframe: str
    open_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float
    trades: int | None
    buy_volume: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A value of a stored candle that is not what its trades and loaded minutes give."""

    candle: Candle
    column: str
    stored: float | None
    computed: float | None

    def __str__(self) -> str:
        """Name candle, column and both values."""
        c = self.candle
        return (
            f"{c.exchange} {c.symbol} {c.timeframe} {c.open_time:%Y-%m-%dT%H:%MZ} {self.column}: "
            f"stored {self.stored!r}, from trades and loads {self.computed!r}"
        )


@dataclass(frozen=True, slots=True)
class _Piece:
    """What a candle is made of: a trade, or a minute loaded as a candle."""

    ts: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float
    trades: int | None
    buy_volume: float | None

    @classmethod
    def of_trade(cls, row: tuple[Any, ...]) -> Self:
        ts, _, _, price, quantity, side, _ = row
        bought = None if side is None else quantity if side == "buy" else 0.0
        return cls(ts, price, price, price, price, quantity, price * quantity, 1, bought)

    @classmethod
    def of_loaded(cls, row: tuple[Any, ...]) -> Self:
        open_time, open_, high, low, close, volume, turnover, trades, buy_volume, _ = row
        if turnover is None:
            turnover = volume * (high + low + close) / 3
        if volume == 0:
            trades, buy_volume = 0, 0.0
        return cls(open_time, open_, high, low, close, volume, turnover, trades, buy_volume)


class OhlcAudit:
    """Check the layer; call :meth:`measure` and :meth:`sample` now and then.

    Args:
        conn: connection in autocommit mode.
        max_fill: longest silence that is filled with candles.
        structure: returns deviations from sql/, one line each; None skips that check.
        rng: decides the sample.
        on_difference: called for each difference, for instance to log it.
        clock: the present time.
    """

    def __init__(
        self,
        conn: psycopg.Connection,
        max_fill: timedelta,
        *,
        structure: Callable[[psycopg.Connection], Sequence[str]] | None = None,
        rng: random.Random | None = None,
        on_difference: Callable[[Difference], None] | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._conn = conn
        self._max_fill = max_fill
        self._structure = structure
        self._rng = rng or random.Random()
        self._on_difference = on_difference
        self._clock = clock

    def deviations(self) -> list[str]:
        """Return what differs from sql/, and set the metric."""
        lines = [] if self._structure is None else list(self._structure(self._conn))
        DEVIATIONS.set(len(lines))
        return lines

    def measure(self) -> None:
        """Set the metrics of freshness, late trades, rejected rows and filled minutes."""
        now = self._clock()
        closed = dict(self._rows("SELECT exchange, closed_until FROM market_clock"))
        if closed:
            furthest = max(closed.values())
            FRESHNESS.newest("candles", furthest)
            for exchange, until in closed.items():
                BEHIND.labels(exchange).set((furthest - until).total_seconds())
        for exchange, symbol, last_trade in self._rows("SELECT exchange, symbol, last_trade_ts FROM feed_clock"):
            if last_trade is not None:
                FRESHNESS.newest("trades", last_trade, exchange, symbol)
        for exchange, symbol, count in self._rows(
            "SELECT exchange, symbol, count(*) FROM late_trades GROUP BY exchange, symbol"
        ):
            LATE.labels(exchange, symbol).set(count)
        for table, reason, count in self._rows(
            "SELECT 'trades', reason, count(*) FROM trades_rejected GROUP BY reason"
            " UNION ALL SELECT 'loaded_candles', reason, count(*) FROM loaded_candles_rejected GROUP BY reason"
        ):
            REJECTED.labels(table, reason).set(count)
        for exchange, symbol, count in self._rows(
            "SELECT exchange, symbol, count(*) FROM loaded_candles_restated GROUP BY exchange, symbol"
        ):
            RESTATED.labels(exchange, symbol).set(count)
        for exchange, symbol, count in self._rows(
            "SELECT exchange, symbol, count(CASE WHEN is_filled THEN 1 END) FROM candles"
            " WHERE timeframe = '1m' AND open_time >= %s GROUP BY exchange, symbol",
            [now - timedelta(days=1)],
        ):
            FILLED.labels(exchange, symbol).set(count)

    def sample(
        self,
        count: int,
        exchange: str | None = None,
        symbol: str | None = None,
        on_candle: Callable[[], None] = lambda: None,
    ) -> tuple[int, list[Difference]]:
        """Compute up to ``count`` random closed candles again; return how many different ones, and what differs.

        ``exchange`` and ``symbol`` choose the markets, all if None. Half of the candles are of the last two hours,
        where mistakes are made. Stored candle and trades are read in one snapshot. ``on_candle`` is called after each.
        """
        differences: list[Difference] = []
        audited: set[tuple[object, ...]] = set()
        markets = self._rows(
            "SELECT exchange, symbol, timeframe, min(open_time), max(open_time) FROM candles"
            " GROUP BY exchange, symbol, timeframe ORDER BY exchange, symbol, timeframe"
        )
        markets = [m for m in markets if exchange in (None, m[0]) and symbol in (None, m[1])]
        if not markets:
            return 0, []
        for number in range(count):
            exchange, symbol, timeframe, first, last = self._rng.choice(markets)
            if number % 2:
                first = max(first, last - timedelta(hours=2))
            moment = first + (last - first) * self._rng.random()
            with self._snapshot():
                candle = self._stored(exchange, symbol, timeframe, moment)
                computed = None if candle is None else self.compute(candle)
            on_candle()
            if candle is None or computed is None:
                continue
            key = (candle.exchange, candle.symbol, candle.timeframe, candle.open_time)
            if key in audited:
                continue
            audited.add(key)
            AUDITED.inc()
            found = compare(candle, computed)
            if found:
                DIFFERENCES.labels(exchange, symbol).inc()
            differences += found
        for difference in differences:
            if self._on_difference is not None:
                self._on_difference(difference)
        return len(audited), differences

    def compute(self, stored: Candle) -> Candle | None:
        """Return what a candle should be by its raw trades and loaded minutes; None when some of them have expired."""
        begin = stored.open_time
        end = begin + timedelta(seconds=TIMEFRAME_SECONDS[stored.timeframe])
        pieces = self._pieces(stored.exchange, stored.symbol, begin - self._max_fill - MINUTE, end)
        inside = [piece for piece in pieces if piece.ts >= begin]
        earlier = [piece for piece in pieces if piece.ts < begin]
        if not inside:
            return None
        # A longer bar whose first minute is empty opens with what was carried into that minute.
        carried = []
        if earlier and inside[0].ts >= begin + MINUTE and begin - floor_to_minute(earlier[-1].ts) <= self._max_fill:
            carried = [earlier[-1].close]
        return Candle(
            stored.exchange,
            stored.symbol,
            stored.timeframe,
            begin,
            [*carried, inside[0].open][0],
            max([*carried, *(piece.high for piece in inside)]),
            min([*carried, *(piece.low for piece in inside)]),
            inside[-1].close,
            math.fsum(piece.volume for piece in inside),
            math.fsum(piece.turnover for piece in inside),
            None if (counts := _known([piece.trades for piece in inside])) is None else sum(counts),
            None if (bought := _known([piece.buy_volume for piece in inside])) is None else math.fsum(bought),
        )

    def _pieces(self, exchange: str, symbol: str, begin: datetime, end: datetime) -> list[_Piece]:
        """Return what candles of a range are made of, in order: its trades, and the loaded minutes without trades."""
        rows = self._rows(
            "SELECT ts, seq, trade_id, price, quantity, side, ingest_ts FROM trades"
            " WHERE exchange = %s AND symbol = %s AND kind = 'trade' AND ts >= %s AND ts < %s",
            [exchange, symbol, begin, end],
        )
        trades = [_Piece.of_trade(row) for row in sorted(filter(_usable, rows), key=lambda r: (r[0], r[1], r[2]))]
        traded = {floor_to_minute(trade.ts) for trade in trades}
        rows = self._rows(
            "SELECT open_time, open, high, low, close, volume, turnover, trades, buy_volume, ingest_ts"
            " FROM loaded_candles WHERE exchange = %s AND symbol = %s AND open_time >= %s AND open_time < %s"
            " ORDER BY loaded_at",
            [exchange, symbol, begin, end],
        )
        loaded = {row[0]: _Piece.of_loaded(row) for row in rows if _usable_loaded(row) and row[0] not in traded}
        return sorted([*trades, *loaded.values()], key=lambda piece: piece.ts)

    def _stored(self, exchange: str, symbol: str, timeframe: str, moment: datetime) -> Candle | None:
        rows = self._rows(
            "SELECT exchange, symbol, timeframe, open_time, open, high, low, close, volume, turnover, trades,"
            " buy_volume FROM candles WHERE exchange = %s AND symbol = %s AND timeframe = %s AND open_time >= %s"
            " AND NOT is_filled ORDER BY open_time LIMIT 1",
            [exchange, symbol, timeframe, moment],
        )
        return Candle(*rows[0]) if rows else None

    def _snapshot(self) -> Any:
        return _Snapshot(self._conn)

    def _rows(self, query: LiteralString, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall()


class _Snapshot:
    """A read-only transaction in which all queries see one state, on either engine."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn

    def __enter__(self) -> None:
        self._conn.execute("START TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def __exit__(self, *_: object) -> None:
        self._conn.execute("COMMIT")


def compare(stored: Candle, computed: Candle) -> list[Difference]:
    """Return the columns in which a candle is wrong: prices and counts exactly, sums to 1e-12 of their size."""
    wrong = []
    for column in (*_EXACT, *_SUMS):
        left, right = getattr(stored, column), getattr(computed, column)
        same = left == right
        if not same and column in _SUMS and left is not None and right is not None:
            same = math.isclose(left, right, rel_tol=_SUM_TOLERANCE, abs_tol=0.0)
        if not same:
            wrong.append(Difference(stored, column, left, right))
    return wrong


def _known(values: Sequence[T | None]) -> list[T] | None:
    """Return values of which each is known; None when one is not."""
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


def _usable_loaded(row: tuple[Any, ...]) -> bool:
    open_time, open_, high, low, close, volume, turnover, trades, buy_volume, ingest_ts = row
    if None in (open_, high, low, close, volume, ingest_ts) or open_time != floor_to_minute(open_time):
        return False
    return bool(
        open_time + MINUTE <= ingest_ts + _FUTURE
        and _SMALLEST <= low <= min(open_, close) <= max(open_, close) <= high <= _LARGEST
        and 0 <= volume <= _LARGEST
        and 0 <= (turnover or 0) <= _LARGEST
        and (trades or 0) >= 0
        and 0 <= (buy_volume or 0) <= volume * 1.000001
    )


def _usable(row: tuple[Any, ...]) -> bool:
    ts, seq, trade_id, price, quantity, _, ingest_ts = row
    if None in (ts, seq, trade_id, price, quantity, ingest_ts):
        return False
    return all(_SMALLEST <= number <= _LARGEST for number in (price, quantity)) and bool(ts <= ingest_ts + _FUTURE)


@dataclass(frozen=True, slots=True)
class ExchangeComparison:
    """Our candles compared with the exchange's.

    Attributes:
        compared: candles both have.
        differing: lines about those that differ.
        only_here, only_there: candles that one side lacks; the exchange's empty ones do not count.
    """

    compared: int
    differing: list[str]
    only_here: int
    only_there: int


def compare_with_exchange(
    ours: Sequence[Candle], theirs: Sequence[Sequence[Any]], tolerance: float = 1e-9
) -> ExchangeComparison:
    """Compare candles of one market with an exchange's rows: [time in ms, open, high, low, close, volume].

    Prices must be equal as numbers; volumes to ``tolerance``, as exchanges round them.
    """
    there = {int(row[0]): [float(v) for v in row[1:6]] for row in theirs}
    here = {int(c.open_time.timestamp() * 1000): c for c in ours}
    both = sorted(here.keys() & there.keys())
    lines = []
    for moment in both:
        candle, row = here[moment], there[moment]
        mine = [candle.open, candle.high, candle.low, candle.close]
        # Some exchanges give an empty candle no prices of its own.
        wrong = candle.volume > 0 and mine != row[:4]
        if wrong or not math.isclose(candle.volume, row[4], rel_tol=tolerance, abs_tol=tolerance):
            lines.append(
                f"{candle.exchange} {candle.symbol} {candle.timeframe} {candle.open_time:%Y-%m-%dT%H:%MZ}: "
                f"ours {[*mine, candle.volume]}, the exchange's {row}"
            )
    return ExchangeComparison(
        len(both),
        lines,
        sum(here[m].volume > 0 for m in here.keys() - there.keys()),
        sum(there[m][4] > 0 for m in there.keys() - here.keys()),
    )


def stored_candles(
    conn: psycopg.Connection, exchange: str, symbol: str, timeframe: str, begin: datetime, end: datetime
) -> list[Candle]:
    """Return the closed candles of a range, filled ones too."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            "SELECT exchange, symbol, timeframe, open_time, open, high, low, close, volume, turnover, trades,"
            " buy_volume FROM candles WHERE exchange = %s AND symbol = %s AND timeframe = %s"
            " AND open_time >= %s AND open_time < %s ORDER BY open_time",
            [exchange, symbol, timeframe, begin, end],
        )
        return [Candle(*row) for row in cursor]
