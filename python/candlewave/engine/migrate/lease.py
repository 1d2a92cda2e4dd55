"""One migrator at a time.

On the embedded engine an advisory lock of the migration's own session does it, and goes with the session. RisingWave
has neither locks nor conditional writes, so there each migrator puts a row of its own into ``candlewave_migrators``,
waits until it can be seen, and goes on only if no other row is alive; whoever meets another withdraws. Of two, the one
that reads later sees the other's row, so they never both go on. A row lives for minutes and is renewed while its owner
works, so a dead migrator holds nobody up for long.
"""

import random
import socket
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from os import getpid
from threading import Event, Thread
from types import TracebackType
from typing import Self

import psycopg
from psycopg.rows import tuple_row

from candlewave.engine.connect import EngineError
from candlewave.engine.migrate import MigrationError

LIFE_SECONDS = 120
_LOCK = "hashtext('candlewave.migrate')"
_TABLE = """\
CREATE TABLE IF NOT EXISTS candlewave_migrators (
    owner VARCHAR,
    expires_at TIMESTAMPTZ,
    PRIMARY KEY (owner)
)"""


class LeaseError(MigrationError):
    """Another migrator is at work, or the lease was lost while working."""


class Lease(ABC):
    """Held while a migration runs; use as a context manager."""

    @abstractmethod
    def check(self) -> None:
        """Make sure that the lease is still held.

        Raises:
            LeaseError: it is not, so another migrator may have begun.
        """

    @abstractmethod
    def acquire(self) -> None:
        """Take the lease.

        Raises:
            LeaseError: another migrator kept it for as long as this one was willing to wait.
        """

    @abstractmethod
    def release(self) -> None:
        """Give the lease back."""

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.release()
        except (psycopg.Error, EngineError) as failed:
            if error is None:
                raise
            error.add_note(f"the migration lease could not be given back: {failed}")


class SessionLease(Lease):
    """PostgreSQL's advisory lock, on the connection that migrates: lost only together with it.

    Args:
        wait_seconds: how long to wait for another migrator.
    """

    def __init__(self, conn: psycopg.Connection, wait_seconds: float) -> None:
        self._conn = conn
        self._wait_seconds = wait_seconds

    def acquire(self) -> None:
        """See :meth:`Lease.acquire`."""
        try:
            with self._conn.transaction():
                milliseconds = max(1, int(self._wait_seconds * 1000))
                self._conn.execute("SELECT set_config('lock_timeout', %s, true)", [str(milliseconds)])
                self._conn.execute(f"SELECT pg_advisory_lock({_LOCK})")
        except psycopg.errors.LockNotAvailable:
            raise LeaseError(
                f"another `candlewave migrate` is at work on this engine; waited {self._wait_seconds:g} s for it"
            ) from None

    def check(self) -> None:
        """See :meth:`Lease.check`: the lock lives as long as the connection."""

    def release(self) -> None:
        """See :meth:`Lease.release`."""
        if not self._conn.closed:
            self._conn.execute(f"SELECT pg_advisory_unlock({_LOCK})")


class RowLease(Lease):
    """A row with owner and expiry; see the module's description.

    Args:
        connect: opens a connection in autocommit mode whose writes are visible to all when they return.
        wait_seconds: how long to wait for another migrator.
        pause: waits for the given seconds between attempts.
        clock: seconds that only grow, by which the lease judges its own age.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection],
        wait_seconds: float,
        *,
        life_seconds: int = LIFE_SECONDS,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._wait_seconds = wait_seconds
        self._life_seconds = life_seconds
        self._pause = pause
        self._stop = Event()
        self._clock = clock
        self._renewed_at = 0.0
        self._lost: Exception | None = None
        self._keeper: Thread | None = None
        self.owner = f"{socket.gethostname()}:{getpid()}:{uuid.uuid4().hex[:8]}"

    def acquire(self) -> None:
        """See :meth:`Lease.acquire`."""
        deadline = self._clock() + self._wait_seconds
        with self._connect() as conn:
            conn.execute(_TABLE)
            conn.execute("DELETE FROM candlewave_migrators WHERE expires_at <= now()")
            while others := self._try(conn):
                if self._clock() >= deadline:
                    raise LeaseError(
                        f"another `candlewave migrate` is at work on this engine: {', '.join(others)}; waited"
                        f" {self._wait_seconds:g} s for it. One that died frees the engine {self._life_seconds} s later"
                    )
                self._pause(random.uniform(0.5, 1.5))
        self._keeper = Thread(target=self._keep, name="migration-lease", daemon=True)
        self._keeper.start()

    def check(self) -> None:
        """See :meth:`Lease.check`."""
        if self._lost is not None or self._clock() - self._renewed_at > self._life_seconds:
            raise LeaseError(
                f"the lease could not be renewed, so another migrator may have begun: {self._lost or 'no answer'}"
            )

    def release(self) -> None:
        """See :meth:`Lease.release`."""
        self._stop.set()
        if self._keeper is not None:
            self._keeper.join()
        with self._connect() as conn:
            conn.execute("DELETE FROM candlewave_migrators WHERE owner = %s", [self.owner])

    def _try(self, conn: psycopg.Connection) -> list[str]:
        """Put the row in and return the other owners alive; with any, the row is withdrawn."""
        self._renew(conn)
        with conn.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(
                "SELECT owner FROM candlewave_migrators WHERE owner <> %s AND expires_at > now() ORDER BY owner",
                [self.owner],
            )
            others = [row[0] for row in cursor]
        if others:
            conn.execute("DELETE FROM candlewave_migrators WHERE owner = %s", [self.owner])
        return others

    def _renew(self, conn: psycopg.Connection) -> None:
        renewed_at = self._clock()
        conn.execute(
            "INSERT INTO candlewave_migrators (owner, expires_at)"
            f" SELECT %s::varchar, now() + INTERVAL '{self._life_seconds} seconds'",
            [self.owner],
        )
        self._renewed_at = renewed_at

    def _keep(self) -> None:
        try:
            with self._connect() as conn:
                while not self._stop.wait(self._life_seconds / 4):
                    self._renew(conn)
        except (psycopg.Error, EngineError) as error:
            self._lost = error
