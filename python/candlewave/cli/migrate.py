"""`candlewave migrate`, with downgrade, history and current; plan and check have a module of their own."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from candlewave.cli import plan
from candlewave.cli.champion import ask_for_training, lost_by, lost_now
from candlewave.cli.common import load_project, plain_console
from candlewave.cli.plan import Diff, print_plan, warning

if TYPE_CHECKING:
    from rich.console import Console

    from candlewave.engine.migrate.migrator import Migrator
    from candlewave.engine.migrate.plan import Plan

migrate_app = typer.Typer(help="Apply migrations to the engine.", invoke_without_command=True)

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Refill = Annotated[
    bool,
    typer.Option(
        "--refill", help="With retention.trades set: history was loaded again, so views may be computed from it again."
    ),
]
Wait = Annotated[float, typer.Option(help="Seconds to wait for another migrator.", min=0)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    plan.register(app, _migrator)
    app.add_typer(migrate_app, name="migrate")


@migrate_app.callback()
def migrate(
    context: typer.Context,
    in_place: Annotated[
        bool,
        typer.Option("--in-place", help="Drop what changes and make it again: needs no extra space, but leaves a gap."),
    ] = False,
    abort: Annotated[
        bool, typer.Option("--abort", help="Drop what an interrupted migration has built; nothing else changes.")
    ] = False,
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL that makes everything; needs no engine.")] = False,
    search: Annotated[
        bool,
        typer.Option("--search", help="First install index templates and lifecycle in Elasticsearch."),
    ] = False,
    diff: Diff = True,
    yes: Yes = False,
    refill: Refill = False,
    wait: Wait = 60.0,
) -> None:
    """Bring the engine to what sql/ declares. An interrupted run goes on where it stopped."""
    from candlewave.engine.migrate.plan import Mode

    if context.invoked_subcommand is not None:
        return
    console = plain_console()
    settings, config = load_project(connects=not sql)
    migrator = _migrator(console, refill=refill, wait_seconds=wait, connects=not sql)
    if sql:
        typer.echo(migrator.script())
        return
    if abort:
        dropped = migrator.abort()
        console.print(f"Dropped {', '.join(dropped)}." if dropped else "No migration was under way.")
        return
    if search:
        _install_search(console)
    _ensure_topics()

    changes: list[str] = []

    def confirm(made: "Plan") -> bool:
        changes.extend(change.name for change in made.changes)
        print_plan(console, made, diff=diff)
        if (problem := lost_by(settings, config)) is not None:
            console.print(warning(problem), markup=False)
        return yes or not (sys.stdin.isatty() and console.is_terminal) or typer.confirm("Apply this plan?")

    if not migrator.upgrade(Mode.IN_PLACE if in_place else Mode.BESIDE, confirm):
        raise typer.Exit(1)
    console.print("The engine has what sql/ declares.")
    if changes and (problem := lost_now(settings)) is not None:
        request = ask_for_training(settings, problem)
        console.print(
            f"The champion is switched off: {problem}. Asked for a training: request {request}.", markup=False
        )


def _install_search(console: "Console") -> None:
    """Index templates must be there before a sink writes its first document."""
    from candlewave.cli.common import load_settings
    from candlewave.elastic.client import open_client
    from candlewave.elastic.install import install
    from candlewave.elastic.settings import SearchSettings

    search_settings = SearchSettings.load()
    with open_client(load_settings(), search_settings) as client:
        install(client, search_settings, console.print)


@migrate_app.command()
def downgrade(
    to: Annotated[str, typer.Argument(help="Revision of the tables to go back to, or base.")],
    drop_stores: Annotated[
        bool, typer.Option("--drop-stores", help="Drop tables too, with rows that cannot be computed again.")
    ] = False,
    yes: Yes = False,
    wait: Wait = 60.0,
) -> None:
    """Go back to a revision of the tables. They keep their rows, unless --drop-stores is given."""
    console = plain_console()
    migrator = _migrator(console, drop_stores=drop_stores, wait_seconds=wait)
    if to != "base":
        migrator.revisions.check(to)  # an unknown revision is refused before anything is asked
    what = "with all rows of tables that are dropped" if drop_stores else "tables keep their rows"
    if not yes and not typer.confirm(f"Go from revision {migrator.current()} back to {to}, {what}?"):
        raise typer.Exit(1)
    migrator.downgrade(to)
    console.print(f"The engine's tables are at revision {migrator.current() or 'nothing'}.")


@migrate_app.command()
def history() -> None:
    """List the revisions of the tables, newest last, and mark where the engine is."""
    from rich.table import Table

    from candlewave.engine.migrate.revisions import Revisions

    console = plain_console()
    revisions = Revisions.of_project()
    current = _current_revision(console)
    table = Table("", "Revision", "What")
    for revision in revisions.all:
        table.add_row("→" if revision.id == current else "", revision.id, revision.what)
    console.print(table)


@migrate_app.command()
def current() -> None:
    """Print the revision of the engine's tables, and which objects are not as sql/ declares them."""
    console = plain_console()
    migrator = _migrator(console)
    at, deviating = migrator.status()
    console.print(f"tables: {at or 'nothing'}, newest revision: {migrator.revisions.head or 'nothing'}")
    for line in deviating:
        console.print(f"  {line}")


