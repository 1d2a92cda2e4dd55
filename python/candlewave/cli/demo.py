"""Command demo: everything at once, for the first look."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candlewave.cli.common import embedded_settings, fail
from candlewave.core.times import floor_to_minute, utc_now

if TYPE_CHECKING:
    from candlewave.core.settings import Settings

_START_SECONDS = 60.0
_STOP_SECONDS = 25.0
_BEHIND_SECONDS = 130.0
"""Features are as new as they can be: the minute before the last one, with grace."""


class TradeSource(StrEnum):
    """Where the demo's trades come from."""

    SIMULATE = "simulate"
    KRAKEN = "kraken"
    COINBASE = "coinbase"
    BINANCE = "binance"
    BINANCEUS = "binanceus"
    BYBIT = "bybit"
    FILE = "file"

    @property
    def is_exchange(self) -> bool:
        """Whether live trades of an exchange are meant."""
        return self not in (TradeSource.SIMULATE, TradeSource.FILE)


_QUOTES = {TradeSource.KRAKEN: "USD", TradeSource.COINBASE: "USD"}
"""What the demo's markets are quoted in where it is not USDT."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    source: Annotated[TradeSource, typer.Option(help="Simulated market, an exchange, or a file of trades.")] = (
        TradeSource.SIMULATE
    ),
    file: Annotated[Path | None, typer.Option(help="Trades CSV or .gz, for --source file.", exists=True)] = None,
    exchange: Annotated[str, typer.Option(help="The exchange a file's trades are ascribed to.")] = "replayed",
    days: Annotated[float, typer.Option(help="Days of simulated history.", min=0)] = 3.0,
    signal: Annotated[
        float, typer.Option(help="Planted in the simulated market; 0 for one that cannot be forecast.", min=0, max=0.9)
    ] = 0.3,
    port: Annotated[int, typer.Option(help="Port of the page; the next free one if taken.", min=1, max=65535)] = 8000,
) -> None:
    """Run candlewave on this machine: engine, migrations, trades, news, models, forecasts, and a page that shows them.

    Ctrl-C stops everything. The data stay in CANDLEWAVE_DATA_DIR (.candlewave); the next demo continues with them.
    """
    if (source is TradeSource.FILE) != (file is not None):
        fail("--source file and --file FILE belong together (make demo SOURCE=file FILE=trades.csv.gz)")
    settings = embedded_settings("demo")
    refuse_owned(settings)
    refuse_missing(settings)
    if source is TradeSource.SIMULATE:
        refuse_other_signal(settings, signal)
    everywhere = _exchange_config(settings, source) if source.is_exchange else {}
    address = f"http://127.0.0.1:{_free_port(port)}"
    logs = settings.data_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(_signals(stop))
        children: dict[str, subprocess.Popen[bytes]] = {}

        def run(name: str, *options: str, **environment: str) -> None:
            log = logs / f"{name}.log"
            children[name] = stack.enter_context(_running([name, *options], log, {**everywhere, **environment}))

        def serve() -> None:
            run("predictions-api", API_HOST="127.0.0.1", API_PORT=address.rpartition(":")[2])
            _wait_for_page(address, children, logs, stop)
            _say(f"The page shows what there is so far: {address}/")

        feeds: _Feeds | None = None
        _say("Starting the embedded engine (PostgreSQL)")
        # The log of the engine's owner stays as it is until this demo is the owner.
        log = logs / f"up.{os.getpid()}.log"
        stack.callback(log.unlink, missing_ok=True)
        children["up"] = stack.enter_context(_running(["up"], log, {}))
        _wait_for_engine(children["up"], settings, log, stop)
        log.replace(logs / "up.log")
        _run(["migrate", "--yes"], stop, environment=everywhere)
        if source is TradeSource.FILE:
            _run(["replay", str(file), "--exchange", exchange], stop)
            if not stop.is_set():
                _rehearse(settings, exchange, stop)
        elif source.is_exchange:
            feeds = _Feeds(_free_port(9200))
            run("trade-to-ohlc", ADMIN_PORT=str(feeds.port))
            run("sentiment-extractor")
            serve()
            _say(f"Connecting {source}, and loading enough of its history for a first training")
            _run(["history"], stop, may_fail=True, environment=everywhere)
            if not stop.is_set():
                _wait_for_history(settings, children, logs, stop, feeds)
        else:
            _say(f"Publishing {days:g} days of simulated history, then live; headlines are invented, too")
            run("simulate", "--days", str(days), "--signal", str(signal))
            run("sentiment-extractor", **_invented_news())
            _wait_for_features(settings, days, children, logs, stop)
        if not stop.is_set():
            _say("Starting forecasts: trainer, predictor, error monitor, API")
            for name in ("model-trainer", "price-predictor", "model-error-monitor"):
                run(name)
            if "predictions-api" not in children:
                serve()
            _watch(address, settings, children, logs, stop, feeds)
        _say("Stopping: services first, the engine last")
    _say("Stopped. `make demo` continues where this ended.")


def _exchange_config(settings: "Settings", source: TradeSource) -> dict[str, str]:
    """Return the environment in which an exchange is followed that candlewave.toml does not list.

    It names a copy of candlewave.toml in the data directory, with three markets of that exchange.
    """
    from candlewave.core.config import load_config
    from candlewave.core.paths import config_path

    if source.value in load_config(settings.config_file).exchanges:
        return {}
    symbols = ", ".join(f'"{base}/{_QUOTES.get(source, "USDT")}"' for base in ("BTC", "ETH", "SOL"))
    kept: list[str] = []
    skipping = False
    shipped = settings.config_file or config_path()
    for line in shipped.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            skipping = line.startswith(("[exchanges]", "[exchanges."))
        if not skipping:
            kept.append(line)
    head = f'[exchanges]\ndefault = "{source}"\n[exchanges.{source}]\nsymbols = [{symbols}]\n'
    path = (settings.data_dir / f"demo-{source}.toml").absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + "\n".join(kept) + "\n", encoding="utf-8")
    _say(f"candlewave.toml does not list {source}: following {symbols} as {path} says")
    typer.echo(f"  For commands beside the demo: export CANDLEWAVE_CONFIG={path}")
    return {"CANDLEWAVE_CONFIG": str(path)}


class _Feeds:
    """What trade-to-ohlc says of its feeds; each change is said once.

    Args:
        port: of its admin server.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._said: str | None = None
        self._begun = time.monotonic()

    def look(self) -> None:
        """Ask, and say what has changed."""
        import httpx

        try:
            checks = httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).json()["checks"]
        except (httpx.HTTPError, KeyError, ValueError):
            return  # it is starting, or has ended, which is noticed elsewhere
        problem = checks.get("feeds", {}).get("problem")
        if problem == self._said or (problem and time.monotonic() - self._begun < _FEED_SECONDS):
            return
        typer.echo(f"  feeds: {problem} (log: trade-to-ohlc.log)" if problem else "  feeds: data arrive")
        self._said = problem


