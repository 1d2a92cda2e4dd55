"""What ``candlewave up`` does while it runs: own PostgreSQL, keep it alive, and keep the views fresh."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg

from candlewave import __version__
from candlewave.core.settings import Settings
from candlewave.engine.embedded import catalog, runtime
from candlewave.engine.embedded.server import EmbeddedServer
from candlewave.telemetry.logs import get_logger
from candlewave.telemetry.process import Process

_WATCH_SECONDS = 1.0
_FINISH_SECONDS = 5.0
"""How long a running refresh may go on after the signal to end; it is rolled back then and done at the next start."""

_log = get_logger(__name__)


def run_engine(
    process: Process,
    server: EmbeddedServer,
    *,
    refresh: bool,
    on_started: Callable[[EmbeddedServer], None],
    beside: Mapping[str, Callable[[threading.Event], None]],
) -> None:
    """Run the embedded engine until the process has to stop: a main function for ``run_process``.

    Args:
        server: PostgreSQL, running; it is stopped at the end.
        refresh: whether views follow their inputs.
        on_started: called when other commands can find the engine, before the first refresh.
        beside: further work that runs until the process stops, by the name of its thread.

    Raises:
        ServerError: PostgreSQL died and does not start again.
    """
    settings = process.settings
    process.on_close("postgresql", server.stop)
    process.readiness.add("postgresql", lambda: None if server.running else "PostgreSQL does not run")
    _prepare(server)
    # Removed before PostgreSQL stops, so that nobody is sent to a server that is going away.
    process.on_close("runtime.json", lambda: runtime.remove(settings.runtime_file))
    _announce(settings, server)
    on_started(server)
    for name, work in beside.items():
        process.thread(name, work)
    keep = _refresh if refresh else _idle
    while not process.stop.is_set():
        try:
            keep(server, process.stop)
        except psycopg.OperationalError as error:
            if process.stop.is_set():
                return
            _log.warning("lost the connection to PostgreSQL", reason=str(error).strip())
        _revive(server, process.stop)


def _announce(settings: Settings, server: EmbeddedServer) -> None:
    record = runtime.Runtime(
        pid=os.getpid(),
        url=server.url,
        port=server.port,
        started_at=datetime.now(UTC),
        version=__version__,
    )
    runtime.write(settings.runtime_file, record)


def _prepare(server: EmbeddedServer) -> None:
    """Create what the bus and the catalog keep in the database, where it is missing."""
    from candlewave.bus.postgres import PostgresBus
    from candlewave.contracts.topics import EMBEDDED_TOPICS, TOPICS

    with PostgresBus(server.url) as bus:
        bus.install()
        bus.ensure_topics([*TOPICS.values(), *EMBEDDED_TOPICS])
    with psycopg.connect(server.url, autocommit=True) as conn:
        catalog.install(conn)


def _idle(server: EmbeddedServer, stop: threading.Event) -> None:
    while server.running and not stop.wait(_WATCH_SECONDS):
        pass


def _refresh(server: EmbeddedServer, stop: threading.Event) -> None:
    from candlewave.bus.postgres import PostgresBus
    from candlewave.engine.embedded.refresh import Refresher

    with (
        psycopg.connect(server.url, autocommit=True, application_name="candlewave-refresh") as conn,
        PostgresBus(server.url) as bus,
        _cancelled_after(conn, stop),
    ):
        conn.execute("SET timezone = 'UTC'")
        _log.info("keeping views fresh")
        Refresher(conn, bus=bus).run(stop)


@contextmanager
def _cancelled_after(conn: psycopg.Connection, stop: threading.Event) -> Iterator[None]:
    """Cancel the connection's statement some seconds after ``stop`` is set, unless the block has ended by then."""
    ended = threading.Event()

    def watch() -> None:
        while not stop.wait(_WATCH_SECONDS):
            if ended.is_set():
                return
        if not ended.wait(_FINISH_SECONDS):
            _log.info("a refresh is cancelled; it is done again at the next start")
            conn.cancel_safe()

    thread = threading.Thread(target=watch, name="cancel-refresh", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


def _revive(server: EmbeddedServer, stop: threading.Event) -> None:
    """Start PostgreSQL again when it died; when it lives, give it a moment to recover from a crashed session."""
    if stop.is_set():
        return
    if server.running:
        stop.wait(_WATCH_SECONDS)
        return
    _log.error("PostgreSQL ended unexpectedly, starting it again")
    server.restart()
    _log.info("PostgreSQL runs again", port=server.port, pid=server.pid)
