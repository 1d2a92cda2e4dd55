"""Sources of articles behind one interface; :func:`open_sources` makes those that are configured."""

from collections.abc import Callable, Sequence

from candlewave.services.sentiment.config import NewsConfig, SourceConfig
from candlewave.services.sentiment.fetch import Fetcher
from candlewave.services.sentiment.settings import SentimentSettings
from candlewave.services.sentiment.sources.base import Source
from candlewave.services.sentiment.sources.cryptopanic import CryptoPanic
from candlewave.services.sentiment.sources.feed import Feed
from candlewave.services.sentiment.sources.folder import Folder
from candlewave.services.sentiment.sources.newsapi import NewsApi
from candlewave.services.sentiment.sources.simulated import Simulated

__all__ = ["Source", "open_sources"]


def open_sources(
    news: NewsConfig, settings: SentimentSettings, fetcher: Fetcher, say_off: Callable[[str, str], None]
) -> Sequence[Source]:
    """Return the configured sources; one whose key is missing is off, which ``say_off(name, reason)`` is told."""
    opened = (_open(source, settings, fetcher, say_off) for source in news.sources)
    return [source for source in opened if source is not None]


def _open(
    source: SourceConfig, settings: SentimentSettings, fetcher: Fetcher, say_off: Callable[[str, str], None]
) -> Source | None:
    if source.kind == "rss":
        return Feed(source, fetcher)
    if source.kind == "files":
        return Folder(source)
    if source.kind == "simulated":
        return Simulated(source)
    keys = {
        "cryptopanic": ("CRYPTOPANIC_API_KEY", settings.cryptopanic_api_key),
        "newsapi": ("NEWSAPI_API_KEY", settings.newsapi_api_key),
    }
    variable, key = keys[source.kind]
    if key is None or not key.get_secret_value():
        say_off(source.name, f"{variable} is not set")
        return None
    kind = CryptoPanic if source.kind == "cryptopanic" else NewsApi
    return kind(source, fetcher, key.get_secret_value())
