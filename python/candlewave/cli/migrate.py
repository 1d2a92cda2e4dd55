"""Commands about migrations: plan, migration, check, migrate (with downgrade, history, current)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from candlewave.core.config import Config
    from candlewave.engine.migrate.history import Comparison, History
    from candlewave.engine.migrate.migrator import Migrator
    from candlewave.engine.migrate.revisions_plan import Plan

migrate_app = typer.Typer(help="Apply migrations to the engine.", invoke_without_command=True)

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Refill = Annotated[
    bool,
    typer.Option(
        "--refill", help="With retention.trades set: history was loaded again, so views may be computed from it anew."
    ),
]
Wait = Annotated[float, typer.Option(help="Seconds to wait for another migrator.", min=0)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(plan)
    app.command()(migration)
    app.command()(check)
    app.add_typer(migrate_app, name="migrate")


def plan() -> None:
    """Show what the next `migration` would contain, and what `migrate` would do on the engine."""
    from candlewave.engine.migrate.history import compare

    console = _console()
    with _explained():
        history, config = _project()
        for comparison in compare(history, config):
            console.print(f"[bold]{_rendered(comparison)} compared with {_describe(comparison)}")
            if not comparison.differences:
                console.print("  no difference")
            else:
                _print_plan(console, _plan_of(comparison))
        _print_engine(console, history)


def migration(
    message: Annotated[str, typer.Option("-m", "--message", help="What changes, in one line.")],
    yes: Yes = False,
    refill: Refill = False,
    new_database: Annotated[
        bool,
        typer.Option("--new-database", help="Start a branch of your own from nothing, for an empty engine."),
    ] = False,
) -> None:
    """Write the next revision: what sql/ renders to now, frozen, and the way there and back."""
    from candlewave.engine.migrate import MigrationError
    from candlewave.engine.migrate.history import Branch, Comparison, compare
    from candlewave.engine.migrate.writer import write

    console = _console()
    with _explained():
        history, config = _project()
        wrote = False
        for branch in Branch:
            comparison = next((c for c in compare(history, config) if c.branch is branch), None)
            if comparison is None:
                continue
            if new_database and branch is Branch.LOCAL:
                if history.revisions[Branch.LOCAL]:
                    raise MigrationError(f"{history.versions(branch)} has revisions already; remove them to start anew")
                comparison = Comparison(branch, None, {}, comparison.rendered)
            if not comparison.differences:
                continue
            console.print(f"[bold]Since {_describe(comparison)}")
            made = _plan_of(comparison)
            _print_plan(console, made)
            if branch is Branch.LOCAL and config.retention.trades_seconds and made.rereads_trades and not refill:
                raise MigrationError(
                    f"this would compute {', '.join(made.rereads_trades)} again from trades, but retention.trades lets"
                    " trades expire. Load the history again (`candlewave backfill`), then run with --refill"
                )
            if not yes and not typer.confirm("Write this revision?"):
                raise typer.Exit(1)
            path = write(history, branch, made, message, down_revision=comparison.head)
            console.print(f"Wrote {_short(path)}. Apply it with `candlewave migrate`.")
            wrote = True
        if not wrote:
            console.print("Nothing to write: sql/ is as the head revision has it.")


def check() -> None:
    """Fail when sql/ and the head revision differ, or when the revisions are not in order."""
    from candlewave.engine.migrate.history import compare

    console = _console()
    with _explained():
        history, config = _project()
        bad = False
        for comparison in compare(history, config):
            if comparison.differences:
                bad = True
                console.print(f"[bold red]{_rendered(comparison)} differs from {_describe(comparison)}:")
                for line in comparison.differences:
                    console.print(f"  {line}")
            else:
                console.print(
                    f"{_rendered(comparison)} is as {_describe(comparison)} has it: {len(comparison.rendered)} objects"
                )
        if bad:
            console.print('Write a revision with `candlewave migration -m "what changes"`.')
            raise typer.Exit(1)


@migrate_app.callback()
def migrate(
    context: typer.Context,
    to: Annotated[str | None, typer.Option("--to", help="Revision to go to; the head when not given.")] = None,
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL from nothing to there; needs no engine.")] = False,
    search: Annotated[
        bool,
        typer.Option("--search", help="First install index templates and lifecycle in Elasticsearch."),
    ] = False,
    refill: Refill = False,
    wait: Wait = 60.0,
) -> None:
    """Bring the engine to a revision. An interrupted run goes on where it stopped."""
    if context.invoked_subcommand is not None:
        return
    console = _console()
    with _explained():
        migrator = _migrator(console, refill=refill, wait_seconds=wait)
        if sql:
            typer.echo(migrator.script(to))
            return
        if search:
            _install_search(console)
        _ensure_topics()
        migrator.upgrade(to)
        console.print(f"The engine is at revision {migrator.current()}.")
        _warn_of_changed_config(console, migrator)


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
    to: Annotated[str, typer.Argument(help="Revision to go back to, or base.")],
    drop_stores: Annotated[
        bool, typer.Option("--drop-stores", help="Drop tables too, with rows that cannot be computed again.")
    ] = False,
    yes: Yes = False,
    refill: Refill = False,
    wait: Wait = 60.0,
) -> None:
    """Go back to a revision. Tables and their rows stay, unless --drop-stores is given."""
    console = _console()
    with _explained():
        migrator = _migrator(console, refill=refill, drop_stores=drop_stores, wait_seconds=wait)
        if to != "base":
            migrator.history.line(to)  # an unknown revision is refused before anybody is asked
        what = "with all rows of tables that are dropped" if drop_stores else "tables keep their rows"
        if not yes and not typer.confirm(f"Go from revision {migrator.current()} back to {to}, {what}?"):
            raise typer.Exit(1)
        migrator.downgrade(to)
        console.print(f"The engine is at revision {migrator.current() or 'nothing'}.")


@migrate_app.command()
def history() -> None:
    """List the revisions, newest last, and mark where the engine is."""
    from rich.table import Table

    from candlewave.engine.migrate.history import Branch

    console = _console()
    with _explained():
        known, _ = _project()
        current = _current_revision(console)
        scripts = known.scripts()
        if not any(known.revisions.values()):
            console.print("There is no revision yet.")
            return
        table = Table("", "Revision", "Branch", "Revises", "What")
        for branch in Branch:
            for revision in known.revisions[branch]:
                what = (scripts.get_revision(revision.id).doc or "").splitlines()
                mark = "→" if revision.id == current else ""
                table.add_row(mark, revision.id, str(branch), revision.down or "", what[0] if what else "")
        console.print(table)


@migrate_app.command()
def current() -> None:
    """Print the revision that the engine is at, and the head."""
    console = _console()
    with _explained():
        migrator = _migrator(console)
        console.print(f"engine: {migrator.current() or 'nothing'}, head: {migrator.history.head() or 'nothing'}")


class _ConsoleProgress:
    """A bar on a terminal, a line per object elsewhere."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = console
        self._bar = Progress(
            BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"), console=console
        )
        self._task = self._bar.add_task("", total=None, visible=False)
        self._done = 0
        self._total = 0

    def begin(self, title: str, total: int) -> None:
        """Show what is to come."""
        self._done, self._total = 0, total
        if total and self._console.is_terminal:
            self._bar.start()
            self._bar.reset(self._task, total=total, description=title, visible=True)

    def step(self, what: str) -> None:
        """Show what happens now."""
        self._done += 1
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._done - 1, description=what)
            self._bar.console.print(f"  {what}", highlight=False)
        else:
            self._console.print(f"[{self._done}/{self._total}] {what}", markup=False, highlight=False)

    def end(self) -> None:
        """Take the bar away."""
        if self._console.is_terminal:
            self._bar.stop()


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn errors that a person can do something about into their text and exit code 1."""
    import psycopg
    from pydantic import ValidationError

    from candlewave.bus import BusError
    from candlewave.cli.common import fail
    from candlewave.core.config import ConfigError
    from candlewave.core.errors import in_words
    from candlewave.engine.connect import EngineError
    from candlewave.engine.migrate import MigrationError
    from candlewave.sqlproject.render import RenderError

    try:
        yield
    except ValidationError as error:
        fail(in_words(error))
    except (
        MigrationError, ConfigError, RenderError, EngineError, BusError, psycopg.OperationalError, OSError,
    ) as error:  # fmt: skip
        fail(str(error))


def _project() -> "tuple[History, Config]":
    from candlewave.cli.common import load_settings
    from candlewave.core.config import load_config
    from candlewave.engine.migrate.history import History

    settings = load_settings(connects=False)
    return History.of_project(settings), load_config(settings.config_file)


def _migrator(
    console: "Console",
    *,
    refill: bool = False,
    drop_stores: bool = False,
    wait_seconds: float = 60.0,
) -> "Migrator":
    from candlewave.cli.common import load_settings
    from candlewave.engine.connect import connect
    from candlewave.engine.migrate.migrator import Migrator
    from candlewave.sqlproject.parameters import fill

    settings = load_settings()
    history, config = _project()
    return Migrator(
        history=history,
        config=config,
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


def _plan_of(comparison: "Comparison") -> "Plan":
    from candlewave.engine.migrate.revisions_plan import make_plan

    return make_plan(comparison.before, comparison.rendered)


def _print_plan(console: "Console", made: "Plan") -> None:
    from rich.table import Table

    from candlewave.engine.migrate.revisions_plan import Action

    colours = {
        Action.CREATED: "green",
        Action.ALTERED: "yellow",
        Action.REBUILT: "cyan",
        Action.DROPPED: "red",
        Action.ABANDONED: "magenta",
    }
    table = Table("", "Kind", "Object", "Why", box=None)
    for change in made.changes:
        table.add_row(f"[{colours[change.action]}]{change.action}", str(change.kind), change.name, change.reason)
    console.print(table)
    counts = [(a, sum(c.action is a for c in made.changes)) for a in Action]
    console.print("  " + ", ".join(f"{n} {action}" for action, n in counts if n))


def _print_engine(console: "Console", history: "History") -> None:
    """Say what `migrate` would do on the engine, if there is one."""
    from candlewave.cli.common import load_settings

    settings = load_settings(connects=False)
    if settings.embedded and not settings.runtime_file.exists():
        console.print("No engine is running, so nothing is compared with it (`candlewave up` starts one).")
        return
    migrator = _migrator(console)
    at, pending, broken = migrator.status()
    console.print(f"[bold]Engine at {at or 'nothing'}, head {history.head() or 'nothing'}")
    for revision in pending:
        console.print(f"  to apply: {revision}")
    for line in broken:
        console.print(f"  to repair: {line}")
    if not pending and not broken:
        console.print("  nothing to do")


def _current_revision(console: "Console") -> str | None:
    """Return where the engine is, None when none is running."""
    from candlewave.cli.common import load_settings

    settings = load_settings()
    if settings.embedded and not settings.runtime_file.exists():
        console.print("No engine is running, so it is not known which revision it is at.")
        return None
    return _migrator(console).current()


def _warn_of_changed_config(console: "Console", migrator: "Migrator") -> None:
    from candlewave.engine.migrate.history import Branch, compare

    for comparison in compare(migrator.history, migrator.config):
        if comparison.branch is Branch.LOCAL and comparison.differences:
            console.print(
                f"Your candlewave.toml, or candlewave itself, has changed since {_describe(comparison)}:"
                f" {len(comparison.differences)} objects differ. Write a revision with `candlewave migration`.",
                style="yellow",
            )


def _describe(comparison: "Comparison") -> str:
    from candlewave.engine.migrate.history import Branch

    if comparison.head is None:
        return "nothing, as there is no revision yet"
    own = comparison.branch is Branch.LOCAL and comparison.head.startswith("local_")
    return f"revision {comparison.head} ({'your own' if own else 'the shipped'} branch)"


def _rendered(comparison: "Comparison") -> str:
    from candlewave.engine.migrate.history import Branch

    return "sql/ with your candlewave.toml" if comparison.branch is Branch.LOCAL else "sql/"


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
