"""Backup and restore: everything comes back, and a failure changes nothing."""

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from tests.conftest import FAST

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import Message
from candlewave.contracts.topics import TRADES
from candlewave.core.settings import Settings
from candlewave.engine.embedded import catalog, runtime
from candlewave.engine.embedded.backup import BackupError, backup, read_contents, restore
from candlewave.engine.embedded.ownership import ServerError
from candlewave.engine.embedded.programs import binary
from candlewave.engine.embedded.refresh import Refresher
from candlewave.engine.embedded.server import EmbeddedServer, start

Contents = dict[str, list[tuple[object, ...]]]

_TABLE = """
CREATE TABLE trades (trade_id VARCHAR, price DOUBLE PRECISION, PRIMARY KEY (trade_id)) APPEND ONLY
ON CONFLICT DO NOTHING INCLUDE timestamp AS ingest_ts
WITH (connector = 'kafka', topic = 'trades', properties.bootstrap.server = 'embedded') FORMAT PLAIN ENCODE JSON
"""


def _publish(server: EmbeddedServer, *ids: str) -> None:
    with PostgresBus(server.url) as bus:
        bus.publish("trades", [Message(f'{{"trade_id": "{id_}", "price": "1.5"}}'.encode(), id_) for id_ in ids])


def _contents(url: str) -> Contents:
    """Return all rows of all tables."""
    with psycopg.connect(url) as conn:
        names = conn.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'bus', 'embedded')"
        ).fetchall()
        return {
            f"{schema}.{table}": conn.execute(
                sql.SQL("SELECT t::text FROM {} AS t ORDER BY 1").format(sql.Identifier(schema, table))
            ).fetchall()
            for schema, table in names
        }


def _drop_everything(server: EmbeddedServer) -> None:
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute("DROP SCHEMA bus CASCADE; DROP SCHEMA embedded CASCADE; DROP TABLE trades")


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk."""
    monkeypatch.setattr("candlewave.engine.embedded.backup.start", partial(start, conf=FAST))


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir)


@pytest.fixture
def before(data_dir: Path) -> Contents:
    """A data directory with trades in the bus and in their table; what it holds."""
    with start(data_dir, conf=FAST) as server:
        with PostgresBus(server.url) as bus:
            bus.install()
            bus.ensure_topics([TRADES])
        with psycopg.connect(server.url, autocommit=True) as conn:
            catalog.install(conn)
            catalog.apply(conn, _TABLE)
            _publish(server, "a", "b")
            Refresher(conn).run_until_idle()
        _publish(server, "c")
        return _contents(server.url)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "candlewave.backup"


def test_a_round_trip_brings_everything_back(settings: Settings, before: Contents, file: Path, data_dir: Path) -> None:
    assert len(before["public.trades"]) == 2
    made = backup(settings, file)
    assert made.size == file.stat().st_size
    assert set(made.tables) == set(before)
    assert file.stat().st_mode & 0o777 == 0o600

    with start(data_dir, conf=FAST) as server:
        _drop_everything(server)
    restore(settings, file)
    with start(data_dir, conf=FAST) as server:
        assert _contents(server.url) == before
        with psycopg.connect(server.url, autocommit=True) as conn:
            Refresher(conn).run_until_idle()
            ids = [row[0] for row in conn.execute("SELECT trade_id FROM trades ORDER BY 1")]
        assert ids == ["a", "b", "c"]  # the message that was pending, once; what had been read is not read again


def test_it_can_be_restored_elsewhere(settings: Settings, before: Contents, file: Path, other_dir: Path) -> None:
    backup(settings, file)
    restore(Settings(data_dir=other_dir), file)
    with start(other_dir, conf=FAST) as server:
        assert _contents(server.url) == before


@pytest.fixture
def other_dir(data_dir: Path) -> Iterator[Path]:
    other = data_dir.with_name(data_dir.name + "-other")
    yield other
    subprocess.run(["rm", "-rf", str(other)], check=True)


@pytest.mark.usefixtures("before")
def test_what_is_there_is_replaced_only_by_force(settings: Settings, file: Path, data_dir: Path) -> None:
    backup(settings, file)
    with start(data_dir, conf=FAST) as server:
        _publish(server, "later")
        changed = _contents(server.url)
    with pytest.raises(BackupError, match=r"is not empty \(\d+ tables\); --force replaces it"):
        restore(settings, file)
    with start(data_dir, conf=FAST) as server:
        assert _contents(server.url) == changed
    restore(settings, file, force=True)
    with start(data_dir, conf=FAST) as server:
        assert _contents(server.url) != changed


def test_a_damaged_file_changes_nothing(settings: Settings, before: Contents, file: Path, data_dir: Path) -> None:
    backup(settings, file)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) - 200])
    with pytest.raises(BackupError, match="pg_restore failed"):
        restore(settings, file, force=True)
    with start(data_dir, conf=FAST) as server:
        assert _contents(server.url) == before
        with psycopg.connect(server.url) as conn:
            names = [row[0] for row in conn.execute("SELECT datname FROM pg_database WHERE datname LIKE 'candlewave%'")]
    assert names == ["candlewave"]


def test_other_files_are_refused(settings: Settings, server: EmbeddedServer, file: Path) -> None:
    with pytest.raises(BackupError, match="No such file"):
        restore(settings, file)
    file.write_text("CREATE TABLE t (a int);")
    with pytest.raises(BackupError, match="is not a backup"):
        restore(settings, file)
    user, place = server.url.split("://")[1].split("@")
    subprocess.run(
        [binary("pg_dump"), "--format=custom", f"--file={file}", f"--dbname=postgresql://{place}"],
        env={**os.environ, "PGUSER": user.split(":")[0], "PGPASSWORD": user.split(":")[1]},
        check=True,
    )
    with pytest.raises(BackupError, match="not of candlewave"):
        restore(settings, file)


@pytest.mark.usefixtures("before")
def test_a_running_engine_is_backed_up_but_not_restored(settings: Settings, file: Path, engine_up: str) -> None:
    assert engine_up
    backup(settings, file)
    assert "bus.topics" in read_contents(file).tables
    with pytest.raises(ServerError, match=r"the engine is running \(process \d+\)"):
        restore(settings, file, force=True)


@pytest.fixture
def engine_up(before: Contents, data_dir: Path) -> Iterator[str]:
    """The engine of the data directory, running and announced."""
    assert before
    with start(data_dir, conf=FAST) as server:
        runtime.write(
            data_dir / "runtime.json", runtime.Runtime(os.getpid(), server.url, server.port, datetime.now(UTC), "test")
        )
        yield server.url


@pytest.mark.usefixtures("before")
def test_a_failed_backup_leaves_the_earlier_file(
    settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    file.write_text("earlier")
    monkeypatch.setattr(
        "candlewave.engine.embedded.backup._without_password", lambda _: "postgresql://nobody@127.0.0.1:1/x"
    )
    with pytest.raises(BackupError, match="pg_dump failed"):
        backup(settings, file)
    assert file.read_text() == "earlier"
    assert list(file.parent.iterdir()) == [file]
    assert data_dir.exists()


def test_nothing_to_back_up_is_said(settings: Settings, file: Path) -> None:
    with pytest.raises(ServerError, match="has no database yet"):
        backup(settings, file)


@pytest.mark.usefixtures("before")
def test_a_folder_that_cannot_be_written_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"cannot write .*nowhere"):
        backup(settings, tmp_path / "nowhere" / "file")
