"""The API under load from other processes: newest forecasts, a page of history, live streams."""

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from benchmarks.embedded import open_engine
from benchmarks.page import GRACE, HISTORY, LAYERS, MINUTE
from benchmarks.report import Row
from candlewave.bus.messages import to_message
from candlewave.bus.postgres import PostgresBus
from candlewave.contracts.records import Prediction, Trade, heartbeat
from candlewave.core.config import Config, load_config
from candlewave.engine.embedded.refresh import Refresher
from candlewave.services.ingest.simulate import to_messages
from candlewave.services.ingest.simulator import Simulator
from candlewave.telemetry.progress import progress

LATEST = "/v1/predictions/latest?exchange=simulated&symbol=BTC-USD"
PAST = "/v1/predictions?exchange=simulated&symbol=BTC-USD&horizon_minutes=5&limit=500"
STREAM = "/v1/stream?exchange=simulated&symbol=BTC-USD&timeframe=1m&kinds=candle"
CLIENTS = 500
_ROOT = Path(__file__).parents[1]
_STREAM_SECONDS = 30.0

_SERVER = """
import socket, sys
from candlewave.services.api.app import create_app
from candlewave.services.api.service import make_server
from candlewave.services.api.settings import ApiSettings
from candlewave.core.config import load_config
settings = ApiSettings(API_RATE_LIMIT="1000000/second")
app = create_app(lambda: sys.argv[1], load_config(), settings)
make_server(app).run(sockets=[socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=2048)])
"""


def api(seconds: float) -> list[Row]:
    """Measure on a day of a simulated market whose last 600 minutes have been forecast."""
    config = load_config()
    with open_engine(LAYERS) as (conn, bus, _pid):
        with progress("a day of market and its forecasts", None):
            market = _Market(conn, bus, config)
        url = psycopg.conninfo.make_conninfo(conn.info.dsn, password=conn.info.password)
        with _server(url) as (port, process):
            _load("paced", port, LATEST, 2, 50, 500)  # the first requests are the server's warming up
            paced = _load("paced", port, LATEST, seconds, 100, 500)
            peak = _load("peak", port, LATEST, seconds, 32, 0)
            rows = len(httpx.get(f"http://127.0.0.1:{port}{PAST}").json()["data"])
            _load("paced", port, PAST, 2, 20, 50)
            past = _load("paced", port, PAST, seconds, 20, 50)
            live = _streams(port, process, market)
    right = not (paced["failed"] or peak["failed"] or past["failed"])
    return [
        Row(
            "API, newest forecasts at 500 requests/s",
            f"p50 {1e3 * paced['p50']:.1f} ms, p99 {1e3 * paced['p99']:.1f} ms",
            "p99 ≤ 5 ms",
            right=right,
            value=paced["p99"],
        ),
        Row(
            "API, newest forecasts, as fast as 32 connections ask, one worker",
            f"{peak['per_second']:,.0f} requests/s",
            "≥ 6,000",
            f"{peak['per_second'] / 500:.0f} × the paced load",
            right=right,
            value=peak["per_second"],
        ),
        Row(
            f"API, {rows} past forecasts with outcomes, 50 requests/s",
            f"p50 {1e3 * past['p50']:.1f} ms, p99 {1e3 * past['p99']:.1f} ms",
            "p99 ≤ 50 ms",
            right=right and rows == 500,
            value=past["p99"],
        ),
        live,
    ]


