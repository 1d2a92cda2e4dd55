-- news_sentiment: what each article means for each asset, by each version of each extractor that scored it.
-- grain: one row per article_id, asset, extractor_version
-- keys: article_id, asset, extractor_version
-- event time: scored_at
-- late data: kept; a score counts from its scored_at on
-- columns:
--   score: -1 (bad for the asset) to 1
--   confidence: 0 to 1: how sure the extractor is
--   relevance: 0 to 1: how much the article is about the asset
--   event_type: kind of news, such as listing or hack
--   extractor, extractor_version: what scored it
--   published_at: as the source says
--   fetched_at: when the article was read
--   scored_at: from then on a feature may use it
--   ingest_ts: when the score reached the topic
-- readers: sentiment_changes
CREATE TABLE news_sentiment (
    article_id VARCHAR,
    asset VARCHAR,
    score DOUBLE PRECISION,
    confidence DOUBLE PRECISION,
    relevance DOUBLE PRECISION,
    event_type VARCHAR,
    extractor VARCHAR,
    extractor_version VARCHAR,
    published_at TIMESTAMPTZ,
    fetched_at TIMESTAMPTZ,
    scored_at TIMESTAMPTZ,
    PRIMARY KEY (article_id, asset, extractor_version)
) APPEND ONLY
ON CONFLICT DO NOTHING
INCLUDE timestamp AS ingest_ts
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}news_sentiment',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON;
