"""The embedded engine: trades per second through its layers, delay of a closed candle, memory, cost of a late trade."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg

from benchmarks.processor import Processor
from benchmarks.report import Row
from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Message
from candlewave.contracts.topics import TOPICS
from candlewave.core.config import Config, load_config
from candlewave.engine.embedded import catalog
from candlewave.engine.embedded import server as embedded
from candlewave.engine.embedded.refresh import Refresher, Stats, differences
from candlewave.services.ingest.simulate import to_messages
from candlewave.services.ingest.simulator import Batch, Disturbances, Simulator, make_symbols
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.render import render_objects
from candlewave.telemetry.progress import progress

START = datetime(2024, 1, 1, tzinfo=UTC)
FAULTS = Disturbances(late=0.005, duplicate=0.01, out_of_order=0.01, late_seconds=30.0)
TRADES_PER_MINUTE = 77  # and symbol: a busy market, as in one million trades of three symbols in three days
OHLC = ("sources", "views/ohlc")
ALL = (*OHLC, "views/indicators")


def plain_postgresql(trades: int) -> Row:
    """Measure the same PostgreSQL without candlewave, by the same rows: COPY, dedup by key, upsert of touched minutes.

    The clock starts with the simulator's arrays, as it does for candlewave, so making rows of them counts.
    """
    with open_engine(()) as (conn, _bus, server_pid):
        conn.execute(
            "CREATE TABLE plain (exchange text, symbol text, trade_id text, kind text, seq bigint, ts timestamptz,"
            " side text, price float8, quantity float8, PRIMARY KEY (exchange, symbol, trade_id));"
            "CREATE UNLOGGED TABLE staging (LIKE plain);"
            "CREATE TABLE minutes (exchange text, symbol text, minute timestamptz, first_at timestamptz, open float8,"
            " high float8, low float8, last_at timestamptz, close float8, volume float8, turnover float8,"
            " trades bigint, PRIMARY KEY (exchange, symbol, minute))"
        )
        count = 0
        spent = Processor(server_pid)
        for batch in _simulator(3).batches(_until(trades, 3), size=5_000):
            with spent, conn.transaction(), conn.cursor() as cursor:
                rows = _rows(batch)
                with cursor.copy("COPY staging FROM STDIN WITH (FORMAT binary)") as copy:
                    copy.set_types(["text", "text", "text", "text", "int8", "timestamptz", "text", "float8", "float8"])
                    for row in rows:
                        copy.write_row(row)
                cursor.execute(_FOLD)
                cursor.execute("TRUNCATE staging")
            count += len(rows)
    rate = count / spent.seconds
    return Row(
        "PostgreSQL alone: rows to deduplicated trades and 1m candles, 5,000 a batch",
        f"{rate:,.0f} trades/s, {count / spent.cpu_seconds:,.0f} per second of processor",
        ratio="1",
        value=count / spent.cpu_seconds,
    )


_FOLD = """
WITH fresh AS (INSERT INTO plain SELECT * FROM staging ON CONFLICT DO NOTHING RETURNING *)
INSERT INTO minutes AS m
SELECT exchange, symbol, date_trunc('minute', ts), min(ts), (array_agg(price ORDER BY ts, seq))[1], max(price),
    min(price), max(ts), (array_agg(price ORDER BY ts DESC, seq DESC))[1],
    sum(quantity), sum(price * quantity), count(*)
FROM fresh WHERE kind = 'trade' GROUP BY 1, 2, 3
ON CONFLICT (exchange, symbol, minute) DO UPDATE SET
    open = CASE WHEN excluded.first_at < m.first_at THEN excluded.open ELSE m.open END,
    first_at = least(m.first_at, excluded.first_at),
    close = CASE WHEN excluded.last_at >= m.last_at THEN excluded.close ELSE m.close END,
    last_at = greatest(m.last_at, excluded.last_at),
    high = greatest(m.high, excluded.high), low = least(m.low, excluded.low), volume = m.volume + excluded.volume,
    turnover = m.turnover + excluded.turnover, trades = m.trades + excluded.trades
