"""From feeds to topics: watermarks, repetition, dead letters, outages, kills."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from tests.worlds.clock import Clock
from tests.worlds.web import Reply, Web

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import BusUnavailableError, Message
from candlewave.contracts.records import Article, AssetScore, DeadLetter, decode
from candlewave.contracts.topics import NEWS, NEWS_DLQ, NEWS_SENTIMENT
from candlewave.services.sentiment.collect import Collector
from candlewave.services.sentiment.config import load_news_config
from candlewave.services.sentiment.entities import Recogniser
from candlewave.services.sentiment.extract import Extraction, OfflineExtractor
from candlewave.services.sentiment.fetch import Fetcher
from candlewave.services.sentiment.score import GROUP, Scoring
from candlewave.services.sentiment.sources.base import Batch, SourceConfig, SourceState
from candlewave.services.sentiment.sources.feed import Feed
from candlewave.services.sentiment.store import ArticleStore


def rss(*titles: str, when: str = "Mon, 04 May 2026 11:30:00 GMT", site: str = "a") -> bytes:
    items = "".join(
        f"<item><title>{t}</title><link>https://{site}.example/{t.replace(' ', '-')}</link>"
        f"<pubDate>{when}</pubDate></item>"
        for t in titles
    )
    return f"<rss><channel><language>en</language>{items}</channel></rss>".encode()


Build = Callable[..., Collector]


@pytest.fixture
def build(web: Web, store: ArticleStore, bus: PostgresBus, clock: Clock) -> Build:
    def make(*paths: str, bus: PostgresBus = bus, store: ArticleStore = store) -> Collector:
        feeds = [
            Feed(SourceConfig(name=path, kind="rss", url=web.url(f"/{path}"), allow_private=True), Fetcher(5.0, 50_000))
            for path in paths or ("paper",)
        ]
        return Collector(
            feeds,
            store,
            bus,
            poll=timedelta(seconds=60),
            max_age=timedelta(hours=48),
            clock=clock,
        )

    return make


def messages(bus: PostgresBus, topic: str) -> list[bytes]:
    """Everything on a topic, as a group of its own reads it."""
    found: list[bytes] = []
    with bus.subscribe("test-reader", [topic]) as subscription:
        wanted = sum(bus.end_offsets(topic).values())
        while len(found) < wanted:
            found += [m.value or b"" for m in subscription.poll(1000, 5.0)]
    return found


def titles(bus: PostgresBus) -> list[str]:
    return sorted(decode(Article, m).title for m in messages(bus, NEWS.name))


def test_article_is_published_once_however_often_it_is_seen(
    web: Web, build: Build, bus: PostgresBus, clock: Clock
) -> None:
    web.reply("/paper", Reply(body=rss("Bitcoin rises")), Reply(body=rss("Bitcoin rises", "Ether falls today")))
    build().collect()
    collector = build()  # as after a restart
    for _ in range(3):
        clock.advance(seconds=61)
        collector.collect()
    assert titles(bus) == ["Bitcoin rises", "Ether falls today"]


class FailsAt:
    """An extractor with a fault that one article brings out."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.offline = OfflineExtractor(Recogniser(load_news_config().assets, ["BTC"]))

    def extract(self, articles: Sequence[Article]) -> list[Extraction | None]:
        for article in articles:
            if article.title == self.title:
                raise IndexError("string index out of range")
        return self.offline.extract(articles)  # type: ignore[return-value]


def test_an_article_that_breaks_the_extractor_is_rejected_alone(
    web: Web, build: Build, bus: PostgresBus, clock: Clock
) -> None:
    web.reply("/paper", Reply(body=rss("Bitcoin rises", "Odd one", "Ether falls today")))
    build("paper").collect()
    scoring = Scoring(bus, FailsAt("Odd one"), clock=clock)
    with bus.subscribe(GROUP, [NEWS.name]) as subscription:
        while scoring.step(subscription, 1.0):
            pass
    (letter,) = [decode(DeadLetter, m) for m in messages(bus, NEWS_DLQ.name)]
    assert letter.reason == "the extractor failed: IndexError: string index out of range"
    assert len({decode(AssetScore, m).article_id for m in messages(bus, NEWS_SENTIMENT.name)}) == 2


class FallsOver:
    """A source whose parser has a fault."""

    name, poll_seconds, replays = "broken", None, False

    def poll(self, _state: SourceState, _now: datetime) -> Batch:
        raise AssertionError("unexpected status keyword")


