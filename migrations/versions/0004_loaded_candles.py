"""Candles of history that are loaded as candles, and what could not be used of them."""

from candlewave.engine.migrate.tables import create, drop

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables."""
    create("""
CREATE TABLE loaded_candles (
    exchange VARCHAR,
    symbol VARCHAR,
    open_time TIMESTAMPTZ,
    open DOUBLE PRECISION,
    high DOUBLE PRECISION,
    low DOUBLE PRECISION,
    close DOUBLE PRECISION,
    volume DOUBLE PRECISION,
    turnover DOUBLE PRECISION,
    trades BIGINT,
    buy_volume DOUBLE PRECISION,
    source VARCHAR,
    loaded_at TIMESTAMPTZ,
    PRIMARY KEY (exchange, symbol, open_time, loaded_at)
) APPEND ONLY
ON CONFLICT DO NOTHING
INCLUDE timestamp AS ingest_ts
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}loaded_candles',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
""")
    create("""
CREATE TABLE loaded_candles_dlq (
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
    topic = '${topic_prefix}loaded_candles.dlq',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
""")


def downgrade() -> None:
    """Drop the tables."""
    drop("loaded_candles_dlq")
    drop("loaded_candles")
