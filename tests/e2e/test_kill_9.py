"""Processes of the embedded engine are killed at random points; afterwards nothing is lost and nothing doubled."""

import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from tests.worlds.killable import DEADLINE, Engine

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import BusError
from candlewave.engine.embedded import runtime
from candlewave.engine.embedded.refresh import Refresher, differences
from candlewave.services.ingest.simulate import to_messages
from candlewave.services.ingest.simulator import Disturbances, Simulator

START = datetime(2024, 3, 1, tzinfo=UTC)


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
    engine.revive()
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
        engine.revive()
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
