"""Command backtest: what production's trainings would have been worth."""

import shlex
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from candlewave.backtest.report import Backtest
    from candlewave.core.config import Config
    from candlewave.core.settings import Settings
    from candlewave.ml.dataset import FeatureSource
    from candlewave.ml.settings import TrainSettings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(backtest)


def backtest(
    days: Annotated[float, typer.Option(help="Days of forecasts to judge, up to --end.", min=0.05)] = 7.0,
    end: Annotated[
        datetime | None, typer.Option(help="Last feature time (UTC); the newest if left out.", show_default=False)
    ] = None,
    train_days: Annotated[
        float | None,
        typer.Option(help="History of each training; TRAIN_DAYS if left out.", min=0.1, show_default=False),
    ] = None,
    every_hours: Annotated[
        float | None,
        typer.Option(help="Time between trainings; TRAIN_EVERY_HOURS if left out.", min=0.1, show_default=False),
    ] = None,
    fee_bps: Annotated[float, typer.Option(help="Toy strategy: fee per side, basis points.", min=0)] = 5.0,
    slippage_bps: Annotated[float, typer.Option(help="Toy strategy: slippage per side, basis points.", min=0)] = 1.0,
    inputs: Annotated[
        bool, typer.Option("--inputs", help="Use the vectors that forecasts used, not features as they are.")
    ] = False,
    report: Annotated[Path, typer.Option(help="Where the HTML goes.")] = Path("backtest.html"),
) -> None:
    """Train as production does, again and again over history, and judge the forecasts in between.

    Prints whether the median beats the last price, with block-bootstrap confidence intervals, and writes a report with
    plots and a toy strategy (docs/backtest.md).
    """
    from candlewave.cli.common import load_project
    from candlewave.ml.settings import TrainSettings

    settings, config = load_project()
    given = {"days": train_days, "every_hours": every_hours}
    train_settings = TrainSettings.load().model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    result = _run(settings, config, train_settings, days, end, fee_bps, slippage_bps, inputs=inputs, report=report)
    _show(result)
    typer.echo(f"{result.statement}\nReport: {report}")


def _run(
    settings: "Settings",
    config: "Config",
    train_settings: "TrainSettings",
    days: float,
    end: datetime | None,
    fee_bps: float,
    slippage_bps: float,
    *,
    inputs: bool,
    report: Path,
) -> "Backtest":
    from candlewave.backtest.report import write_report
    from candlewave.backtest.run import backtest, last_minute, plan
    from candlewave.backtest.strategy import Costs
    from candlewave.engine.connect import connect
    from candlewave.ml.model import TooLittleDataError
    from candlewave.telemetry.progress import progress

    source: FeatureSource = "inputs" if inputs else "features"
    with connect(settings) as conn:
        if end is not None:
            last = end.replace(tzinfo=UTC)
        else:
            newest = last_minute(conn, source)
            if newest is None:
                raise TooLittleDataError(
                    "no forecast has kept its inputs yet: `candlewave price-predictor` does"
                    if inputs
                    else "there are no features yet: start `candlewave trade-to-ohlc` or a backfill"
                )
            last = newest + timedelta(minutes=1)
        steps = plan(config, train_settings, last - timedelta(days=days), last)
        command = [
            "candlewave", "backtest", "--days", f"{days:g}", "--end", f"{last:%Y-%m-%dT%H:%M:%S}",
            "--train-days", f"{train_settings.days:g}", "--every-hours", f"{train_settings.every_hours:g}",
            "--fee-bps", f"{fee_bps:g}", "--slippage-bps", f"{slippage_bps:g}", *(["--inputs"] if inputs else []),
        ]  # fmt: skip
        with progress("Training and forecasting", len(steps.steps), "trainings") as bar:
            result = backtest(
                conn,
                config,
                steps,
                train_settings.boosting,
                Costs(fee_bps, slippage_bps),
                command=shlex.join(command),
                candidates=train_settings.candidate_names,
                source=source,
                on_step=bar.advance,
            )
    write_report(result, report)
    return result


def _show(result: "Backtest") -> None:
    from rich.console import Console

    from candlewave.cli.training import verdict_table

    Console(width=None if sys.stdout.isatty() else 160).print(verdict_table(result.verdicts))
