"""Trades, the markets they belong to, and what could not be used."""

from candlewave.engine.migrate.tables import create, drop

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    create("""
CREATE TABLE symbols (
    exchange VARCHAR,
    symbol VARCHAR,
    base VARCHAR,
    quote VARCHAR,
    PRIMARY KEY (exchange, symbol)
)
""")
    create("""
CREATE TABLE trades (
    exchange VARCHAR,
    symbol VARCHAR,
    trade_id VARCHAR,
    kind VARCHAR,
    seq BIGINT,
    ts TIMESTAMPTZ,
    side VARCHAR,
    price DOUBLE PRECISION,
    quantity DOUBLE PRECISION,
    origin VARCHAR,
    PRIMARY KEY (exchange, symbol, trade_id)
) APPEND ONLY
ON CONFLICT DO NOTHING
INCLUDE timestamp AS ingest_ts
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}trades',
    ${kafka_properties},
    ${trades_retention}scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
""")
    create("""
CREATE TABLE trades_dlq (
    topic VARCHAR,
    id VARCHAR,
    payload_base64 VARCHAR,
    reason VARCHAR,
    source VARCHAR,
    position VARCHAR,
    occurred_at TIMESTAMPTZ,
    PRIMARY KEY (topic, id)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}trades.dlq',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
""")
    create("""
CREATE TABLE news_dlq (
    topic VARCHAR,
    id VARCHAR,
    payload_base64 VARCHAR,
    reason VARCHAR,
    source VARCHAR,
    position VARCHAR,
    occurred_at TIMESTAMPTZ,
    PRIMARY KEY (topic, id)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}news.dlq',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
""")
    create("""
CREATE TABLE clock_exclusions (
    exchange VARCHAR,
    symbol VARCHAR,
    minute TIMESTAMPTZ,
    reason VARCHAR,
    PRIMARY KEY (exchange, symbol, minute)
)
""")
    create("""
CREATE TABLE loaded_ranges (
    exchange VARCHAR,
    symbol VARCHAR,
    source VARCHAR,
    range_from TIMESTAMPTZ,
    range_to TIMESTAMPTZ,
    state VARCHAR,
    reached VARCHAR,
    trades BIGINT,
    updated_at TIMESTAMPTZ,
    PRIMARY KEY (exchange, symbol, source, range_from)
)
""")


def downgrade() -> None:
    """Drop the tables."""
    drop("loaded_ranges")
    drop("clock_exclusions")
    drop("news_dlq")
    drop("trades_dlq")
    drop("trades")
    drop("symbols")
