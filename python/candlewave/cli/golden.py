"""``candlewave golden``: run golden cases, those of a project by default."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candlewave.cli.common import fail, load_settings

if TYPE_CHECKING:
    from candlewave.engine.golden.engines import Engine


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(golden)


def golden(
    names: Annotated[
        list[str] | None, typer.Argument(help="Views or cases, such as candles or candles/gap; all when none is given.")
    ] = None,
    cases: Annotated[
        Path | None,
        typer.Option(help="Folder of the cases; by default golden/ of the project, tests/golden of a clone."),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Write the engine's rows into the expected files; review the difference.")
    ] = False,
) -> None:
    """Run golden cases: rows that arrive, and the rows that a view must show then. docs/golden-tests.md explains them.

    On RISINGWAVE_URL when it is set, otherwise on an embedded engine of their own, which is gone afterwards. The exit
    code is 1 when a case fails.
    """
    from candlewave.engine.golden.case import find_cases, load_case
    from candlewave.engine.golden.run import MismatchError, run_case
    from candlewave.engine.golden.table import CaseError

    folders = _chosen(find_cases(_root(cases)), names or [])
    failed = 0
    with _engine() as engine:
        for folder in folders:
            name = f"{folder.parent.name}/{folder.name}"
            started = time.monotonic()
            try:
                run_case(load_case(folder), engine, update=update)
            except (MismatchError, CaseError) as error:
                failed += 1
                typer.echo(f"FAILED  {name}\n{error}\n")
            else:
                typer.echo(f"ok      {name} ({time.monotonic() - started:.1f} s)")
    typer.echo(f"golden: {len(folders) - failed} passed, {failed} failed")
    if failed:
        raise typer.Exit(1)


def _root(cases: Path | None) -> Path:
    from candlewave.core.paths import own_root, project_root

    own = own_root()
    root = cases or (own / "golden" if own else project_root() / "tests" / "golden")
    if not root.is_dir():
        fail(f"{root}: no such folder; `candlewave init` makes a project that has one, --cases names another")
    return root


def _chosen(folders: list[Path], names: list[str]) -> list[Path]:
    for name in names:
        if not any(name in (folder.parent.name, f"{folder.parent.name}/{folder.name}") for folder in folders):
            views = sorted({folder.parent.name for folder in folders})
            fail(f"there is no golden case {name}; there are cases of {', '.join(views) or 'nothing yet'}")
    if not names:
        return folders
    return [f for f in folders if f.parent.name in names or f"{f.parent.name}/{f.name}" in names]


@contextmanager
def _engine() -> "Iterator[Engine]":
    from candlewave.engine.connect import connect_url
    from candlewave.engine.golden.engines import RisingWaveEngine, embedded_engine

    url = load_settings(connects=False).risingwave_url
    if url is None:
        with embedded_engine() as engine:
            yield engine
        return
    with connect_url(url.get_secret_value()) as conn:
        yield RisingWaveEngine(conn)
