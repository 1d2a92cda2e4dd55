"""The command of the service that forecasts."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from candlewave.core.config import Config
    from candlewave.core.settings import Settings
    from candlewave.services.predictor.predictor import Cycle


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("price-predictor")(price_predictor)


def price_predictor(
    once: Annotated[
        bool, typer.Option("--once", help="Forecast what is due now, publish and print it, and end.")
    ] = False,
    begin: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            help="Forecast replayed history from this time (UTC) on, as if it were then, and end.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Service: forecast each closed minute of all markets with the registered models and the baseline.

    PREDICT_* variables set how often the clock is looked at, how far it catches up and how old candles may be
    (docs/predictions.md). Replicas share the markets.
    """
    from candlewave.cli.common import fail, load_project
    from candlewave.services.frame import run_service
    from candlewave.services.predictor.service import main, predict_once
    from candlewave.services.predictor.settings import PredictSettings

    settings, config = load_project()
    predict_settings = PredictSettings.load()
    if once and begin is not None:
        fail("--once is about now, --from about replayed history: give one of them")
    if begin is not None:
        _rehearse(settings, config, begin.replace(tzinfo=UTC))
        return
    if once:
        _show(predict_once(settings, config, predict_settings))
        return
    code = run_service("price-predictor", settings, lambda service: main(service, config, predict_settings))
    raise typer.Exit(code)


def _rehearse(settings: "Settings", config: "Config", begin: datetime) -> None:
    from candlewave.services.predictor.service import predict_history
    from candlewave.telemetry.progress import progress

    with progress("Forecasting history", None, "minutes") as bar:
        done = predict_history(settings, config, begin, bar.advance)
    for text in done.left_out:
        typer.echo(f"note: left out {text}, which would have seen what it forecasts", err=True)
    for market, newest in done.markets.items():
        typer.echo(f"  {market}: {begin:%Y-%m-%d %H:%M} to {newest:%Y-%m-%d %H:%M} UTC")
    typer.echo(f"{done.forecasts:,} forecasts of replayed history published; the views judge them now.")


def _show(cycle: "Cycle") -> None:
    from rich.console import Console
    from rich.table import Table

    if cycle.forecasts:
        table = Table(title="Forecasts that were published; quantiles 10, 50 and 90 % of the price, times in UTC")
        for heading in ("market", "candle", "ahead", "model", "role", "last", "10 %", "50 %", "90 %"):
            table.add_column(heading, justify="right" if heading.endswith("%") or heading == "last" else "left")
        for f in cycle.forecasts:
            table.add_row(
                f"{f.exchange} {f.symbol}",
                f"{f.feature_time:%Y-%m-%d %H:%M}",
                f"{f.horizon_minutes} min",
                f"{f.model_name} {f.model_version}",
                f.role,
                *(f"{price:.8g}" for price in (f.reference_price, *f.prices)),
            )
        Console().print(table)
    else:
        typer.echo("Nothing new to forecast: every closed candle has its forecasts, or no candle is closed yet.")
    reasons = {
        "stale": "its newest closed candle is too old (PREDICT_MAX_FEATURE_AGE_SECONDS)",
        "missed": "it was not forecast for longer than PREDICT_CATCH_UP_MINUTES; older candles are left out",
        "no_features": "a closed minute has no feature row: a hole in the candles",
        "no_feed": "its feed was away during the minute",
        "warming_up": "too little history: its volatility is not known yet",
    }
    for market, reason in sorted(set(cycle.skipped)):
        typer.echo(f"left out {' '.join(market)}: {reasons[reason]}")
