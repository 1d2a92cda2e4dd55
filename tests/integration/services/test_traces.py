"""One trace shows a market's minute from its trades on the bus to the forecast that clients get."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.fakes.forecasters import FakeForecaster
from tests.worlds.market import GRACE, Market, open_market

from candlewave.bus.postgres import PostgresBus
from candlewave.contracts.records import Trade, decode, heartbeat
from candlewave.core.config import Config, load_config
from candlewave.core.settings import Settings
from candlewave.ml.feature_set import feature_names
from candlewave.ml.forecaster import FeatureMatrix
from candlewave.services.api.app import create_app
from candlewave.services.api.cache import SingleFlight
from candlewave.services.api.settings import ApiSettings
from candlewave.services.ingest.live.publish_queue import PublishQueue
from candlewave.services.ingest.settings import IngestSettings
from candlewave.services.ingest.simulate import to_messages
from candlewave.services.ingest.simulator import Simulator, make_symbols
from candlewave.services.monitor.monitor import Monitor
from candlewave.services.predictor.models import Models
from candlewave.services.predictor.predictor import Predictor
from candlewave.services.predictor.schedule import ForecastSchedule
from candlewave.telemetry import tracing

START = datetime(2026, 5, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CONFIG = load_config()
WARM = START + timedelta(hours=2)


@pytest.fixture
def market(make_engine: Callable[[Config], str]) -> Iterator[Market]:
    with open_market(make_engine(CONFIG), Simulator(make_symbols(2, rate=0.2), start=START)) as opened:
        opened.advance(WARM)
        yield opened


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Record the spans of everything that happens from now on."""
    exporter = InMemorySpanExporter()
    provider = tracing.provider(Settings(), "test")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    return exporter


async def publish_live(url: str, simulator: Simulator, until: datetime) -> None:
    """Publish what the market trades, as trade-to-ohlc does."""
    now = until
    with PostgresBus(url, clock=lambda: now) as bus:
        outbox = PublishQueue(bus, None, IngestSettings(), lambda _: None, clock=lambda: now)  # type: ignore[arg-type]
        task = asyncio.create_task(outbox.run())
        for batch in simulator.batches(until, finish=False):
            for message in to_messages(batch, "sim.", "live"):
                trade = decode(Trade, message.value)
                outbox.put(trade)
        for symbol in simulator.symbols:
            outbox.put(heartbeat("simulated", symbol.symbol, until, "live"))
        await outbox.drain()
        task.cancel()


def constant(matrix: FeatureMatrix) -> np.ndarray:
    return np.tile([-0.01, 0.001, 0.01], (len(matrix), len(CONFIG.predictions.horizons_minutes), 1))


def make_predictor(market: Market, clock: Callable[[], datetime]) -> Predictor:
    horizons = tuple(CONFIG.predictions.horizons_minutes)
    baseline = FakeForecaster(
        "b", feature_names(market.conn)[:1], horizons, horizons, model_name="baseline", answer=constant
    )
    grace = timedelta(seconds=CONFIG.candles.grace_seconds)
    schedule = ForecastSchedule(timedelta(hours=3), timedelta(seconds=300))
    return Predictor(market.bus, lambda: Models(baseline), horizons, grace, schedule, clock=clock)


def test_one_trace_goes_from_trade_to_client(market: Market, spans: InMemorySpanExporter) -> None:
    async def follow() -> None:
        app = create_app(lambda: market.url, CONFIG, ApiSettings(), clock=lambda: WARM + 2 * MINUTE)
        context, feed = app.framework.state.context, app.framework.state.feed
        await context.reader.open()
        await feed.look()
        # The minute after WARM is traded; the record that ends it closes its candle.
        await publish_live(market.url, market.simulator, WARM + MINUTE + GRACE)
        market.refresher.run_until_idle()
        now = WARM + MINUTE + GRACE
        assert make_predictor(market, lambda: now).cycle(market.conn).forecasts
        market.refresher.run_until_idle()
        context.shared = SingleFlight()  # as if what it remembers were older than a moment
        await feed.look()
        await context.reader.close()

    asyncio.run(follow())
    now = WARM + MINUTE + GRACE
    Monitor(market.conn, market.bus, CONFIG, "candlewave", [], lambda: now).evaluate()
    finished = spans.get_finished_spans()
    (cycle,) = (span for span in finished if span.name == "cycle")
    (evaluation,) = (span for span in finished if span.name == "evaluate")
    for symbol in ("S000/USD", "S001/USD"):
        mine = [span for span in finished if (span.attributes or {}).get("candlewave.symbol") == symbol]
        assert len({span.context.trace_id for span in mine}) == 1
        assert [span.name for span in mine] == ["publish", "close", "forecast", "serve", "serve", "serve", "serve"]
        publish, close, forecast = mine[:3]
        assert publish.parent is None
        assert {span.parent.span_id for span in mine[1:] if span.parent} == {publish.context.span_id}
        assert (close.start_time, close.end_time) == (_ns(WARM + MINUTE), _ns(now))
        assert [link.context for link in forecast.links] == [cycle.context]
        assert publish.context.trace_id in {link.context.trace_id for link in evaluation.links}
        trades = headers(market, "trades", symbol).count(traceparent(publish))
        assert trades == (publish.attributes or {})["candlewave.trades"]
        assert trades > 0
        assert set(headers(market, "predictions", symbol)) == {traceparent(forecast)}


def headers(market: Market, topic: str, symbol: str) -> list[str | None]:
    """The trace contexts of a market's messages."""
    with market.bus.subscribe(f"test {symbol}", [topic]) as reader:
        received = list(itertools.chain.from_iterable(iter(lambda: reader.poll(timeout=0.0), [])))
    return [(m.headers or {}).get("traceparent") for m in received if m.key == f"simulated|{symbol}"]


def traceparent(span: ReadableSpan) -> str:
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9
