"""Commands about indicators: what entries add and cost, and the service that answers for the layer."""

from typing import Annotated

import typer

_BARS = 5000


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(indicators)
    app.command("technical-indicators")(technical_indicators)


def indicators(
    measure: Annotated[
        bool, typer.Option("--measure", help="Run each entry's queries over candles of the embedded engine.")
    ] = False,
    bars: Annotated[int, typer.Option(help="Candles to measure over.", min=100)] = _BARS,
) -> None:
    """Show what the entries [[indicators.own]] add, and what each costs.

    Bytes are of columns and running sums per bar. A new bar makes the engine read as many bars as it says. With
    --measure, milliseconds per 1,000 bars when the view is made; nothing is stored.
    """
    from rich.table import Table

    from candlewave.cli.common import embedded_settings, fail, load_project, plain_console
    from candlewave.engine.connect import connect
    from candlewave.engine.entry_cost import entry_cost, measured

    _, config = load_project(connects=False)
    entries = config.indicators.own
    if not entries:
        typer.echo("No entries: candlewave.toml has no [[indicators.own]]. docs/indicators.md lists the kinds.")
        return
    if measure:
        with connect(embedded_settings("indicators --measure")) as conn:
            costs = [measured(conn, config, entry, bars) for entry in entries]
        if not all(cost.bars for cost in costs):
            fail("there are no candles to measure over yet")
    else:
        costs = [entry_cost(config, entry) for entry in entries]
    table = Table(*["columns", "bytes a bar", "bars read again", *(["ms per 1,000 bars"] if measure else [])], box=None)
    for cost in costs:
        cells = [", ".join(cost.columns), str(cost.bytes_per_bar), str(cost.bars_read)]
        table.add_row(*cells, *([f"{1000 * cost.milliseconds / cost.bars:.2f}"] if measure else []))
    total = [f"{sum(len(cost.columns) for cost in costs)} columns", str(sum(cost.bytes_per_bar for cost in costs))]
    sums = [f"{sum(1000 * cost.milliseconds / cost.bars for cost in costs):.2f}"] if measure else []
    table.add_row(*total, str(max(cost.bars_read for cost in costs)), *sums, style="bold")
    plain_console().print(table)


def technical_indicators() -> None:
    """Service: check the indicator layer against sql/ and its values against TA-Lib.

    The views compute the indicators; this service exports their freshness and alerts on any difference. Of several
    replicas one audits, the others stand by.
    """
    from candlewave.cli.common import load_project
    from candlewave.services.frame import run_service
    from candlewave.services.indicators.service import main

    settings, config = load_project()
    raise typer.Exit(run_service("technical-indicators", settings, lambda service: main(service, config)))