"""


def _rows(batch: Batch) -> list[tuple[object, ...]]:
    symbols = [s.symbol for s in batch.symbols]
    return [
        (
            *("simulated", symbols[s], str(seq) if seq else f"hb:{us}", "trade" if seq else "heartbeat", seq),
            *(datetime.fromtimestamp(us / 1e6, UTC), "buy" if buy else "sell", price * 0.01, lots * 1e-8),
        )
        for s, seq, us, buy, price, lots in zip(
            batch.symbol.tolist(),
            batch.seq.tolist(),
            batch.ts_us.tolist(),
            batch.buy.tolist(),
            batch.price_ticks.tolist(),
            batch.quantity_lots.tolist(),
            strict=True,
        )
    ]


def throughput(trades: int, base: Row) -> list[Row]:
    """Measure trades per second from rows in Python to closed 1m candles, and to all timeframes and indicators."""
    rows = []
    for symbols, layers, what, aim in (
        (3, OHLC, "rows to closed, gap-filled candles, 3 symbols", 130_000),
        (50, ALL, "rows to all timeframes and indicators, 50 symbols", 60_000),
    ):
        with open_engine(layers) as (conn, bus, server_pid):
            refresher = Refresher(conn)
            with Processor(server_pid) as publishing:
                count = publish(bus, _simulator(symbols), _until(trades, symbols), what)
            with Processor(server_pid) as refreshing:
                drain(refresher, trades, what)
            seconds = publishing.seconds + refreshing.seconds
            cpu_seconds = publishing.cpu_seconds + refreshing.cpu_seconds
            rate = count / cpu_seconds
            right = not differences(conn)
            memory = memory_of(server_pid)
            rows.append(
                Row(
                    what,
                    f"{count / seconds:,.0f} trades/s, {rate:,.0f} per second of processor",
                    f"≥ {aim:,} trades/s",
                    f"{rate / base.value:.2f} × PostgreSQL alone (processor);"
                    f" publishing {publishing.cpu_seconds / cpu_seconds:.0%}",
                    right,
                    rate,
                )
            )
            rows.append(Row(f"memory after it: {memory[0]}", memory[1], "Python ≤ 600 MB, PostgreSQL ≤ 1 GB"))
    return rows


def latency(days: int) -> list[Row]:
    """Measure how long after the publish that closes a minute its indicators are visible; what a late trade costs."""
    symbols, minutes = 3, 120
    with open_engine(ALL) as (conn, bus, server_pid):
        simulator = Simulator(make_symbols(symbols, rate=5 / 60), start=START, disturbances=FAULTS)
        end = START + timedelta(days=days)
        publish(bus, simulator, end, f"{days} days of history, 3 symbols", finish=False)
        refresher = Refresher(conn)
        drain(refresher, 0, "history through all layers")
        delays = []
        for minute in range(1, minutes + 1):
            waiting = _messages(simulator, end + timedelta(minutes=minute, seconds=3))
            started = time.perf_counter()
            bus.publish("trades", waiting)
            refresher.run_once()
            delays.append(time.perf_counter() - started)
        late = _late_trade(conn, refresher)
        right = not differences(conn)
        memory = memory_of(server_pid)
    delays.sort()
    p99 = delays[int(len(delays) * 0.99) - 1]
    changed = ", ".join(f"{name} {count}" for name, count in late.written.items() if count)
    return [
        Row(
            f"closed candle to its indicators visible, 3 symbols, {days} days of history, {minutes} minutes",
            f"p50 {statistics.median(delays) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms",
            "p99 ≤ 1 s",
            right=right,
            value=p99,
        ),
        Row(f"memory after it: {memory[0]}", memory[1], "Python ≤ 600 MB, PostgreSQL ≤ 1 GB"),
        Row("rows changed by one trade that is ten minutes late", changed, right=right),
    ]


def _late_trade(conn: psycopg.Connection, refresher: Refresher) -> Stats:
    conn.execute(
        "INSERT INTO trades (exchange, symbol, trade_id, kind, seq, ts, side, price, quantity, origin, ingest_ts)"
        " SELECT exchange, symbol, 'late', 'trade', seq, closed_until - INTERVAL '10 minutes', 'buy', price * 1.01, 1,"
        " 'live', closed_until FROM trades, furthest_clock WHERE kind = 'trade' LIMIT 1"
    )
    return refresher.run_until_idle()


def _simulator(symbols: int) -> Simulator:
    return Simulator(make_symbols(symbols, rate=TRADES_PER_MINUTE / 60), start=START, disturbances=FAULTS)


def _until(trades: int, symbols: int) -> datetime:
    return START + timedelta(minutes=round(trades / (TRADES_PER_MINUTE * symbols)))


def _messages(simulator: Simulator, until: datetime) -> list[Message]:
    return [
        message
        for batch in simulator.batches(until, finish=False)
        for message in to_messages(batch, "bench.", "live", stamp_arrival=True)
    ]


def publish(bus: PostgresBus, simulator: Simulator, until: datetime, what: str, *, finish: bool = True) -> int:
    """Publish a simulator's trades up to a time; return how many messages."""
    count = 0
    with progress(f"publishing: {what}", None) as bar:
        for batch in simulator.batches(until, finish=finish):
            bus.publish("trades", to_messages(batch, "bench.", "live", stamp_arrival=True))
            bar.advance(len(batch))
            count += len(batch)
    return count


