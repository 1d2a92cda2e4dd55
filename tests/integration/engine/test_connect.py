"""Connections to the engine, and errors that say what to do."""

import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from candlewave.core.settings import Settings, get_settings
from candlewave.engine.connect import EngineError, connect, engine_url, explain, is_risingwave
from candlewave.engine.embedded import runtime


def _settings(url: str) -> Settings:
    return Settings(risingwave_url=url)  # type: ignore[arg-type]


def test_sessions_are_in_utc_and_autocommit(database: str) -> None:
    with connect(_settings(database)) as conn:
        assert conn.execute("SHOW timezone").fetchone() == ("UTC",)
        assert conn.autocommit
        assert not is_risingwave(conn)


def test_a_machine_that_is_gone_is_noticed(database: str) -> None:
    """Without a sign of life, an answer that never comes would be waited for, for hours."""
    with connect(_settings(database)) as conn, socket.socket(fileno=os.dup(conn.fileno())) as tcp:
        wanted = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}
        assert tcp.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert {option: tcp.getsockopt(socket.IPPROTO_TCP, option) for option in wanted} == wanted
        assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


def test_a_transaction_on_request(database: str) -> None:
    with connect(_settings(database), autocommit=False) as conn:
        conn.execute("CREATE TABLE t (a int)")
        conn.rollback()
        assert conn.execute("SELECT to_regclass('t')").fetchone() == (None,)


def test_risingwave_is_told_by_its_version_and_gets_its_settings(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE SCHEMA fake")
        conn.execute(
            "CREATE FUNCTION fake.version() RETURNS text LANGUAGE sql"
            " RETURN 'PostgreSQL 13.14.0-RisingWave-2.8.2 (abc)'"
        )
        conn.execute(
            "ALTER DATABASE " + database.rsplit("/", 1)[1] + " SET search_path = fake, public, pg_catalog"  # type: ignore[arg-type]
        )
    with pytest.raises(psycopg.errors.UndefinedObject, match="rw_implicit_flush"):
        connect(_settings(database))


def test_the_embedded_engine_is_found_by_its_data_directory(engine: str) -> None:
    assert engine_url(get_settings()) == engine


def test_no_engine_says_how_to_start_one(data_dir: Path) -> None:
    with pytest.raises(EngineError, match=r"no .*runtime\.json.*run `candlewave up`, or set RISINGWAVE_URL"):
        connect(Settings(data_dir=data_dir))


def test_a_stale_file_is_told_from_a_running_engine(data_dir: Path) -> None:
    record = runtime.Runtime(4711, "postgresql://x", 1, datetime.now(UTC), "0")
    runtime.write(data_dir / "runtime.json", record)
    with pytest.raises(EngineError, match=r"process 4711 of .* has ended\): run `candlewave up`"):
        engine_url(Settings(data_dir=data_dir))


def test_a_damaged_file_says_how_to_get_a_new_one(data_dir: Path) -> None:
    (data_dir / "runtime.json").write_text("{")
    with pytest.raises(EngineError, match="run `candlewave up` again"):
        engine_url(Settings(data_dir=data_dir))


def test_an_engine_that_is_down_is_named_without_its_password() -> None:
    with pytest.raises(EngineError, match=r"cannot reach the engine at postgresql://me:\*\*\*@127.0.0.1:1/x") as caught:
        connect(_settings("postgresql://me:hunter2@127.0.0.1:1/x"))
    assert "hunter2" not in str(caught.value)


def test_a_wrong_password_is_told_from_a_dead_engine(database: str) -> None:
    user, rest = database.split("://")[1].split("@")
    wrong = f"postgresql://{user.split(':')[0]}:guess@{rest}"
    with pytest.raises(EngineError, match="refuses the user or password"):
        connect(_settings(wrong))


def test_a_missing_database_is_named(database: str) -> None:
    with pytest.raises(EngineError, match=r'no such database: .*"nowhere" does not exist'):
        connect(_settings(database.rsplit("/", 1)[0] + "/nowhere"))


def test_a_missing_object_points_to_the_migrations(database: str) -> None:
    with connect(_settings(database)) as conn, pytest.raises(psycopg.Error) as caught:
        conn.execute("SELECT * FROM candles")
    assert "`candlewave migrate`" in explain(caught.value)