def test_a_source_that_fails_in_any_way_backs_off_and_the_others_go_on(
    web: Web, store: ArticleStore, bus: PostgresBus, clock: Clock
) -> None:
    web.reply("/paper", Reply(body=rss("Bitcoin rises")))
    paper = Feed(SourceConfig(name="p", kind="rss", url=web.url("/paper"), allow_private=True), Fetcher(5.0, 50_000))
    options = {"poll": timedelta(seconds=60), "max_age": timedelta(hours=48), "clock": clock}
    collector = Collector([FallsOver(), paper], store, bus, **options)
    with capture_logs() as said:
        collector.collect()
    assert titles(bus) == ["Bitcoin rises"]
    assert (said[0]["source"], said[0]["error"]) == ("broken", "AssertionError: unexpected status keyword")
    assert polls("broken", "error") == 1
    clock.advance(seconds=61)
    collector.collect()  # it waits twice as long after a failure
    assert polls("broken", "error") == 1


def polls(source: str, outcome: str) -> float | None:
    return REGISTRY.get_sample_value("candlewave_sentiment_polls_total", {"source": source, "outcome": outcome})


def test_an_article_of_unknown_date_is_kept_and_scored_without_one(web: Web, build: Build, bus: PostgresBus) -> None:
    web.reply("/paper", Reply(body=rss("Bitcoin rises", when="some day")))
    build().collect()
    [article] = [decode(Article, m) for m in messages(bus, NEWS.name)]
    assert article.published_at is None


def test_known_story_at_another_address_is_left_out(web: Web, build: Build, bus: PostgresBus) -> None:
    web.reply("/one", Reply(body=rss("Exchange halts withdrawals after $5 million hack")))
    web.reply("/two", Reply(body=rss("Exchange halts withdrawals after a $5 million hack", site="b")))
    web.reply("/three", Reply(body=rss("Exchange halts withdrawals after $9 million hack", site="c")))
    build("one", "two", "three").collect()
    assert titles(bus) == [
        "Exchange halts withdrawals after $5 million hack",
        "Exchange halts withdrawals after $9 million hack",
    ]


def test_source_is_asked_again_only_when_due_and_less_often_when_it_fails(web: Web, build: Build, clock: Clock) -> None:
    web.reply("/paper", Reply(500))
    collector = build()
    asked = []
    for _ in range(40):
        collector.collect()
        asked.append(len(web.requests))
        clock.advance(seconds=30)
    moments = [i * 30 for i in range(1, 40) if asked[i] > asked[i - 1]]
    assert moments == [120, 360, 840]


def test_retry_after_is_kept(web: Web, build: Build, clock: Clock) -> None:
    web.reply("/paper", Reply(429, headers={"Retry-After": "1500"}))
    collector = build()
    collector.collect()
    assert collector.next_due() == clock() + timedelta(seconds=1500)


def test_hostile_source_does_not_keep_others_back(web: Web, build: Build, bus: PostgresBus) -> None:
    web.reply("/bomb", Reply(body=b'<!DOCTYPE x [<!ENTITY a "b">]><rss/>'))
    web.reply("/huge", Reply(body=b"x" * 60_000))
    web.reply("/inside", Reply(302, headers={"Location": "http://169.254.169.254/"}))
    web.reply("/good", Reply(body=rss("Good news")))
    from prometheus_client import REGISTRY

    def refused(source: str, reason: str) -> float:
        labels = {"source": source, "reason": reason}
        return REGISTRY.get_sample_value("candlewave_sentiment_refused_answers_total", labels) or 0.0

    build("bomb", "huge", "inside", "good").collect()
    assert titles(bus) == ["Good news"]
    assert refused("bomb", "doctype") == 1
    assert refused("huge", "too_large") == 1
    assert refused("inside", "private_address") == 1


def test_what_is_no_article_goes_to_the_dead_letters(web: Web, build: Build, bus: PostgresBus) -> None:
    web.reply("/paper", Reply(body=rss("", "Good")))
    build().collect()
    letter = decode(DeadLetter, messages(bus, NEWS_DLQ.name)[0])
    assert (letter.topic, letter.source, letter.position, letter.reason) == (
        "news",
        "paper",
        "item 1",
        "item has no title",
    )


def test_old_articles_of_a_live_feed_are_left_out(web: Web, build: Build, bus: PostgresBus) -> None:
    web.reply("/paper", Reply(body=rss("Old", when="Fri, 01 May 2026 11:59:00 GMT")))
    build().collect()
    assert titles(bus) == []


