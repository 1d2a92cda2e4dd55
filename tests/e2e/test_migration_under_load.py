"""A migration of ``candles_1m``, and of all that reads it, while trades come, the predictor works and clients read.

No read fails, no forecast is missing or doubled; also when the migrator is killed again and again. On the embedded
engine, and on RisingWave with Kafka where there are any.
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
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo
from tests.worlds.commands import UNSET
from tests.worlds.engine import Databases
from tests.worlds.stack import new_database, risingwave_url

from candlewave.bus import Bus, open_bus
from candlewave.bus.messages import to_message
from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Received
from candlewave.contracts.records import heartbeat
from candlewave.contracts.topics import PREDICTIONS, TOPICS
from candlewave.core.config import Config
from candlewave.core.markets import Market
from candlewave.core.paths import project_root
from candlewave.core.settings import Settings
from candlewave.engine.connect import connect_url
from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.refresh import Refresher, differences
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


@dataclass(frozen=True)
class Place:
    """A database of an engine, with its bus.

    Attributes:
        settings: name the database where it is one of RisingWave.
        minutes_per_second: how fast the simulated market lives.
        patience: seconds until something has gone wrong.
        kills: how often the migrator is killed.
    """

    url: str
    settings: Settings
    minutes_per_second: float = 0.5
    patience: float = 120.0
    kills: int = 10

    @property
    def risingwave(self) -> bool:
        return not self.settings.embedded

    def bus(self) -> Bus:
        return open_bus(self.settings) if self.risingwave else PostgresBus(self.url)

    @property
    def environment(self) -> dict[str, str]:
        """What leads another process here."""
        if not self.risingwave:
            return {}
        servers = self.settings.kafka_bootstrap_servers or ""
        prefix = self.settings.kafka_topic_prefix
        return {"RISINGWAVE_URL": self.url, "KAFKA_BOOTSTRAP_SERVERS": servers, "KAFKA_TOPIC_PREFIX": prefix}

    def identities(self) -> dict[str, int]:
        """Return the numbers of all tables and views, but the migrator's own."""
        with connect_url(self.url) as conn:
            return dict(conn.execute(_IDENTITIES_RISINGWAVE if self.risingwave else _IDENTITIES_EMBEDDED).fetchall())


_IDENTITIES_EMBEDDED = """
SELECT relname, oid FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND relname NOT LIKE 'candlewave%'
"""
_IDENTITIES_RISINGWAVE = """
SELECT r.name, r.id FROM rw_catalog.rw_relations AS r JOIN rw_catalog.rw_schemas AS s ON r.schema_id = s.id
WHERE s.name = 'public' AND r.relation_type IN ('table', 'materialized view', 'view') AND r.name NOT LIKE 'candlewave%'
"""


@contextmanager
def embedded(databases: Databases) -> Iterator[Place]:
    """Lend a database of the embedded engine."""
    url = databases.create()
    with PostgresBus(url) as bus, connect_url(url) as conn:
        bus.install()
        catalog.install(conn)
    yield Place(url, Settings(risingwave_url=None, kafka_bootstrap_servers=None))  # type: ignore[call-arg]
    databases.drop(url)


@contextmanager
def risingwave() -> Iterator[Place]:
    """Lend a database of RisingWave, whose topics begin with its name. One view takes it seconds to make."""
    server = risingwave_url()
    with new_database(server, "under_load", force=False) as name:
        url = make_conninfo(server, dbname=name)
        settings = Settings(risingwave_url=url, kafka_topic_prefix=f"{name}.")  # type: ignore[call-arg, arg-type]
        yield Place(url, settings, minutes_per_second=0.1, patience=1800.0, kills=3)


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


def migrator_of(place: Place, root: Path, progress: object | None = None) -> Migrator:
    """Return a migrator of the project in a folder."""
    return Migrator(
        Revisions(root), Config(), lambda: connect_url(place.url), place.risingwave,
        lambda text: fill(text, place.settings), progress or Quiet(),
    )  # type: ignore[arg-type]  # fmt: skip


def relations_of_the_api() -> list[str]:
    """Return every relation of the shipped configuration that the API's queries name."""
    folder = project_root() / "python" / "candlewave" / "services" / "api"
    text = "\n".join(path.read_text() for path in folder.rglob("*.py"))
    declared = {path.stem for path in (project_root() / "sql" / "rendered").rglob("*.sql")}
    return sorted(declared & set(re.findall(r"(?:FROM|JOIN) (\w+)", text)))


