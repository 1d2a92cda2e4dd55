"""A migration of ``candles_1m``, and of all that reads it, while trades come, the predictor works and clients read.

No read fails, no forecast is missing or doubled; also when the migrator is killed again and again.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from candlewave.bus.messages import to_message
from candlewave.bus.postgres import PostgresBus
from candlewave.contracts.records import heartbeat
from candlewave.contracts.topics import PREDICTIONS, TOPICS
from candlewave.core.config import Config
from candlewave.core.markets import Market
from candlewave.core.paths import project_root
from candlewave.core.settings import Settings
from candlewave.engine.connect import connect_url
from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.refresh import Refresher, differences
from candlewave.engine.embedded.server import EmbeddedServer
from candlewave.engine.migrate.migrator import Migrator
from candlewave.engine.migrate.revisions import Revisions
from candlewave.ml.baseline import LastPriceBaseline
from candlewave.ml.feature_set import volatility_feature
from candlewave.services.ingest.simulate import to_messages
from candlewave.services.ingest.simulator import DEFAULT_SYMBOLS, EXCHANGE, Simulator
from candlewave.services.predictor.models import Models
from candlewave.services.predictor.predictor import Predictor
from candlewave.services.predictor.schedule import ForecastSchedule
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.parameters import fill

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WARM_UP = timedelta(minutes=75)
LIVE_FOR = timedelta(minutes=9)
"""Traded at least before forecasts are counted: a fast machine migrates in less than a simulated minute."""

READS_PER_SECOND = 50
READERS = 5
KILLS = 10
MINUTES_PER_SECOND = 0.5
"""How fast the simulated market lives."""


class Quiet:
    """Progress of a migration that nobody watches."""

    def begin(self, title: str, total: int, seconds: float | None = None) -> None:
        pass

    def step(self, what: str, seconds: float | None = None) -> None:
        pass

    def detail(self, text: str) -> None:
        pass

    def end(self) -> None:
        pass


def migrator_of(url: str, root: Path, progress: object | None = None) -> Migrator:
    """Return a migrator of the project in a folder."""
    settings = Settings()  # type: ignore[call-arg]
    return Migrator(
        Revisions(root), Config(), lambda: connect_url(url), False, lambda text: fill(text, settings),
        progress or Quiet(),
    )  # type: ignore[arg-type]  # fmt: skip


def relations_of_the_api() -> list[str]:
    """Return every relation that the API's queries name."""
    folder = project_root() / "python" / "candlewave" / "services" / "api"
    text = "\n".join(path.read_text() for path in folder.rglob("*.py"))
    declared = {path.name.removesuffix(".sql.j2") for path in (project_root() / "sql").rglob("*.sql.j2")}
    return sorted(declared & set(re.findall(r"(?:FROM|JOIN) (\w+)", text)))


