"""The service ``sentiment-extractor``: one half asks sources and publishes articles, the other scores them."""

import threading
from collections.abc import Sequence
from datetime import timedelta

from candlewave.bus.protocol import BusUnavailableError, PublishError
from candlewave.contracts.topics import NEWS, NEWS_DLQ, NEWS_SENTIMENT
from candlewave.core.config import Config
from candlewave.core.times import utc_now
from candlewave.services.frame import Service
from candlewave.services.sentiment.collect import Collector
from candlewave.services.sentiment.config import NewsConfig
from candlewave.services.sentiment.entities import Recogniser
from candlewave.services.sentiment.extract import Extractor, OfflineExtractor, WithFallback
from candlewave.services.sentiment.fetch import Fetcher
from candlewave.services.sentiment.llm import LlmExtractor, LlmOptions
from candlewave.services.sentiment.score import GROUP, Scoring
from candlewave.services.sentiment.settings import SentimentSettings
from candlewave.services.sentiment.sources import open_sources
from candlewave.services.sentiment.store import ArticleStore
from candlewave.telemetry.admin import Status

_PAUSE_SECONDS = 1.0
_LLM_MAX_BYTES = 2_000_000


def main(service: Service, config: Config, news: NewsConfig, settings: SentimentSettings) -> None:
    """Run until the service stops.

    Raises:
        BusError: the bus cannot be reached at the start.
    """
    service.bus.ensure_topics([NEWS, NEWS_DLQ, NEWS_SENTIMENT])
    store = ArticleStore(service.settings.data_dir / "sentiment.sqlite3")
    service.on_close("store", store.close)
    fetcher = Fetcher(settings.fetch_timeout_seconds, settings.fetch_max_bytes)
    sources = open_sources(
        news.sources,
        settings,
        fetcher,
        lambda name, reason: service.log.warning("source is off", source=name, reason=reason),
    )
    scoring = Scoring(
        service.bus,
        make_extractor(service.stop, assets_of(config, news), news, settings, store),
        clock=utc_now,
        batch=3 * settings.llm_batch if settings.llm_base_url else 500,
    )
    service.thread("scoring", scoring.run)
    shards = service.shards(f"{GROUP}-sources")
    collector = Collector(
        sources,
        store,
        service.bus,
        poll=timedelta(seconds=news.poll_seconds),
        max_age=timedelta(hours=settings.max_article_age_hours),
        clock=utc_now,
        owns=lambda name: shards.owns(f"news|{name}"),
    )
    service.supervise(
        f"topic {NEWS.name}",
        lambda status: _collect(service, collector, status),
        retry=(BusUnavailableError, PublishError),
        pause_seconds=_PAUSE_SECONDS,
    )


def _collect(service: Service, collector: Collector, status: Status) -> None:
    while not service.stop.is_set():
        collector.collect()
        status.problem = None
        left = (collector.next_due() - utc_now()).total_seconds()
        service.stop.wait(min(max(left, 0.2), _PAUSE_SECONDS))


def assets_of(config: Config, news: NewsConfig) -> Sequence[str]:
    """Return the assets that market-wide news counts for: the base of every configured market, and those listed."""
    return list(dict.fromkeys([*(market.base for market in config.markets), *news.all_assets]))


def make_extractor(
    stop: threading.Event, market: Sequence[str], news: NewsConfig, settings: SentimentSettings, store: ArticleStore
) -> Extractor:
    """Return the offline extractor, behind the language model if one is configured."""
    recogniser = Recogniser(news.assets, market)
    offline = OfflineExtractor(recogniser)
    if settings.llm_base_url is None or settings.llm_model is None:
        return offline
    model = LlmExtractor(
        LlmOptions(
            settings.llm_base_url,
            settings.llm_model,
            settings.llm_api_key.get_secret_value() if settings.llm_api_key else None,
            settings.llm_batch,
            settings.llm_attempts,
            settings.llm_requests_per_hour,
        ),
        recogniser,
        [*news.assets, *market],
        Fetcher(settings.llm_timeout_seconds, _LLM_MAX_BYTES),
        store,
        utc_now,
        stop.wait,
    )
    return WithFallback(model, offline)
