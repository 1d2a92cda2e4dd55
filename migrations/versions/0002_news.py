"""Articles, and what each of them means for each asset."""

from candlewave.engine.migrate.tables import create, drop

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables."""
    create("""
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
) FORMAT PLAIN ENCODE JSON
""")
    create("""
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
) FORMAT PLAIN ENCODE JSON
""")


def downgrade() -> None:
    """Drop the tables."""
    drop("news_sentiment")
    drop("news")
