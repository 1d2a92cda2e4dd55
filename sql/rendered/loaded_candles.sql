-- loaded_candles: one-minute candles of history as loaded, one for each load: the newest load of a minute counts. Each
--   load adds its rows and overwrites none, so a restated minute changes its candle, a repeated message changes nothing,
--   and what was loaded before stays to be compared with (loaded_candles_restated). Rows that are only ever added also
--   let RisingWave keep one value, not every row, for each maximum that candles_1m_live takes over trades and these.
-- grain: one row per exchange, symbol, minute, load
-- keys: exchange, symbol, open_time, loaded_at
-- event time: open_time
-- late data: history is late by nature: a minute known from trades is kept, any other is amended
-- columns:
--   turnover: sum of price times quantity, NULL where the source does not tell
--   trades: number of trades, NULL where the source does not tell
--   buy_volume: volume that takers bought, NULL where the source does not tell
--   source: where from, such as rest or archive
--   loaded_at: when the load began; one moment for all its candles
--   ingest_ts: when it reached the topic
-- readers: candles_1m_live, clock_minutes, loaded_candles_rejected, loaded_candles_restated
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
) FORMAT PLAIN ENCODE JSON;