_STALLED_SECONDS = 90.0
_FEED_SECONDS = 10.0
"""Time that a feed has for its first message before it is called silent."""


def _wait_for_history(
    settings: "Settings",
    children: "dict[str, subprocess.Popen[bytes]]",
    logs: Path,
    stop: threading.Event,
    feeds: _Feeds,
) -> None:
    """Show how far SQL has come with what was loaded."""
    from candlewave.engine.connect import connect
    from candlewave.telemetry.progress import progress

    done, changed_at = 0.0, time.monotonic()
    with (
        progress("Indicators and features", None, "minutes") as bar,
        _blamed(children, logs),
        connect(settings) as conn,
    ):
        while not stop.wait(1.0) and time.monotonic() - changed_at < _STALLED_SECONDS:
            _none_ended(children, logs)
            feeds.look()
            row = conn.execute(
                "SELECT (SELECT count(*) FROM candles WHERE timeframe = '1m'), (SELECT count(*) FROM features),"
                " (SELECT count(*) FROM (SELECT exchange, symbol, min(open_time) AS begin FROM loaded_candles"
                "  GROUP BY exchange, symbol) AS l LEFT JOIN candles AS c ON c.exchange = l.exchange"
                "  AND c.symbol = l.symbol AND c.timeframe = '1m' AND c.open_time = l.begin WHERE c.open_time IS NULL)"
            ).fetchone()
            candles, features, missing = row or (0, 0, 0)
            bar.update(total=float(candles))
            bar.advance(features - done)
            if features > done:
                done, changed_at = features, time.monotonic()
            if not missing and features >= candles:
                return


_TRAINED_SHARE = 2 / 3
_WARM_UP = timedelta(hours=1)
_MIN_REHEARSED = timedelta(hours=1)


def _rehearse(settings: "Settings", exchange: str, stop: threading.Event) -> None:
    """Give history a present of its own: train on its first part, and forecast the rest as if it were then."""
    from candlewave.engine.clocks import HISTORY_AFTER
    from candlewave.ml.settings import TrainSettings

    begin, end, forecasts = _history_of(settings, exchange)
    if utc_now() - end <= HISTORY_AFTER or forecasts:
        return
    needed = timedelta(minutes=TrainSettings.load().min_history_minutes) + _WARM_UP
    split = floor_to_minute(begin + max((end - begin) * _TRAINED_SHARE, needed))
    span = f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    if end - split < _MIN_REHEARSED:
        _say(f"History of {span}, too short for a training (TRAIN_MIN_HISTORY_MINUTES): the baseline forecasts it")
        split = begin
    else:
        _say(f"History of {span}: training on what was known at {split:%Y-%m-%d %H:%M}, then forecasting the rest")
        reason = f"history of {exchange}, {span}"
        _run(["train", "--end", f"{split:%Y-%m-%dT%H:%M:%S}", "--reason", reason], stop, may_fail=True)
    _run(["price-predictor", "--from", f"{split:%Y-%m-%dT%H:%M:%S}"], stop)


