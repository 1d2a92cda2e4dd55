"""``candlewave backfill --candles``: history as one-minute candles."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import typer

from candlewave.cli.common import fail
from candlewave.core.markets import Market
from candlewave.core.times import floor_to_minute

if TYPE_CHECKING:
    from candlewave.services.ingest.backfill import Loaded, Loader
    from candlewave.services.ingest.candle_files import CandleLayout
    from candlewave.services.ingest.candle_load import CandleLoader, CandlesLoaded
    from candlewave.services.ingest.candle_verify import StoredCandles
    from candlewave.services.ingest.verify import StoredTrades


@dataclass(frozen=True)
class CandleOptions:
    """What the user said about candles.

    Attributes:
        format: layout of files; by the file and the exchange when None.
        columns: ``--columns`` as given.
        zone: ``--zone`` as given.
        older_from_trades: whether what an exchange does not keep as candles is loaded as trades.
    """

    format: str | None = None
    columns: str | None = None
    zone: str | None = None
    older_from_trades: bool = False

    def refuse_without_candles(self) -> None:
        """End the command when one of these was given without ``--candles``."""
        given = {"--columns": self.columns, "--zone": self.zone, "--older-from-trades": self.older_from_trades}
        if names := [name for name, value in given.items() if value]:
            raise typer.BadParameter(f"{', '.join(names)} applies to candles only: add --candles")
        if self.format == "freqtrade":
            raise typer.BadParameter("freqtrade's files are read with --candles only", param_hint="--format")

    def layout(self, path: Path, exchange: str) -> "CandleLayout":
        """Return how a file is read."""
        from candlewave.services.ingest.candle_files import CandleFormat, CandleLayout, format_of, parse_columns

        zone = self.time_zone()
        if self.columns is not None:
            if self.format is not None:
                raise typer.BadParameter("give --columns or --format, not both")
            try:
                return CandleLayout(CandleFormat.COLUMNS, parse_columns(self.columns), zone)
            except ValueError as error:
                raise typer.BadParameter(str(error), param_hint="--columns") from None
        found = CandleFormat(self.format) if self.format else format_of(path, exchange)
        if found is None:
            raise typer.BadParameter(
                f"the layout of {path.name} is not known: say which columns it has by --columns, or give --format "
                "kraken, binance or freqtrade"
            )
        return CandleLayout(found, None, zone)

    def time_zone(self) -> tzinfo | None:
        """Return the zone of times that state none."""
        if self.zone is None:
            return None
        try:
            return ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            raise typer.BadParameter(
                f"{self.zone!r} is not a time zone such as UTC or Europe/Berlin", param_hint="--zone"
            ) from None


def load_files(
    loader: "CandleLoader",
    paths: Sequence[Path],
    options: CandleOptions,
    exchange: str,
    symbol: str,
    *,
    begin_file: Callable[[], None],
    end_file: Callable[[float], None],
) -> None:
    """Load files, and those of folders, and say what was loaded; the callbacks move the progress display."""
    from candlewave.services.ingest.candle_names import files_in

    files = [file for path in paths for file in files_in(path, exchange, symbol)]
    layouts = [options.layout(file, exchange) for file in files]
    for file, layout in zip(files, layouts, strict=True):
        begin_file()
        loaded = loader.load_file(file, layout, exchange, symbol)
        end_file(loaded.candles)
        report_loaded(file.name, loaded)


def load_rest(
    loader: "CandleLoader",
    trades: "Loader",
    exchange: Any,
    symbol: str,
    begin: datetime,
    end: datetime,
    *,
    older_from_trades: bool,
) -> None:
    """Load a range over REST, and say what was loaded."""
    from candlewave.services.ingest.candle_load import CandlesLoaded
    from candlewave.services.ingest.recent import load_with_older_trades

    complete = True

    def loaded(part: "Loaded | CandlesLoaded") -> None:
        nonlocal complete
        if isinstance(part, CandlesLoaded):
            report_loaded(f"{exchange.name} REST", part)
            if complete and part.ranges:
                _say_when_it_begins(exchange.name, symbol, begin, part)
        else:
            complete = False
            report_loaded(f"{exchange.name} API", part)

    async def load() -> None:
        try:
            if older_from_trades:
                await load_with_older_trades(loader, trades, exchange, symbol, begin, end, loaded)
            else:
                loaded(await loader.load_api(exchange, symbol, begin, end))
        finally:
            await exchange.close()

    asyncio.run(load())


def report_loaded(what: str, loaded: "Loaded | CandlesLoaded") -> None:
    """Say what a load did."""
    if not loaded.ranges:
        typer.echo(f"{what}: already loaded")
        return
    resumed = f", resumed after {loaded.resumed:,}" if loaded.resumed else ""
    typer.echo(f"{what}: {loaded.published} and {loaded.heartbeats:,} heartbeats published{resumed}")
    if loaded.files and loaded.files != (what,):
        typer.echo(f"  from {', '.join(loaded.files)}")
    for entry in loaded.ranges:
        typer.echo(f"  {entry}")


def finish(market: Market, candles: "StoredCandles", trades: "StoredTrades") -> None:
    """Compare what was published with what is stored, and say which candles trades outrank."""
    shadowed, repeated = sum(candles.shadowed().values()), candles.repeated()
    candles.check()
    if repeated:
        typer.echo(f"{repeated:,} of {candles.checked:,} minutes had been loaded before; the newer load counts")
    if shadowed:
        typer.echo(f"{shadowed:,} of {candles.checked:,} loaded minutes are known from trades, which count instead")
    if problems := [problem for problem in (trades.problem(), candles.problem()) if problem]:
        fail(f"{market}: {'; '.join(problems)}")


def say_how_far(conn: Any, market: Market) -> None:
    """Wait until what was ever loaded of a market has gone through all views, and say up to when."""
    from candlewave.services.ingest.ledger import Ledger, State
    from candlewave.services.ingest.store import closed_up_to

    ends = [entry.end for entry in Ledger(conn).ranges(*market) if entry.state is State.DONE]
    if not ends:
        return
    end = floor_to_minute(max(ends))
    until = closed_up_to(conn, market.exchange, end)
    if until is not None and until >= end:
        typer.echo(f"{market}: the views show everything up to {end:%Y-%m-%d %H:%MZ}")
    else:
        shown = "nothing yet" if until is None else f"it up to {until:%Y-%m-%d %H:%MZ}"
        typer.echo(f"note: it is stored, but the views show {shown}; they go on by themselves", err=True)


def _say_when_it_begins(exchange: str, symbol: str, begin: datetime, loaded: "CandlesLoaded") -> None:
    from candlewave.services.ingest.candle_load import LATE

    if loaded.first is None:
        typer.echo(f"note: {exchange} gives no candle of {symbol} in this range", err=True)
    elif loaded.first - begin > LATE:
        typer.echo(f"note: {exchange} gives no candle of {symbol} before {loaded.first:%Y-%m-%d %H:%MZ}", err=True)
