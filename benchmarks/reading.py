"""Memory and time of reading training data, for as many markets as are asked for."""

import resource
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import psutil
from psycopg import sql

from benchmarks.embedded import open_engine
from benchmarks.processor import Processor
from benchmarks.report import Row
from candlewave.core.config import load_config
from candlewave.ml.dataset import read_dataset

_BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
_MINUTES = 1440
_FULL_DAYS = 30


def reading(markets: int) -> list[Row]:
    """Measure a day of so many markets, and say what 30 days of them and of 1,000 markets would take."""
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        rows, size, peak, cpu_seconds = pool.submit(_read, markets).result()
    each = peak / rows
    return [
        Row(
            f"reading a day of {markets} markets for training",
            f"{rows:,} rows of {size:,} bytes, {each:,.0f} bytes of memory each at the peak,"
            f" {cpu_seconds / rows * 1e6:.0f} µs of processor each",
            ratio=f"memory {each / size:.2f} × the values themselves",
        ),
        *(
            Row(
                f"so {_FULL_DAYS} days of {number:,} markets",
                f"{each * number * _FULL_DAYS * _MINUTES / 2**30:.1f} GiB",
                "≤ 8 GiB",
            )
            for number in (markets, 1_000)
        ),
    ]


def _read(markets: int) -> tuple[int, int, float, float]:
    """Return rows, bytes of a row's values, bytes of memory on top of what was there before, and processor seconds."""
    with open_engine(()) as (conn, _bus, server_pid):
        columns = conn.execute("SELECT * FROM features LIMIT 0").description or ()
        names = [column.name for column in columns if column.type_code == 701]  # DOUBLE PRECISION
        rows = sql.SQL(
            "SELECT 'sim', concat('M', n, '/USD'), at{} FROM generate_series(1, {}) AS n,"
            " generate_series({}::timestamptz, {}::timestamptz - INTERVAL '1 minute', '1 minute') AS at"
        )
        span = (sql.Literal(markets), sql.Literal(_BEGIN), sql.Literal(_BEGIN + timedelta(minutes=_MINUTES)))
        for relation, listed, values in (
            ("features", ["exchange", "symbol", "open_time", *names], sql.SQL(", n::float8") * len(names)),
            (
                "candles",
                ["exchange", "symbol", "open_time", "timeframe", "close", "feed_state"],
                sql.SQL(", '1m', 1, 'traded'"),
            ),
        ):
            into = sql.SQL("INSERT INTO {} ({}) ").format(
                sql.Identifier(relation), sql.SQL(", ").join(map(sql.Identifier, listed))
            )
            conn.execute(into + rows.format(values, *span))
            conn.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(relation)))
        before = psutil.Process().memory_info().rss
        with Processor(server_pid) as spent:
            data = read_dataset(
                conn, load_config().predictions.horizons_minutes, _BEGIN, _BEGIN + timedelta(minutes=_MINUTES)
            )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
        return len(data), data.values.itemsize * data.values.shape[1], peak, spent.cpu_seconds
