"""Command history: the newest history of live markets, as much as a first training needs."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from candlewave.core.markets import Market
    from candlewave.services.ingest.recent import Recent, Step
    from candlewave.telemetry.progress import Progress


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(history)


def history(
    exchange: Annotated[
        str | None, typer.Option(help="Markets of this exchange alone; all of candlewave.toml if left out.")
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(
            help="How much; 72, or 27 where older candles come as single trades.", min=0.1, show_default=False
        ),
    ] = None,
) -> None:
    """Load the newest history of the configured markets: enough for forecasts and a first training.

    As one-minute candles where the exchange has them, and as single trades before: Kraken keeps 720 minutes of candles.
    It may run beside `trade-to-ohlc`, and again: only what is missing is loaded. Ends with 1 when a market got nothing.
    """
    from candlewave.bus import open_bus
    from candlewave.cli.common import fail, load_project
    from candlewave.contracts.topics import TOPICS
    from candlewave.engine.connect import connect
    from candlewave.services.ingest.warm_start import load_first_history
    from candlewave.telemetry.progress import progress

    settings, config = load_project()
    markets = [market for market in config.markets if exchange in (None, market.exchange)]
    if not markets:
        known = ", ".join(config.exchanges) or "none"
        fail(f"candlewave.toml lists no market of {exchange or 'any exchange'}; exchanges there are {known}")
    back = None if hours is None else timedelta(hours=hours)
    with connect(settings) as conn, open_bus(settings) as bus:
        bus.ensure_topics(TOPICS.values())
        with progress("Loading history", None, "minutes of market time") as bar:
            show = _Steps(bar)
            found = load_first_history(bus, conn, markets, config, back=back, on_step=show)
    for recent in found:
        typer.echo(_line(recent))
    empty = [str(recent.market) for recent in found if recent.problem is not None and not _got(recent)]
    if empty:
        fail(f"no history of {', '.join(empty)}; what was loaded of others stays")


class _Steps:
    """Turn the steps of several markets into one progress display."""

    def __init__(self, bar: "Progress") -> None:
        self._bar = bar
        self._done: dict[Market, float] = {}
        self._totals: dict[Market, float] = {}

    def __call__(self, step: "Step") -> None:
        self._totals[step.market] = step.total
        before = self._done.get(step.market, 0.0)
        self._done[step.market] = max(before, step.done)
        self._bar.update(total=sum(self._totals.values()), description=f"Loading {step.market}, {step.kind}")
        self._bar.advance(self._done[step.market] - before)


def _got(recent: "Recent") -> bool:
    return bool(recent.candles or recent.trades)


def _line(recent: "Recent") -> str:
    span = f"{recent.begin:%Y-%m-%d %H:%M} to {recent.end:%Y-%m-%d %H:%M} UTC"
    parts = [f"{count:,} {what}" for count, what in ((recent.candles, "candles"), (recent.trades, "trades")) if count]
    what = " and ".join(parts) or ("nothing" if recent.problem else "already loaded")
    problem = f"; {recent.problem}" if recent.problem else ""
    return f"{recent.market}: {what}, {span}{problem}"
