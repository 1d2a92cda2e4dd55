-- news: every article as fetched; the first message of an id wins, so redelivery changes nothing.
-- grain: one row per article
-- keys: article_id
-- event time: fetched_at
-- late data: kept
-- columns:
--   source: feed it came by
--   lang: language as the feed says
--   published_at: as the source says
--   fetched_at: when it was read
--   ingest_ts: when it reached the topic
-- readers: people
CREATE TABLE news (
    article_id VARCHAR,
    url VARCHAR,
    title VARCHAR,
    summary VARCHAR,
    source VARCHAR,
    lang VARCHAR,
    published_at TIMESTAMPTZ,
    fetched_at TIMESTAMPTZ,
    PRIMARY KEY (article_id)
) APPEND ONLY
ON CONFLICT DO NOTHING
INCLUDE timestamp AS ingest_ts
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}news',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON;
