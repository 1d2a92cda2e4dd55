"""A PostgreSQL cluster on disk and its server process: made, started and stopped, whatever state a crash left it in."""

import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psutil

from candlewave.engine.embedded.ownership import Layout, ServerError, UpgradeNeededError
from candlewave.engine.embedded.programs import BINARIES, admit_server, give_to_server, run

ROLE = "candlewave"
DATABASE = "candlewave"
HOST = "127.0.0.1"

_START_SECONDS = 300
_STOP_SECONDS = 10
"""For an orderly end, which must fit into the grace of a service. Where it does not fit, the next start recovers."""

# For two cores and at most 1 GB resident. Rewritten at each start, so that a new candlewave applies its own.
CONF = {
    "listen_addresses": f"'{HOST}'",
    "unix_socket_directories": "''",
    "max_connections": "100",
    "password_encryption": "'scram-sha-256'",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "shared_buffers": "'256MB'",
    "effective_cache_size": "'768MB'",
    "work_mem": "'32MB'",
    "maintenance_work_mem": "'128MB'",
    "random_page_cost": "1.1",
    "jit": "off",
    # Two cores are busy with the refresh; parallel plans would also need more of /dev/shm than containers give.
    "max_parallel_workers_per_gather": "0",
    "fsync": "on",
    # Nothing replicates or archives this server; backups are dumps.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "'2GB'",
    "checkpoint_timeout": "'15min'",
    "checkpoint_completion_target": "0.9",
    "wal_compression": "on",
    "autovacuum_naptime": "'15s'",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
}
"""Settings of PostgreSQL, as written in its configuration file."""


def url_of(password: str, port: int, database: str = DATABASE) -> str:
    """Return the connection URL of a local server."""
    return f"postgresql://{ROLE}:{quote(password, safe='')}@{HOST}:{port}/{database}"


def read_password(layout: Layout) -> str:
    """Return the role's password.

    Raises:
        ServerError: the file is missing or may not be read.
    """
    try:
        return layout.password_file.read_text().strip()
    except FileNotFoundError:
        raise ServerError(
            f"{layout.password_file} is missing, but {layout.cluster} exists: put the file back from where the data"
            " directory came from"
        ) from None
    except PermissionError as error:
        raise ServerError(f"cannot read {layout.password_file}: {error.strerror}") from None


def major_of(cluster: Path) -> int:
    """Return the major version that made a cluster.

    Raises:
        ServerError: it is not a cluster.
    """
    try:
        return int((cluster / "PG_VERSION").read_text())
    except FileNotFoundError:
        raise ServerError(f"{cluster} is not a PostgreSQL data directory: it has no PG_VERSION") from None
    except PermissionError:
        raise ServerError(
            f"{cluster} belongs to another user; run candlewave as the user who made it, or as root"
        ) from None


def check_major(layout: Layout, major: int) -> None:
    """Refuse a cluster of another major version.

    Raises:
        UpgradeNeededError: it has one.
    """
    found = major_of(layout.cluster)
    if found == major:
        return
    advice = "run `candlewave upgrade`" if found < major and found in BINARIES else "use the candlewave that made it"
    raise UpgradeNeededError(
        f"the data directory {layout.data_dir} was made by PostgreSQL {found}, this is PostgreSQL {major}: {advice}"
    )


