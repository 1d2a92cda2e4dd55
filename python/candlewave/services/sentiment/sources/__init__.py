"""Sources of articles behind one interface; a new kind is a class in a file of its own, listed here."""

from collections.abc import Callable, Sequence

from candlewave.services.sentiment.fetch import Fetcher
from candlewave.services.sentiment.settings import SentimentSettings
from candlewave.services.sentiment.sources.base import Source, SourceConfig
from candlewave.services.sentiment.sources.cryptopanic import CryptoPanic
from candlewave.services.sentiment.sources.feed import Feed
from candlewave.services.sentiment.sources.folder import Folder
from candlewave.services.sentiment.sources.newsapi import NewsApi
from candlewave.services.sentiment.sources.simulated import Simulated

KINDS: dict[str, type[Source]] = {source.kind: source for source in (Feed, CryptoPanic, NewsApi, Folder, Simulated)}
"""Every kind of source by its name in configurations."""


def open_sources(
    configs: Sequence[SourceConfig],
    settings: SentimentSettings,
    fetcher: Fetcher,
    say_off: Callable[[str, str], None],
) -> list[Source]:
    """Return the configured sources; those without their key are off, and reported to ``say_off(name, reason)``."""
    opened = []
    for config in configs:
        kind = KINDS[config.kind]
        key = getattr(settings, kind.key) if kind.key else None
        text = key.get_secret_value() if key else ""
        if kind.key and not text:
            say_off(config.name, f"{SentimentSettings.model_fields[kind.key].alias} is not set")
        else:
            opened.append(kind.open(config, fetcher, text))
    return opened
