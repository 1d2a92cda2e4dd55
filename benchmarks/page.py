"""The dashboard: from opening its address to candles on the screen, and what comes over the wire, in Chromium."""

import shutil
import socket
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from playwright.sync_api import Browser, sync_playwright

from benchmarks.embedded import open_engine
from benchmarks.report import Row
from candlewave.bus.messages import to_message
from candlewave.bus.postgres import PostgresBus
from candlewave.contracts.records import heartbeat
from candlewave.core.config import Config, load_config
from candlewave.engine.embedded.refresh import Refresher
from candlewave.ml.baseline import LastPriceBaseline
from candlewave.ml.feature_set import volatility_feature
from candlewave.services.api.app import create_app
from candlewave.services.api.service import make_server
from candlewave.services.ingest.simulate import to_messages
from candlewave.services.ingest.simulator import Simulator
from candlewave.services.predictor.models import Models
from candlewave.services.predictor.predictor import Predictor
from candlewave.services.predictor.schedule import ForecastSchedule
from candlewave.telemetry.progress import progress

LAYERS = ("sources", "views/ohlc", "views/indicators", "views/sentiment", "views/features", "views/evaluation")
HISTORY = timedelta(hours=24)
FORECAST_MINUTES = 90
GRACE = timedelta(seconds=2)
MINUTE = timedelta(minutes=1)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

_USABLE = "performance.getEntriesByName('candlewave-usable')[0]?.startTime"


def page(visits: int) -> list[Row]:
    """Measure first visits, each with an empty cache, and later ones."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        return [Row("dashboard", f"not measured: no {BROWSERS[0]} in PATH (Debian package chromium)")]
    config = load_config()
    with open_engine(LAYERS) as (conn, bus, _pid):
        with progress("a day of market, and forecasts of its last minutes", None):
            _fill(conn, bus, config)
        url = psycopg.conninfo.make_conninfo(conn.info.dsn, password=conn.info.password)
        with _serving(url, config) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable)
            _visit(browser, address, 0)  # the API's first answers are not the page's
            first = [_visit(browser, address, 0) for _ in range(visits)]
            again = [_visit(browser, address, 1) for _ in range(visits)]
            browser.close()
    return [_row("first visit", first, "≤ 1 s, ≤ 600 kB"), _row("later visit", again, "")]


def _row(what: str, visits: list[dict[str, Any]], aim: str) -> Row:
    usable = sorted(visit["usable"] for visit in visits)
    received = statistics.median(visit["bytes"] for visit in visits)
    assets = statistics.median(visit["assets"] for visit in visits)
    figure = f"p50 {statistics.median(usable):.0f} ms, worst {usable[-1]:.0f} ms, {received / 1000:.0f} kB compressed"
    scripts = f"scripts, styles and page {assets / received:.0%} of it" if received else ""
    right = all(visit["candles"] > 0 and visit["forecasts"] > 0 for visit in visits)
    return Row(f"dashboard, {what}: candles on the screen", figure, aim, scripts, right, usable[-1])


def _visit(browser: Browser, address: str, before: int) -> dict[str, Any]:
    """Open the page in a fresh profile, after ``before`` visits that fill its cache."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    for _ in range(before):
        tab.goto(address)
        tab.wait_for_function(f"() => {_USABLE} > 0")
    sizes: dict[str, int] = {}
    assets: set[str] = set()
    client = context.new_cdp_session(tab)
    client.send("Network.enable")
    client.on("Network.loadingFinished", lambda e: sizes.update({e["requestId"]: int(e["encodedDataLength"])}))

    def requested(event: dict[str, Any]) -> None:
        if "/v1/" not in event["request"]["url"]:
            assets.add(event["requestId"])

    client.on("Network.requestWillBeSent", requested)
    tab.goto(address)
    tab.wait_for_function(f"() => {_USABLE} > 0")
    tab.locator(".forecasts li").first.wait_for()
    tab.locator(".verdict").wait_for()
    found = {
        "usable": tab.evaluate(_USABLE),
        "candles": int(tab.locator("#chart").get_attribute("aria-valuemax") or 0),
        "forecasts": tab.locator(".forecasts li").count(),
        "bytes": sum(sizes.values()),
        "assets": sum(size for request, size in sizes.items() if request in assets),
    }
    context.close()
    return found


def _fill(conn: psycopg.Connection, bus: PostgresBus, config: Config) -> None:
    """Let a market trade until now, forecast and judged like in production."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    simulator = Simulator(start=now - HISTORY)
    refresher = Refresher(conn, bus=bus)
    horizons = tuple(config.predictions.horizons_minutes)
    models = Models(LastPriceBaseline(horizons, volatility_feature(config)))
    clock = [now]
    predictor = Predictor(
        bus, lambda: models, horizons, GRACE, ForecastSchedule(timedelta(hours=3), None), clock=lambda: clock[0]
    )
    for minutes in range(FORECAST_MINUTES, -1, -1):
        until = now - minutes * MINUTE
        for batch in simulator.batches(until + GRACE, finish=False):
            bus.publish("trades", to_messages(batch, "bench.", "live", stamp_arrival=True))
        beats = [heartbeat("simulated", market.symbol, until + GRACE) for market in simulator.symbols]
        bus.publish("trades", [to_message(beat, append_ts=until + GRACE) for beat in beats])
        refresher.run_until_idle()
        clock[0] = until + GRACE
        predictor.cycle(conn)
        refresher.run_until_idle()


@contextmanager
def _serving(url: str, config: Config) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(lambda: url, config)
        server = make_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/?exchange=simulated&symbol=BTC-USD&timeframe=1m"
        finally:
            app.hub.close_soon()
            server.should_exit = True
            thread.join()
