"""Dump and restore of the embedded engine: tables, views, bus and catalog of one moment."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

from candlewave.core.errors import CandlewaveError
from candlewave.core.settings import Settings
from candlewave.engine.embedded import runtime
from candlewave.engine.embedded.cluster import DATABASE
from candlewave.engine.embedded.ownership import ServerError, owner_of
from candlewave.engine.embedded.programs import binary
from candlewave.engine.embedded.server import start
from candlewave.telemetry.progress import progress

_DRAFT = f"{DATABASE}_restoring"
_OLD = f"{DATABASE}_replaced"
_SIGNATURE = b"PGDMP"

# What user tables hold, in every schema of ours.
_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
ORDER BY 1
"""


class BackupError(CandlewaveError):
    """A backup cannot be made or restored; the text says why, and what is left as it was."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup file or a database holds: its tables, and of a file its size in bytes."""

    tables: tuple[str, ...]
    size: int


def backup(settings: Settings, file: Path) -> Contents:
    """Write the engine's database to ``file``, at once: an interrupted backup leaves an earlier file as it was.

    It works while ``candlewave up`` runs, and otherwise starts PostgreSQL for the time being.

    Raises:
        BackupError: the file cannot be written, or the dump fails.
        ServerError: there is no data directory, or PostgreSQL does not start.
    """
    if not (settings.data_dir / "postgres").exists():
        raise ServerError(f"{settings.data_dir} has no database yet: there is nothing to back up")
    draft = file.with_name(file.name + ".partial")
    with _running(settings) as url:
        with psycopg.connect(url, autocommit=True) as conn:
            tables = _tables(conn)
        try:
            draft.unlink(missing_ok=True)
            draft.touch(mode=0o600)
            with progress("backing up", len(tables), "tables") as shown:
                _client(
                    "pg_dump",
                    ["--format=custom", "--verbose", f"--file={draft}", f"--dbname={_without_password(url)}"],
                    url,
                    lambda line: shown.advance() if "dumping contents of table" in line else None,
                )
            contents = read_contents(draft)
            _sync(draft)
            draft.replace(file)
            _sync(file.absolute().parent)
        except OSError as error:
            raise BackupError(f"cannot write {file}: {error.strerror}") from None
        finally:
            draft.unlink(missing_ok=True)
    return contents


def restore(settings: Settings, file: Path, *, force: bool = False) -> Contents:
    """Return the engine's database to its state when ``file`` was written.

    The file is restored into a second database, which replaces the present one at the end: a failure changes nothing.

    Args:
        force: replace a database that is not empty.

    Raises:
        BackupError: the file is no backup of ours, the present database is not empty, or the restore fails.
        ServerError: the engine is running, or PostgreSQL does not start.
    """
    contents = read_contents(file)
    if (owner := owner_of(settings.data_dir)) is not None:
        raise ServerError(f"the engine is running (process {owner}); stop it first with `candlewave down`")
    with start(settings.data_dir, private=True) as server:
        maintenance = server.url.rsplit("/", 1)[0] + "/postgres"
        with psycopg.connect(server.url, autocommit=True) as conn:
            present = _tables(conn)
        if present and not force:
            raise BackupError(
                f"the database in {settings.data_dir} is not empty ({len(present)} tables); --force replaces it"
            )
        with psycopg.connect(maintenance, autocommit=True) as admin:
            for leftover in (_DRAFT, _OLD):
                _drop(admin, leftover)
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(_DRAFT)))
            try:
                _fill(server.url, file, contents)
            except BaseException:
                _drop(admin, _DRAFT)
                raise
            with admin.transaction():
                _rename(admin, DATABASE, _OLD)
                _rename(admin, _DRAFT, DATABASE)
            _drop(admin, _OLD)
    return contents


def read_contents(file: Path) -> Contents:
    """Read what a backup file says it holds.

    Raises:
        BackupError: it cannot be read, is damaged, or is not of candlewave.
    """
    try:
        with file.open("rb") as opened:
            signature = opened.read(len(_SIGNATURE))
    except OSError as error:
        raise BackupError(f"cannot read {file}: {error.strerror}") from None
    if signature != _SIGNATURE:
        raise BackupError(f"{file} is not a backup: it does not begin as PostgreSQL's custom format does")
    listing: list[str] = []
    _client("pg_restore", ["--list", str(file)], None, listing.append)
    tables = tuple(
        f"{schema}.{name}"
        for line in listing
        for schema, name in re.findall(r"^\d+; \d+ \d+ TABLE DATA (\S+) (\S+) ", line)
    )
    if not any(table.startswith("bus.") for table in tables):
        raise BackupError(f"{file} is a dump of PostgreSQL, but not of candlewave: it has no schema bus")
    return Contents(tables, file.stat().st_size)


def _fill(url: str, file: Path, contents: Contents) -> None:
    """Restore into the draft database, and check that every table of the file is there."""
    target = url.rsplit("/", 1)[0] + f"/{_DRAFT}"
    with progress("restoring", len(contents.tables), "tables") as shown:
        _client(
            "pg_restore",
            ["--exit-on-error", "--no-owner", "--verbose", f"--dbname={_without_password(target)}", str(file)],
            target,
            lambda line: shown.advance() if "processing data for table" in line else None,
        )
    with psycopg.connect(target, autocommit=True) as conn:
        missing = set(contents.tables) - {name.replace('"', "") for name in _tables(conn)}
        if missing:
            raise BackupError(f"{file} was restored without {', '.join(sorted(missing))}; nothing was changed")
        conn.execute("ANALYZE")


@contextmanager
def _running(settings: Settings) -> Iterator[str]:
    """Yield the URL of the running engine; without one, of a server started for the block."""
    with ExitStack() as stack:
        if owner_of(settings.data_dir) is None:
            yield stack.enter_context(start(settings.data_dir, private=True)).url
        else:
            yield runtime.read(settings).url


def _tables(conn: psycopg.Connection) -> list[str]:
    return [row[0] for row in conn.execute(_TABLES)]


def _client(program: str, arguments: list[str], url: str | None, on_line: Callable[[str], object]) -> None:
    """Run a client program of PostgreSQL as ourselves, and hand over each line it prints."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    if url is not None:
        env["PGPASSWORD"] = unquote(urlsplit(url).password or "")
    tail: list[str] = []
    with subprocess.Popen(
        [str(binary(program)), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**env, "LC_ALL": "C"},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            tail = [*tail[-9:], line.rstrip()]
            on_line(line)
    if process.returncode != 0:
        raise BackupError(f"{program} failed (exit code {process.returncode}):\n" + "\n".join(tail))


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port}").geturl()


def _drop(admin: psycopg.Connection, name: str) -> None:
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _rename(admin: psycopg.Connection, old: str, new: str) -> None:
    admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)))


def _sync(path: Path) -> None:
    """Have a file or folder on disk before anybody relies on it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
