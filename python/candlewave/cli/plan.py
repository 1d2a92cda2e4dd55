"""`candlewave plan` and `candlewave check`: what `migrate` would do, and whether anything is out of step."""

import difflib
import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candlewave.cli.champion import lost_by
from candlewave.cli.common import fail, load_project, plain_console

if TYPE_CHECKING:
    from rich.console import Console

    from candlewave.core.config import Config
    from candlewave.core.settings import Settings
    from candlewave.engine.migrate.migrator import Migrator
    from candlewave.engine.migrate.plan import Change, Mode, Plan
    from candlewave.engine.migrate.state import State


Diff = Annotated[bool, typer.Option("--diff/--no-diff", help="Show the changed lines.")]


class Rules(StrEnum):
    """Whose rules a comparison without an engine follows."""

    EMBEDDED = "embedded"
    RISINGWAVE = "risingwave"


def register(app: typer.Typer, migrator: "Callable[[Console], Migrator]") -> None:
    """Add the commands.

    Args:
        migrator: makes what migrates the configured engine.
    """

    @app.command()
    def plan(
        from_: Annotated[
            Path | None,
            typer.Option(
                "--from",
                help="Compare with a candlewave.toml, a folder of rendered SQL or a checkout, not with the engine.",
            ),
        ] = None,
        to: Annotated[
            Path | None,
            typer.Option(help="What to compare, of the same kinds; sql/ with your configuration by default."),
        ] = None,
        engine: Annotated[
            Rules | None,
            typer.Option(help="Whose rules to follow without an engine; those of the configured one by default."),
        ] = None,
        in_place: Annotated[bool, typer.Option("--in-place", help="As `migrate --in-place` would do it.")] = False,
        diff: Diff = True,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print the plan as JSON; see docs/migrations.md.")
        ] = False,
    ) -> None:
        """Show what `migrate` would do: what is added, changed, removed and rebuilt, why, and what it costs.

        Without a running engine, or with --from or --to, two states of the SQL objects are compared instead.
        """
        from candlewave.engine.migrate.plan import Mode

        settings, config = load_project(connects=False)
        console = plain_console()
        by_name = engine is Rules.EMBEDDED if engine else settings.embedded
        mode = Mode.IN_PLACE if in_place else Mode.BESIDE
        if from_ is None and to is None and _runs(settings):
            made, before, after = migrator(console).plan(mode), "engine", "sql/"
            problem = None if made.is_empty else lost_by(settings, config)
        else:
            if from_ is None and to is None:
                typer.echo("No engine is running (`candlewave up` starts one): comparing with sql/rendered.", err=True)
            made, before, after = _compare(from_, to, config, by_name=by_name, mode=mode)
            problem = None
        if as_json:
            document = {"from": before, "to": after, "champion_problem": problem, **made.to_json()}
            typer.echo(json.dumps(document, indent=2))
            return
        console.print(f"[bold]From {before} to {after}", highlight=False)
        print_plan(console, made, diff=diff)
        if problem is not None:
            console.print(warning(problem), markup=False)

    @app.command()
    def check() -> None:
        """Fail when sql/rendered, the revisions of the tables, or a running engine are not as sql/ declares.

        The first two are compared with the built-in defaults, an engine with your configuration.
        """
        from candlewave.cli.model import stale_text
        from candlewave.core.paths import project_root
        from candlewave.engine.migrate.revisions import Revisions, compare_tables
        from candlewave.sqlproject.rendered import stale_files

        settings, _ = load_project(connects=False)
        console = plain_console()
        root = project_root()
        stale = stale_files(root / "sql")
        problems = [stale_text(stale)] if stale else []
        problems += compare_tables(Revisions(root))
        if not problems:
            console.print("sql/rendered and the revisions of the tables are as sql/ declares.")
        if _runs(settings):
            made = migrator(console).plan()
            problems += [f"{c.name}: to be {c.action} on the engine: {c.reason}" for c in made.changes]
            if made.is_empty:
                console.print("The engine has what sql/ declares.")
            else:
                problems.append("bring the engine up to date with `candlewave migrate`, or see `candlewave plan`")
        else:
            console.print("No engine is running, so none is compared.")
        if problems:
            fail("\n  ".join(["something is out of step:", *problems]))


def warning(problem: str) -> str:
    """Return the sentence that a plan warns with, when the champion will not be usable."""
    return (
        f"Switches the champion off: {problem}. The last price is served until a new model has been trained; `migrate`"
        " asks for the training."
    )


def print_plan(console: "Console", plan: "Plan", *, diff: bool = True) -> None:
    """Print a plan for people: a line per object, the changed lines of changed ones, and what it costs.

    Args:
        diff: show the changed lines.
    """
    from rich.text import Text

    if plan.is_empty:
        console.print("There is nothing to do.")
        return
    colours = {"added": "green", "removed": "red", "changed": "cyan", "rebuilt": "cyan"}
    width = max(len(change.name) for change in plan.changes)
    for change in plan.changes:
        line = Text(f"  {change.action:<9} ", colours.get(change.action, "yellow"))
        line.append(f"{change.kind:<17}  {change.name:<{width}}  ", "default")
        line.append(change.reason + (_costs(change) if change.name in plan.rebuilt else ""), "default")
        console.print(line)
    if diff:
        for change in plan.changes:
            _print_diff(console, change)
    console.print()
    for sentence in _summary(plan):
        console.print(sentence, markup=False)


