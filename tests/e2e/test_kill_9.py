"""Processes of the embedded engine are killed at random points; afterwards nothing is lost and nothing doubled."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg
import pytest

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import BusError
from candlewave.core.settings import Settings
from candlewave.engine.embedded import runtime
from candlewave.engine.embedded.refresh import Refresher, differences
from candlewave.services.ingest.simulate import to_messages
from candlewave.services.ingest.simulator import Disturbances, Simulator

DEADLINE = 90.0
START = datetime(2024, 3, 1, tzinfo=UTC)


class Engine:
    """A ``candlewave up`` that a test may kill and start again."""

    def __init__(self, data_dir: Path) -> None:
        self.settings = Settings(CANDLEWAVE_DATA_DIR=data_dir)
        self._environment = {**os.environ, "CANDLEWAVE_DATA_DIR": str(data_dir), "ADMIN_PORT": "0"}
        self._log = (data_dir.parent / f"{data_dir.name}.log").open("ab")

    def run(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "candlewave", *arguments], env=self._environment, check=True, stdout=self._log
        )

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "candlewave", "up"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            assert self.process.poll() is None, "candlewave up ended by itself"
            try:
                if runtime.read(self.settings).pid == self.process.pid:
                    return
            except runtime.EngineNotRunningError:
                pass
            time.sleep(0.05)
        raise AssertionError("candlewave up did not announce itself")

    @property
    def url(self) -> str:
        return runtime.read(self.settings).url

    def kill(self, choice: str) -> None:
        """Kill -9: the owner, or one of PostgreSQL's processes, or the postmaster."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        servers = [
            p
            for p in psutil.process_iter(["cmdline"])
            if str(self.settings.data_dir) in " ".join(p.info["cmdline"] or [])
        ]
        if choice == "owner":
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        else:
            postmaster = next(p for p in [*children, *servers] if "postgres" in p.name())
            target = random.choice(postmaster.children() or [postmaster]) if choice == "backend" else postmaster
            target.kill()

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(DEADLINE) == 0
        self._log.close()


@pytest.fixture
def engine(data_dir: Path) -> Engine:
    started = Engine(data_dir)
    started.start()
    yield started
    if started.process.poll() is None:
        started.stop()


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_or_doubled(engine: Engine, seed: int) -> None:
    engine.run("migrate")
    chance = random.Random(seed)
    random.seed(seed)
    simulator = Simulator(
        seed=seed, start=START, disturbances=Disturbances(late=0.01, duplicate=0.05, out_of_order=0.02)
    )
    batches = list(simulator.batches(START + timedelta(minutes=90), size=2_000, finish=True))
    kills = set(chance.sample(range(len(batches)), 3))
    published: set[tuple[str, str]] = set()
    for number, batch in enumerate(batches):
        messages = to_messages(batch, "sim.", "live", stamp_arrival=True)
        published |= {(m.key or "", _trade_id(m.value or b"")) for m in messages}
        if number in kills:
            engine.kill(chance.choice(["owner", "backend", "postmaster"]))
        _publish_until_acknowledged(engine, messages)
    if engine.process.poll() is not None:
        engine.start()
    with psycopg.connect(engine.url, autocommit=True) as conn:
        conn.execute("SET timezone = 'UTC'")
        with PostgresBus(engine.url) as bus:
            Refresher(conn, bus=bus).run_until_idle()
            assert sum(bus.lag("engine.public.trades", ["trades"]).values()) == 0
        kept = conn.execute("SELECT exchange || '|' || symbol, trade_id FROM trades").fetchall()
        assert len(kept) == len(set(kept))
        assert set(kept) == published
        assert differences(conn) == []


def _publish_until_acknowledged(engine: Engine, messages: list) -> None:
    """Do what every publisher does: try again until the bus has it; the same messages may then be there twice."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        if engine.process.poll() is not None:
            engine.start()
        try:
            with PostgresBus(engine.url) as bus:
                bus.publish("trades", messages)
        except (BusError, runtime.EngineNotRunningError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the bus did not come back within {DEADLINE:g} s")


def _trade_id(value: bytes) -> str:
    return value.split(b'"trade_id":"', 1)[1].split(b'"', 1)[0].decode()
