"""Invented headlines, for demonstrations without the internet; the source's name marks them wherever they appear."""

import random
from datetime import UTC, datetime, timedelta

from candlewave.services.sentiment.sources.base import Batch, Source, SourceState, make_article

_EVERY = timedelta(minutes=2)
_FIRST_HOURS = timedelta(hours=6)
_ASSETS = ("Bitcoin", "Ethereum", "Solana")
_EVENTS = (
    "{asset} rallies {n}% as funds report record inflows",
    "{asset} surges past resistance after {n} large buyers accumulate",
    "Regulator approves {n} new {asset} funds",
    "{asset} upgrade goes live, fees fall {n}%",
    "{asset} adoption grows: {n} merchants join",
    "{asset} tumbles {n}% as leveraged positions are liquidated",
    "Exchange hack drains {n} million dollars of {asset}",
    "{asset} plunges after {n} funds report outflows",
    "Court fines {asset} lender {n} million dollars for fraud",
    "{asset} network outage lasts {n} minutes",
    "{asset} trades sideways for {n} hours ahead of data",
    "{asset} developers schedule call number {n}",
)


class Simulated(Source):
    """One headline every two minutes. The time alone decides what it says, so replicas and restarts invent the same."""

    kind = "simulated"
    place = None

    def poll(self, state: SourceState, now: datetime) -> Batch:
        """Return the headlines since the last poll, at first those of six hours; see ``Source``."""
        when = _slot(state.newest or now - _FIRST_HOURS)
        articles = []
        while (when := when + _EVERY) <= now:
            draw = random.Random(f"{self.name} {when.timestamp():.0f}")
            title = draw.choice(_EVENTS).format(asset=draw.choice(_ASSETS), n=draw.randint(2, 99))
            articles.append(make_article(source=self.name, url="", title=title, summary="", published=when, now=now))
        return Batch(articles, SourceState(newest=when - _EVERY))


def _slot(when: datetime) -> datetime:
    seconds = _EVERY.total_seconds()
    return datetime.fromtimestamp(when.timestamp() // seconds * seconds, UTC)
