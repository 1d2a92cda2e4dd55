-- trades: every trade and heartbeat as published; the first message of a key wins, so redelivery changes nothing.
-- grain: one row per exchange, symbol, trade_id
-- keys: exchange, symbol, trade_id
-- event time: ts
-- late data: kept; there is no watermark, which would drop late rows unseen
-- columns:
--   kind: trade, heartbeat, or conflict: a trade whose id another one used before, under an id of its own
--   seq: order inside a market when times are equal
--   ts: when it happened
--   side: the taker's: buy or sell, NULL where the source does not tell
--   origin: live, backfill or replay
--   ingest_ts: when it reached the topic
-- readers: candles_1m_live, clock_minutes, fill_prices, late_trades, trades_rejected
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
