"""From the bus into the tables and views of the embedded engine."""

from datetime import timedelta

from tests.worlds.clock import Clock
from tests.worlds.engine import install
from tests.worlds.trades import CONFIG

from candlewave.bus.messages import to_message
from candlewave.bus.postgres import PostgresBus
from candlewave.contracts.topics import NEWS, NEWS_SENTIMENT, TRADES, TRADES_DLQ
from candlewave.engine.connect import connect_url
from candlewave.engine.embedded.refresh import Refresher
from candlewave.services.sentiment.config import load_news_config
from candlewave.services.sentiment.entities import Recogniser
from candlewave.services.sentiment.extract import OfflineExtractor, to_scores
from candlewave.services.sentiment.sources.base import make_article


def test_published_twice_it_is_in_the_tables_once_and_in_its_minute(
    bus: PostgresBus, database: str, clock: Clock
) -> None:
    bus.ensure_topics([TRADES, TRADES_DLQ])
    article = make_article(
        source="paper",
        url="https://paper.example/a",
        title="Bitcoin soars to record high",
        summary="",
        published=clock(),
        now=clock(),
        tags=["BTC"],
    )
    extraction = OfflineExtractor(Recogniser(load_news_config().assets)).extract([article])[0]
    assert extraction is not None
    (score,) = to_scores(article, extraction, clock)
    with connect_url(database) as conn:
        install(conn, CONFIG, layers=("sources", "views/ohlc", "views/sentiment"))
        conn.execute("INSERT INTO symbols VALUES ('x', 'BTC/USD', 'BTC', 'USD')")
        later = clock() + timedelta(minutes=1, seconds=2)
        conn.execute(
            "INSERT INTO trades (exchange, symbol, trade_id, kind, seq, ts, origin, ingest_ts)"
            " VALUES ('x', 'BTC/USD', 'hb:1', 'heartbeat', 0, %s, 'live', %s)",
            [later, later],
        )
        for _ in range(2):
            bus.publish(NEWS.name, [to_message(article)])
            bus.publish(NEWS_SENTIMENT.name, [to_message(score)])
            Refresher(conn).run_until_idle()
        assert conn.execute("SELECT title, lang, fetched_at FROM news").fetchall() == [
            ("Bitcoin soars to record high", "en", clock())
        ]
        weight = score.relevance * score.confidence
        rows = conn.execute("SELECT asset, minute, new_articles, sentiment_1h FROM sentiment_minute").fetchall()
    assert rows == [("BTC", clock(), 1, weight * score.score / (1 + weight))]
