"""The command of the service that answers for the indicator layer."""

import typer


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("technical-indicators")(technical_indicators)


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
