"""Answer for the indicator layer: are its objects there, is it fresh, and are its values what TA-Lib says.

A random stretch of candles is read together with its indicators in one statement, so that both are of one state, and
every indicator of its last bars is computed again by :mod:`candlewave.services.indicators.oracle`.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString

import numpy as np
import psycopg
from prometheus_client import Counter, Gauge
from psycopg import sql
from psycopg.rows import tuple_row

from candlewave.core.config import TIMEFRAME_SECONDS, Config
from candlewave.core.paths import sql_folders
from candlewave.services.indicators.compare import Comparison, compare
from candlewave.services.indicators.oracle import Candles, compute
from candlewave.services.indicators.oracles import ORACLES
from candlewave.services.indicators.series import Floats
from candlewave.sqlproject.catalog.constants import Layer
from candlewave.sqlproject.catalog.indicators import Indicator, catalog
from candlewave.sqlproject.catalog.own_indicators import VIEW, OwnIndicators
from candlewave.sqlproject.render import OBJECTS_OF_ENTRIES
from candlewave.telemetry.metrics import FRESHNESS

OBJECTS = (
    "indicator_sums",
    "indicator_chunks",
    "indicator_carry",
    "indicator_obv_carry",
    "indicator_averages",
    "indicator_adx_carry",
    "indicators",
    "indicator_catalog",
    "signals",
)
"""What the layer consists of without entries, for the check against sql/."""


def objects_of(config: Config) -> tuple[str, ...]:
    """Return what the layer consists of with a configuration."""
    own = OwnIndicators(config, sql_folders())
    return OBJECTS + (OBJECTS_OF_ENTRIES[0 if own.terms else -1 :] if own.entries else ())


AUDITED = Counter("candlewave_indicators_audited_bars_total", "Bars whose indicators were computed again")
DIFFERENCES = Counter(
    "candlewave_indicators_audit_differences_total", "Stretches in which an indicator differs", ["indicator"]
)
WORST = Gauge(
    "candlewave_indicators_audit_worst_ratio", "Largest difference of the last stretch; 1 is what is tolerated"
)
DEVIATIONS = Gauge("candlewave_indicators_deviating_objects", "Objects of the layer that differ from sql/")
BEHIND = Gauge(
    "candlewave_indicators_behind_candles_seconds",
    "Newest candle less newest row of indicators",
    ["exchange", "symbol", "timeframe"],
)
WARM = Gauge(
    "candlewave_indicators_warm_bars", "Bars since the last hole, at most a cap", ["exchange", "symbol", "timeframe"]
)

_CANDLE_COLUMNS = ("open", "high", "low", "close", "volume", "turnover", "buy_volume")
_RECENT = timedelta(hours=2)
_JOIN_OWN = sql.SQL(
    "LEFT JOIN own_indicators AS o ON c.exchange = o.exchange AND c.symbol = o.symbol AND c.timeframe = o.timeframe"
    " AND c.open_time = o.open_time"
)
_AND_KEY = sql.SQL("exchange = %s AND symbol = %s AND timeframe = %s")


@dataclass(frozen=True, slots=True)
class Series:
    """Exchange, symbol and timeframe of a series of bars."""

    exchange: str
    symbol: str
    timeframe: str

    @property
    def key(self) -> tuple[str, str, str]:
        """The values in the order of the key columns."""
        return self.exchange, self.symbol, self.timeframe


@dataclass(frozen=True, slots=True)
class Difference:
    """An indicator whose stored value is not what the oracle computes; ``None`` is NULL, ``stored`` may be absent."""

    market: Series
    indicator: str
    open_time: datetime
    stored: float | None
    computed: float | None

    def __str__(self) -> str:
        """Name bar, indicator and both values."""
        return (
            f"{' '.join(self.market.key)} {self.open_time:%Y-%m-%dT%H:%MZ} {self.indicator}: "
            f"stored {self.stored!r}, computed {self.computed!r}"
        )


@dataclass(frozen=True, slots=True)
class _Stretch:
    market: Series
    open_times: list[datetime]
    candles: Candles
    stored: dict[str, Floats]
    missing: list[int]


class IndicatorAudit:
    """Check the layer; call :meth:`measure` and :meth:`sample` now and then.

    Args:
        conn: connection in autocommit mode.
        structure: returns deviations from sql/, one line each; None skips that check.
        rng: decides the sample.
        on_difference: called for each difference, for instance to log it.
        bars: bars that are judged per stretch.
    """

    def __init__(
        self,
        conn: psycopg.Connection,
        config: Config,
        *,
        structure: Callable[[psycopg.Connection], Sequence[str]] | None = None,
        rng: random.Random | None = None,
        on_difference: Callable[[Difference], None] | None = None,
        bars: int = 20,
    ) -> None:
        self._conn = conn
        self._config = config
        self._structure = structure
        self._rng = rng or random.Random()
        self._on_difference = on_difference
        self._bars = bars
        self._entries = [e for e in OwnIndicators(config, sql_folders()).entries if e.kind.name in ORACLES]
        self._warm_cap = Layer(config).warm_cap

    def deviations(self) -> list[str]:
        """Return what differs from sql/, and set the metric."""
        lines = [] if self._structure is None else list(self._structure(self._conn))
        DEVIATIONS.set(len(lines))
        return lines

    def measure(self) -> None:
        """Set the metrics of freshness, of the distance to candles, and of warm bars."""
        for market in self._markets():
            newest = self._newest("candles", "close_time", market, "is_whole")
            row = self._newest("indicators", "close_time, warm_bars", market)
            if newest is None:
                continue
            candle_closed: datetime = newest[0]
            if row is None:
                WARM.labels(*market.key).set(0)
                continue
            closed, warm_bars = row
            BEHIND.labels(*market.key).set((candle_closed - closed).total_seconds())
            WARM.labels(*market.key).set(warm_bars)
            if market.timeframe == "1m":
                FRESHNESS.newest("indicators", closed, market.exchange, market.symbol)

    def sample(self) -> tuple[int, list[Difference]]:
        """Compute the last bars of one random stretch again; return how many bars, and what differs.

        Half of the stretches end within the last two hours, where mistakes are made.
        """
        markets = [(market, span) for market in self._markets() if (span := self._span(market))]
        if not markets:
            return 0, []
        market, (first, last) = self._rng.choice(markets)
        begin = max(first, last - _RECENT) if self._rng.random() < 0.5 else first
        end = begin + self._rng.random() * (last - begin)
        stretch = self._read(market, end)
        differences = list(self._differences(stretch))
        judged = min(self._bars, len(stretch.candles))
        AUDITED.inc(judged)
        for difference in differences:
            DIFFERENCES.labels(difference.indicator).inc()
            if self._on_difference:
                self._on_difference(difference)
        return judged, differences

    def _differences(self, stretch: _Stretch) -> Iterator[Difference]:
        for row in stretch.missing:
            yield Difference(stretch.market, "row of indicators", stretch.open_times[row], None, None)
        if stretch.missing or not len(stretch.candles):
            return
        expected = compute(stretch.candles, self._config.indicators, self._entries)
        comparisons = compare(
            stretch.candles,
            expected,
            stretch.stored,
            self._indicators_of(stretch.market.timeframe),
            quiet_limit=self._config.candles.max_fill_minutes,
            last=self._bars,
        )
        WORST.set(max((c.worst for c in comparisons), default=0.0))
        for comparison in comparisons:
            if not comparison.equal:
                yield self._difference(stretch, comparison, expected.values[comparison.name])

    def _difference(self, stretch: _Stretch, comparison: Comparison, computed: Floats) -> Difference:
        row = comparison.nulls[0] if comparison.nulls else comparison.worst_at
        assert row is not None
        stored = stretch.stored[comparison.name]
        return Difference(
            stretch.market, comparison.name, stretch.open_times[row], _optional(stored[row]), _optional(computed[row])
        )

    def _read(self, market: Series, end: datetime) -> _Stretch:
        """Read candles and indicators up to ``end``, with all the history that the judged bars need."""
        seconds = TIMEFRAME_SECONDS[market.timeframe]
        bars = max(self._warm_cap, 86400 // seconds) + self._bars + 1
        judged = self._indicators_of(market.timeframe)
        names = [indicator.name for indicator in judged]
        columns: list[sql.Composable] = [sql.SQL("c.open_time, i.open_time IS NULL, c.bar_index")]
        columns += [sql.Identifier("c", name) for name in _CANDLE_COLUMNS]
        columns += [sql.Identifier("o" if i.view == VIEW else "i", i.name) for i in judged]
        query = sql.SQL(
            "SELECT {} FROM candles AS c LEFT JOIN indicators AS i ON c.exchange = i.exchange AND c.symbol = i.symbol"
            " AND c.timeframe = i.timeframe AND c.open_time = i.open_time {}"
            " WHERE c.exchange = %s AND c.symbol = %s AND c.timeframe = %s AND c.open_time > %s AND c.open_time <= %s"
            " AND c.is_whole"
            " ORDER BY c.open_time"
        ).format(sql.SQL(", ").join(columns), _JOIN_OWN if any(i.view == VIEW for i in judged) else sql.SQL(""))
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(query, [*market.key, end - timedelta(seconds=seconds * bars), end])
            rows = cursor.fetchall()
        numbers = np.array([[np.nan if v is None else float(v) for v in row[3:]] for row in rows], np.float64)
        numbers = numbers.reshape(len(rows), len(_CANDLE_COLUMNS) + len(names)).T
        candles = Candles(
            bar_index=np.array([row[2] for row in rows], np.int64),
            **dict(zip(_CANDLE_COLUMNS, numbers, strict=False)),
            timeframe_seconds=seconds,
        )
        first = max(0, len(rows) - self._bars)
        return _Stretch(
            market,
            [row[0] for row in rows],
            candles,
            dict(zip(names, numbers[len(_CANDLE_COLUMNS) :], strict=True)),
            [n for n, row in enumerate(rows) if row[1] and n >= first],
        )

    def _indicators_of(self, timeframe: str) -> list[Indicator]:
        """Return the indicators of a timeframe that can be computed again: a kind of one's own has no oracle."""
        own = [i for entry in self._entries for i in entry.indicators if timeframe in (i.timeframes or (timeframe,))]
        return [*catalog(self._config.indicators), *own]

    def _markets(self) -> list[Series]:
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute("SELECT exchange, symbol FROM symbols ORDER BY exchange, symbol")
            timeframes = self._config.candles.timeframes
            return [Series(exchange, symbol, t) for exchange, symbol in cursor for t in timeframes]

    def _span(self, market: Series) -> tuple[datetime, datetime] | None:
        query = sql.SQL("SELECT min(open_time), max(open_time) FROM candles WHERE {} AND is_whole").format(_AND_KEY)
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(query, market.key).fetchone()
        return None if row is None or row[0] is None else (row[0], row[1])

    def _newest(
        self, relation: str, columns: LiteralString, market: Series, which: LiteralString = "true"
    ) -> tuple[datetime, int] | None:
        query = sql.SQL("SELECT {} FROM {} WHERE {} AND {} ORDER BY open_time DESC LIMIT 1").format(
            sql.SQL(columns),
            sql.Identifier(relation),
            _AND_KEY,
            sql.SQL(which),
        )
        with self._conn.cursor(row_factory=tuple_row) as cursor:
            return cursor.execute(query, market.key).fetchone()


def _optional(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
