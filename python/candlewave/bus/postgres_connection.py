"""A database connection that comes back after the server was away, and errors in the bus's own words."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import psycopg
from psycopg import sql

from candlewave.bus.protocol import BusError, BusUnavailableError


class Reconnecting:
    """One autocommit connection in UTC, opened at first use and again after it was lost. Not thread-safe.

    Args:
        url: where the database is, or a function that finds it.
        listen: channels whose notifications the connection receives.
        max_idle: the server ends a session that has been idle for so long.
    """

    def __init__(
        self, url: str | Callable[[], str], listen: Sequence[str] = (), max_idle: timedelta | None = None
    ) -> None:
        self._url = url
        self._listen = listen
        self._max_idle = max_idle
        self._connection: psycopg.Connection | None = None

    def get(self) -> psycopg.Connection:
        """Return the connection; it listens to the channels of the constructor."""
        conn = self._connection
        if conn is None or conn.closed:
            url = self._url if isinstance(self._url, str) else self._url()
            conn = psycopg.connect(url, autocommit=True, application_name="candlewave-bus", connect_timeout=10)
            conn.execute("SET timezone = 'UTC'")
            if self._max_idle:
                milliseconds = round(self._max_idle / timedelta(milliseconds=1))
                conn.execute("SELECT set_config('idle_session_timeout', %s, false)", (f"{milliseconds}ms",))
            for channel in self._listen:
                conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            self._connection = conn
        return conn

    @property
    def lost(self) -> bool:
        """True when the next :meth:`get` opens a new connection."""
        return self._connection is None or self._connection.closed

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def reaching(what: str) -> Iterator[None]:
    """Turn errors of the database into the bus's own.

    Raises:
        BusUnavailableError: the server is down or cannot do it now.
        BusError: the bus's tables are not there.
    """
    try:
        yield
    except psycopg.OperationalError as error:
        # No state, connection trouble or a shutdown: the server is down. The rest, such as a full disk, is its own.
        away = error.sqlstate is None or error.sqlstate[:2] in ("08", "57")
        hint = "; is `candlewave up` running?" if away else ""
        raise BusUnavailableError(f"cannot {what}: {str(error).strip()}{hint}") from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise BusError(f"cannot {what}: the bus's tables are missing ({error}); run `candlewave up`") from error