class _Market:
    """A simulated market with forecasts, that goes on trade by trade."""

    def __init__(self, conn: psycopg.Connection, bus: PostgresBus, config: Config) -> None:
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        simulator = Simulator(start=now - HISTORY)
        self._bus, self._refresher = bus, Refresher(conn, bus=bus)
        for batch in simulator.batches(now + GRACE, finish=False):
            bus.publish("trades", to_messages(batch, "bench.", "live", stamp_arrival=True))
        beats = [heartbeat("simulated", market.symbol, now + GRACE) for market in simulator.symbols]
        bus.publish("trades", [to_message(beat, append_ts=now + GRACE) for beat in beats])
        forecasts = [
            Prediction(
                "simulated",
                "BTC/USD",
                horizon,
                moment,
                moment + (horizon + 1) * MINUTE,
                "baseline",
                "1",
                "baseline",
                -0.001,
                0.0,
                0.001,
                64_935.0,
                65_000.0,
                65_065.0,
                65_000.0,
                moment + MINUTE + GRACE,
            )
            for moment in (now - number * MINUTE for number in range(601, 0, -1))
            for horizon in config.predictions.horizons_minutes
        ]
        bus.publish("predictions", [to_message(f) for f in forecasts])
        self._refresher.run_until_idle()
        self._ts, self._count = now + GRACE, 0

    def trade(self) -> float:
        """Let one trade happen at a price of its own; return the price."""
        self._count += 1
        self._ts += timedelta(milliseconds=100)
        price = round(65_000 + self._count / 10 + 0.05, 2)
        trade = Trade(
            "simulated", "BTC/USD", f"load{self._count}", 10**9 + self._count, self._ts, f"{price}", "0.001", "buy"
        )
        self._bus.publish("trades", [to_message(trade)])
        self._refresher.run_until_idle()
        return price


def _streams(port: int, process: psutil.Process, market: _Market) -> Row:
    before = process.memory_info().rss
    command = [sys.executable, "-m", "benchmarks.load", "streams", str(port), STREAM]
    listener = subprocess.Popen(
        [*command, str(_STREAM_SECONDS + 5), str(CLIENTS)], stdout=subprocess.PIPE, text=True, cwd=_ROOT
    )
    assert listener.stdout is not None
    assert listener.stdout.readline() == "ready\n"
    draw = random.Random(1)
    told: dict[float, float] = {}
    end = time.monotonic() + _STREAM_SECONDS
    while time.monotonic() < end:
        told[market.trade()] = time.time()
        time.sleep(draw.uniform(0.4, 0.8))
    grown = (process.memory_info().rss - before) / 2**20
    seen: dict[str, list[float]] = json.loads(listener.stdout.readline())
    listener.wait()
    lost = len(seen.pop("lost", []))
    arrivals = {float(price): times for price, times in seen.items()}
    delays = sorted(moment - at for price, at in told.items() for moment in arrivals.get(price, []))
    reached = sum(len(arrivals.get(price, [])) == CLIENTS for price in told)
    p99 = delays[int(len(delays) * 0.99)]
    return Row(
        f"API, {CLIENTS} live streams, from the trade's commit to the client",
        f"p50 {1e3 * delays[len(delays) // 2]:.0f} ms, p99 {1e3 * p99:.0f} ms, {grown:+.0f} MB",
        "p99 ≤ 250 ms, ≤ 150 MB",
        f"{reached} of {len(told)} changes reached all",
        lost == 0 and reached == len(told),
        p99,
    )


def _load(mode: str, port: int, path: str, seconds: float, connections: int, rate: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.load", mode, str(port), path, str(seconds), str(connections)]
    done = subprocess.run([*command, "--rate", str(rate)], check=True, capture_output=True, text=True, cwd=_ROOT)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def _server(url: str) -> Iterator[tuple[int, psutil.Process]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-c", _SERVER, url, str(port)], env={**os.environ, "LOG_LEVEL": "ERROR"})
    try:
        while httpx.Client(transport=_Patient()).get(f"http://127.0.0.1:{port}{LATEST}").status_code != 200:
            time.sleep(0.1)
        yield port, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait()


class _Patient(httpx.HTTPTransport):
    """Connects as soon as the server listens."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(300):
            try:
                return super().handle_request(request)
            except httpx.ConnectError:
                time.sleep(0.1)
        return super().handle_request(request)