class _ConsoleProgress:
    """A bar with the time that is left on a terminal, a line per operation elsewhere."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = console
        self._bar = Progress(
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.description}"),
            console=console,
        )
        self._task = self._bar.add_task("", total=None, visible=False, left="")
        self._done = self._total = 0
        self._seconds: float | None = None
        self._passed = self._current = 0.0
        self._what = ""

    def begin(self, title: str, total: int, seconds: float | None = None) -> None:
        """Show what is to come."""
        self._done, self._total = 0, total
        self._seconds, self._passed, self._current = seconds, 0.0, 0.0
        if total and self._console.is_terminal:
            self._bar.start()
            self._bar.reset(self._task, total=total, description=title, visible=True, left=self._left())

    def step(self, what: str, seconds: float | None = None) -> None:
        """Show what happens now."""
        self._done += 1
        self._passed += self._current
        self._current = seconds or 0.0
        self._what = what
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._done - 1, description=what, left=self._left())
            self._bar.console.print(f"  {what}", highlight=False)
        else:
            of = f"/{self._total}" if self._done <= self._total else ""
            self._console.print(f"[{self._done}{of}] {what}", markup=False, highlight=False)

    def detail(self, text: str) -> None:
        """Show how far it is."""
        if self._console.is_terminal:
            self._bar.update(self._task, description=f"{self._what}: {text}")

    def end(self) -> None:
        """Remove the bar."""
        if self._console.is_terminal:
            self._bar.stop()

    def _left(self) -> str:
        if self._seconds is None:
            return ""
        return f"about {max(self._seconds - self._passed, 0):,.0f} s left"


def _migrator(
    console: "Console",
    *,
    refill: bool = False,
    drop_stores: bool = False,
    wait_seconds: float = 60.0,
    connects: bool = True,
) -> "Migrator":
    from candlewave.cli.common import load_settings
    from candlewave.core.config import load_config
    from candlewave.engine.connect import connect
    from candlewave.engine.migrate.migrator import Migrator
    from candlewave.engine.migrate.revisions import Revisions
    from candlewave.sqlproject.parameters import fill

    settings = load_settings(connects=connects)
    return Migrator(
        revisions=Revisions.of_project(),
        config=load_config(settings.config_file),
        connect=lambda: connect(settings),
        risingwave=not settings.embedded,
        fill=lambda text: fill(text, settings),
        progress=_ConsoleProgress(console),
        refill=refill,
        drop_stores=drop_stores,
        wait_seconds=wait_seconds,
    )


def _ensure_topics() -> None:
    """Make the topics that tables and sinks name: RisingWave refuses a table whose topic does not exist."""
    from candlewave.bus import open_bus
    from candlewave.cli.common import load_settings
    from candlewave.contracts.topics import TOPICS

    settings = load_settings()
    if settings.embedded:  # its own process makes them at the start
        return
    bus = open_bus(settings)
    try:
        bus.ensure_topics(TOPICS.values())
    finally:
        bus.close()


def _current_revision(console: "Console") -> str | None:
    """Return where the engine is, None when none is running."""
    from candlewave.cli.common import load_settings

    settings = load_settings()
    if settings.embedded and not settings.runtime_file.exists():
        console.print("No engine is running, so it is not known which revision it is at.")
        return None
    return _migrator(console).current()
