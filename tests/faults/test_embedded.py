"""The embedded engine under faults: every record of topic ``trades`` is in exactly one place, whatever was killed."""

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from urllib.parse import urlsplit

import psycopg
import pytest
from tests.faults.ledger import Ledger
from tests.worlds.foreign import fuzzed, good
from tests.worlds.killable import DEADLINE, Engine
from tests.worlds.link import Link

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import BusError, Message
from candlewave.core.times import format_time
from candlewave.engine.embedded import runtime
from candlewave.engine.embedded.refresh import differences

pytestmark = pytest.mark.timeout(900)

BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
BATCHES, RECORDS = 6, 25
FAULTS = ("none", "backend", "cut", "cut inside", "slow", "postmaster", "owner")
WEIGHTS = (4, 3, 3, 4, 3, 1, 1)
GROUP = "engine.public.trades"


@pytest.fixture
def link(engine: Engine) -> Iterator[Link]:
    """Between the publisher and the database, wherever that is after a restart."""

    def port() -> int:
        try:
            return urlsplit(engine.url).port or 0
        except runtime.EngineNotRunningError as error:
            raise OSError(str(error)) from None

    with Link(port) as opened:
        yield opened


def test_each_record_is_in_one_place(engine: Engine, link: Link, chance: Random, seed: int) -> None:
    random.seed(seed)
    ledger = Ledger(BEGIN + seed * timedelta(hours=1))
    batches = [_batch(ledger, chance, f"x{seed}", number) for number in range(BATCHES)]
    faults: dict[str, Callable[[], object]] = {
        "none": lambda: None,
        "backend": lambda: engine.kill("backend"),
        "postmaster": lambda: engine.kill("postmaster"),
        "owner": lambda: engine.kill("owner"),
        "cut": link.cut,
        "cut inside": lambda: link.cut_after(chance.randrange(20_000)),
        "slow": lambda: link.slow(0.02),
    }
    for batch in batches:
        [fault] = chance.choices(FAULTS, WEIGHTS)
        engine.revive()
        faults[fault]()
        _publish(engine, link, batch)
    link.mend()
    engine.revive()
    _wait_until_read(engine)
    with psycopg.connect(engine.url, autocommit=True) as conn:
        conn.execute("SET timezone = 'UTC'")
        assert ledger.problems(conn) == []
        kept = conn.execute(
            "SELECT count(*) FROM trades WHERE exchange = %s AND kind = 'trade'", [f"x{seed}"]
        ).fetchone()
        assert kept is not None
        assert kept[0] > BATCHES * RECORDS / 3, "most records are good"


def test_views_are_what_a_recomputation_gives(engine: Engine) -> None:
    """After all runs of this module."""
    engine.revive()
    _wait_until_read(engine)
    with psycopg.connect(engine.url, autocommit=True) as conn:
        conn.execute("SET timezone = 'UTC'")
        assert differences(conn) == []


def _batch(ledger: Ledger, chance: Random, exchange: str, number: int) -> list[Message]:
    """Return good records, some of them repeated, contradicted, impossible or no records at all."""
    messages: list[Message] = []
    sent: list[dict[str, object]] = []
    for index in range(RECORDS):
        moment = ledger.begin - timedelta(minutes=BATCHES - number) + timedelta(seconds=2 * index)
        record: dict[str, object] = {
            **good("trades", f"{number}-{index}"),
            "exchange": exchange,
            "symbol": chance.choice(("A/B", "C/D")),
            "ts": format_time(moment),
            "price": str(chance.randint(90, 110)),
        }
        kind = chance.choices(("good", "again", "contradicted", "impossible", "fuzzed"), (12, 2, 1, 2, 4))[0]
        belongs, payload = "table", None
        if kind in ("again", "contradicted"):
            if not sent:
                continue
            record = chance.choice(sent)  # in its own partition, hence behind the first
        if kind == "contradicted":
            record, belongs = {**record, "price": f"1.{number}{index}"}, "rejects"
        elif kind == "impossible":
            field, value = chance.choice((("price", "0"), ("quantity", "-1"), ("kind", "rumour"), ("ts", "soon")))
            record, belongs = {**record, field: value}, "rejects"
        elif kind == "good":
            sent.append(record)
        if kind == "fuzzed":
            payload, belongs = fuzzed(chance, "trades", f"{number}-{index}", exchange=exchange), "any"
        else:
            payload = json.dumps(record).encode()
        messages.append(ledger.message(payload, f"{exchange}|{record['symbol']}", belongs))
    return messages


def _publish(engine: Engine, link: Link, messages: Sequence[Message]) -> None:
    """Do as publishers do: try again until the bus has it. The link is mended after the first failure."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        engine.revive()
        try:
            parts = urlsplit(engine.url)
            login = parts.netloc.rpartition("@")[0]
            with PostgresBus(parts._replace(netloc=f"{login}@{link.address}").geturl()) as bus:
                bus.publish("trades", messages)
        except (BusError, runtime.EngineNotRunningError):
            link.mend()
            time.sleep(0.1)  # nothing tells when a database that was killed is back
        else:
            link.mend()
            return
    raise AssertionError(f"the bus did not come back within {DEADLINE:g} s")


def _wait_until_read(engine: Engine) -> None:
    """Wait until the tables have read their topics, dead letters too."""
    until = time.monotonic() + DEADLINE
    topics = {GROUP: "trades", "engine.public.trades_dlq": "trades.dlq"}
    lag: object = None
    while time.monotonic() < until:
        engine.revive()
        try:
            with PostgresBus(engine.url) as bus:
                lag = {topic: sum(bus.lag(group, [topic]).values()) for group, topic in topics.items()}
                if not any(lag.values()):
                    return
        except (BusError, runtime.EngineNotRunningError) as error:
            lag = error
        time.sleep(0.1)  # the engine notifies nobody of having read
    raise AssertionError(f"the engine has not read everything within {DEADLINE:g} s: {lag}")
