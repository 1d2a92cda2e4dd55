"""An engine with every table and view, fed by a simulated market."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from candlewave.bus.messages import to_message
from candlewave.bus.postgres import PostgresBus
from candlewave.contracts.records import heartbeat
from candlewave.engine.connect import connect_url
from candlewave.engine.embedded.refresh import Refresher
from candlewave.services.ingest.simulate import to_messages
from candlewave.services.ingest.simulator import Simulator

GRACE = timedelta(seconds=2)


@dataclass
class Market:
    """The engine, the bus, the market and the minute up to which it has been published."""

    url: str
    conn: psycopg.Connection
    bus: PostgresBus
    simulator: Simulator
    refresher: Refresher
    now: datetime

    def advance(self, until: datetime) -> None:
        """Publish the market up to the end of a minute, the grace and its heartbeats, and let SQL follow."""
        beat = until + GRACE
        for batch in self.simulator.batches(beat, finish=False):
            self.bus.publish("trades", to_messages(batch, "sim.", "live", stamp_arrival=True))
        self.bus.publish(
            "trades",
            [to_message(heartbeat("simulated", s.symbol, beat), append_ts=beat) for s in self.simulator.symbols],
        )
        self.refresher.run_until_idle()
        self.now = until


@contextmanager
def open_market(url: str, simulator: Simulator) -> Iterator[Market]:
    """Open a simulated market on an engine that :meth:`tests.worlds.engine.Databases.engine` made."""
    with PostgresBus(url) as bus, connect_url(url) as conn:
        yield Market(url, conn, bus, simulator, Refresher(conn), simulator.start)
