-- trades: every trade and heartbeat as published; the first message of a key wins, so redelivery changes nothing.
-- grain: one row per exchange, symbol, trade_id
-- keys: exchange, symbol, trade_id
-- event time: ts
-- late data: kept; there is no watermark, which would drop late rows unseen
-- readers: candles_1m_live, clock_minutes, late_trades, trades_rejected
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
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON;