@dataclass
class World:
    """An engine at work, with a market, the predictor and readers; everything that went wrong is in ``problems``."""

    url: str
    root: Path
    reads: int = 0
    longest_read: float = 0.0
    migration_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._now = START
        self._simulator = Simulator(DEFAULT_SYMBOLS[:2], start=START, seed=7)
        self._counting = threading.Lock()

    def start(self) -> None:
        """Load the history, then begin to live."""
        with PostgresBus(self.url) as bus, connect_url(self.url) as conn:
            self._publish(bus, START + WARM_UP)
            Refresher(conn, bus=bus).run_until_idle()
        for work in (self._refresh, self._trade, self._predict, *[self._read] * READERS):
            thread = threading.Thread(target=self._guarded, args=(work,))
            thread.start()
            self._threads.append(thread)

    def catch_up(self) -> None:
        """Wait until enough minutes have been traded, and what is traded by now has been forecast from."""
        self.wait_for(lambda: self._now >= START + WARM_UP + LIVE_FOR)
        last = self._now - 2 * MINUTE
        self.wait_for(lambda: self.forecast_until() >= last)

    def stop(self) -> None:
        """End all threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, condition: Callable[[], bool], seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            assert not self.problems, self.problems[:3]
            time.sleep(0.1)

    def forecast_until(self) -> datetime:
        """Return the newest candle that was forecast from."""
        with connect_url(self.url) as conn:
            row = conn.execute("SELECT max(feature_time) FROM predictions").fetchone()
        return row[0] if row and row[0] else START

    def forecasts(self) -> Counter[tuple[str, int, datetime]]:
        """Return how often each forecast of the baseline was published."""
        with connect_url(self.url) as conn:
            (table,) = conn.execute("SELECT relation FROM bus.topics WHERE topic = %s", [PREDICTIONS.name]).fetchone()  # type: ignore[misc]
            rows = conn.execute(f"SELECT value FROM {table}").fetchall()  # type: ignore[call-overload]
        found = [json.loads(value) for (value,) in rows]
        return Counter((r["symbol"], r["horizon_minutes"], datetime.fromisoformat(r["feature_time"])) for r in found)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 (the test reports it)
            self.problems.append(f"{work.__name__}: {type(error).__name__}: {error}")

    def _refresh(self) -> None:
        with PostgresBus(self.url) as bus, connect_url(self.url) as conn:
            Refresher(conn, bus=bus).run(self._stop)

    def _trade(self) -> None:
        with PostgresBus(self.url) as bus:
            while not self._stop.wait(1 / MINUTES_PER_SECOND):
                self._publish(bus, self._now + MINUTE)

    def _publish(self, bus: PostgresBus, until: datetime) -> None:
        beat = until + timedelta(seconds=2)
        for batch in self._simulator.batches(beat, finish=False):
            bus.publish("trades", to_messages(batch, "sim.", "live", stamp_arrival=True))
        beats = [heartbeat(EXCHANGE, s.symbol, beat) for s in self._simulator.symbols]
        bus.publish("trades", [to_message(one, append_ts=beat) for one in beats])
        self._now = until

    def _predict(self) -> None:
        config = Config()
        horizons = config.predictions.horizons_minutes
        models = Models(LastPriceBaseline(tuple(horizons), volatility_feature(config)))
        markets = [Market(EXCHANGE, s.symbol) for s in self._simulator.symbols]
        with PostgresBus(self.url) as bus, connect_url(self.url) as conn:
            predictor = Predictor(
                bus,
                lambda: models,
                horizons,
                timedelta(seconds=config.candles.grace_seconds),
                ForecastSchedule(timedelta(hours=3), timedelta(hours=1), markets),
                clock=lambda: self._now + timedelta(seconds=3),
            )
            while not self._stop.wait(0.2):
                predictor.cycle(conn)

    def _read(self) -> None:
        relations = relations_of_the_api()
        chance = random.Random(1)
        due = time.monotonic()
        with connect_url(self.url) as conn:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                due += READERS / READS_PER_SECOND
                started = time.monotonic()
                conn.execute(f"SELECT * FROM {chance.choice(relations)} LIMIT 20").fetchall()  # type: ignore[call-overload]
                with self._counting:
                    self.reads += 1
                    self.longest_read = max(self.longest_read, time.monotonic() - started)


@pytest.fixture(scope="module")
def world(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The shipped project in a folder of its own, migrated, at work."""
    root = tmp_path_factory.mktemp("project")
    for folder in ("sql", "migrations"):
        shutil.copytree(project_root() / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute("CREATE DATABASE under_load TEMPLATE template0")
    url = server.url.rsplit("/", 1)[0] + "/under_load"
    with PostgresBus(url) as bus:
        bus.install()
        bus.ensure_topics(TOPICS.values())
    with connect_url(url) as conn:
        catalog.install(conn)
    migrator_of(url, root).upgrade()
    one = World(url, root)
    one.start()
    yield one
    one.stop()


def change_candles(root: Path, factor: str) -> None:
    """Give ``volume`` of the minute candles another expression, of the same value."""
    path = root / "sql" / "views" / "ohlc" / "candles_1m.sql.j2"
    text, count = re.subn(r"THEN f\.volume(?: \* [\d.]+)? ELSE", f"THEN f.volume * {factor} ELSE", path.read_text())
    assert count == 1
    path.write_text(text)


def check(world: World) -> None:
    """Make sure that nothing failed, that each market was forecast exactly once for each minute and horizon, and that
    every view equals a full computation."""
    world.catch_up()
    assert world.problems == []
    counts = world.forecasts()
    first, last = min(when for _, _, when in counts), max(when for _, _, when in counts) - MINUTE
    minutes = [first + n * MINUTE for n in range((last - first) // MINUTE + 1)]
    markets = [s.symbol for s in DEFAULT_SYMBOLS[:2]]
    horizons = Config().predictions.horizons_minutes
    expected = Counter((m, h, t) for m in markets for h in horizons for t in minutes)
    assert len(minutes) > 5
    assert Counter({one: n for one, n in counts.items() if one[2] <= last}) == expected
    with connect_url(world.url) as conn, conn.transaction():
        catalog.lock(conn, "public")  # the refresh waits, so that nothing moves
        assert differences(conn) == []


def test_nothing_fails_while_candles_are_replaced(world: World) -> None:
    with connect_url(world.url) as conn:
        before = dict(identities(conn))
    change_candles(world.root, "1.0")
    changes = migrator_of(world.url, world.root).plan().changes
    replaced = {change.name for change in changes if change.kind is not Kind.SINK}
    assert {"candles_1m", "candles", "features"} <= replaced
    reads, started = world.reads, time.monotonic()
    migrator_of(world.url, world.root).upgrade()
    world.migration_seconds = time.monotonic() - started
    reads = world.reads - reads
    with connect_url(world.url) as conn:
        after = dict(identities(conn))
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == replaced
    print(f"{reads} reads in {world.migration_seconds:.1f} s of migration, longest {world.longest_read:.2f} s")  # noqa: T201
    assert reads > 0
    check(world)


KILLED = """
import os, random, signal, sys, threading
from pathlib import Path
from tests.e2e.test_migration_under_load import Quiet, migrator_of

url, root, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])

class Killed(Quiet):
    def begin(self, title, total, seconds_expected=None):
        timer = threading.Timer(seconds, os.kill, [os.getpid(), signal.SIGKILL])
        timer.daemon = True
        timer.start()

migrator_of(url, root, Killed()).upgrade()
"""


@pytest.mark.timeout(900)
def test_killed_migrator_harms_nobody(world: World, tmp_path: Path) -> None:
    """Killed at ten points, drawn from the time that a migration takes; after every third it is aborted, too."""
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": f"{project_root()}:{project_root() / 'python'}"}
    with connect_url(world.url) as conn:
        serving = identities(conn)
    chance = random.Random(11)
    killed = 0
    version = 1
    while killed < KILLS:
        change_candles(world.root, f"1.{'0' * (version + 1)}")
        after = chance.uniform(0.0, 0.5 * (world.migration_seconds or 10.0))
        command = [sys.executable, str(program), world.url, str(world.root), str(after)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        with connect_url(world.url) as conn:
            if done.returncode == 0:
                version, serving = version + 1, identities(conn)
                continue
            killed += 1
            if killed % 3 == 0 and len(identities(conn)) > len(serving):
                migrator_of(world.url, world.root).abort()
                assert identities(conn) == serving
    migrator_of(world.url, world.root).upgrade()
    assert migrator_of(world.url, world.root).plan().is_empty
    check(world)


def identities(conn: psycopg.Connection) -> list[tuple[object, ...]]:
    """Return names and numbers of all relations."""
    return conn.execute(
        "SELECT relname, oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
        " AND relname NOT LIKE 'candlewave%' ORDER BY 1"
    ).fetchall()