def test_articles_wait_while_the_bus_is_away(
    web: Web, build: Build, bus: PostgresBus, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise BusUnavailableError("gone")

    web.reply("/paper", Reply(body=rss("Kept")), Reply(304))
    collector = build()
    with monkeypatch.context() as patch:
        patch.setattr(bus, "publish", away)
        with pytest.raises(BusUnavailableError):
            collector.collect()
    clock.advance(seconds=61)
    collector.collect()
    assert titles(bus) == ["Kept"]


@pytest.mark.parametrize(
    ("where", "copies"), [("before keeping", 1), ("before publishing", 1), ("after publishing", 2)]
)
def test_killed_collector_publishes_after_its_restart(
    web: Web, build: Build, bus: PostgresBus, database: str, tmp_path: Path, where: str, copies: int
) -> None:
    """Killed after the publish and before noting it, the same bytes come twice: readers drop the second by its id."""
    # The second answer is empty: what was fetched before the kill cannot be fetched again, unless nothing was kept.
    again = Reply(body=rss("Bitcoin rises")) if where == "before keeping" else Reply(body=rss())
    web.reply("/paper", Reply(body=rss("Bitcoin rises")), again)
    folder = tmp_path / "killed"
    killed = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("killed.py")), database, str(folder), web.url("/paper"), where],
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    restarted = ArticleStore(folder / "sentiment.sqlite3")
    build(store=restarted).collect()
    build(store=restarted).collect()
    restarted.close()
    found = messages(bus, NEWS.name)
    assert len(found) == copies
    assert len(set(found)) == 1
    assert decode(Article, found[0]).title == "Bitcoin rises"


def scoring(bus: PostgresBus, clock: Clock, extractor: object = None) -> Scoring:
    offline = OfflineExtractor(Recogniser(load_news_config().assets, ["BTC", "ETH"]))
    return Scoring(bus, extractor or offline, clock=clock)  # type: ignore[arg-type]


def score_all(bus: PostgresBus, scorer: Scoring) -> None:
    with bus.subscribe(GROUP, [NEWS.name]) as subscription:
        while sum(bus.lag(GROUP, [NEWS.name]).values()):
            scorer.step(subscription, 5.0)


def test_articles_become_scores_per_asset(web: Web, build: Build, bus: PostgresBus, clock: Clock) -> None:
    web.reply(
        "/paper",
        Reply(
            body=rss(
                "Solana soars to record high",
                "Crypto market plunges",
                "Weather is fine",
                "Krypto fällt und die Börse auch",
            )
        ),
    )
    build().collect()
    clock.advance(seconds=5)
    score_all(bus, scoring(bus, clock))
    scores = [decode(AssetScore, m) for m in messages(bus, NEWS_SENTIMENT.name)]
    assert sorted((s.asset, s.score > 0, s.relevance) for s in scores) == [
        ("BTC", False, 0.25),
        ("ETH", False, 0.25),
        ("SOL", True, 1.0),
    ]
    assert {s.scored_at for s in scores} == {clock()}
    assert {s.fetched_at for s in scores} == {clock() - timedelta(seconds=5)}
    assert {(s.extractor, s.extractor_version) for s in scores} == {("offline", "lexicon-1")}


def test_message_that_is_no_article_goes_to_the_dead_letters(bus: PostgresBus, clock: Clock) -> None:
    bus.publish(NEWS.name, [Message(b"{broken", "k"), Message(None, "k"), Message(b"\xff\x00", "k")])
    score_all(bus, scoring(bus, clock))
    assert len(messages(bus, NEWS_DLQ.name)) == 3
    assert messages(bus, NEWS_SENTIMENT.name) == []


def test_article_no_extractor_can_read_goes_to_the_dead_letters(
    web: Web, build: Build, bus: PostgresBus, clock: Clock
) -> None:
    class Failing:
        def extract(self, articles: list[Article]) -> list[Extraction | None]:
            return [None for _ in articles]

    web.reply("/paper", Reply(body=rss("Bitcoin rises")))
    build().collect()
    score_all(bus, scoring(bus, clock, Failing()))
    assert [decode(DeadLetter, m).reason for m in messages(bus, NEWS_DLQ.name)] == ["no extractor could read it"]


def test_scores_that_were_not_published_are_made_again(
    web: Web, build: Build, bus: PostgresBus, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.reply("/paper", Reply(body=rss("Bitcoin rises")))
    build().collect()
    stop = threading.Event()
    publish = bus.publish
    failures = iter([BusUnavailableError("gone")])

    def sometimes(topic: str, batch: Iterable[Message]) -> None:
        error = next(failures, None)
        if error is not None:
            raise error
        publish(topic, batch)
        stop.set()

    monkeypatch.setattr(bus, "publish", sometimes)
    scoring(bus, clock).run(stop)
    assert [decode(AssetScore, m).asset for m in messages(bus, NEWS_SENTIMENT.name)] == ["BTC"]
    assert sum(bus.lag(GROUP, [NEWS.name]).values()) == 0
