"""Commands that bring trades in and answer for the OHLC layer: trade-to-ohlc, backfill, replay, simulate, audit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from candlewave.cli.common import fail, load_project
from candlewave.core.markets import Market
from candlewave.core.times import utc_now

if TYPE_CHECKING:
    from candlewave.cli.candles import CandleOptions
    from candlewave.core.config import Config
    from candlewave.core.settings import Settings
    from candlewave.services.ingest.backfill import Loaded, Loader
    from candlewave.services.ingest.simulator import SimulatedSymbol, Simulator
    from candlewave.services.ingest.validate import BadRecord

_SHOWN_REJECTS = 20
_TIME_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


class _Against(StrEnum):
    TRADES = "trades"
    EXCHANGE = "exchange"


class _ArchiveFormat(StrEnum):
    KRAKEN = "kraken"
    BINANCE = "binance"
    FREQTRADE = "freqtrade"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("trade-to-ohlc")(trade_to_ohlc)
    app.command()(backfill)
    app.command()(replay)
    app.command()(simulate)
    app.command()(audit)
    # technical-indicators is registered with the indicator layer's own commands.


def trade_to_ohlc() -> None:
    """Service: take in live trades of the configured exchanges, and answer for the OHLC layer.

    Symbols are shared among replicas. After every reconnect the missing trades are fetched over REST. Settings:
    candlewave.toml says which exchanges and symbols; CANDLEWAVE_EXCHANGE_URLS, a JSON object such as
    {"kraken": {"rest": "http://mirror:8080", "ws": "ws://mirror:8080"}}, sends requests to a mirror.
    """
    from candlewave.services.frame import run_service
    from candlewave.services.ingest.service import main

    settings, config = load_project()
    raise typer.Exit(run_service("trade-to-ohlc", settings, lambda service: main(service, config)))


def backfill(
    symbol: Annotated[str, typer.Option(help="The market, such as BTC/USD.")],
    exchange: Annotated[str | None, typer.Option(help="The exchange; the configured default if left out.")] = None,
    begin: Annotated[
        datetime | None, typer.Option("--from", formats=_TIME_FORMATS, help="Begin of the range, UTC (API only).")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", formats=_TIME_FORMATS, help="End, exclusive, UTC; now if left out.")
    ] = None,
    archive: Annotated[
        list[Path] | None,
        typer.Option(
            help="Load this archive file instead of asking the API, with --candles also a folder; may be repeated."
        ),
    ] = None,
    archive_format: Annotated[
        _ArchiveFormat | None, typer.Option("--format", help="Layout of the files; by the exchange if left out.")
    ] = None,
    candles: Annotated[bool, typer.Option("--candles", help="Load one-minute candles instead of trades.")] = False,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Columns of a CSV or Parquet file with candles: open_time=…,open=…,high=…,low=…,close=…,volume=… and, "
            "where there are any, turnover=…,trades=…,buy_volume=…. Names, or numbers from 1."
        ),
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="Zone of times in such files that state none: UTC, Europe/Berlin, ….")
    ] = None,
    older_from_trades: Annotated[
        bool,
        typer.Option(
            "--older-from-trades", help="Load as trades what the exchange does not keep as candles (Kraken's REST)."
        ),
    ] = False,
) -> None:
    """Load history: over the exchange's API (--from, --to), or from archive files (--archive).

    Interrupted loads resume where they were. A range of trades is loaded from the archive or the API, never both,
    because their trades have different ids and would count twice; the table loaded_ranges says what was loaded.

    Archive files are trades as CSV, plain or compressed by gzip, bzip2, xz or zip: Kraken's (time, price, volume) and
    Binance's trades and aggregate trades. Of a zip with several files, those are read whose names say the market; one
    whose name says another market is refused. At the end the trades are compared with what is stored; those whose id
    another trade used before go to trades_rejected, and the command ends with 1.

    With --candles, one-minute candles are loaded, some thousand times fewer than trades, from any exchange that ccxt
    knows; a minute of which trades are known keeps its trades. Files are Binance's klines, Kraken's OHLCVT, freqtrade's
    Feather, Parquet and JSON, and any CSV or Parquet with --columns. Other candles than of one minute are refused.
    Kraken's REST keeps its newest 720: load older ones from its archive, or as trades by --older-from-trades.
    """
    from candlewave.cli.candles import CandleOptions
    from candlewave.core.markets import normalise_symbol

    settings, config = load_project()
    name = exchange or config.default_exchange
    market = normalise_symbol(symbol)
    if market is None:
        raise typer.BadParameter(f"{symbol!r} is not of the form BASE/QUOTE, such as BTC/USD", param_hint="--symbol")
    if bool(archive) == (begin is not None):
        raise typer.BadParameter("give --from for the API, or --archive for files (one of them)")
    options = CandleOptions(archive_format.value if archive_format else None, columns, zone, older_from_trades)
    until = _utc(end) if end else utc_now()
    span = None if begin is None else (_utc(begin), until)
    if candles:
        _backfill_candles(settings, config, Market(name, market), span, archive or [], options)
    else:
        options.refuse_without_candles()
        _backfill_trades(settings, config, Market(name, market), span, archive or [], archive_format)


def _backfill_trades(
    settings: "Settings",
    config: "Config",
    market: Market,
    span: tuple[datetime, datetime] | None,
    archive: list[Path],
    archive_format: _ArchiveFormat | None,
) -> None:
    import asyncio

    from candlewave.cli.candles import report_loaded, say_how_far
    from candlewave.services.ingest.archive import Format
    from candlewave.services.ingest.backfill import archived_trades
    from candlewave.services.ingest.exchanges.exchange import Exchange
    from candlewave.services.ingest.publish import Publisher
    from candlewave.services.ingest.verify import StoredTrades

    layout = next((f for f in Format if f.value == (archive_format or market.exchange)), None)
    if archive and layout is None:
        raise typer.BadParameter(
            f"the archive layout of {market.exchange} is not known: give --format kraken or binance"
        )
    rejects = _Rejects("trades.dlq")
    with _connected(settings) as (bus, conn), _span_progress(f"Backfill {market}", span, "trades") as bar:
        connection = None if span is None else Exchange(market.exchange)
        conflicts = Publisher(bus, "backfill")
        stored = StoredTrades(conn, on_differing=conflicts.id_used_before, on_renumbered=conflicts.trade)
        done = _Counter(bar)
        loader = replace(
            _trade_loader(bus, conn, config, market, rejects),
            on_progress=lambda trades, reached: done.set(_done(span, trades, reached)),
            on_published=stored.check,
        )
        for path in archive:
            assert layout is not None
            done.restart()
            loaded = loader.load_archive(path, layout, market.exchange, market.symbol)
            done.set(loaded.trades)
            report_loaded(path.name, loaded)
            if loaded.ranges:
                stored.check(archived_trades(path, layout, market.exchange, market.symbol))
        if span is not None:
            loaded = asyncio.run(_load_api(loader, connection, market.symbol, *span))
            done.set(_minutes(*span))
            report_loaded(f"{market.exchange} API", loaded)
        conflicts.flush()
        rejects.summary()
        if note := stored.note():
            typer.echo(f"note: {note}", err=True)
        if problem := stored.problem():
            fail(f"{market}: {problem}")
        say_how_far(conn, market)


def _backfill_candles(
    settings: "Settings",
    config: "Config",
    market: Market,
    span: tuple[datetime, datetime] | None,
    archive: list[Path],
    options: "CandleOptions",
) -> None:
    from candlewave.cli.candles import finish, load_files, load_rest, say_how_far
    from candlewave.services.ingest.candle_load import CandleLoader
    from candlewave.services.ingest.candle_verify import StoredCandles
    from candlewave.services.ingest.exchanges.exchange import Exchange
    from candlewave.services.ingest.ledger import Ledger
    from candlewave.services.ingest.publish import Publisher
    from candlewave.services.ingest.verify import StoredTrades

    rejects = _Rejects("loaded_candles.dlq")
    with _connected(settings) as (bus, conn):
        stored, conflicts = StoredCandles(conn), Publisher(bus, "backfill")
        stored_trades = StoredTrades(conn, on_differing=conflicts.id_used_before, on_renumbered=conflicts.trade)
        with _span_progress(f"Backfill candles of {market}", span, "candles") as bar:
            done = _Counter(bar)
            loader = CandleLoader(
                bus,
                Ledger(conn),
                timedelta(seconds=config.candles.grace_seconds),
                on_reject=rejects,
                on_progress=lambda count, reached: done.set(_done(span, count, reached)),
                on_accepted=lambda: _known_symbol(conn, *market, config),
                on_published=stored.note,
            )
            if span is None:
                load_files(loader, archive, options, *market, begin_file=done.restart, end_file=done.set)
            else:
                trades = replace(
                    _trade_loader(bus, conn, config, market, rejects),
                    on_progress=lambda count, reached: done.set(_done(span, count, reached)),
                    on_published=stored_trades.check,
                )
                exchange = Exchange(market.exchange, candles_only=True)
                older = options.older_from_trades
                load_rest(loader, trades, exchange, market.symbol, *span, older_from_trades=older)
                done.set(_minutes(*span))
            conflicts.flush()
        rejects.summary()
        finish(market, stored, stored_trades)
        say_how_far(conn, market)


def _trade_loader(bus: Any, conn: Any, config: "Config", market: Market, rejects: "_Rejects") -> "Loader":
    from candlewave.services.ingest.backfill import Loader
    from candlewave.services.ingest.ledger import Ledger

    return Loader(
        bus,
        Ledger(conn),
        timedelta(seconds=config.candles.grace_seconds),
        _retention(config),
        on_reject=rejects,
        on_accepted=lambda: _known_symbol(conn, *market, config),
    )


def _done(span: tuple[datetime, datetime] | None, count: int, reached: datetime) -> float:
    """Return how far a load has come, in the unit of its progress: minutes of market time, or records of a file."""
    return count if span is None else _minutes(span[0], reached)


@contextmanager
def _span_progress(title: str, span: tuple[datetime, datetime] | None, records: str) -> Iterator[Any]:
    total, unit = (None, records) if span is None else (_minutes(*span), "minutes of market time")
    with _progress(title, total, unit) as bar:
        yield bar


async def _load_api(loader: Any, exchange: Any, symbol: str, begin: datetime, end: datetime) -> "Loaded":
    try:
        result: Loaded = await loader.load_api(exchange, symbol, begin, end)
        return result
    finally:
        await exchange.close()


def replay(
    file: Annotated[Path, typer.Argument(help="Trades as CSV, plain or compressed by gzip, bzip2, xz or zip.")],
    exchange: Annotated[str, typer.Option(help="The exchange the trades are ascribed to.")],
    speed: Annotated[str, typer.Option(help="1 is as it happened, 60 is a minute per second, or max.")] = "max",
    strict_symbols: Annotated[
        bool, typer.Option("--strict-symbols", help="Refuse symbols that candlewave.toml does not list.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at the end until the views show it.", min=0)] = 300.0,
) -> None:
    """Replay a file of trades as if they came from an exchange, and return when the views show them.

    The first line names the columns: symbol (or product_id), trade_id, ts, side, price, quantity; times are ISO-8601
    with a zone. Bad lines are reported, counted and put on the dead-letter topic. Ends with 1 when no line was good.
    """
    from candlewave.contracts.records import Trade
    from candlewave.services.ingest.files import Lines
    from candlewave.services.ingest.publish import Publisher
    from candlewave.services.ingest.replay import Pacer, TradeReader
    from candlewave.services.ingest.replay import replay as run
    from candlewave.services.ingest.store import register_symbols, wait_until_visible
    from candlewave.services.ingest.verify import StoredTrades

    settings, config = load_project()
    factor = _speed(speed)
    known = None
    if strict_symbols:
        listed = config.exchanges.get(exchange)
        known = frozenset(listed.symbols if listed else ())
    rejects = _Rejects("trades.dlq")
    with Lines(file) as lines, _connected(settings) as (bus, conn):
        with _progress(f"Replay {file.name}", lines.total_bytes, "bytes") as bar:
            done = _Counter(bar)
            result = run(
                lines,
                bus,
                exchange,
                grace=timedelta(seconds=config.candles.grace_seconds),
                symbols=known,
                pacer=Pacer(factor),
                on_symbol=lambda symbol: register_symbols(conn, exchange, [symbol]),
                on_reject=rejects,
                on_progress=lambda _: done.set(lines.bytes_read),
            )
            done.set(lines.bytes_read)
        rejects.summary()
        typer.echo(
            f"{file.name}: {result.trades:,} trades of {len(result.markets)} markets and {result.heartbeats:,} "
            f"heartbeats published in {result.seconds:.1f} s"
        )
        if not result.markets:
            typer.echo(f"{file}: no usable trade", err=True)
            raise typer.Exit(1)
        wait_until_visible(conn, result.markets, timeout)
        conflicts = Publisher(bus, "replay")
        stored = StoredTrades(conn, timeout, on_differing=conflicts.id_used_before, on_renumbered=conflicts.trade)
        with Lines(file) as lines:
            stored.check(record for record in TradeReader(lines, exchange, known) if isinstance(record, Trade))
        conflicts.flush()
        if note := stored.note():
            typer.echo(f"note: {note}", err=True)
        if problem := stored.problem():
            fail(f"{file.name}: {problem}")
        typer.echo("The views show them.")


def simulate(
    symbols: Annotated[
        int | None,
        typer.Option(help="How many symbols to make up, instead of BTC, ETH and SOL against USD.", min=1, max=1000),
    ] = None,
    rate: Annotated[float, typer.Option(help="Trades per second and symbol, times the default.", min=0.001)] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same market.", min=0)] = 1,
    days: Annotated[float, typer.Option(help="Days of history before now.", min=0)] = 3.0,
    live: Annotated[bool, typer.Option("--live/--no-live", help="Go on by the clock until Ctrl-C.")] = True,
    late: Annotated[float, typer.Option(help="Share of trades that arrive late.", min=0, max=1)] = 0.002,
    duplicate: Annotated[float, typer.Option(help="Share that arrive twice.", min=0, max=1)] = 0.005,
    out_of_order: Annotated[float, typer.Option(help="Share that arrive after later ones.", min=0, max=1)] = 0.01,
    signal: Annotated[
        float, typer.Option(help="Planted: correlation of order flow with the next minute's return.", min=-1, max=1)
    ] = 0.0,
    change_at: Annotated[
        datetime | None,
        typer.Option(
            formats=_TIME_FORMATS, help="From this time (UTC) on, triple the volatility and invert the signal."
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin a new market instead of continuing the last one.")
    ] = False,
) -> None:
    """Simulate a market: history first, then live. All of it is marked by the exchange name "simulated".

    Trends, reversals, bursts, quiet spells, bid-ask bounce, and trades that arrive late, twice or out of order. A
    second live run with the same options continues where the first ended and fills the time between; other options are
    refused.
    """
    from candlewave.services.ingest.simulate import load_state, publish_history, publish_live, save_state
    from candlewave.services.ingest.simulator import EXCHANGE, Disturbances, RegimeChange, Simulator
    from candlewave.services.ingest.store import register_symbols

    settings, config = load_project()
    markets = _markets(symbols, rate)
    options = {
        "markets": [f"{m.symbol} {m.rate:g}" for m in markets],
        "seed": seed,
        "disturbances": [late, duplicate, out_of_order],
        "signal": signal,
        "change_at": change_at.isoformat() if change_at else None,
    }
    path = settings.data_dir / "simulator.json"
    now = utc_now()
    state = None if fresh or not live else load_state(path, options)
    start = state[0] if state else (now - timedelta(days=days)).replace(second=0, microsecond=0)
    with _connected(settings) as (bus, conn), _stop_signals() as stop:
        simulator = Simulator(
            markets,
            start=start,
            seed=seed,
            disturbances=Disturbances(late, duplicate, out_of_order),
            signal=signal,
            change=RegimeChange(_utc(change_at)) if change_at else None,
        )
        if state:
            simulator.restore(state[1])
        register_symbols(conn, EXCHANGE, [m.symbol for m in markets])
        if live and not state:
            # Were it killed within the history, the next run would make the same trades again, with the same ids.
            save_state(path, simulator, options)
        history = (now - start).total_seconds() / 60
        with _progress("Simulated history (synthetic)", max(history, 0.1), "minutes of market time") as bar:
            done = _Counter(bar)
            trades = publish_history(
                simulator,
                bus,
                now,
                finish=not live,
                on_progress=lambda _, reached: done.set(min(_minutes(start, reached), history)),
                stop=stop,
            )
        typer.echo(f"Simulated (synthetic): {trades:,} trades of {len(markets)} symbols up to {now:%Y-%m-%d %H:%M:%S}Z")
        if live and not stop.is_set():
            save_state(path, simulator, options)
            _live(simulator, bus, stop, config, publish_live, lambda: save_state(path, simulator, options))


def _live(
    simulator: "Simulator",
    bus: Any,
    stop: Any,
    config: "Config",
    publish_live: Callable[..., int],
    save: Callable[[], None],
) -> None:
    typer.echo("Simulating live (synthetic); Ctrl-C ends it.")
    trades = publish_live(simulator, bus, stop, grace=timedelta(seconds=config.candles.grace_seconds), on_saved=save)
    typer.echo(f"Simulated live: {trades:,} trades")


def audit(
    against: Annotated[_Against, typer.Option(help="Raw trades, or the exchange's own candles.")] = _Against.TRADES,
    sample: Annotated[int, typer.Option(help="Candles to compute again from trades.", min=1)] = 200,
    exchange: Annotated[str | None, typer.Option(help="The exchange; all if left out, --against: the default.")] = None,
    symbol: Annotated[str | None, typer.Option(help="One market; all configured ones if left out.")] = None,
    timeframe: Annotated[str, typer.Option(help="Timeframe to compare with the exchange's.")] = "1m",
    hours: Annotated[float, typer.Option(help="How far back to compare with the exchange.", min=0.02)] = 6.0,
) -> None:
    """Check candles: random ones against raw trades, or the latest against the exchange's own.

    Ends with 1 when anything differs.
    """
    import asyncio

    from candlewave.engine.connect import connect
    from candlewave.services.ingest.audit import OhlcAudit
    from candlewave.telemetry.progress import progress

    settings, config = load_project()
    with connect(settings) as conn:
        if against is _Against.TRADES:
            checker = OhlcAudit(conn, timedelta(minutes=config.candles.max_fill_minutes))
            with progress("Computing candles again from raw trades", sample, "candles") as bar:
                audited, differences = checker.sample(sample, exchange, symbol, on_candle=bar.advance)
            if not audited and (exchange or symbol):
                fail(f"there are no closed candles of {symbol or 'any market'} on {exchange or 'any exchange'}")
            for difference in differences:
                typer.echo(str(difference))
            typer.echo(f"{audited} candles computed again from raw trades, {len(differences)} values differ")
            raise typer.Exit(1 if differences else 0)
        name = exchange or config.default_exchange
        listed = config.exchanges.get(name)
        names = [symbol] if symbol else list(listed.symbols if listed else ())
        wrong = asyncio.run(_audit_exchange(conn, name, names, timeframe, timedelta(hours=hours)))
    raise typer.Exit(1 if wrong else 0)


async def _audit_exchange(conn: Any, name: str, symbols: list[str], timeframe: str, back: timedelta) -> bool:
    from candlewave.core.config import TIMEFRAME_SECONDS
    from candlewave.services.ingest.audit import compare_with_exchange, stored_candles
    from candlewave.services.ingest.exchanges.exchange import Exchange

    if timeframe not in TIMEFRAME_SECONDS:
        raise typer.BadParameter(
            f"{timeframe!r}: expected one of {', '.join(TIMEFRAME_SECONDS)}", param_hint="--timeframe"
        )
    exchange = Exchange(name)
    wrong = False
    try:
        await exchange.load_markets()
        for symbol in symbols:
            newest = conn.execute(
                "SELECT max(open_time) FROM candles WHERE exchange = %s AND symbol = %s AND timeframe = %s",
                [name, symbol, timeframe],
            ).fetchone()
            if newest is None or newest[0] is None:
                typer.echo(f"{name} {symbol} {timeframe}: no candles here")
                continue
            # The exchange gives at most some hundred candles at once.
            seconds = TIMEFRAME_SECONDS[timeframe]
            count = min(int(back.total_seconds() / seconds) + 1, 700)
            end = newest[0] + timedelta(seconds=seconds)
            begin = end - timedelta(seconds=seconds * count)
            ours = stored_candles(conn, name, symbol, timeframe, begin, end)
            rows = await exchange.candles(symbol, timeframe, begin, count)
            theirs = [r for r in rows if r[0] is not None and begin <= datetime.fromtimestamp(r[0] / 1000, UTC) < end]
            result = compare_with_exchange(ours, theirs)
            for line in result.differing:
                typer.echo(line)
            typer.echo(
                f"{name} {symbol} {timeframe}: {result.compared} candles compared, {len(result.differing)} differ, "
                f"{result.only_here} only here, {result.only_there} only there"
            )
            wrong = wrong or bool(result.differing) or result.only_there > 0
    finally:
        await exchange.close()
    return wrong


# -- shared by the commands ----------------------------------------------------------------------------------


class _Rejects:
    """Print the first bad records as they are found, and how many there were."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._reasons: dict[str, int] = {}

    def __call__(self, bad: "BadRecord") -> None:
        self._reasons[bad.reject.code] = self._reasons.get(bad.reject.code, 0) + 1
        if (total := sum(self._reasons.values())) <= _SHOWN_REJECTS:
            typer.echo(f"rejected: {bad}", err=True)
            if total == _SHOWN_REJECTS:
                typer.echo(f"rejected: more are counted and on topic {self._topic}, but not shown", err=True)

    def summary(self) -> None:
        if self._reasons:
            parts = ", ".join(f"{code} {count:,}" for code, count in sorted(self._reasons.items()))
            typer.echo(f"rejected {sum(self._reasons.values()):,} records: {parts}", err=True)


