"""Command backtest: what production's trainings would have been worth."""

import shlex
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

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
    fee_bps: Annotated[
        float | None,
        typer.Option(
            help="Fee per side, basis points; each exchange's (table costs of candlewave.toml, or ccxt's) if left out.",
            min=0,
            show_default=False,
        ),
    ] = None,
    spread_bps: Annotated[
        float | None,
        typer.Option(
            help="Between bid and ask, basis points; each side pays half. Table costs of candlewave.toml if left out.",
            min=0,
            show_default=False,
        ),
    ] = None,
    inputs: Annotated[
        bool, typer.Option("--inputs", help="Use the vectors that forecasts used, not features as they are.")
    ] = False,
    report: Annotated[Path, typer.Option(help="Where the HTML goes.")] = Path("backtest.html"),
) -> None:
    """Train as production does, again and again over history, and judge the forecasts in between.

    Prints whether the median beats the last price, with block-bootstrap confidence intervals, and what trading on it
    may cost before nothing is left: orders meet the first trade after the forecast, pay fee and spread, and sell short
    contracts only. Writes a report with plots, and skill by market, hour and volatility (docs/backtest.md).
    """
    from candlewave.cli.common import load_project
    from candlewave.ml.settings import TrainSettings

    settings, config = load_project()
    given = {"days": train_days, "every_hours": every_hours}
    train_settings = TrainSettings.load().model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    result = _run(settings, config, train_settings, days, end, fee_bps, spread_bps, inputs=inputs, report=report)
    _show(result)
    typer.echo(f"{result.statement}\nReport: {report}")


def _run(
    settings: "Settings",
    config: "Config",
    train_settings: "TrainSettings",
    days: float,
    end: datetime | None,
    fee_bps: float | None,
    spread_bps: float | None,
    *,
    inputs: bool,
    report: Path,
) -> "Backtest":
    from candlewave.backtest.report import write_report
    from candlewave.backtest.run import backtest, last_minute, plan
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
        said = {"--fee-bps": fee_bps, "--spread-bps": spread_bps}
        command = [
            "candlewave", "backtest", "--days", f"{days:g}", "--end", f"{last:%Y-%m-%dT%H:%M:%S}",
            "--train-days", f"{train_settings.days:g}", "--every-hours", f"{train_settings.every_hours:g}",
            *(part for name, value in said.items() if value is not None for part in (name, f"{value:g}")),
            *(["--inputs"] if inputs else []),
        ]  # fmt: skip
        with progress("Training and forecasting", len(steps.steps), "trainings") as bar:
            result = backtest(
                conn,
                config,
                steps,
                train_settings.boosting,
                command=shlex.join(command),
                fee_bps=fee_bps,
                spread_bps=spread_bps,
                candidates=train_settings.candidate_names,
                source=source,
                on_step=bar.advance,
            )
    write_report(result, report)
    return result


def _show(result: "Backtest") -> None:
    from rich.console import Console

    from candlewave.cli.training import verdict_table

    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(verdict_table(result.verdicts))
    console.print(_trading_table(result))
    for terms in result.terms:
        if terms.refusal is not None:
            console.print(f"{terms.market}: {terms.refusal}")


def _trading_table(result: "Backtest") -> "Table":
    """Return what trading on the forecasts gains and may cost, horizon by horizon."""
    from rich.table import Table

    from candlewave.backtest.report import basis_points

    costs = ", ".join(
        f"{terms.market} {terms.fee_bps:g} bp ({terms.fee_from}) and half of {terms.spread_bps:g} bp of spread"
        for terms in result.terms
        if terms.refusal is None
    )
    table = Table(title=f"Trading on the median, as if; per side: {costs}")
    for heading in ("ahead", "break-even cost per side", "result", "before costs", "buy and hold", "trades"):
        table.add_column(heading, justify="right")
    for run in result.strategy:
        cost, even = run.break_even, f"{basis_points(run.break_even.value)}"
        table.add_row(
            f"{run.horizon_minutes} min",
            even if cost.value != cost.value else f"{even} [{1e4 * cost.low:.2f}, {1e4 * cost.high:.2f}]",
            *(
                f"{100 * (curve[-1] - 1):.2f} %" if len(curve) else "–"
                for curve in (run.equity, run.before_costs, run.buy_and_hold)
            ),
            f"{run.trades:,}",
        )
    return table
