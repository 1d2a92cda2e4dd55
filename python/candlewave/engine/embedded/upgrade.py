"""Bring a data directory of an older major version of PostgreSQL to the present one, with pg_upgrade.

The old cluster is only read, and kept until the new one has been started and checked.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg

from candlewave.engine.embedded.cluster import (
    DATABASE,
    ROLE,
    launch,
    major_of,
    make_cluster,
    read_password,
    stop_postmaster,
    url_of,
    write_conf,
)
from candlewave.engine.embedded.ownership import Layout, ServerError, acquire
from candlewave.engine.embedded.programs import MAJOR, binary, give_to_server, run

_CHECK = """
SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""


def upgrade(data_dir: Path, say: Callable[[str], None], *, keep_old: bool = False) -> bool:
    """Upgrade a data directory in place; interrupted anywhere, it can be run again.

    Args:
        say: called with a line of text for each step.
        keep_old: keep the old cluster next to the new one, as ``postgres.<major>``.

    Returns:
        False when there was nothing to do.

    Raises:
        DataDirectoryBusyError: the engine is running.
        ServerError: there is no data directory, no room, or a step fails; the old cluster is as it was.
    """
    layout = Layout(data_dir.absolute())
    if not layout.data_dir.exists():
        raise ServerError(f"{layout.data_dir} does not exist: there is nothing to upgrade")
    lock = acquire(layout)
    try:
        _take_back_interrupted(layout)
        if not layout.cluster.exists():
            raise ServerError(f"{layout.data_dir} has no database yet: there is nothing to upgrade")
        major = major_of(layout.cluster)
        if major == MAJOR:
            for kept in _kept(layout):
                say(f"an older database is still kept in {kept}; remove it when you no longer want it")
            return False
        if major > MAJOR:
            raise ServerError(f"{layout.cluster} was made by PostgreSQL {major}, which is newer than {MAJOR}")
        _upgrade(layout, major, say, keep_old=keep_old)
        return True
    finally:
        lock.close()


def _upgrade(layout: Layout, major: int, say: Callable[[str], None], *, keep_old: bool) -> None:
    old, new = layout.cluster, layout.data_dir / "postgres.upgraded"
    binary("postgres", major)
    _require_room(old)
    password = read_password(layout)

    say(f"1/5 starting PostgreSQL {major} once, so that it ends in order")
    stop_postmaster(old)
    port = launch(layout)
    before = _tables(url_of(password, port))
    stop_postmaster(old)

    say(f"2/5 making an empty database of PostgreSQL {MAJOR}")
    shutil.rmtree(new, ignore_errors=True)
    make_cluster(layout, new, MAJOR, checksums=_has_checksums(old, major))
    write_conf(new)

    say(f"3/5 copying {DATABASE} from PostgreSQL {major} to {MAJOR}")
    _pg_upgrade(old, new, major, password)
    if not _has_checksums(new, MAJOR):
        run("pg_checksums", ["--enable", f"--pgdata={new}"], cluster=new)

    say("4/5 putting the new database in place")
    kept = layout.before_upgrade(major)
    shutil.rmtree(kept, ignore_errors=True)
    old.rename(kept)
    new.rename(layout.cluster)

    say(f"5/5 starting PostgreSQL {MAJOR} and checking the tables")
    try:
        _ready(layout, password, before)
    except BaseException:
        stop_postmaster(layout.cluster)
        layout.cluster.rename(new)
        kept.rename(layout.cluster)
        raise
    if not keep_old:
        shutil.rmtree(kept)


def _ready(layout: Layout, password: str, tables: list[str]) -> None:
    """Start the new cluster once, check that it has the tables, and have its planner know their sizes."""
    url = url_of(password, launch(layout))
    missing = set(tables) - set(_tables(url))
    if missing:
        raise ServerError(f"the upgraded database lacks {', '.join(sorted(missing))}")
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("ANALYZE")
    stop_postmaster(layout.cluster)


def _take_back_interrupted(layout: Layout) -> None:
    """Put the old cluster back where it was, if an upgrade was killed between taking it away and replacing it."""
    kept = _kept(layout)
    if kept and not layout.cluster.exists():
        kept[0].rename(layout.cluster)


def _kept(layout: Layout) -> list[Path]:
    return sorted(path for path in layout.data_dir.glob("postgres.[0-9]*") if (path / "PG_VERSION").exists())


def _require_room(old: Path) -> None:
    needed = sum(path.lstat().st_size for path in old.rglob("*"))
    free = shutil.disk_usage(old).free
    if free < needed * 1.1:
        raise ServerError(
            f"the upgrade copies {needed / 1e6:,.0f} MB, but only {free / 1e6:,.0f} MB are free at {old.parent}"
        )


def _pg_upgrade(old: Path, new: Path, major: int, password: str) -> None:
    # pg_upgrade puts its sockets in the working directory, whose path must be short.
    with tempfile.TemporaryDirectory(prefix="candlewave-upgrade-") as name:
        work = Path(name)
        give_to_server(work, old)
        arguments = [
            f"--old-bindir={binary('postgres', major).parent}",
            f"--new-bindir={binary('postgres').parent}",
            f"--old-datadir={old}",
            f"--new-datadir={new}",
            f"--username={ROLE}",
            f"--socketdir={work}",
            f"--jobs={os.cpu_count() or 1}",
        ]
        run("pg_upgrade", arguments, cluster=old, env={"PGPASSWORD": password}, cwd=work)


def _has_checksums(cluster: Path, major: int) -> bool:
    text = run("pg_controldata", [f"--pgdata={cluster}"], cluster=cluster, major=major)
    found = re.search(r"Data page checksum version:\s*(\d+)", text)
    return found is not None and found.group(1) != "0"


def _tables(url: str) -> list[str]:
    with psycopg.connect(url, autocommit=True) as conn:
        return [row[0] for row in conn.execute(_CHECK)]
