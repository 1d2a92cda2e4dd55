"""The service ``sentiment-extractor``: one half asks sources and publishes articles, the other scores them."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from candlewave.bus import open_bus
from candlewave.bus.protocol import BusUnavailableError, PublishError
from candlewave.bus.shards import ShardOwnership
from candlewave.contracts.topics import INGEST_SHARDS, NEWS, NEWS_DLQ, NEWS_SENTIMENT
from candlewave.core.config import Config
from candlewave.services.sentiment.collect import Collector
from candlewave.services.sentiment.config import NewsConfig
from candlewave.services.sentiment.entities import Recogniser
from candlewave.services.sentiment.extract import Extractor, OfflineExtractor, WithFallback
from candlewave.services.sentiment.fetch import Fetcher
from candlewave.services.sentiment.llm import LlmExtractor, LlmOptions
from candlewave.services.sentiment.score import GROUP, Scoring
from candlewave.services.sentiment.settings import SentimentSettings
from candlewave.services.sentiment.sources import open_sources
from candlewave.services.sentiment.store import Store
from candlewave.telemetry.service import Service

_PAUSE_SECONDS = 1.0
_LLM_MAX_BYTES = 2_000_000


def main(service: Service, config: Config, news: NewsConfig, own: SentimentSettings) -> None:
    """Run until the service stops.

    Raises:
        BusError: the bus cannot be reached at the start.
    """
    bus = open_bus(service.settings)
    service.on_close("bus", bus.close)
    bus.ensure_topics([NEWS, NEWS_DLQ, NEWS_SENTIMENT, INGEST_SHARDS])
    store = Store(service.settings.data_dir / "sentiment.sqlite3")
    service.on_close("store", store.close)
    fetcher = Fetcher(own.fetch_timeout_seconds, own.fetch_max_bytes)
    sources = open_sources(
        news, own, fetcher, lambda name, reason: service.log.warning("source is off", source=name, reason=reason)
    )
    shards = ShardOwnership(bus, f"{GROUP}-sources")
    collector = Collector(
        sources,
        store,
        bus,
        poll=timedelta(seconds=news.poll_seconds),
        max_age=timedelta(hours=own.max_article_age_hours),
        clock=_now,
        say=service.log.info,
        owns=lambda name: shards.owns(f"news|{name}"),
    )
    scoring = Scoring(
        bus,
        make_extractor(service.stop, assets_of(config, news), news, own, store),
        clock=_now,
        say=service.log.warning,
        batch=3 * own.llm_batch if own.llm_base_url else 500,
    )
    failure: list[str] = []
    service.readiness.add("scoring", lambda: failure[0] if failure else None)

    def score() -> None:
        try:
            scoring.run(service.stop)
        except Exception as error:
            failure.append(str(error))
            service.log.exception("scoring failed")
            raise
        finally:
            service.stop.set()

    scorer = threading.Thread(target=score, name="scoring")
    sharing = threading.Thread(target=shards.run, args=(service.stop,), name="sources")
    for thread in (scorer, sharing):
        thread.start()
        service.on_close(thread.name, thread.join)
    try:
        while not service.stop.is_set():
            try:
                collector.collect()
            except (BusUnavailableError, PublishError) as error:
                service.log.warning("articles wait for the bus", error=str(error))
            left = (collector.next_due() - _now()).total_seconds()
            service.stop.wait(min(max(left, 0.2), _PAUSE_SECONDS))
    finally:
        service.stop.set()
    if failure:
        raise RuntimeError(f"scoring failed: {failure[0]}")


def assets_of(config: Config, news: NewsConfig) -> Sequence[str]:
    """Return the assets that market-wide news counts for: the base of every configured market, and those listed."""
    return list(dict.fromkeys([*(symbol.base for symbol in config.symbols), *news.all_assets]))


def make_extractor(
    stop: threading.Event, market: Sequence[str], news: NewsConfig, own: SentimentSettings, store: Store
) -> Extractor:
    """Return the offline extractor, behind the language model if one is configured."""
    recogniser = Recogniser(news.assets, market)
    offline = OfflineExtractor(recogniser)
    if own.llm_base_url is None or own.llm_model is None:
        return offline
    model = LlmExtractor(
        LlmOptions(
            own.llm_base_url,
            own.llm_model,
            own.llm_api_key.get_secret_value() if own.llm_api_key else None,
            own.llm_batch,
            own.llm_attempts,
            own.llm_requests_per_hour,
        ),
        recogniser,
        [*news.assets, *market],
        Fetcher(own.llm_timeout_seconds, _LLM_MAX_BYTES),
        store,
        _now,
        stop.wait,
    )
    return WithFallback(model, offline)


def _now() -> datetime:
    return datetime.now(UTC)