@dataclass
class World:
    """An engine at work, with a market, the predictor and readers; everything that went wrong is in ``problems``."""

    place: Place
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
        if not self.place.risingwave:
            self._begin(self._refresh)
        with self.place.bus() as bus:
            self._publish(bus, START + WARM_UP)
        self.wait_for(lambda: self._newest("features", "close_time") >= START + WARM_UP)
        for work in (self._trade, self._predict, *[self._read] * READERS):
            self._begin(work)

    def catch_up(self) -> None:
        """Wait until enough minutes have been traded, and what is traded by now has been forecast from."""
        self.wait_for(lambda: self._now >= START + WARM_UP + LIVE_FOR)
        last = self._now - 2 * MINUTE
        self.wait_for(lambda: self._newest("predictions", "feature_time") >= last)

    def stop(self) -> None:
        """End all threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.place.patience
        while not condition():
            assert time.monotonic() < deadline
            assert not self.problems, self.problems[:3]
            time.sleep(0.1)

    def forecasts(self) -> Counter[tuple[str, int, datetime]]:
        """Return how often each forecast of the baseline was published."""
        found: list[Received] = []
        with self.place.bus() as bus, bus.subscribe(f"counting-{uuid.uuid4()}", [PREDICTIONS.name]) as subscription:
            published = sum(bus.end_offsets(PREDICTIONS.name).values())

            def all_read() -> bool:
                found.extend(subscription.poll())
                return len(found) >= published

            self.wait_for(all_read)
        rows = [json.loads(message.value or b"") for message in found]
        return Counter((r["symbol"], r["horizon_minutes"], datetime.fromisoformat(r["feature_time"])) for r in rows)

    def _newest(self, relation: str, column: str) -> datetime:
        with connect_url(self.place.url) as conn:
            row = conn.execute(f"SELECT max({column}) FROM {relation}").fetchone()  # type: ignore[call-overload]
        return row[0] if row and row[0] else START

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(work,))
        thread.start()
        self._threads.append(thread)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 (the test reports it)
            self.problems.append(f"{work.__name__}: {type(error).__name__}: {error}")

    def _refresh(self) -> None:
        with self.place.bus() as bus, connect_url(self.place.url) as conn:
            Refresher(conn, bus=bus).run(self._stop)

    def _trade(self) -> None:
        with self.place.bus() as bus:
            while not self._stop.wait(1 / self.place.minutes_per_second):
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
        with self.place.bus() as bus, connect_url(self.place.url) as conn:
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
        with connect_url(self.place.url) as conn:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                due += READERS / READS_PER_SECOND
                started = time.monotonic()
                conn.execute(f"SELECT * FROM {chance.choice(relations)} LIMIT 20").fetchall()  # type: ignore[call-overload]
                with self._counting:
                    self.reads += 1
                    self.longest_read = max(self.longest_read, time.monotonic() - started)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("embedded", marks=pytest.mark.timeout(900)),
        pytest.param("risingwave", marks=[pytest.mark.stack, pytest.mark.timeout(7200)]),
    ],
)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The shipped project in a folder of its own, migrated, at work."""
    root = tmp_path_factory.mktemp("project")
    for folder in ("sql", "migrations"):
        shutil.copytree(project_root() / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    lent = risingwave() if request.param == "risingwave" else embedded(request.getfixturevalue("databases"))
    with lent as place:
        with place.bus() as bus:
            bus.ensure_topics(TOPICS.values())
        migrator_of(place, root).upgrade()
        one = World(place, root)
        try:
            one.start()
            yield one
        finally:
            one.stop()


def change_candles(root: Path, factor: str) -> None:
    """Give ``volume`` of the minute candles another expression, of the same value."""
    path = root / "sql" / "views" / "ohlc" / "candles_1m.sql.j2"
    volume = r" volume(?: \* [\d.]+ AS volume)?, turnover, trades, buy_volume, is_filled, feed_state"
    new = f" volume * {factor} AS volume, turnover, trades, buy_volume, is_filled, feed_state"
    text, count = re.subn(volume, new, path.read_text())
    assert count == 1
    path.write_text(text)


def check(world: World) -> None:
    """Make sure that nothing failed, that each market was forecast exactly once for each minute and horizon, that
    nothing differs from ``sql/``, and that every view of the embedded engine equals a full computation."""
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
    assert migrator_of(world.place, world.root).status()[1] == []
    if world.place.risingwave:
        return
    with connect_url(world.place.url) as conn, conn.transaction():
        catalog.lock(conn, "public")  # the refresh waits, so that nothing moves
        assert differences(conn) == []


def test_nothing_fails_while_candles_are_replaced(world: World) -> None:
    before = world.place.identities()
    change_candles(world.root, "1.0")
    changes = migrator_of(world.place, world.root).plan().changes
    replaced = {change.name for change in changes if change.kind is not Kind.SINK}
    assert {"candles_1m", "candles", "features"} <= replaced
    reads, started = world.reads, time.monotonic()
    migrator_of(world.place, world.root).upgrade()
    world.migration_seconds = time.monotonic() - started
    reads = world.reads - reads
    after = world.place.identities()
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == replaced
    print(f"{reads} reads in {world.migration_seconds:.1f} s of migration, longest {world.longest_read:.2f} s")  # noqa: T201
    assert reads > 0
    check(world)


KILLED = """
import os, signal, sys, threading
from pathlib import Path
from candlewave.core.settings import Settings
from tests.e2e.test_migration_under_load import Place, Quiet, migrator_of

url, root, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])

class Killed(Quiet):
    def begin(self, title, total, seconds_expected=None):
        timer = threading.Timer(seconds, os.kill, [os.getpid(), signal.SIGKILL])
        timer.daemon = True
        timer.start()

migrator_of(Place(url, Settings()), root, Killed()).upgrade()
"""


def test_killed_migrator_harms_nobody(world: World, tmp_path: Path) -> None:
    """Killed at random points of the time that a migration takes; after every third it is aborted, too."""
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    environment = {**kept, "PYTHONPATH": f"{project_root()}:{project_root() / 'python'}", **world.place.environment}
    serving = world.place.identities()
    chance = random.Random(11)
    killed = 0
    version = 1
    while killed < world.place.kills:
        change_candles(world.root, f"1.{'0' * (version + 1)}")
        after = chance.uniform(0.0, 0.5 * (world.migration_seconds or 10.0))
        command = [sys.executable, str(program), world.place.url, str(world.root), str(after)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        if done.returncode == 0:
            version, serving = version + 1, world.place.identities()
            continue
        killed += 1
        if killed % 3 == 0 and len(world.place.identities()) > len(serving):
            migrator_of(world.place, world.root).abort()
            assert world.place.identities() == serving
    migrator_of(world.place, world.root).upgrade()
    assert migrator_of(world.place, world.root).plan().is_empty
    check(world)
