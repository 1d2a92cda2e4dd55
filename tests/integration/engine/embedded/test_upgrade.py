"""From PostgreSQL 16 to 18: the data come along, the old cluster stays until they have."""

import os
import signal
from functools import partial
from pathlib import Path

import psycopg
import pytest
from tests.conftest import FAST

from candlewave.engine.embedded import upgrade as module
from candlewave.engine.embedded.cluster import CONF, major_of
from candlewave.engine.embedded.ownership import DataDirectoryBusyError, ServerError, UpgradeNeededError
from candlewave.engine.embedded.programs import run
from candlewave.engine.embedded.server import start
from candlewave.engine.embedded.upgrade import upgrade


def _say(_: str) -> None:
    """Listen to nothing."""


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk, which is most of an upgrade's time."""
    conf = {**CONF, **FAST}
    monkeypatch.setattr(module, "make_cluster", partial(module.make_cluster, sync=False))
    monkeypatch.setattr(module, "launch", partial(module.launch, conf=conf))
    monkeypatch.setattr(
        module, "run", lambda program, arguments, **more: run(program, [*arguments, *_NO_SYNC[program]], **more)
    )


_NO_SYNC = {"pg_upgrade": ["--no-sync"], "pg_checksums": ["--no-sync"], "pg_controldata": []}


@pytest.fixture
def old(data_dir: Path) -> Path:
    """A data directory of PostgreSQL 16 with a few rows, as a killed server leaves it."""
    with start(data_dir, major=16, conf={**FAST, "synchronous_commit": "on"}) as server:
        with psycopg.connect(server.url, autocommit=True) as conn:
            conn.execute("CREATE SCHEMA bus; CREATE TABLE bus.messages (n int PRIMARY KEY, headers jsonb)")
            conn.execute(
                "INSERT INTO bus.messages SELECT n, jsonb_build_object('n', n) FROM generate_series(1, 1000) AS n"
            )
            assert conn.execute("SELECT current_setting('server_version_num')::int / 10000").fetchone() == (16,)
        os.kill(server.pid, signal.SIGKILL)
    return data_dir


def _rows(data_dir: Path) -> tuple[object, ...] | None:
    with start(data_dir, conf=FAST) as server, psycopg.connect(server.url) as conn:
        return conn.execute(
            "SELECT count(*), sum((headers->>'n')::int), current_setting('server_version_num')::int / 10000,"
            " current_setting('data_checksums') FROM bus.messages"
        ).fetchone()


def test_up_refuses_and_names_the_command(old: Path) -> None:
    with pytest.raises(
        UpgradeNeededError, match=r"made by PostgreSQL 16, this is PostgreSQL 18: run `candlewave upgrade`"
    ):
        start(old)


def test_everything_comes_along_and_the_old_cluster_goes(old: Path) -> None:
    steps: list[str] = []
    assert upgrade(old, steps.append)
    assert _rows(old) == (1000, 500500, 18, "on")
    assert [step[:3] for step in steps] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert [path.name for path in old.glob("postgres*/")] == ["postgres"]
    assert not upgrade(old, steps.append)


def test_whichever_step_fails_the_old_cluster_stays_in_place(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ServerError("broken on purpose")

    for step in ("make_cluster", "_pg_upgrade", "_ready"):
        with monkeypatch.context() as patched:
            patched.setattr(module, step, broken)
            with pytest.raises(ServerError, match="broken on purpose"):
                upgrade(old, _say)
        assert major_of(old / "postgres") == 16
    assert upgrade(old, _say)
    assert _rows(old) == (1000, 500500, 18, "on")


def test_killed_between_old_and_new_it_goes_on_and_the_old_can_be_kept(old: Path) -> None:
    (old / "postgres").rename(old / "postgres.16")
    with pytest.raises(UpgradeNeededError, match="from PostgreSQL 16 was interrupted: run `candlewave upgrade` again"):
        start(old)
    assert upgrade(old, _say, keep_old=True)
    assert major_of(old / "postgres.16") == 16
    assert _rows(old) == (1000, 500500, 18, "on")


def test_a_running_engine_is_left_alone(data_dir: Path) -> None:
    with start(data_dir, conf=FAST), pytest.raises(DataDirectoryBusyError, match="is in use by process"):
        upgrade(data_dir, _say)


def test_without_room_nothing_is_begun(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(ServerError, match=r"the upgrade copies \d+ MB, but only 0 MB are free"):
        upgrade(old, _say)


def test_nothing_to_upgrade_is_said(data_dir: Path) -> None:
    with pytest.raises(ServerError, match="has no database yet"):
        upgrade(data_dir, _say)
