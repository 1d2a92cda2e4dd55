"""``candlewave demo`` as a newcomer runs it: from nothing to forecasts, stopped with Ctrl-C, and gone on with."""

import csv
import gzip
import json
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.fakes.kraken import FakeKraken

from candlewave.core.paths import project_root
from candlewave.services.ingest.simulate import to_messages
from candlewave.services.ingest.simulator import DEFAULT_SYMBOLS, Simulator

DEADLINE = 240.0
SMALL = {"TRAIN_MIN_HISTORY_MINUTES": "600", "TRAIN_TREES": "10", "TRAIN_FOLDS": "2"}
"""A training that half a day of history is enough for."""


class Demo:
    """A running ``candlewave demo``."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, log: Path) -> None:
        self.process, self.address, self._log = process, address, log

    @property
    def said(self) -> str:
        return self._log.read_text()

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self.address}/v1/{path}", timeout=10)
        answer.raise_for_status()
        return answer.json()

    def wait(self, what: str, reached: Callable[[], bool], patience: float = DEADLINE) -> None:
        until = time.monotonic() + patience
        while time.monotonic() < until:
            assert self.process.poll() is None, f"the demo ended by itself:\n{self.said}"
            try:
                if reached():
                    return
            except httpx.HTTPError:
                pass  # the API is not up yet; the deadline tells when it never comes
            time.sleep(0.2)
        raise AssertionError(f"no {what} after {patience:.0f} s:\n{self.said}")


def _hear_the_terminal() -> None:
    """Whoever runs these tests under nohup hands down that its end is ignored, and the demo would heed that."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def make(target: str, *variables: str) -> list[str]:
    """Return a target of make as a command, in this environment instead of one that it would install."""
    ready = [option for mark in (".ready", ".tools", ".mlflow") for option in ("-o", f"{sys.prefix}/{mark}")]
    return ["make", "-C", str(project_root()), *ready, f"VENV={sys.prefix}", target, *variables]


