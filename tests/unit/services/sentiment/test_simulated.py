"""The source of invented headlines."""

from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files

from candlewave.services.sentiment.config import load_news_config
from candlewave.services.sentiment.entities import Recogniser
from candlewave.services.sentiment.offline.scorer import OfflineScorer
from candlewave.services.sentiment.sources.base import SourceConfig, SourceState
from candlewave.services.sentiment.sources.simulated import Simulated

NOW = datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC)
SOURCE = Simulated(SourceConfig(name="simulated", kind="simulated"))


def test_polls_follow_on_each_other_and_repeat_what_they_said() -> None:
    whole = SOURCE.poll(SourceState(newest=NOW - timedelta(hours=2)), NOW)
    first = SOURCE.poll(SourceState(newest=NOW - timedelta(hours=2)), NOW - timedelta(hours=1))
    second = SOURCE.poll(first.state, NOW)
    ids = [a.article_id for a in whole.articles]
    assert ids == [a.article_id for batch in (first, second) for a in batch.articles]
    assert len(set(ids)) == 60
    assert all(NOW - timedelta(hours=2) < a.published_at <= NOW for a in whole.articles)
    assert not SOURCE.poll(second.state, NOW).articles


def test_headlines_are_about_assets_and_of_both_signs() -> None:
    with as_file(files("candlewave.services.sentiment") / "news-simulated.toml") as path:
        news = load_news_config(path)
    recogniser, scorer = Recogniser(news.assets), OfflineScorer()
    titles = [a.title for a in SOURCE.poll(SourceState(), NOW).articles]
    assert {m.asset for t in titles for m in recogniser.find(t, "")} == {"BTC", "ETH", "SOL"}
    assert all(recogniser.find(title, "") for title in titles)
    scores = [scorer.score(title).score for title in titles]
    assert min(scores) < -0.3
    assert max(scores) > 0.3
