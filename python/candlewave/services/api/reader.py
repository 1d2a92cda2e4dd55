"""Reading from the SQL engine: a pool of asynchronous connections, and errors that callers understand."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from candlewave.engine.connect import NOTICE_LOSS, explain
from candlewave.services.api.problems import ProblemError, engine_away
from candlewave.telemetry.logs import get_logger

Row = dict[str, Any]
_LOOK_SECONDS = 1.0
_log = get_logger(__name__)


def _too_slow() -> ProblemError:
    return engine_away("The SQL engine took too long; ask for less, or try again.", 5)


class Reader:
    """Run queries; an engine that comes back, also on another port, is found again.

    Args:
        url: returns where the engine is; called for each connection.
        size: maximum number of connections.
        timeout_seconds: longest time of a statement.
    """

    def __init__(self, url: Callable[[], str], size: int, timeout_seconds: float) -> None:
        self._timeout_ms = int(timeout_seconds * 1000)
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
            conninfo=url,
            kwargs={"application_name": "candlewave api", "connect_timeout": 5, **NOTICE_LOSS},
            open=False,
            min_size=min(2, size),
            max_size=size,
            timeout=3.0,
            reconnect_timeout=5.0,
            configure=self._configure,
        )
        self._problem: str | None = "not connected yet"
        self._is_told = False
        self._watch: asyncio.Task[None] | None = None
        self.is_risingwave = False

    @property
    def problem(self) -> str | None:
        """What is wrong with the engine, None when it answers; for readiness."""
        return self._problem

    async def open(self) -> None:
        """Begin to connect; returns at once, whether or not the engine is there."""
        await self._pool.open()
        self._watch = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Close all connections."""
        if self._watch is not None:
            self._watch.cancel()
        await self._pool.close(timeout=2.0)

    async def rows(self, query: str | Composed, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a query.

        Raises:
            ProblemError: 503, the engine cannot be used now.
        """
        text = SQL(query).format() if isinstance(query, str) else query
        patience = 3.0 if self._problem is None else 0.5
        try:
            async with self._pool.connection(patience) as conn, conn.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(text, parameters or None)
                found: list[Row] = await cursor.fetchall()
        except errors.QueryCanceled:
            raise _too_slow() from None
        except (PoolTimeout, PoolClosed, psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._tell(error)
            raise engine_away() from None
        except psycopg.DatabaseError as error:
            if "Query cancelled: timeout" in str(error):  # RisingWave has no code for it
                raise _too_slow() from None
            words = explain(error)
            if "apply the migrations" not in words:
                raise
            _log.warning("engine not migrated", error=words)
            detail = "The SQL engine has not all of candlewave's objects yet: `candlewave migrate`."
            raise engine_away(detail, 10) from None
        return found

    async def row(self, query: str | Composed, parameters: Sequence[object] = ()) -> Row | None:
        """Return the first row of a query, None if there is none."""
        found = await self.rows(query, parameters)
        return found[0] if found else None

    def _tell(self, error: Exception) -> None:
        """Log once per outage: every request would say the same."""
        if not self._is_told:
            self._is_told = True
            _log.warning("engine not available", error=str(error))

    async def _configure(self, conn: AsyncConnection[Any]) -> None:
        await conn.set_autocommit(True)
        # RisingWave binds a prepared statement to the object it saw, also after a rebuild.
        conn.prepare_threshold = None
        await conn.execute("SET timezone = 'UTC'")
        cursor = await conn.execute("SELECT version()")
        row = await cursor.fetchone()
        self.is_risingwave = row is not None and "risingwave" in str(row[0]).lower()
        # With the unit: a bare number was seconds in older RisingWave.
        await conn.execute(f"SET statement_timeout = '{self._timeout_ms}ms'")

    async def _look(self) -> None:
        """Ask the engine once a second, so that readiness knows and requests need not wait to find out."""
        while True:
            try:
                async with self._pool.connection(2.0) as conn:
                    await conn.execute("SELECT 1")
                if self._is_told:
                    _log.info("engine available again")
                self._problem, self._is_told = None, False
            except (PoolTimeout, psycopg.Error) as error:
                self._tell(error)
                self._problem = "the SQL engine does not answer"
                await self._pool.check()
            await asyncio.sleep(_LOOK_SECONDS)