def make_cluster(layout: Layout, cluster: Path, major: int, *, sync: bool = True, checksums: bool = True) -> None:
    """Run initdb so that ``cluster`` appears complete or not at all. Creates the password if it is missing."""
    draft = cluster.with_name(cluster.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    admit_server(layout.data_dir, major)
    draft.mkdir(mode=0o700)
    if not layout.password_file.exists():
        _write_private(layout.password_file, secrets.token_urlsafe(24) + "\n")
    password_copy = layout.data_dir / ".initdb-password"
    _write_private(password_copy, read_password(layout) + "\n")
    for path in (draft, password_copy):
        give_to_server(path, None)
    # Byte order sorts the same everywhere, as RisingWave does.
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"] if major >= 18 else ["--locale=C"]
    if major >= 18:
        locale.append("--data-checksums" if checksums else "--no-data-checksums")
    try:
        run(
            "initdb",
            [
                f"--pgdata={draft}",
                f"--username={ROLE}",
                f"--pwfile={password_copy}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                *locale,
                *([] if sync else ["--no-sync"]),
            ],
            cluster=draft,
            major=major,
        )
    finally:
        password_copy.unlink()
    with (draft / "postgresql.conf").open("a") as file:
        file.write("include 'candlewave.conf'\n")
    draft.rename(cluster)


def launch(layout: Layout, port: int | None = None, conf: Mapping[str, str] = CONF) -> int:
    """Start the server of a data directory that this process has acquired, and return its port.

    A server that runs there already, or what is left of one, is stopped first.

    Args:
        port: TCP port; None for any free one.

    Raises:
        ServerError: the port is taken, or PostgreSQL does not start.
    """
    stop_postmaster(layout.cluster)
    if port is not None:
        if not is_free(port):
            raise ServerError(f"port {port} on {HOST} is taken; choose another with --port")
        _launch(layout, port, conf)
        return port
    for attempt in range(5):
        free = _free_port()
        try:
            _launch(layout, free, conf)
        except ServerError:
            # Somebody may have taken the port since we asked for it.
            if is_free(free) or attempt == 4:
                raise
        else:
            return free
    raise AssertionError("unreachable")


def write_conf(cluster: Path, conf: Mapping[str, str] = CONF) -> None:
    """Write our settings of a cluster."""
    lines = "".join(f"{name} = {value}\n" for name, value in conf.items())
    file = cluster / "candlewave.conf"
    file.write_text(f"# Written by candlewave at each start; changes here are lost.\n{lines}")
    give_to_server(file, cluster)


def postmaster(cluster: Path) -> psutil.Process | None:
    """Return the living postmaster of a cluster; a stale ``postmaster.pid`` counts as none.

    A process id that now belongs to another program is recognised by its working directory, which for PostgreSQL is
    the cluster.
    """
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
        return process if _is_postgres_of(process, cluster) else None
    except (FileNotFoundError, ValueError, psutil.Error):
        return None


def stop_postmaster(cluster: Path) -> None:
    """Stop a cluster's server, however it was started, and what a killed postmaster left behind.

    Raises:
        ServerError: it does not stop.
    """
    process = postmaster(cluster)
    if process is not None:
        # PostgreSQL's fast shutdown, then its immediate one; neither loses what was committed. The second is needed
        # for a server that is recovering from a crashed session: there the first may hang forever.
        for number, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, 10)):
            _signal(process, number)
            if _have_ended([process], seconds):
                break
        else:
            raise ServerError(f"PostgreSQL (process {process.pid}) does not stop")
    _end_orphans(cluster)


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a local TCP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _launch(layout: Layout, port: int, conf: Mapping[str, str]) -> None:
    cluster = layout.cluster
    major = major_of(cluster)
    admit_server(layout.data_dir, major)
    write_conf(cluster, conf)
    log = cluster / "server.log"
    try:
        run(
            "pg_ctl",
            [
                f"--pgdata={cluster}",
                f"--log={log}",
                f"--options=-p {port}",
                "--wait",
                f"--timeout={_START_SECONDS}",
                "--silent",
                "start",
            ],
            cluster=cluster,
            major=major,
        )
    except ServerError as error:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-12:]) if log.exists() else "(empty)"
        raise ServerError(f"PostgreSQL did not start: {error}\nIts log, {log}, ends with:\n{tail}") from None


def _end_orphans(cluster: Path) -> None:
    """End sessions whose postmaster was killed, and remove its ``postmaster.pid``.

    PostgreSQL would refuse to start while a session is left, or while the process id in the file exists: it may belong
    to another program by now, or to the dead postmaster itself where nobody reaps it, as in many containers.
    """
    stale = cluster / "postmaster.pid"
    if postmaster(cluster) is not None or not stale.exists():
        return
    left = [p for p in psutil.process_iter() if _is_postgres_of(p, cluster)]
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for process in left:
            _signal(process, number)
        if _have_ended(left, 10):
            break
    stale.unlink(missing_ok=True)


def _have_ended(processes: list[psutil.Process], seconds: float) -> bool:
    """Wait until all have ended. A zombie has ended: where nobody reaps orphans, it stays forever."""
    deadline = time.monotonic() + seconds
    while any(map(_lives, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _is_postgres_of(process: psutil.Process, cluster: Path) -> bool:
    try:
        return bool(process.name().startswith("postgres") and _lives(process) and Path(process.cwd()).samefile(cluster))
    except (psutil.Error, OSError):
        return False


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