def _costs(change: "Change") -> str:
    rows = _count(change.rows, "row") if change.rows is not None else ""
    seconds = _duration(change.seconds) if change.seconds is not None else ""
    known = ", ".join(part for part in (rows, seconds) if part)
    return f" ({known})" if known else ""


def _print_diff(console: "Console", change: "Change") -> None:
    from rich.text import Text

    if change.action not in ("changed", "altered") or change.new_text is None:
        return
    console.print()
    if change.old_text is None:
        console.print(f"{change.name}: what it was made from is not known, so no difference can be shown")
        return
    old, new = change.old_text.splitlines(), change.new_text.splitlines()
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in difflib.unified_diff(old, new, f"{change.name} as it is", f"{change.name} as declared", lineterm=""):
        console.print(Text(line, "bold" if line.startswith(("---", "+++")) else styles.get(line[0], "")))


def _summary(plan: "Plan") -> list[str]:
    """Return the closing sentences: how many objects, time, space, sinks, tables, and what would be lost."""
    from rich.filesize import decimal

    from candlewave.engine.migrate.plan import Action

    counts = [(sum(c.action is action for c in plan.changes), action) for action in Action]
    sentences = [f"In total: {', '.join(f'{n} {action}' for n, action in counts if n)}."]
    again = [c for c in plan.changes if c.name in plan.rebuilt]
    if again:
        what = f"Computes the rows of {_count(len(again), 'materialized view')} again"
        rows = [c.rows for c in again if c.rows is not None]
        seconds = [c.seconds for c in again if c.seconds is not None]
        what += f", about {_count(sum(rows), 'row')}" if rows else ""
        what += f", which took {_duration(sum(seconds))} last time" if len(seconds) == len(again) else ""
        sentences.append(f"{what}.")
        if plan.space_bytes is None and not rows and not seconds:
            sentences.append("Rows, time and space are known on an engine only.")
        elif plan.space_bytes is None:
            sentences.append("How much extra space it needs until the old ones are dropped is not known.")
        elif plan.space_bytes:
            space = decimal(plan.space_bytes)
            sentences.append(f"Needs about {space} of extra space until the old ones are dropped.")
    else:
        sentences.append("No row is computed again.")
    resending = [c.name for c in plan.changes if c.resends and c.action is not Action.ADDED]
    sentences.append(f"Sends every row again: {', '.join(resending)}." if resending else "No sink sends a row again.")
    tables = [f"{c.name} ({', '.join(c.added_columns)})" for c in plan.changes if c.action is Action.ALTERED]
    sentences.append(f"Alters tables: {', '.join(tables)}." if tables else "Alters no table.")
    if plan.refill:
        sentences.append(
            f"Trades expire (retention.trades), so {', '.join(plan.refill)} would lose older rows: load the history"
            " again (`candlewave backfill`), then use `candlewave migrate --refill`."
        )
    return sentences


def _compare(
    from_: Path | None, to: Path | None, config: "Config", *, by_name: bool, mode: "Mode"
) -> "tuple[Plan, str, str]":
    """Plan between two states of the SQL objects, as if an engine had the first."""
    from candlewave.core.paths import project_root
    from candlewave.engine.migrate.plan import Recorded, make_plan
    from candlewave.engine.migrate.state import ordered
    from candlewave.sqlproject.fingerprint import fingerprint
    from candlewave.sqlproject.render import render_objects

    root = project_root() / "sql"
    if from_ is None:
        from_ = root / "rendered"
    before = _state(from_, config)
    after = _state(to, config) if to else ordered(render_objects(config))
    recorded = {name: Recorded(name, o.kind, fingerprint(o), o.text) for name, o in before.items()}
    made = make_plan(recorded, after, readers_follow_names=by_name, mode=mode)
    label = "sql/rendered" if from_ == root / "rendered" else str(from_)
    return made, label, str(to) if to else "sql/"


def _state(path: Path, config: "Config") -> "State":
    """Return the objects that a path stands for.

    Args:
        path: a ``candlewave.toml``, a folder of rendered SQL, or a checkout or its ``sql`` folder.
        config: fills the templates of a checkout.
    """
    from candlewave.core.config import load_config
    from candlewave.engine.migrate.state import ordered
    from candlewave.sqlproject.render import render_objects
    from candlewave.sqlproject.rendered import read_rendered

    if path.is_file():
        return ordered(render_objects(load_config(path)))
    if any(path.glob("*.sql")):
        return read_rendered(path)
    folder = path / "sql" if (path / "sql").is_dir() else path
    if not any(folder.rglob("*.sql.j2")):
        fail(f"{path} is neither a candlewave.toml, nor a folder of rendered SQL, nor a checkout of candlewave")
    return ordered(render_objects(config, folder))


def _runs(settings: "Settings") -> bool:
    """Return whether there is an engine to ask: RisingWave is configured, or the embedded one runs."""
    return not settings.embedded or settings.runtime_file.exists()


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "under 1 s"
    return f"{seconds:,.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
