"""Connections to the SQL engine: RisingWave when ``RISINGWAVE_URL`` is set, otherwise the embedded PostgreSQL."""

import re
from typing import Any

import psycopg
from psycopg import errors

from candlewave.core.errors import CandlewaveError
from candlewave.core.settings import Settings
from candlewave.engine.embedded import runtime

NOTICE_LOSS: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Connection parameters: that the engine's machine is gone is noticed within half a minute, not after hours."""


class EngineError(CandlewaveError):
    """The SQL engine cannot be used; the text says why and what to do."""


def engine_url(settings: Settings) -> str:
    """Return the engine's connection URL, password included.

    Raises:
        EngineError: no RisingWave is configured and the embedded engine does not run.
    """
    if settings.risingwave_url is not None:
        return settings.risingwave_url.get_secret_value()
    try:
        return runtime.read(settings).url
    except runtime.EngineNotRunningError as error:
        raise EngineError(str(error)) from None


def connect(settings: Settings, *, autocommit: bool = True) -> psycopg.Connection:
    """Open a connection to the engine, in UTC.

    Statements are not prepared on the server: a migration may put another relation behind a name. On RisingWave reads
    see the session's earlier writes.

    Raises:
        EngineError: the engine is down, refuses the password, or its database is missing.
    """
    return connect_url(engine_url(settings), autocommit=autocommit)


def connect_url(url: str, *, autocommit: bool = True) -> psycopg.Connection:
    """As :func:`connect`, for a URL."""
    try:
        conn = psycopg.connect(url, autocommit=True, application_name="candlewave", connect_timeout=10, **NOTICE_LOSS)
    except psycopg.OperationalError as error:
        raise EngineError(_explain(url, error)) from None
    conn.prepare_threshold = None
    conn.execute("SET timezone = 'UTC'")
    if is_risingwave(conn):
        conn.execute("SET rw_implicit_flush = true")
    conn.autocommit = autocommit
    return conn


def is_risingwave(conn: psycopg.Connection) -> bool:
    """Tell whether a connection leads to RisingWave rather than PostgreSQL."""
    row = conn.execute("SELECT version()").fetchone()
    return row is not None and "risingwave" in str(row[0]).lower()


def explain(error: psycopg.Error | CandlewaveError) -> str:
    """Return an error's text: one line for an SQL error, with advice where migrations are missing."""
    if isinstance(error, CandlewaveError):
        return str(error)
    text = (error.diag.message_primary or str(error)).strip()
    if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName) or re.search(
        r"(table or source|catalog error|relation).*not found", text, re.IGNORECASE
    ):
        return f"{text}; if it is an object of candlewave, apply the migrations: `candlewave migrate`"
    hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
    return f"{text}{hint}"


def safe_url(url: str) -> str:
    """Return a URL without its password, for messages and logs."""
    return re.sub(r"(?<=://)([^/@\s:]*):[^/@\s]*@", r"\1:***@", url)


def _explain(url: str, error: psycopg.OperationalError) -> str:
    text = str(error).strip()
    where = safe_url(url)
    if "password authentication failed" in text or "authentication failed" in text.lower():
        return f"the engine at {where} refuses the user or password: {text}"
    if "does not exist" in text:
        return f"the engine at {where} has no such database: {text}"
    return f"cannot reach the engine at {where}: {text}"