@contextmanager
def started(
    folder: Path, *options: str, small: bool = True, by_make: bool = False, **environment: str
) -> Iterator[Demo]:
    """Start a demo, by the program with options or by make with variables; nothing of it is left in any case."""
    port = free_port()
    log = folder / "demo.log"
    program = [sys.executable, "-m", "candlewave", "demo", *options, "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            make("demo", *options, f"PORT={port}") if by_make else program,
            env={**os.environ, **(SMALL if small else {}), "CANDLEWAVE_DATA_DIR": str(folder / "data"), **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_hear_the_terminal,
        )
    try:
        yield Demo(process, f"http://127.0.0.1:{port}", log)
    finally:
        if process.poll() is None:
            for child in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                child.kill()


@contextmanager
def running(folder: Path, ended_by: signal.Signals) -> Iterator[Demo]:
    """Start a demo with half a day of history; on leaving the signal has to stop it and leave nothing running."""
    with started(folder, "--days", "0.5") as demo:
        yield demo
        children = psutil.Process(demo.process.pid).children(recursive=True)
        demo.process.send_signal(ended_by)
        assert demo.process.wait(60) == 0, demo.said
        assert psutil.wait_procs(children, timeout=20)[1] == []
        assert "Stopping: services first, the engine last" in demo.said
        assert "continues where this ended" in demo.said


def simulated(demo: Demo) -> dict[str, Any]:
    return {row["symbol"]: row for row in demo.get("symbols")["data"] if row["exchange"] == "simulated"}


@pytest.mark.timeout(600)
def test_from_nothing_to_forecasts_and_on(data_dir: Path) -> None:
    with running(data_dir, signal.SIGINT) as demo:  # Ctrl-C
        demo.wait("forecasts of all markets", lambda: len(demo.get("predictions/latest")["data"]) == 3 * 4)
        demo.wait("decision of the trainer", lambda: "candlewave 1 " in demo.said)
        before = simulated(demo)
        assert set(before) == {"BTC/USD", "ETH/USD", "SOL/USD"}
        assert all(row["is_synthetic"] for row in before.values())
        page = httpx.get(f"{demo.address}/").raise_for_status()
        assert "candlewave" in page.text

    with running(data_dir, signal.SIGHUP) as demo:  # its terminal is closed
        demo.wait("forecasts of all markets", lambda: len(demo.get("predictions/latest")["data"]) == 3 * 4)
        after = simulated(demo)
        for symbol, row in before.items():
            assert after[symbol]["first_candle"] == row["first_candle"]
            assert after[symbol]["last_candle"] >= row["last_candle"]
        assert {model["model_version"] for model in demo.get("models")["data"] if model["events"]} == {"1"}


def write_trades(path: Path, begin: datetime, days: float) -> None:
    """Write a file of simulated trades of one market, as the README describes it."""
    simulator = Simulator(DEFAULT_SYMBOLS[:1], start=begin, seed=3)
    columns = ["symbol", "trade_id", "ts", "side", "price", "quantity"]
    with gzip.open(path, "wt", newline="") as file:
        table = csv.DictWriter(file, columns, extrasaction="ignore")
        table.writeheader()
        for batch in simulator.batches(begin + timedelta(days=days), finish=True):
            trades = (json.loads(message.value or b"") for message in to_messages(batch, "", "replay"))
            table.writerows(trade for trade in trades if trade["kind"] == "trade")


def test_old_trades_of_a_file_are_learnt_from_forecast_and_judged(data_dir: Path, tmp_path: Path) -> None:
    begin = datetime(2019, 5, 1, tzinfo=UTC)
    file = tmp_path / "old.csv.gz"
    write_trades(file, begin, 1.0)
    with started(data_dir, "SOURCE=file", f"FILE={file}", by_make=True) as demo:
        demo.wait("page", lambda: bool(demo.get("about")))
        [market] = [row for row in demo.get("symbols")["data"] if row["exchange"] == "replayed"]
        assert market["state"] == "history"
        [model] = [one for one in demo.get("models")["data"] if one["events"]]
        assert {event["event"] for event in model["events"]} > {"registered"}

        def judged() -> dict[tuple[str, int], Any]:
            rows = demo.get("performance?exchange=replayed&symbol=BTC-USD&span=7d")["data"]
            return {(row["model_name"], row["horizon_minutes"]): row for row in rows}

        split = begin + timedelta(days=1) * 2 / 3
        everything = {(name, horizon) for name in ("baseline", "candlewave") for horizon in (1, 5, 15, 60)}
        demo.wait("outcomes of every model and horizon", lambda: set(judged()) == everything)
        last_target = begin + timedelta(days=1)
        for (_, horizon), row in judged().items():
            minutes = (last_target - split) / timedelta(minutes=1) - horizon
            assert minutes - 2 <= row["forecasts"] <= minutes
        first = demo.get("predictions?exchange=replayed&symbol=BTC-USD&horizon_minutes=1&from=2019-05-01T00:00:00Z"
                         f"&to={split + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}")["data"]  # fmt: skip
        assert {row["made_at"] for row in first} == {f"{split + timedelta(minutes=1, seconds=2):%Y-%m-%dT%H:%M:%SZ}"}
        assert "training on what was known at 2019-05-01 16:00" in demo.said


@contextmanager
def trading(kraken: FakeKraken, symbol: str) -> Iterator[None]:
    """Thirty hours of trades in the past, and then a few each second."""
    chance = random.Random(7)
    price = 60_000.0
    now = datetime.now(UTC)

    def trade(ts: datetime, *, send: bool) -> None:
        nonlocal price
        price *= math.exp(chance.gauss(0, 2e-4))
        side = chance.choice(["buy", "sell"])
        kraken.trade(symbol, ts, f"{price:.1f}", f"{chance.uniform(0.01, 1):.4f}", side, send=send)

    for back in range(30 * 180, 0, -1):
        trade(now - back * timedelta(seconds=20), send=False)
    stop = threading.Event()

    def live() -> None:
        while not stop.wait(0.5):
            trade(datetime.now(UTC), send=True)

    thread = threading.Thread(target=live, name="market")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.timeout(900)
def test_a_real_market_is_forecast_within_minutes_from_an_empty_folder(data_dir: Path, tmp_path: Path) -> None:
    """With the shipped training settings: Kraken's 720 candles are too few, so older history comes as trades."""
    shipped = (project_root() / "candlewave.toml").read_text()
    config = tmp_path / "candlewave.toml"
    config.write_text(re.sub(r"(?m)^symbols = \[.*\]$", 'symbols = ["BTC/USD"]', shipped, count=1))
    with FakeKraken(["BTC/USD"]) as kraken, trading(kraken, "BTC/USD"):
        environment = {
            "CANDLEWAVE_CONFIG": str(config),
            "CANDLEWAVE_EXCHANGE_URLS": json.dumps({"kraken": {"rest": kraken.rest, "ws": kraken.ws}}),
            "CANDLEWAVE_NEWS_CONFIG": str(files("candlewave.services.sentiment") / "news-simulated.toml"),
        }
        begun = time.monotonic()
        with started(data_dir, "SOURCE=kraken", small=False, by_make=True, **environment) as demo:
            demo.wait(
                "forecasts of the live market", lambda: len(demo.get("predictions/latest?exchange=kraken")["data"]) == 4
            )
            seconds = time.monotonic() - begun
            print(f"live forecast after {seconds:.0f} s")  # noqa: T201
            [market] = demo.get("symbols")["data"]
            assert market["state"] == "live"
            assert datetime.now(UTC) - datetime.fromisoformat(market["first_candle"]) > timedelta(hours=25)
            newest = demo.get("predictions/latest?exchange=kraken")["data"][0]
            assert datetime.now(UTC) - datetime.fromisoformat(newest["made_at"]) < timedelta(minutes=3)
            demo.wait("decision of the trainer", lambda: "candlewave 1 " in demo.said)
            print(f"first decision about a model after {time.monotonic() - begun:.0f} s")  # noqa: T201
            assert "Loading history" in demo.said
            assert " candles and " in demo.said
            [model] = [one for one in demo.get("models")["data"] if one["events"]]
            [registered] = [event for event in model["events"] if event["event"] == "registered"]
            assert "trained on 2" in registered["reason"]
            assert "kraken|BTC/USD" in registered["reason"]
    assert seconds < 300


def test_an_engine_that_dies_ends_it_with_its_name(data_dir: Path) -> None:
    with started(data_dir, "--days", "0") as demo:
        demo.wait("page", lambda: bool(demo.get("about")))
        children = psutil.Process(demo.process.pid).children(recursive=True)
        engine = next(child for child in children if child.cmdline()[-1] == "up")
        engine.kill()
        assert demo.process.wait(60) == 1
        assert psutil.wait_procs(children, timeout=20)[1] == []
    assert "up ended by itself; its log is" in demo.said
    assert "Traceback" not in demo.said