class _Counter:
    """Turn running totals into the steps that a progress display takes."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._seen = 0.0

    def set(self, total: float) -> None:
        self._bar.advance(total - self._seen)
        self._seen = total

    def restart(self) -> None:
        self._seen = 0.0


@contextmanager
def _progress(title: str, total: float | None, unit: str = "trades") -> Iterator[Any]:
    from candlewave.telemetry.progress import progress

    with progress(title, total, unit) as bar:
        yield bar


@contextmanager
def _connected(settings: "Settings") -> Iterator[tuple[Any, Any]]:
    """Open the bus and an engine connection."""
    from candlewave.bus import open_bus
    from candlewave.contracts.topics import LOADED_CANDLES, LOADED_CANDLES_DLQ, TRADES, TRADES_DLQ
    from candlewave.engine.connect import connect

    with connect(settings) as conn, open_bus(settings) as bus:
        bus.ensure_topics([TRADES, TRADES_DLQ, LOADED_CANDLES, LOADED_CANDLES_DLQ])
        yield bus, conn


@contextmanager
def _stop_signals() -> Iterator[Any]:
    """Give an event that Ctrl-C or SIGTERM sets."""
    import signal
    import threading

    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _retention(config: "Config") -> timedelta | None:
    seconds = config.retention.trades_seconds
    return None if seconds is None else timedelta(seconds=seconds)


def _known_symbol(conn: Any, exchange: str, symbol: str, config: "Config") -> None:
    from candlewave.services.ingest.store import register_symbols

    listed = config.exchanges.get(exchange)
    if listed is None or symbol not in listed.symbols:
        typer.echo(f"note: {exchange} {symbol} is not in candlewave.toml, so it is not followed live", err=True)
    register_symbols(conn, exchange, [symbol])


def _markets(symbols: int | None, rate: float) -> "list[SimulatedSymbol]":
    from candlewave.services.ingest.simulator import DEFAULT_SYMBOLS, make_symbols

    chosen = list(DEFAULT_SYMBOLS) if symbols is None else make_symbols(symbols)
    return [replace(market, rate=market.rate * rate) for market in chosen]


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise typer.BadParameter(f"{text!r} is neither a positive number nor max", param_hint="--speed")
    return speed


def _minutes(begin: datetime, reached: datetime) -> float:
    return (reached - begin).total_seconds() / 60


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
