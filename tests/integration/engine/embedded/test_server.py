"""The embedded PostgreSQL: what it is, who may use it, and what it survives."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.conftest import FAST

from candlewave.engine.embedded.cluster import is_free, postmaster
from candlewave.engine.embedded.ownership import DataDirectoryBusyError, ServerError, owner_of
from candlewave.engine.embedded.server import EmbeddedServer, start

SURVIVING = {**FAST, "synchronous_commit": "on"}
"""What is committed survives a killed process; it need not survive the machine."""


def _put(url: str, number: int) -> None:
    with psycopg.connect(url) as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        conn.execute("INSERT INTO kept VALUES (%s)", [number])


def _kept(url: str) -> list[int]:
    with psycopg.connect(url) as conn:
        return [row[0] for row in conn.execute("SELECT number FROM kept ORDER BY number")]


@pytest.fixture
def running(data_dir: Path) -> Iterator[EmbeddedServer]:
    with start(data_dir, conf=SURVIVING) as server:
        yield server


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("server_version_num", "18"),
        ("TimeZone", "UTC"),
        ("listen_addresses", "127.0.0.1"),
        ("password_encryption", "scram-sha-256"),
        ("shared_buffers", "256MB"),
        ("max_wal_size", "2GB"),
        ("wal_level", "minimal"),
        ("jit", "off"),
        ("fsync", "on"),
        ("data_checksums", "on"),
    ],
)
def test_settings_of_the_product(product: EmbeddedServer, setting: str, expected: str) -> None:
    with psycopg.connect(product.url) as conn:
        row = conn.execute("SELECT current_setting(%s)", [setting]).fetchone()
    assert row is not None
    assert row[0].startswith(expected)


@pytest.fixture(scope="module")
def product(data_root: Path) -> Iterator[EmbeddedServer]:
    """A server with the settings that users get."""
    with start(data_root / "product") as server:
        yield server


def test_strings_sort_by_bytes_and_case_is_unicode(running: EmbeddedServer) -> None:
    with psycopg.connect(running.url) as conn:
        assert conn.execute("SELECT 'Z' < 'a', upper('ä')").fetchone() == (True, "Ä")


def test_the_password_is_private_and_needed(running: EmbeddedServer, data_dir: Path) -> None:
    secret = data_dir / "postgres.password"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert (data_dir / "postgres").stat().st_mode & 0o777 == 0o700
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(running.url.replace(secret.read_text().strip(), "guess"))


def test_data_and_port_survive_a_restart(data_dir: Path) -> None:
    with start(data_dir, conf=SURVIVING) as first:
        _put(first.url, 1)
        url = first.url
    with start(data_dir, conf=SURVIVING) as second:
        assert second.url == url
        assert _kept(url) == [1]


def test_a_second_owner_is_refused_and_told_the_first(running: EmbeddedServer, data_dir: Path) -> None:
    with pytest.raises(DataDirectoryBusyError, match=rf"{data_dir} is in use by process {os.getpid()}"):
        start(data_dir)
    assert running.running
    assert owner_of(data_dir) == os.getpid()


def test_stopping_gives_the_directory_free(data_dir: Path) -> None:
    server = start(data_dir, conf=SURVIVING)
    server.stop()
    server.stop()
    assert owner_of(data_dir) is None
    assert not server.running


def test_a_killed_postmaster_starts_again_with_all_that_was_committed(running: EmbeddedServer) -> None:
    _put(running.url, 1)
    uncommitted = psycopg.connect(running.url)
    uncommitted.execute("INSERT INTO kept VALUES (2)")
    busy = psycopg.connect(running.url, autocommit=True)
    busy.pgconn.send_query(b"DO 'BEGIN LOOP END LOOP; END'")  # a session that does not see its postmaster go
    os.kill(running.pid, signal.SIGKILL)
    running.restart()
    for session in (uncommitted, busy):
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
        session.close()
    assert _kept(running.url) == [1]


_OWNER = """
import sys
from pathlib import Path
from candlewave.engine.embedded.server import start
from tests.integration.engine.embedded.test_server import SURVIVING
server = start(Path(sys.argv[1]), conf=SURVIVING)
print(server.pid, server.url, flush=True)
sys.stdin.read()
"""


def test_the_server_of_a_killed_owner_is_replaced(data_dir: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    pid, url = owner.stdout.readline().split()
    _put(url, 1)
    owner.kill()
    owner.communicate()
    orphan = postmaster(data_dir / "postgres")
    assert orphan is not None
    assert orphan.pid == int(pid)
    with start(data_dir, conf=SURVIVING) as server:
        assert server.pid != int(pid)
        assert _kept(url) == [1]


def test_a_pid_file_that_names_another_program_is_stale(data_dir: Path) -> None:
    with start(data_dir, conf=SURVIVING) as server:
        _put(server.url, 1)
        content = (data_dir / "postgres" / "postmaster.pid").read_text().split("\n", 1)[1]
    (data_dir / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{content}")
    with start(data_dir, conf=SURVIVING) as server:
        assert _kept(server.url) == [1]


def test_a_half_made_directory_is_made_anew(data_dir: Path) -> None:
    (data_dir / "postgres.new").mkdir()
    (data_dir / "postgres.new" / "PG_VERSION").write_text("18\n")
    with start(data_dir, conf=SURVIVING) as server:
        assert server.running
    assert not (data_dir / "postgres.new").exists()


def test_a_taken_port_is_refused_when_asked_for(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(ServerError, match=rf"port {port} on 127.0.0.1 is taken; choose another with --port"):
            start(data_dir, port=port, conf=SURVIVING)
    assert owner_of(data_dir) is None


def test_a_taken_port_of_last_time_is_replaced(data_dir: Path) -> None:
    with start(data_dir, conf=SURVIVING) as server:
        last = server.port
    with socket.create_server(("127.0.0.1", last)), start(data_dir, conf=SURVIVING) as server:
        assert server.port != last


def test_a_lost_password_file_is_named(data_dir: Path) -> None:
    start(data_dir, conf=SURVIVING).stop()
    (data_dir / "postgres.password").unlink()
    with pytest.raises(ServerError, match=r"postgres\.password is missing"):
        start(data_dir, conf=SURVIVING)
    assert postmaster(data_dir / "postgres") is None


def test_a_wrong_password_file_is_told_and_no_server_is_left(data_dir: Path) -> None:
    start(data_dir, conf=SURVIVING).stop()
    (data_dir / "postgres.password").write_text("another")
    with pytest.raises(ServerError, match=r"(?s)refuses the connection: .*password authentication failed"):
        start(data_dir, conf=SURVIVING)
    assert postmaster(data_dir / "postgres") is None


def test_a_file_in_the_way_is_named(data_dir: Path) -> None:
    (data_dir / "file").write_text("")
    with pytest.raises(ServerError, match=r"cannot use the data directory .*file"):
        start(data_dir / "file")


def test_settings_that_postgresql_refuses_are_shown_with_its_log(data_dir: Path) -> None:
    with pytest.raises(ServerError, match=r"(?s)PostgreSQL did not start.*no_such_setting"):
        start(data_dir, conf={**SURVIVING, "no_such_setting": "1"})
    assert owner_of(data_dir) is None
