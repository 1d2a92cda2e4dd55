"""The ``candlewave`` command. Each module of this package adds its commands; heavy imports stay inside them."""

import sys

import typer

from candlewave.cli import (
    api,
    backtest,
    bench,
    demo,
    engine,
    export,
    golden,
    history,
    indicators,
    ingest,
    migrate,
    model,
    monitor,
    predict,
    project,
    read,
    sentiment,
    training,
)
from candlewave.cli.common import CommandGroup
from candlewave.core.printable import PrintableStream

app = typer.Typer(
    name="candlewave",
    cls=CommandGroup,
    help="SQL-first streaming price forecasts: candles, indicators and predictions on RisingWave.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
for module in (
    engine,
    model,
    golden,
    migrate,
    ingest,
    history,
    indicators,
    sentiment,
    training,
    backtest,
    predict,
    project,
    export,
    monitor,
    api,
    read,
    demo,
    bench,
):
    module.register(app)


def main() -> None:
    """Run the command line."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream.isatty():
            setattr(sys, name, PrintableStream(stream))
    app()