def _history_of(settings: "Settings", exchange: str) -> tuple[datetime, datetime, int]:
    """Return begin and end of an exchange's candles, and how many forecasts of its markets there are."""
    from candlewave.engine.connect import connect

    with connect(settings) as conn:
        row = conn.execute(
            "SELECT min(open_time), max(close_time), (SELECT count(*) FROM latest_predictions WHERE exchange = %s)"
            " FROM candles WHERE exchange = %s AND timeframe = '1m'",
            [exchange, exchange],
        ).fetchone()
    if row is None or row[0] is None:
        fail(f"the file gave {exchange} no candle")
    return row[0], row[1], row[2]


def refuse_owned(settings: "Settings") -> None:
    """End with an error when another process runs the engine of the data directory, before anything of it is touched.

    Only the engine's lock is proof: two demos that start at the same moment both pass, and one of them ends when its
    engine does not get the lock (:func:`_wait_for_engine`).
    """
    from candlewave.engine.embedded.ownership import owner_of

    owner = owner_of(settings.data_dir)
    if owner is not None:
        fail(
            f"the data directory {settings.data_dir.absolute()} is in use by process {owner}, perhaps another demo;"
            " nothing was changed. Stop it with `candlewave down`, or choose another directory with CANDLEWAVE_DATA_DIR"
        )


def refuse_missing(settings: "Settings") -> None:
    """End the command before anything is changed when the machine lacks something."""
    from candlewave.core.requirements import missing_requirements

    if problems := missing_requirements(settings.data_dir):
        fail("; ".join(problems))


def refuse_other_signal(settings: "Settings", signal: float) -> None:
    """End the command before anything is changed when the data directory has a market with another signal."""
    from candlewave.services.ingest.simulate import kept_signal

    kept = kept_signal(settings.data_dir / "simulator.json")
    if kept is not None and kept != signal:
        fail(
            f"{settings.data_dir.absolute()} has a simulated market with --signal {kept:g}; it continues with"
            f" `candlewave demo --signal {kept:g}`. Another signal needs a data directory of its own:"
            f" CANDLEWAVE_DATA_DIR=.candlewave-signal-{signal:g} candlewave demo --signal {signal:g}"
        )


def _invented_news() -> dict[str, str]:
    """Return the environment in which sentiment-extractor needs no internet, unless the user has chosen sources."""
    own = os.environ.get("CANDLEWAVE_NEWS_CONFIG")
    return {"CANDLEWAVE_NEWS_CONFIG": own or str(files("candlewave.services.sentiment") / "news-simulated.toml")}


def _wait_for_features(
    settings: "Settings",
    days: float,
    children: "dict[str, subprocess.Popen[bytes]]",
    logs: Path,
    stop: threading.Event,
) -> None:
    """Show how far SQL has come with the history; a model that is trained before knows only a part of it."""
    from candlewave.engine.connect import connect
    from candlewave.telemetry.progress import progress

    begin = time.time() - days * 86_400
    done = 0.0
    with (
        progress("Candles, indicators and features", days * 1_440, "minutes") as bar,
        _blamed(children, logs),
        connect(settings) as conn,
    ):
        while not stop.wait(0.5):
            _none_ended(children, logs)
            row = conn.execute("SELECT extract(epoch FROM max(close_time)) FROM features").fetchone()
            newest = float(row[0]) if row and row[0] is not None else begin
            minutes = min(max((newest - begin) / 60, done), days * 1_440)
            bar.advance(minutes - done)
            done = minutes
            if time.time() - newest < _BEHIND_SECONDS:
                return


def _wait_for_page(
    address: str, children: "dict[str, subprocess.Popen[bytes]]", logs: Path, stop: threading.Event
) -> None:
    import httpx

    while not stop.is_set():
        _none_ended(children, logs)
        try:
            httpx.get(f"{address}/v1/about", timeout=5).raise_for_status()
        except httpx.HTTPError:
            stop.wait(0.2)
        else:
            return


