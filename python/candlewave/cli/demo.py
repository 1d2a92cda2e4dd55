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
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candlewave.cli.common import embedded_settings, explained, fail

if TYPE_CHECKING:
    from candlewave.settings import Settings

_START_SECONDS = 60.0
_STOP_SECONDS = 25.0


class Source(StrEnum):
    """Where the demo's trades come from."""

    SIMULATE = "simulate"
    KRAKEN = "kraken"
    FILE = "file"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    source: Annotated[Source, typer.Option(help="Simulated market, the exchange, or a file of trades.")] = (
        Source.SIMULATE
    ),
    file: Annotated[Path | None, typer.Option(help="Trades CSV or .gz, for --source file.", exists=True)] = None,
    exchange: Annotated[str, typer.Option(help="The exchange a file's trades are ascribed to.")] = "replayed",
    days: Annotated[float, typer.Option(help="Days of simulated history.", min=0)] = 3.0,
    port: Annotated[int, typer.Option(help="Port of the page; the next free one if taken.", min=1)] = 8000,
) -> None:
    """Run candlewave on this machine: embedded engine, migrations, trades, and a page that shows candles live.

    Ctrl-C stops everything. The data stay in CANDLEWAVE_DATA_DIR (.candlewave); the next demo goes on with them.
    """
    if (source is Source.FILE) != (file is not None):
        fail("--source file and --file FILE belong together (make demo SOURCE=file FILE=trades.csv.gz)")
    settings = embedded_settings("demo")
    logs = settings.data_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(_signals(stop))
        _say("Starting the embedded engine (PostgreSQL)")
        engine = stack.enter_context(_running("up", ["up"], logs))
        _wait_for_engine(engine, settings, logs, stop)
        _run(["migrate"], stop)
        feed: subprocess.Popen[bytes] | None = None
        if source is Source.FILE:
            _run(["replay", str(file), "--exchange", exchange], stop)
        elif source is Source.KRAKEN:
            _say("Connecting the exchange; the first candle closes after its minute")
            feed = stack.enter_context(_running("trade-to-ohlc", ["trade-to-ohlc"], logs))
        else:
            _say(f"Publishing {days:g} days of simulated history, then live")
            feed = stack.enter_context(_running("simulate", ["simulate", "--days", str(days)], logs))
        if not stop.is_set():
            _serve(settings, port, {"up": engine, **({source: feed} if feed else {})}, logs, stop)
    _say("Stopped. `make demo` goes on where this ended.")


def _serve(
    settings: "Settings", port: int, children: dict[str, "subprocess.Popen[bytes]"], logs: Path, stop: threading.Event
) -> None:
    """Serve the page until Ctrl-C, or until a child ends by itself."""
    import uvicorn

    from candlewave.api.app import create_app
    from candlewave.config import load_config
    from candlewave.engine import engine_url

    with explained():
        app = create_app(lambda: engine_url(settings), load_config(settings.config_file))
    listener = _listen(port)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="page")
    thread.start()
    typer.echo(f"\n  Watch candles and indicators:  http://127.0.0.1:{listener.getsockname()[1]}/")
    typer.echo('  Ask the engine:                candlewave sql -c "SELECT * FROM candles LIMIT 5"')
    typer.echo("  Stop:                          Ctrl-C\n")
    ended: str | None = None
    while ended is None and thread.is_alive() and not stop.wait(0.5):
        ended = next((name for name, child in children.items() if child.poll() is not None), None)
    server.should_exit = True
    thread.join()
    if ended is not None and not stop.is_set():
        fail(f"{ended} ended by itself; its log is {logs / ended}.log:\n{_tail(logs / f'{ended}.log')}")


def _listen(port: int) -> socket.socket:
    for candidate in range(port, port + 20):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
        except OSError:
            listener.close()
            continue
        return listener
    return fail(f"ports {port} to {port + 19} of 127.0.0.1 are all taken; choose another with --port")


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into ``stop``; children live in sessions of their own and are ended in order."""
    old = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def _running(name: str, arguments: list[str], logs: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command of candlewave beside this one, and end it in order afterwards."""
    environment = {"ADMIN_PORT": "0", **os.environ}
    with (logs / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "candlewave", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
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


def _wait_for_engine(
    engine: "subprocess.Popen[bytes]", settings: "Settings", logs: Path, stop: threading.Event
) -> None:
    from candlewave.engine import EngineError, connect

    deadline = time.monotonic() + _START_SECONDS
    while not stop.is_set():
        if engine.poll() is not None:
            fail(f"the engine did not start:\n{_tail(logs / 'up.log')}")
        try:
            connect(settings).close()
        except EngineError as error:
            if time.monotonic() > deadline:
                fail(f"the engine did not answer within {_START_SECONDS:g} s: {error}")
            stop.wait(0.1)
        else:
            return
    raise typer.Exit(0)


def _run(arguments: list[str], stop: threading.Event) -> None:
    """Run a command of candlewave to its end, with its progress shown here."""
    if stop.is_set():
        return
    child = subprocess.Popen([sys.executable, "-m", "candlewave", *arguments], start_new_session=True)
    while child.poll() is None:
        if stop.wait(0.1):
            child.terminate()
            child.wait()
            return
    if child.returncode:
        raise typer.Exit(child.returncode)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])


def _say(text: str) -> None:
    typer.secho(text, bold=True)
