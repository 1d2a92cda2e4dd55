"""Metrics of the sentiment extractor."""

from prometheus_client import Counter, Gauge

POLLS = Counter("candlewave_sentiment_polls_total", "Times a source was asked", ["source", "outcome"])
REFUSED = Counter(
    "candlewave_sentiment_refused_answers_total", "Answers of sources that were refused", ["source", "reason"]
)
ARTICLES = Counter("candlewave_sentiment_articles_total", "Articles by what became of them", ["source", "outcome"])
PUBLISHED = Counter("candlewave_sentiment_published_articles_total", "Articles put on topic news")
WAITING = Gauge("candlewave_sentiment_waiting_articles", "Fetched articles that are not on the bus yet")
SCORES = Counter("candlewave_sentiment_scores_total", "Scores put on topic news_sentiment", ["extractor"])
SKIPPED = Counter("candlewave_sentiment_skipped_articles_total", "Articles that were not scored", ["reason"])
LLM_REQUESTS = Counter("candlewave_sentiment_llm_requests_total", "Requests to the language model", ["outcome"])
LAST_SUCCESS = Gauge(
    "candlewave_sentiment_last_success_timestamp_seconds", "When a source last answered well", ["source"]
)
NEWEST = Gauge(
    "candlewave_sentiment_newest_article_timestamp_seconds", "Publication time of the newest article", ["source"]
)
