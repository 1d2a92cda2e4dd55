"""Who owns a data directory: at most one living process, the one that runs its engine."""

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from candlewave.core.errors import CandlewaveError


class ServerError(CandlewaveError):
    """The embedded PostgreSQL cannot do what was asked; the text says what to do about it."""


class DataDirectoryBusyError(ServerError):
    """Another process owns the data directory."""


class UpgradeNeededError(ServerError):
    """The data directory was made by another major version of PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths inside a data directory."""

    data_dir: Path

    @property
    def cluster(self) -> Path:
        """The PostgreSQL cluster."""
        return self.data_dir / "postgres"

    @property
    def password_file(self) -> Path:
        """The role's password, mode 0600."""
        return self.data_dir / "postgres.password"

    @property
    def port_file(self) -> Path:
        """The TCP port of the last start."""
        return self.data_dir / "postgres.port"

    @property
    def lock_file(self) -> Path:
        """Locked by the owner of the directory."""
        return self.data_dir / "up.lock"

    def before_upgrade(self, major: int) -> Path:
        """Where the upgrade keeps the cluster of an older major version."""
        return self.data_dir / f"postgres.{major}"


def acquire(layout: Layout) -> IO[str]:
    """Take the data directory for this process; closing the returned file gives it free, and so does any death.

    Raises:
        DataDirectoryBusyError: another process has it.
        ServerError: the directory cannot be made or written.
    """
    try:
        layout.data_dir.mkdir(parents=True, exist_ok=True)
        lock = layout.lock_file.open("a+")
    except OSError as error:
        raise ServerError(f"cannot use the data directory {layout.data_dir}: {error.strerror}") from None
    deadline = time.monotonic() + 1.0
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A reader that only asks whether there is an owner holds the lock for an instant.
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise DataDirectoryBusyError(
                f"the data directory {layout.data_dir} is in use by process {owner}; stop it with `candlewave down`,"
                " or choose another directory with CANDLEWAVE_DATA_DIR"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        return lock


def owner_of(data_dir: Path) -> int | None:
    """Return the process id of the directory's living owner, or None."""
    try:
        with Layout(data_dir.absolute()).lock_file.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = lock.read().strip()
                return int(text) if text else None
    except FileNotFoundError:
        pass
    return None
