"""``candlewave doctor``: what slows the embedded views down, and clocks that ran ahead."""

from typing import Annotated

import typer

from candlewave.cli.common import embedded_settings, load_settings
from candlewave.core.times import utc_now

app = typer.Typer(invoke_without_command=True)

_AHEAD = """
SELECT exchange, symbol, last_ts FROM feed_clock
WHERE last_ts > %(now)s::timestamptz + INTERVAL '1 minute'
ORDER BY exchange, symbol
"""

_REPAIR = """
INSERT INTO clock_exclusions (exchange, symbol, minute, reason)
SELECT m.exchange, m.symbol, m.minute, %(reason)s::varchar
FROM clock_minutes AS m
LEFT JOIN clock_exclusions AS e ON e.exchange = m.exchange AND e.symbol = m.symbol AND e.minute = m.minute
WHERE m.minute > %(now)s::timestamptz AND e.minute IS NULL
"""


@app.callback()
def doctor(context: typer.Context) -> None:
    """Find what this machine lacks, and what is unhealthy in the engine; the commands below also repair it.

    Alone it names every missing requirement (libraries of the system, disk, memory), with exit code 1, and lists the
    embedded engine's views that every change recomputes in full, because their header declares no footprint.
    """
    if context.invoked_subcommand is not None:
        return
    settings = embedded_settings("doctor")
    from candlewave.core.requirements import missing_requirements

    if problems := missing_requirements(settings.data_dir):
        for problem in problems:
            typer.echo(f"missing: {problem}")
        raise typer.Exit(1)
    typer.echo("This machine has what candlewave needs.")
    from candlewave.engine.connect import connect

    with connect(settings) as conn:
        rows = conn.execute(
            "SELECT schema_name, name FROM embedded.objects WHERE full_recompute ORDER BY schema_name, name"
        ).fetchall()
    for schema, name in rows:
        typer.echo(f"{schema}.{name}: no footprint in its header, so that every change recomputes it in full")
    if not rows:
        typer.echo("Every view follows its inputs by footprints.")


@app.command()
def clock(
    repair: Annotated[
        bool, typer.Option("--repair", help="Exclude the minutes that lie in the future from the clocks.")
    ] = False,
) -> None:
    """Show feeds whose newest event lies more than a minute in the future: they close candles too early.

    With --repair the future minutes are excluded; the exchange's clock goes back, and candles that were closed too
    early are withdrawn until their time has come. Exit code 1 while there is something to repair.
    """
    settings = load_settings()
    from candlewave.engine.connect import connect

    now = utc_now()
    with connect(settings) as conn:
        ahead = conn.execute(_AHEAD, {"now": now}).fetchall()
        for exchange, symbol, last in ahead:
            typer.echo(f"{exchange} {symbol}: newest event {last:%Y-%m-%d %H:%M:%S} UTC, {last - now} ahead of now")
        if not ahead:
            typer.echo("No feed is ahead of now.")
            return
        if not repair:
            typer.echo("Repair with `candlewave doctor clock --repair`.")
            raise typer.Exit(1)
        reason = f"ahead of {now:%Y-%m-%dT%H:%M:%SZ}, excluded by candlewave doctor"
        done = conn.execute(_REPAIR, {"now": now, "reason": reason})
        typer.echo(f"Excluded {done.rowcount} minutes.")
