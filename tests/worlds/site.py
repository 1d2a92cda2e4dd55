"""A market with forecasts, news and alerts on a real engine, and the API in front of it."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import uvicorn
from numpy.typing import NDArray
from tests.worlds.market import Market, open_market

from candlewave.bus.messages import to_message
from candlewave.contracts.records import Article, AssetScore
from candlewave.core.config import Config
from candlewave.ml.baseline import LastPriceBaseline
from candlewave.ml.feature_set import feature_names, volatility_feature
from candlewave.ml.forecaster import FeatureMatrix, Part
from candlewave.rules.base import fingerprint
from candlewave.services.api.app import Application
from candlewave.services.api.service import make_server
from candlewave.services.ingest.simulator import SimulatedSymbol, Simulator
from candlewave.services.monitor.alerts import Alert
from candlewave.services.predictor.models import Models
from candlewave.services.predictor.predictor import Predictor
from candlewave.services.predictor.schedule import ForecastSchedule

MINUTE = timedelta(minutes=1)
SYMBOLS = (
    SimulatedSymbol("BTC/USD", 65_000.0, "0.1", rate=0.12, volatility=0.025),
    SimulatedSymbol("ETH/USD", 3_200.0, "0.01", rate=0.12, volatility=0.032),
)
HISTORY = timedelta(hours=12)
FORECAST_MINUTES = 70
"""How many minutes of the history have been forecast, each when it was the newest: late forecasts are not judged."""

ROOM = timedelta(minutes=20)
"""The market's time at first is this much before the clock, so that tests can go on without reaching the future."""

HEADLINES = (
    ("Spot funds take in most in a month", "https://example.org/funds", 0.62),
    ("Exchange halts withdrawals", "https://example.org/halt", -0.71),
    ("<img src=x onerror=alert(1)> is not markup here", "javascript:alert(1)", 0.0),
    ("Unbroken" * 40, "https://example.org/" + "long" * 80, 0.1),
)


class World:
    """The engine's side: what happens in the market, and who forecasts it."""

    def __init__(self, url: str, market: Market, config: Config) -> None:
        self.url = url
        self.market = market
        horizons = tuple(config.predictions.horizons_minutes)
        name = volatility_feature(config)
        baseline = LastPriceBaseline(horizons, name)
        champion = _Champion(baseline, feature_names(market.conn), horizons)
        self.predictor = Predictor(
            market.bus,
            lambda: Models(baseline, champion),
            horizons,
            timedelta(seconds=config.candles.grace_seconds),
            ForecastSchedule(timedelta(hours=3), None),
            clock=lambda: self.market.now + timedelta(seconds=3),
        )

    def clock(self) -> datetime:
        """Return a time at which the market is live."""
        return self.market.now + timedelta(seconds=10)

    def advance(self, minutes: int = 1) -> None:
        """Let the market trade on; SQL follows."""
        self.market.advance(self.market.now + minutes * MINUTE)

    def forecast(self) -> None:
        """Forecast every minute that was not forecast yet; SQL follows."""
        self.predictor.cycle(self.market.conn)
        self.market.refresher.run_until_idle()

    def alert(self, rule: str, horizon: int) -> None:
        """Let an alert begin to fire."""
        labels = {"model_name": "candlewave", "model_version": "7", "horizon_minutes": str(horizon)}
        now = datetime.now(UTC)
        alert = Alert(fingerprint(rule, labels), rule, "warning", labels, 0.62, "firing", now, now)
        self.market.bus.publish("alerts", [to_message(alert.record())])
        self.market.refresher.run_until_idle()

    def news(self, headlines: Sequence[tuple[str, str, float]]) -> None:
        """Publish scored headlines about BTC, a minute apart, the first the newest."""
        for number, (title, url, score) in enumerate(headlines):
            when = self.market.now - (number + 1) * MINUTE
            article = Article(
                article_id=f"a{number}",
                url=url,
                title=title,
                summary="",
                source="example wire",
                lang="en",
                published_at=when,
                fetched_at=when,
            )
            scored = AssetScore(
                article_id=article.article_id,
                asset="BTC",
                score=score,
                confidence=0.9,
                relevance=0.9,
                event_type="other",
                extractor="offline",
                extractor_version="1",
                published_at=when,
                fetched_at=when,
                scored_at=when,
            )
            self.market.bus.publish("news", [to_message(article)])
            self.market.bus.publish("news_sentiment", [to_message(scored)])
        self.market.refresher.run_until_idle()

    def last_price(self, symbol: str = "BTC/USD") -> float:
        """Return the newest price."""
        row = self.market.conn.execute(
            "SELECT close FROM candles_1m_live WHERE symbol = %s ORDER BY open_time DESC LIMIT 1", [symbol]
        ).fetchone()
        assert row is not None
        return float(row[0])


@dataclass(frozen=True)
class _Champion:
    """Forecasts what the baseline does under another name, so it cannot have skill."""

    baseline: LastPriceBaseline
    feature_names: tuple[str, ...]
    horizons_minutes: tuple[int, ...]
    served_horizons: tuple[int, ...] = (1, 5)
    served_parts: Mapping[int, Part] = field(default_factory=dict)
    model_name: str = "candlewave"
    model_version: str = "7"

    def predict(self, matrix: FeatureMatrix) -> NDArray[np.float64]:
        """See :class:`candlewave.ml.forecaster.Forecaster`."""
        return self.baseline.quantiles(matrix.values[:, matrix.names.index(self.baseline.volatility)])


@contextmanager
def open_world(url: str, config: Config) -> Iterator[World]:
    """Let half a day pass on an engine that :meth:`tests.worlds.engine.Databases.engine` made."""
    now = datetime.now(UTC).replace(second=0, microsecond=0) - ROOM
    with open_market(url, Simulator(SYMBOLS, start=now - HISTORY)) as market:
        for symbol in SYMBOLS:
            base, quote = symbol.symbol.split("/")
            market.conn.execute("INSERT INTO symbols VALUES ('simulated', %s, %s, %s)", [symbol.symbol, base, quote])
        world = World(url, market, config)
        market.advance(now - FORECAST_MINUTES * MINUTE)
        for _ in range(FORECAST_MINUTES):
            world.advance()
            world.forecast()
        world.news(HEADLINES)
        world.alert("coverage", 5)
        yield world


class Site:
    """An API on a port of its own that can go away and come back, like a new process does with a new application."""

    def __init__(self, make_app: Callable[[], Application]) -> None:
        self._make_app = make_app
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._app: Application | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve; return when connections are taken."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self._app = self._make_app()
        self._server = make_server(self._app)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, name="site")
        self._thread.start()

    def stop(self) -> None:
        """End the server and all its connections."""
        if self._server is None or self._thread is None or self._app is None:
            return
        self._app.hub.close_soon()
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive(), "the API does not end"
        self._app = self._server = self._thread = None
