"""The command of the service that notices when forecasts go bad."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("model-error-monitor")(model_error_monitor)


def model_error_monitor(
    once: Annotated[
        bool, typer.Option("--once", help="Evaluate all rules now and print them; send and change nothing.")
    ] = False,
) -> None:
    """Service: watch forecast errors, intervals, drift and ages; raise alerts; ask for a training.

    Thresholds are in candlewave.toml, table "monitor". ALERTMANAGER_URL and ALERT_WEBHOOK_URL name the receivers. Of
    several replicas one evaluates, the others stand by. See docs/monitoring.md.
    """
    from rich.console import Console
    from rich.table import Table

    from candlewave.cli.common import load_project
    from candlewave.rules import summary
    from candlewave.services.frame import run_service
    from candlewave.services.monitor.service import judge_once, main
    from candlewave.services.monitor.settings import MonitorSettings

    settings, config = load_project()
    monitor_settings = MonitorSettings.load()
    if not once:
        code = run_service("model-error-monitor", settings, lambda service: main(service, config, monitor_settings))
        raise typer.Exit(code)
    findings = judge_once(settings, config)
    if findings is None:
        typer.echo("There are no trades yet: start `candlewave trade-to-ohlc`, or `candlewave simulate`.")
        return
    table = Table(title="All rules, now")
    for heading in ("rule", "state", "what it says"):
        table.add_column(heading)
    for finding in findings:
        state = {True: f"[red]{finding.severity}[/red]", False: "well", None: "too little to tell"}[finding.holds]
        words = summary(finding.rule, finding.labels, finding.value)
        table.add_row(finding.rule, state, words if finding.holds else words.split(":")[0])
    Console().print(table)
    if not any(finding.rule == "coverage" for finding in findings):
        typer.echo("No forecast is served yet; `candlewave price-predictor` makes them.")