def drain(refresher: Refresher, expected: int, what: str) -> Stats:
    """Refresh until nothing is left; return the messages read."""
    total = Stats()
    with progress(what, expected or None) as bar:
        while not (stats := refresher.run_once()).idle:
            total.messages += stats.messages
            bar.advance(stats.messages)
    return total


@contextmanager
def open_engine(
    layers: tuple[str, ...], sinks: Collection[str] = (), config: Config | None = None
) -> Iterator[tuple[psycopg.Connection, PostgresBus, int]]:
    """Run an embedded engine with the product's own settings in a folder of its own.

    Args:
        layers: folders of ``sql/`` to take; empty means all.
        sinks: names of sinks to make.
        config: the shipped one if None.
    """
    folder = Path(tempfile.mkdtemp(prefix="candlewave-bench-"))
    try:
        with (
            embedded.start(folder) as server,
            PostgresBus(server.url) as bus,
            psycopg.connect(server.url, autocommit=True) as conn,
        ):
            conn.execute("SET timezone = 'UTC'")
            bus.install()
            bus.ensure_topics(TOPICS.values())
            catalog.install(conn)
            for sql_object in render_objects(config or load_config()):
                if (
                    sql_object.name in sinks
                    if sql_object.kind is Kind.SINK
                    else not layers or sql_object.layer in layers
                ):
                    catalog.apply(conn, sql_object.text.replace("${topic_prefix}", ""))
            yield conn, bus, server.pid
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def memory_of(server_pid: int) -> tuple[str, str]:
    """Return what was summed, and the resident memory of this process and of PostgreSQL (shared pages once)."""
    mine = psutil.Process().memory_info().rss / 2**20
    return "Python resident, PostgreSQL proportional", f"{mine:.0f} MB, {proportional(server_pid):.0f} MB"


def proportional(server_pid: int) -> float:
    """Return the memory of a PostgreSQL server in MB, with shared pages once."""
    server = psutil.Process(server_pid)
    size = 0.0
    for process in [server, *server.children()]:
        with suppress(psutil.NoSuchProcess):  # a worker that has just ended
            size += process.memory_full_info().pss
    return size / 2**20
