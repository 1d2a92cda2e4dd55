"""Commands about the SQL engine: up, down, backup, restore, upgrade; sql and doctor have modules of their own."""

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candlewave.cli import doctor, sql, stack
from candlewave.cli.common import embedded_settings, fail

if TYPE_CHECKING:
    from candlewave.core.settings import Settings
    from candlewave.engine.embedded.server import EmbeddedServer
    from candlewave.telemetry.process import Process


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command()(down)
    app.command(name="sql")(sql.sql)
    app.command()(backup)
    app.command()(restore)
    app.command()(upgrade)
    app.add_typer(doctor.app, name="doctor")
    app.add_typer(stack.app, name="stack")


def up(
    port: Annotated[
        int | None,
        typer.Option(help="TCP port of PostgreSQL; the last one or any free one when not given.", min=1, max=65535),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh/--no-refresh", help="Keep the views fresh, or only run PostgreSQL.")
    ] = True,
) -> None:
    """Run the embedded engine in the foreground: PostgreSQL, the bus, and the loop that keeps views fresh.

    Its data are in CANDLEWAVE_DATA_DIR (default .candlewave) and survive any end of the process. Other commands find it
    through that directory. Ctrl-C or `candlewave down` stops it. Health and metrics are on ADMIN_PORT, or on any free
    port when that is not set.
    """
    settings = embedded_settings("up")
    from candlewave.elastic.sender import send
    from candlewave.engine.embedded.server import start
    from candlewave.engine.embedded.supervise import run_engine
    from candlewave.telemetry.process import run_process

    if "admin_port" not in settings.model_fields_set:
        # The default port is left to the services on the same machine.
        settings = settings.model_copy(update={"admin_port": 0})
    with start(settings.data_dir, port=port) as server:
        sends = refresh and settings.elasticsearch_url is not None
        code = run_process(
            "up",
            settings,
            lambda process: run_engine(
                process,
                server,
                refresh=refresh,
                on_started=lambda running: _greet(process, running),
                beside={"search-sender": lambda stop: send(server.url, settings, stop)} if sends else {},
            ),
        )
    raise typer.Exit(code)


def down() -> None:
    """Stop the embedded engine of CANDLEWAVE_DATA_DIR, and wait until it has ended.

    It also stops a PostgreSQL that a killed `candlewave up` left behind.
    """
    settings = embedded_settings("down")
    from candlewave.engine.embedded.cluster import postmaster, stop_postmaster
    from candlewave.engine.embedded.ownership import Layout, acquire, owner_of

    layout = Layout(settings.data_dir.absolute())
    owner = owner_of(settings.data_dir)
    if owner is not None:
        _end(owner, settings)
        typer.echo(f"Stopped the engine (process {owner}).")
    orphan = postmaster(layout.cluster)
    if orphan is not None:
        with acquire(layout):
            stop_postmaster(layout.cluster)
        typer.echo(f"Stopped PostgreSQL (process {orphan.pid}), whose owner had been killed.")
    elif owner is None:
        typer.echo(f"The engine of {settings.data_dir} is not running.")


def backup(file: Annotated[Path, typer.Argument(help="File to write; an earlier one is replaced at the end.")]) -> None:
    """Back up the embedded engine: tables, views, bus and catalog as of one moment, in one file.

    It works while `candlewave up` runs. An interrupted backup leaves an earlier file unchanged.
    """
    settings = embedded_settings("backup")
    from candlewave.engine.embedded.backup import backup as make

    written = make(settings, file)
    typer.echo(f"Wrote {file}: {len(written.tables)} tables, {written.size / 1e6:,.1f} MB.")


def restore(
    file: Annotated[Path, typer.Argument(help="A file made by `candlewave backup`.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a database that is not empty.")] = False,
) -> None:
    """Restore a backup into CANDLEWAVE_DATA_DIR; `candlewave up` must not be running.

    The present database is replaced at the very end, so that a failure leaves it as it was.
    """
    settings = embedded_settings("restore")
    from candlewave.engine.embedded.backup import restore as put_back

    restored = put_back(settings, file, force=force)
    typer.echo(f"Restored {len(restored.tables)} tables from {file}. Start the engine with `candlewave up`.")


def upgrade(
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Keep the old database next to the new one, as postgres.<version>.")
    ] = False,
) -> None:
    """Bring CANDLEWAVE_DATA_DIR to this version of PostgreSQL; `candlewave up` must not be running.

    The old database is only read, and kept until the new one has been started and checked. It needs as much free
    space as the database has. Interrupted, it can be run again.
    """
    settings = embedded_settings("upgrade")
    from candlewave.engine.embedded.programs import MAJOR
    from candlewave.engine.embedded.upgrade import upgrade as bring

    done = bring(settings.data_dir, typer.echo, keep_old=keep_old)
    verb = "is now" if done else "is already"
    typer.echo(f"{settings.data_dir} {verb} at PostgreSQL {MAJOR}.")


def _end(owner: int, settings: "Settings") -> None:
    """Ask the owner of the data directory to end, and wait until it has given the directory free."""
    from candlewave.engine.embedded.ownership import owner_of

    try:
        os.kill(owner, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError:
        fail(f"process {owner} belongs to another user; stop it as that user")
    deadline = time.monotonic() + settings.shutdown_grace_seconds + 60
    while owner_of(settings.data_dir) == owner:
        if time.monotonic() > deadline:
            fail(f"process {owner} does not end; its log says why")
        time.sleep(0.05)


def _greet(process: "Process", server: "EmbeddedServer") -> None:
    """Say that the engine runs, and whether its objects are as sql/ declares them."""
    process.log.info("engine runs", port=server.port, postgres_pid=server.pid, data_dir=str(server.data_dir))
    typer.echo(
        f"The engine runs: PostgreSQL on port {server.port}, data in {server.data_dir}.\n"
        "`candlewave sql` connects and prints the URL; Ctrl-C stops.",
        err=True,
    )
    problems = _migration_problems(server)
    if problems:
        process.log.warning("not migrated", count=len(problems), first=problems[:3])
        typer.echo(
            f"{len(problems)} SQL objects are not as sql/ declares them ({problems[0]}, …): run `candlewave migrate`.",
            err=True,
        )


def _migration_problems(server: "EmbeddedServer") -> list[str]:
    import psycopg

    from candlewave.engine.connect import EngineError, connect_url
    from candlewave.engine.migrate import MigrationError
    from candlewave.engine.migrate.check import deviations

    try:
        with connect_url(server.url) as conn:
            return deviations(conn)
    except MigrationError as error:
        return [str(error)]
    except (EngineError, psycopg.OperationalError) as error:
        return [f"not known, because the connection was lost: {error}"]
