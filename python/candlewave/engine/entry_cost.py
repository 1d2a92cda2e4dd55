"""What an entry of ``[[indicators.own]]`` costs, measured by running its queries over candles: no view is made."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from candlewave.core.config import Config, OwnIndicator
from candlewave.core.paths import sql_folders
from candlewave.engine.embedded.translate import translate_query
from candlewave.sqlproject.catalog.own_indicators import OwnIndicators
from candlewave.sqlproject.catalog.smoothing import CHUNK_BARS
from candlewave.sqlproject.quoting import quote_name, quote_string
from candlewave.sqlproject.render import render_entries

DOUBLE_BYTES = 8


@dataclass(frozen=True)
class EntryCost:
    """What one entry adds.

    Attributes:
        columns: of view ``own_indicators``.
        bytes_per_bar: of its columns and running sums; what entries share, such as keys, comes once.
        bars_read: bars that a new one makes the engine read again.
        bars: over how many it was measured; 0 when it was not.
        milliseconds: for all of them in one go, as when a view is made.
    """

    columns: tuple[str, ...]
    bytes_per_bar: int
    bars_read: int
    bars: int = 0
    milliseconds: float = 0.0


def entry_cost(config: Config, entry: OwnIndicator) -> EntryCost:
    """Work out what an entry adds, without an engine.

    Raises:
        OwnIndicatorError: it cannot be used.
    """
    own = OwnIndicators(_alone(config, entry), sql_folders())
    columns = tuple(indicator.name for indicator in own.indicators)
    bars_read = own.frame_bars + 1 + (CHUNK_BARS if own.terms else 0)
    return EntryCost(columns, DOUBLE_BYTES * (len(columns) + len(own.terms)), bars_read)


def measured(conn: psycopg.Connection, config: Config, entry: OwnIndicator, bars: int) -> EntryCost:
    """Run an entry's queries over the newest candles of the market that has most, on the embedded engine.

    Args:
        conn: connection to PostgreSQL with relation ``candles``.
        bars: how many candles at most.

    Raises:
        OwnIndicatorError: the entry cannot be used.
    """
    cost = entry_cost(config, entry)
    timeframe = (entry.timeframes or tuple(config.candles.timeframes))[0]
    with conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(
            "SELECT exchange, symbol, least(count(*), %s) FROM candles WHERE timeframe = %s GROUP BY exchange, symbol"
            " ORDER BY count(*) DESC, exchange, symbol LIMIT 1",
            [bars, timeframe],
        )
        found = cursor.fetchone()
        if found is None:
            return cost
        exchange, symbol, counted = found
        query = whole_query(config, entry, (exchange, symbol, timeframe), counted)
        cursor.execute(sql.SQL("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {}").format(query))
        row = cursor.fetchone()
        assert row is not None
        return replace(cost, bars=counted, milliseconds=row[0][0]["Execution Time"])


def whole_query(config: Config, entry: OwnIndicator, market: Iterable[str], bars: int) -> sql.Composable:
    """Return a query of the rows that ``own_indicators`` has with this entry alone, over a market's newest candles."""
    exchange, symbol, timeframe = map(quote_string, market)
    newest = (
        f"SELECT * FROM candles WHERE exchange = {exchange} AND symbol = {symbol} AND timeframe = {timeframe}"
        f" ORDER BY open_time DESC LIMIT {bars}"
    )
    parts = [f"candles AS ({newest})"]
    for sql_object in render_entries(_alone(config, entry)):
        assert sql_object.statement.query is not None
        parts.append(f"{quote_name(sql_object.name)} AS MATERIALIZED ({translate_query(sql_object.statement.query)})")
    return sql.SQL(f"WITH {', '.join(parts)} SELECT * FROM own_indicators")


def _alone(config: Config, entry: OwnIndicator) -> Config:
    """Return a configuration with this entry alone, and no features, which might read others."""
    indicators = config.indicators.model_copy(update={"own": [entry.model_copy(update={"feature": False})]})
    features = config.features.model_copy(update={"own": []})
    return config.model_copy(update={"indicators": indicators, "features": features})
