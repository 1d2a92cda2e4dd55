"""Months of history at once: loaded candles through every view up to features and labels, with the engine's sinks.

The yardstick is PostgreSQL alone, which computes every view whole, one ``INSERT … SELECT`` each, from rows that are in
its tables already: no topic, no sink, nothing kept up to date.
"""

import resource
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from multiprocessing import get_context

import numpy as np
import psutil
import psycopg

from benchmarks.embedded import open_engine, proportional
from benchmarks.report import Row
from candlewave.bus.postgres import BATCH
from candlewave.bus.protocol import Message
from candlewave.contracts.records import LoadedCandle, encode
from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.refresh import Refresher, Stats, differences
from candlewave.engine.embedded.translate import translate_query
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.quoting import trusted
from candlewave.telemetry.progress import progress

START = datetime(2024, 1, 1, tzinfo=UTC)
MARKETS = ("BTC/USD", "ETH/USD", "SOL/USD")
_SINKS = ("candles_sink", "indicators_sink")
_SHOWN = 0.02
"""Views that take a smaller share of the time are not named."""


@dataclass(slots=True)
class Load:
    """What a load took.

    Attributes:
        candles: loaded one-minute candles.
        seconds, cpu_seconds: wall clock; processor of the refresh and its PostgreSQL session.
        steps: refreshes, each a transaction.
        views: seconds by view, sinks included, and ``topics``.
        computed: statements by view.
        python, postgresql: peak resident memory, and the largest proportional one after a step, in MB.
        plain, plain_cpu: seconds of the yardstick.
        right: whether all views equal a full computation.
    """

    candles: int
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    steps: int = 0
    views: Counter[str] = field(default_factory=Counter)
    computed: Counter[str] = field(default_factory=Counter)
    python: float = 0.0
    postgresql: float = 0.0
    plain: float = 0.0
    plain_cpu: float = 0.0
    right: bool = False


def history(days: float, long_days: float) -> list[Row]:
    """Measure the load of some days of three markets, and of more days of one."""
    rows = []
    for span, markets, aim in ((days, len(MARKETS), 60.0), (long_days, 1, 240.0)):
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
            load = pool.submit(run, span, markets).result()
        named = f"{span:g} days × {markets} market{'s' if markets > 1 else ''}"
        asked = {30.0: 3, 365.0: 1}.get(span) == markets
        rows += [
            Row(
                f"{named}: PostgreSQL alone, INSERT … SELECT of every view",
                f"{load.plain:.0f} s, {load.plain_cpu:.0f} s of processor",
                ratio="1",
            ),
            Row(
                f"{named}: {load.candles:,} loaded candles in the topic → features, labels, sinks",
                f"{load.seconds:.0f} s, {load.candles / load.seconds:,.0f} candles/s, {load.cpu_seconds:.0f} s of"
                f" processor, {load.steps} steps",
                f"≤ {aim:.0f} s" if asked else "",
                f"{load.seconds / load.plain:.1f} × PostgreSQL alone,"
                f" processor {load.cpu_seconds / load.plain_cpu:.1f} ×",
                load.right,
                load.seconds,
            ),
            Row(
                "peak memory: Python resident, PostgreSQL proportional",
                f"{load.python:.0f} MB, {load.postgresql:.0f} MB",
                "Python ≤ 600 MB, PostgreSQL ≤ 1 GB",
            ),
            Row(
                "seconds by view, with its sink (statements)",
                ", ".join(
                    f"{view} {seconds:.1f} ({load.computed[view]})"
                    if view in load.computed
                    else f"{view} {seconds:.1f}"
                    for view, seconds in load.views.most_common()
                    if seconds > _SHOWN * load.seconds
                ),
            ),
        ]
    return rows


def run(days: float, markets: int) -> Load:
    """Load candles and measure; called in a process of its own, whose peak memory is that of the load."""
    minutes = round(days * 1440)
    load = Load(minutes * markets)
    with open_engine((), sinks=_SINKS) as (conn, bus, server_pid):
        with progress(f"publishing {load.candles:,} candles", load.candles) as bar:
            for number, symbol in enumerate(MARKETS[:markets]):
                candles = _candles(symbol, minutes, number)
                while chunk := list(islice(candles, BATCH)):
                    bus.publish("loaded_candles", chunk)
                    bar.advance(len(chunk))
        conn.execute("CHECKPOINT")
        refresher = Refresher(conn, bus=bus)
        processes = psutil.Process(), psutil.Process(conn.info.backend_pid)
        before = sum(map(_cpu, processes))
        started = time.perf_counter()
        with progress("history through all views", load.candles) as bar:
            while not (stats := refresher.run_once()).idle:
                _add(load, stats)
                load.postgresql = max(load.postgresql, proportional(server_pid))
                bar.advance(stats.messages)
        load.seconds = time.perf_counter() - started
        load.cpu_seconds = sum(map(_cpu, processes)) - before
        load.python = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        before = _cpu(processes[1])
        started = time.perf_counter()
        _compute_plainly(conn)
        load.plain = time.perf_counter() - started
        load.plain_cpu = _cpu(processes[1]) - before
        row = conn.execute("SELECT count(*) FROM features").fetchone()
        load.right = row == (load.candles,) and not differences(conn)
    return load


def _add(load: Load, stats: Stats) -> None:
    load.steps += 1
    load.views.update(stats.seconds)
    load.computed.update(stats.computed)


def _compute_plainly(conn: psycopg.Connection) -> None:
    for stored in catalog.load(conn):
        if stored.statement.kind is Kind.MATERIALIZED_VIEW:
            conn.execute(trusted(f'CREATE TABLE "plain_{stored.name}" (LIKE "{stored.name}" INCLUDING ALL)'))
            conn.execute(trusted(f'INSERT INTO "plain_{stored.name}" {translate_query(stored.statement.query or "")}'))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _candles(symbol: str, minutes: int, seed: int) -> Iterator[Message]:
    """Yield a market's candles: a price that wanders, and volumes."""
    random = np.random.default_rng(seed)
    price = 100.0
    for minute in range(minutes):
        steps = price * np.exp(np.cumsum(random.normal(0, 0.0004, 4)))
        volume, share = float(random.gamma(2.0, 3.0)), float(random.uniform(0.3, 0.7))
        opened, price = price, float(steps[-1])
        record = LoadedCandle(
            exchange="bench",
            symbol=symbol,
            open_time=START + timedelta(minutes=minute),
            open=f"{opened:.6f}",
            high=f"{max(opened, *steps.tolist()):.6f}",
            low=f"{min(opened, *steps.tolist()):.6f}",
            close=f"{price:.6f}",
            volume=f"{volume:.6f}",
            turnover=f"{volume * (opened + price) / 2:.6f}",
            trades=1 + int(random.poisson(20)),
            buy_volume=f"{volume * share:.6f}",
            source="archive",
            loaded_at=START + timedelta(days=1000),
        )
        yield Message(encode(record), key=record.key)
