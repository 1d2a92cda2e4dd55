"""Command bench: the benchmarks of the checkout."""

import os
import sys
from typing import Annotated

import typer

from candlewave.cli.common import fail


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(context_settings={"ignore_unknown_options": True})(bench)


def bench(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="throughput, latency, --trades N, --days N; all if left out.")
    ] = None,
) -> None:
    """Measure speed and memory on this machine and print a table. It needs a checkout and some minutes."""
    from candlewave.core.paths import project_root

    root = project_root()
    if not (root / "benchmarks").is_dir():
        fail("the benchmarks are part of the repository, not of the installed package; run this in a checkout")
    os.chdir(root)
    os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *(arguments or [])])
