"""Simulated candles, and the indicator layer over them in a database, for the tests of this layer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import psycopg
from psycopg import sql

from candlewave.core.config import TIMEFRAME_SECONDS, Config
from candlewave.engine.embedded import catalog as embedded
from candlewave.services.indicators.oracle import Candles
from candlewave.services.indicators.series import Floats
from candlewave.sqlproject.render import SqlObject, render_objects

Key = tuple[str, str, str]
"""Exchange, symbol, timeframe."""

CANDLES = """-- candles: closed candles, given by the test.
-- grain: one row per exchange, symbol, timeframe, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: amended by the test
-- readers: indicator_sums
CREATE TABLE candles (
    exchange VARCHAR, symbol VARCHAR, timeframe VARCHAR, open_time TIMESTAMPTZ, close_time TIMESTAMPTZ,
    bar_index BIGINT, open DOUBLE PRECISION, high DOUBLE PRECISION, low DOUBLE PRECISION, close DOUBLE PRECISION,
    volume DOUBLE PRECISION, turnover DOUBLE PRECISION, trades BIGINT, buy_volume DOUBLE PRECISION,
    is_filled BOOLEAN, feed_state VARCHAR, amended_at TIMESTAMPTZ, minutes_present INT, is_whole BOOLEAN,
    PRIMARY KEY (exchange, symbol, timeframe, open_time)
) ON CONFLICT OVERWRITE"""


def simulated(
    seed: int, bars: int, *, seconds: int = 60, price: float = 100.0, digits: int = 2, start_index: int = 27_000_123
) -> Candles:
    """Make a random walk with prices rounded to ``digits``, some bars without trades and some of unknown side."""
    rng = np.random.default_rng(seed)
    swing = 1e-3 * np.exp(np.cumsum(rng.normal(0, 0.05, bars)).clip(-2, 2))
    close = np.round(price * np.exp(np.cumsum(rng.normal(0, 1, bars) * swing)), digits)
    open_ = np.concatenate([[close[0]], close[:-1]])
    high = np.round(np.maximum(open_, close) * (1 + np.abs(rng.normal(0, 1, bars)) * swing / 2), digits)
    low = np.round(np.minimum(open_, close) * (1 - np.abs(rng.normal(0, 1, bars)) * swing / 2), digits)
    high, low = np.maximum(high, np.maximum(open_, close)), np.minimum(low, np.minimum(open_, close))
    # Some bars leap from the close before.
    leaps = np.random.default_rng([seed, 1]).uniform(low, high).round(digits).clip(low, high)
    open_ = np.where(np.arange(bars) % 5 == 0, leaps, open_)
    volume = np.round(rng.lognormal(0, 2, bars), 8)
    candles = Candles(
        bar_index=np.arange(start_index, start_index + bars),
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        turnover=volume * (high + low + close) / 3,
        buy_volume=np.where(rng.random(bars) < 0.05, np.nan, volume * rng.random(bars)),
        timeframe_seconds=seconds,
    )
    return quiet(candles, np.flatnonzero(rng.random(bars) < 0.05)[1:])


def quiet(candles: Candles, rows: Iterable[int]) -> Candles:
    """Turn bars into filled ones: the close before, no trade."""
    arrays = {
        name: getattr(candles, name).copy()
        for name in ("open", "high", "low", "close", "volume", "turnover", "buy_volume")
    }
    for row in rows:
        for name in ("open", "high", "low", "close"):
            arrays[name][row] = arrays["close"][row - 1]
        for name in ("volume", "turnover", "buy_volume"):
            arrays[name][row] = 0.0
    return replace(candles, **arrays)


def without(candles: Candles, start: int, stop: int) -> Candles:
    """Cut a hole."""
    keep = np.r_[0:start, stop : len(candles)]
    names = ("bar_index", "open", "high", "low", "close", "volume", "turnover", "buy_volume")
    return replace(candles, **{name: getattr(candles, name)[keep] for name in names})


def rows_of(key: Key, candles: Candles) -> list[tuple[object, ...]]:
    """Return the rows of table ``candles``."""
    step = timedelta(seconds=candles.timeframe_seconds)
    rows: list[tuple[object, ...]] = []
    for i in range(len(candles)):
        opened = datetime.fromtimestamp(int(candles.bar_index[i]) * candles.timeframe_seconds, UTC)
        bought = float(candles.buy_volume[i])
        volume = float(candles.volume[i])
        rows.append(
            (
                *key,
                opened,
                opened + step,
                int(candles.bar_index[i]),
                float(candles.open[i]),
                float(candles.high[i]),
                float(candles.low[i]),
                float(candles.close[i]),
                volume,
                float(candles.turnover[i]),
                int(volume > 0),
                None if np.isnan(bought) else bought,
                volume == 0,
                "traded" if volume > 0 else "quiet",
                True,
            )
        )
    return rows


def layer_objects(config: Config) -> list[SqlObject]:
    """Return the rendered objects of the layer that can be queried; rendering takes a second, so it is done once."""
    return _layer_objects(config.model_dump_json())


@cache
def _layer_objects(config: str) -> list[SqlObject]:
    return [o for o in render_objects(Config.model_validate_json(config)) if o.layer == "views/indicators"]


def fill(conn: psycopg.Connection, rows: Iterable[Sequence[object]]) -> None:
    """Load rows into table ``candles``."""
    columns = (
        "exchange, symbol, timeframe, open_time, close_time, bar_index, open, high, low, close, volume, turnover,"
        " trades, buy_volume, is_filled, feed_state, is_whole"
    )
    with conn.cursor().copy(sql.SQL(f"COPY candles ({columns}) FROM STDIN")) as copy:  # type: ignore[arg-type]
        for row in rows:
            copy.write_row(row)


def read(conn: psycopg.Connection, key: Key, relation: str = "indicators") -> dict[str, np.ndarray]:
    """Return the columns of a relation for one key in order of time; numbers as float64 with NaN for NULL."""
    cursor = conn.execute(
        sql.SQL("SELECT * FROM {} WHERE (exchange, symbol, timeframe) = (%s, %s, %s) ORDER BY open_time").format(
            sql.Identifier(relation)
        ),
        key,
    )
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    found = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
    return {name: _column(values) for name, values in zip(names, found, strict=True)}


def _column(values: Sequence[object]) -> np.ndarray:
    if any(isinstance(v, str | datetime) for v in values):
        return np.array(values, dtype=object)
    return np.array([np.nan if v is None else float(v) for v in values])  # type: ignore[arg-type]


@dataclass
class Layer:
    """The indicator layer in a database of its own."""

    conn: psycopg.Connection
    config: Config

    @classmethod
    def make(
        cls, conn: psycopg.Connection, config: Config, market: Mapping[Key, Candles], *, only_own: bool = False
    ) -> "Layer":
        """Create the layer over given candles; every object is computed once, by its own query.

        Args:
            only_own: without the short form's objects, which those of entries do not need.
        """
        conn.execute("SET timezone = 'UTC'")
        embedded.install(conn)
        embedded.apply(conn, CANDLES)
        for key, candles in market.items():
            fill(conn, rows_of(key, candles))
        conn.execute("ANALYZE candles")
        for sql_object in layer_objects(config):
            if not only_own or sql_object.name.startswith("own_"):
                embedded.apply(conn, sql_object.text)
        return cls(conn, config)


def indicator_columns(layer: Layer, key: Key) -> dict[str, Floats]:
    """Return the indicators of one key."""
    return {name: values for name, values in read(layer.conn, key).items() if values.dtype == np.float64}


def timeframe_seconds(key: Key) -> int:
    """Return the length of a key's bars in seconds."""
    return TIMEFRAME_SECONDS[key[2]]
