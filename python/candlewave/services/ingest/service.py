"""The service ``trade-to-ohlc``: live ingest, its share of symbols, and the audit of the OHLC layer."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import timedelta

import psycopg

from candlewave.bus.shards import ShardOwnership
from candlewave.contracts.topics import INGEST_SHARDS, TRADES, TRADES_DLQ
from candlewave.core.config import Config
from candlewave.core.markets import market_key
from candlewave.engine.connect import connect
from candlewave.services.frame import Service
from candlewave.services.ingest.audit import OBJECTS, OhlcAudit
from candlewave.services.ingest.live.ingest import LiveIngest
from candlewave.services.ingest.settings import IngestSettings
from candlewave.services.ingest.store import EngineStore

GROUP = "trade-to-ohlc"
_AUDIT_SECONDS = 30.0
_AUDIT_SAMPLE = 20
_HAND_OVER_SECONDS = 15.0


def main(service: Service, config: Config) -> None:
    """Run until the service stops.

    Raises:
        EngineError, BusError: the engine or the bus cannot be reached at the start.
    """
    service.bus.ensure_topics([TRADES, TRADES_DLQ, INGEST_SHARDS])
    store = EngineStore(lambda: connect(service.settings))
    service.on_close("store", store.close)
    service.thread(
        "ohlc-audit",
        lambda _: service.supervise(
            "engine", lambda _: _audit(service, config), pause_seconds=_AUDIT_SECONDS, ready=False
        ),
    )
    asyncio.run(_ingest(service, config, store))


async def _ingest(service: Service, config: Config, store: EngineStore) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    ingest = LiveIngest(
        service.bus,
        store,
        {name: market.symbols for name, market in config.exchanges.items()},
        timedelta(seconds=config.candles.grace_seconds),
        IngestSettings.load(),
    )
    service.readiness.add("feeds", lambda: ingest.problem)
    service.readiness.note("dropped symbols", lambda: ingest.dropped)
    service.readiness.note("silent symbols", lambda: ingest.silent)
    service.readiness.note("clocks", lambda: ingest.clocks)

    def change(owned: frozenset[int]) -> None:
        """Take on and give up symbols; another replica takes over what is given up as soon as this returns."""
        service.log.info("owned shards changed", shards=sorted(owned))
        if not stop.is_set():
            moved = asyncio.run_coroutine_threadsafe(
                ingest.own(lambda exchange, symbol: shards.owns(market_key(exchange, symbol))), loop
            )
            moved.result(_HAND_OVER_SECONDS)

    shards = ShardOwnership(service.bus, GROUP, change)
    sharing_ends = threading.Event()
    sharing = asyncio.create_task(asyncio.to_thread(shards.run, sharing_ends))
    stopping = asyncio.create_task(_when_set(service.stop, stop))
    try:
        await ingest.run(stop)
    finally:
        stop.set()
        sharing_ends.set()
        stopping.cancel()
        await sharing


async def _when_set(event: threading.Event, then: asyncio.Event) -> None:
    while not event.is_set():
        await asyncio.sleep(0.1)
    then.set()


def _audit(service: Service, config: Config) -> None:
    """Audit a sample now and then, until the service stops."""
    with connect(service.settings) as conn:
        audit = OhlcAudit(
            conn,
            timedelta(minutes=config.candles.max_fill_minutes),
            structure=deviations_from_sql,
            on_difference=lambda d: service.log.error("candle differs from its trades", difference=str(d)),
        )
        for line in audit.deviations():
            service.log.error("layer deviates from sql/", deviation=line)
        while not service.stop.is_set():
            audit.measure()
            audited, differences = audit.sample(_AUDIT_SAMPLE)
            service.log.info("audited candles", audited=audited, differences=len(differences))
            service.stop.wait(_AUDIT_SECONDS)


def deviations_from_sql(conn: psycopg.Connection) -> Sequence[str]:
    """Return what of the OHLC layer differs from sql/."""
    from candlewave.engine.migrate.check import deviations

    return deviations(conn, OBJECTS)