def _watch(
    address: str,
    settings: "Settings",
    children: "dict[str, subprocess.Popen[bytes]]",
    logs: Path,
    stop: threading.Event,
    feeds: _Feeds | None,
) -> None:
    """Say what there is to see, and each decision of the trainer, until Ctrl-C or until a child ends by itself."""
    typer.echo(f"\n  Watch candles, forecasts and their errors:  {address}/")
    typer.echo(f"  Ask the REST API (docs/api.md):             curl {address}/v1/predictions/latest")
    typer.echo(f'  Ask the engine:                             {_program()} sql -c "SELECT * FROM served_predictions"')
    typer.echo("  Stop:                                       Ctrl-C\n")
    typer.echo("  The baseline forecasts first; a model is trained when enough history is in, and serves a horizon")
    typer.echo("  only if it beat the baseline there. The first errors appear when the first forecasts fall due.\n")
    said: set[str] = set()
    while not stop.wait(1.0):
        _none_ended(children, logs)
        if feeds is not None:
            feeds.look()
        with _blamed(children, logs):
            decisions = _decisions(settings)
        for event_id, line in decisions:
            if event_id not in said:
                said.add(event_id)
                typer.echo(f"  {line}")


def _program() -> str:
    """Return this program as one types it here, whether or not its folder is in PATH."""
    own = Path(sys.argv[0])
    return os.path.relpath(own) if own.name == "candlewave" and own.is_absolute() else str(own)


def _decisions(settings: "Settings") -> list[tuple[str, str]]:
    """Return the trainer's newest decisions, oldest first."""
    from candlewave.engine.connect import connect

    with connect(settings) as conn:
        rows = conn.execute(
            "SELECT event_id, occurred_at, model_name, model_version, event, reason FROM model_events"
            " WHERE model_version <> ''"
            " ORDER BY occurred_at DESC, event = 'registered' LIMIT 5"  # registered comes before what was decided then
        ).fetchall()
    return [
        (event_id, f"{occurred_at:%H:%M:%S} {name} {version} {event}: {reason}")
        for event_id, occurred_at, name, version, event, reason in reversed(rows)
    ]


@contextmanager
def _blamed(children: "dict[str, subprocess.Popen[bytes]]", logs: Path) -> Iterator[None]:
    """When the engine is down, report which child has ended, after giving it a moment to do so."""
    import psycopg

    from candlewave.engine.connect import EngineError

    try:
        yield
    except (EngineError, psycopg.OperationalError) as error:
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            _none_ended(children, logs)
            time.sleep(0.2)
        fail(f"the engine does not answer: {error}")


def _none_ended(children: "dict[str, subprocess.Popen[bytes]]", logs: Path) -> None:
    for name, child in children.items():
        if child.poll() is not None:
            fail(f"{name} ended by itself; its log is {logs / name}.log:\n{_tail(logs / f'{name}.log')}")


def _free_port(port: int) -> int:
    last = min(port + 19, 65535)
    for candidate in range(port, last + 1):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return candidate
    return fail(f"ports {port} to {last} of 127.0.0.1 are all taken; choose another with --port")


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into ``stop``; children, in sessions of their own, do not get them.

    Under ``nohup`` the demo outlives its terminal.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    old = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def _running(arguments: list[str], file: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command of candlewave in parallel, and shut it down gracefully afterwards."""
    name = arguments[0]
    with file.open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "candlewave", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "ADMIN_PORT": "0", **environment},
        )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                typer.echo(f"{name} did not end within {_STOP_SECONDS:g} s and is killed", err=True)
                child.kill()
                child.wait()


def _wait_for_engine(engine: "subprocess.Popen[bytes]", settings: "Settings", log: Path, stop: threading.Event) -> None:
    """Wait until the engine that was started answers; one that another process runs is never meant."""
    from candlewave.engine.connect import EngineError, connect_url
    from candlewave.engine.embedded.runtime import EngineNotRunningError, read

    deadline = time.monotonic() + _START_SECONDS
    while not stop.is_set():
        if engine.poll() is not None:
            fail(f"the engine did not start:\n{_tail(log)}")
        try:
            running = read(settings)
            if running.pid == engine.pid:
                connect_url(running.url).close()
                return
            problem = f"process {running.pid} owns {settings.data_dir}"
        except (EngineError, EngineNotRunningError) as error:
            problem = str(error)
        if time.monotonic() > deadline:
            fail(f"the engine did not answer within {_START_SECONDS:g} s: {problem}")
        stop.wait(0.1)
    raise typer.Exit(0)


def _run(
    arguments: list[str], stop: threading.Event, *, may_fail: bool = False, environment: dict[str, str] | None = None
) -> None:
    """Run a command of candlewave to its end, with its progress shown here."""
    if stop.is_set():
        return
    child = subprocess.Popen(
        [sys.executable, "-m", "candlewave", *arguments],
        start_new_session=True,
        env={**os.environ, **(environment or {})},
    )
    while child.poll() is None:
        if stop.wait(0.1):
            child.terminate()
            child.wait()
            return
    if child.returncode and not may_fail:
        raise typer.Exit(child.returncode)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])


def _say(text: str) -> None:
    typer.secho(text, bold=True)
