"""The SQL core

Created: clock_exclusions, indicator_catalog, loaded_ranges, news_dlq, symbols, trades, trades_dlq,
    candles_1m_live, clock_minutes, dead_letters, late_trades, trades_rejected, clock_days, feed_clock,
    market_clock, candles_1m, candles, candles_live, candles_sink, indicator_sums, indicator_chunks,
    indicator_obv_carry, indicator_carry, indicator_averages, indicator_adx_carry, indicators,
    indicators_sink, signals.

Revises: nothing, it is the first
"""

from candlewave.engine.migrate.steps import Create, Drop, run

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None

CLOCK_EXCLUSIONS = """-- clock_exclusions: minutes of a feed that must not move the market clock; written by `candlewave doctor clock --repair`.
-- grain: one row per exchange, symbol, minute
-- keys: exchange, symbol, minute
-- event time: minute
-- late data: a row added later moves the clock back; rows that were closed too early are withdrawn
-- readers: clock_days
CREATE TABLE clock_exclusions (
    exchange VARCHAR,
    symbol VARCHAR,
    minute TIMESTAMPTZ,
    reason VARCHAR,
    PRIMARY KEY (exchange, symbol, minute)
)
"""

INDICATOR_CATALOG = """-- indicator_catalog: what each column of indicators means: unit, parameters, bars needed and bars until warm, definition.
-- grain: one row per indicator column
-- keys: name
-- event time: none
-- late data: none
-- readers: features, predictions-api, people
CREATE VIEW indicator_catalog AS
SELECT
    'sma_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'SMA' AS talib,
    'TA-Lib SMA' AS source,
    '' AS note
UNION ALL
SELECT
    'sma_50' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 50}' AS parameters,
    50 AS needs,
    50 AS warm_up,
    'SMA' AS talib,
    'TA-Lib SMA' AS source,
    '' AS note
UNION ALL
SELECT
    'ema_12' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"period": 12}' AS parameters,
    1 AS needs,
    152 AS warm_up,
    'EMA' AS talib,
    'TA-Lib EMA' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'ema_26' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"period": 26}' AS parameters,
    1 AS needs,
    330 AS warm_up,
    'EMA' AS talib,
    'TA-Lib EMA' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'ema_50' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"period": 50}' AS parameters,
    1 AS needs,
    634 AS warm_up,
    'EMA' AS talib,
    'TA-Lib EMA' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'ema_200' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"period": 200}' AS parameters,
    1 AS needs,
    2533 AS warm_up,
    'EMA' AS talib,
    'TA-Lib EMA' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'wma_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'WMA' AS talib,
    'TA-Lib WMA' AS source,
    '' AS note
UNION ALL
SELECT
    'dema_20' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"period": 20}' AS parameters,
    1 AS needs,
    508 AS warm_up,
    'DEMA' AS talib,
    'TA-Lib DEMA' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'tema_20' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"period": 20}' AS parameters,
    1 AS needs,
    508 AS warm_up,
    'TEMA' AS talib,
    'TA-Lib TEMA' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'macd_12_26_9' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"fast": 12, "slow": 26, "signal": 9}' AS parameters,
    1 AS needs,
    330 AS warm_up,
    'MACD' AS talib,
    'TA-Lib MACD (Appel)' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'macd_signal_12_26_9' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"fast": 12, "slow": 26, "signal": 9}' AS parameters,
    1 AS needs,
    660 AS warm_up,
    'MACD' AS talib,
    'TA-Lib MACD (Appel)' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'macd_hist_12_26_9' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"fast": 12, "slow": 26, "signal": 9}' AS parameters,
    1 AS needs,
    660 AS warm_up,
    'MACD' AS talib,
    'TA-Lib MACD (Appel)' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'rsi_14' AS name,
    'exponential' AS kind,
    'bounded' AS unit,
    '{"period": 14}' AS parameters,
    2 AS needs,
    343 AS warm_up,
    'RSI' AS talib,
    'TA-Lib RSI (Wilder)' AS source,
    'NULL when neither gain nor loss is remembered; TA-Lib gives 0.' AS note
UNION ALL
SELECT
    'stoch_rsi_k_14_3_3' AS name,
    'exponential' AS kind,
    'bounded' AS unit,
    '{"rsi": 14, "period": 14, "k": 3, "d": 3}' AS parameters,
    17 AS needs,
    358 AS warm_up,
    'STOCHRSI' AS talib,
    'TA-Lib STOCHRSI (Chande, Kroll)' AS source,
    'NULL when RSI moves by at most 1e-7. k is TA-Lib''s fastd; d averages k once more.' AS note
UNION ALL
SELECT
    'stoch_rsi_d_14_3_3' AS name,
    'exponential' AS kind,
    'bounded' AS unit,
    '{"rsi": 14, "period": 14, "k": 3, "d": 3}' AS parameters,
    19 AS needs,
    360 AS warm_up,
    'STOCHRSI' AS talib,
    'TA-Lib STOCHRSI (Chande, Kroll)' AS source,
    'NULL when RSI moves by at most 1e-7. k is TA-Lib''s fastd; d averages k once more.' AS note
UNION ALL
SELECT
    'stochastic_k_14_3_3' AS name,
    'window' AS kind,
    'bounded' AS unit,
    '{"k": 14, "smooth": 3, "d": 3}' AS parameters,
    16 AS needs,
    16 AS warm_up,
    'STOCH' AS talib,
    'TA-Lib STOCH (Lane)' AS source,
    'NULL when the window''s range is zero; TA-Lib gives 0.' AS note
UNION ALL
SELECT
    'stochastic_d_14_3_3' AS name,
    'window' AS kind,
    'bounded' AS unit,
    '{"k": 14, "smooth": 3, "d": 3}' AS parameters,
    18 AS needs,
    18 AS warm_up,
    'STOCH' AS talib,
    'TA-Lib STOCH (Lane)' AS source,
    'NULL when the window''s range is zero; TA-Lib gives 0.' AS note
UNION ALL
SELECT
    'cci_20' AS name,
    'window' AS kind,
    'bounded' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'CCI' AS talib,
    'TA-Lib CCI (Lambert)' AS source,
    'Unbounded in theory; most values lie within 100 of 0. NULL on a flat window; TA-Lib gives 0.' AS note
UNION ALL
SELECT
    'roc_10' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 10}' AS parameters,
    11 AS needs,
    11 AS warm_up,
    'ROC' AS talib,
    'TA-Lib ROC' AS source,
    'In percent.' AS note
UNION ALL
SELECT
    'mom_10' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 10}' AS parameters,
    11 AS needs,
    11 AS warm_up,
    'MOM' AS talib,
    'TA-Lib MOM' AS source,
    '' AS note
UNION ALL
SELECT
    'williams_r_14' AS name,
    'window' AS kind,
    'bounded' AS unit,
    '{"period": 14}' AS parameters,
    14 AS needs,
    14 AS warm_up,
    'WILLR' AS talib,
    'TA-Lib WILLR (Williams)' AS source,
    'NULL when the window''s range is zero; TA-Lib gives 0.' AS note
UNION ALL
SELECT
    'adx_14' AS name,
    'exponential' AS kind,
    'bounded' AS unit,
    '{"period": 14}' AS parameters,
    2 AS needs,
    685 AS warm_up,
    'ADX' AS talib,
    'TA-Lib ADX (Wilder)' AS source,
    'Bars without any directional movement in memory add nothing.' AS note
UNION ALL
SELECT
    'plus_di_14' AS name,
    'exponential' AS kind,
    'bounded' AS unit,
    '{"period": 14}' AS parameters,
    2 AS needs,
    343 AS warm_up,
    'PLUS_DI' AS talib,
    'TA-Lib PLUS_DI (Wilder)' AS source,
    'NULL when the remembered range is zero; TA-Lib gives 0.' AS note
UNION ALL
SELECT
    'minus_di_14' AS name,
    'exponential' AS kind,
    'bounded' AS unit,
    '{"period": 14}' AS parameters,
    2 AS needs,
    343 AS warm_up,
    'MINUS_DI' AS talib,
    'TA-Lib MINUS_DI (Wilder)' AS source,
    'NULL when the remembered range is zero; TA-Lib gives 0.' AS note
UNION ALL
SELECT
    'bollinger_upper_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20, "deviations": 2.0}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'BBANDS' AS talib,
    'TA-Lib BBANDS (Bollinger)' AS source,
    'Population standard deviation, exactly 0 on a flat window.' AS note
UNION ALL
SELECT
    'bollinger_middle_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20, "deviations": 2.0}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'BBANDS' AS talib,
    'TA-Lib BBANDS (Bollinger)' AS source,
    '' AS note
UNION ALL
SELECT
    'bollinger_lower_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20, "deviations": 2.0}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'BBANDS' AS talib,
    'TA-Lib BBANDS (Bollinger)' AS source,
    'Population standard deviation, exactly 0 on a flat window.' AS note
UNION ALL
SELECT
    'bollinger_width_20' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 20, "deviations": 2.0}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    NULL::varchar AS talib,
    'TA-Lib BBANDS (Bollinger)' AS source,
    '(upper - lower) / middle.' AS note
UNION ALL
SELECT
    'bollinger_percent_b_20' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 20, "deviations": 2.0}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    NULL::varchar AS talib,
    'TA-Lib BBANDS (Bollinger)' AS source,
    '(close - lower) / (upper - lower); NULL on a flat window.' AS note
UNION ALL
SELECT
    'atr_14' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"period": 14}' AS parameters,
    2 AS needs,
    343 AS warm_up,
    'ATR' AS talib,
    'TA-Lib ATR (Wilder)' AS source,
    'The first bar after a hole has no previous close and therefore no true range.' AS note
UNION ALL
SELECT
    'natr_14' AS name,
    'exponential' AS kind,
    'ratio' AS unit,
    '{"period": 14}' AS parameters,
    2 AS needs,
    343 AS warm_up,
    'NATR' AS talib,
    'TA-Lib NATR' AS source,
    'In percent.' AS note
UNION ALL
SELECT
    'keltner_upper_20_10' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"ema": 20, "atr": 10, "multiplier": 2.0}' AS parameters,
    2 AS needs,
    254 AS warm_up,
    NULL::varchar AS talib,
    'EMA of closes and Wilder''s ATR (Raschke''s form of Keltner''s channel)' AS source,
    '' AS note
UNION ALL
SELECT
    'keltner_middle_20_10' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"ema": 20, "atr": 10, "multiplier": 2.0}' AS parameters,
    1 AS needs,
    254 AS warm_up,
    NULL::varchar AS talib,
    'EMA of closes and Wilder''s ATR (Raschke''s form of Keltner''s channel)' AS source,
    '' AS note
UNION ALL
SELECT
    'keltner_lower_20_10' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"ema": 20, "atr": 10, "multiplier": 2.0}' AS parameters,
    2 AS needs,
    254 AS warm_up,
    NULL::varchar AS talib,
    'EMA of closes and Wilder''s ATR (Raschke''s form of Keltner''s channel)' AS source,
    '' AS note
UNION ALL
SELECT
    'donchian_upper_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'MAX' AS talib,
    'TA-Lib MAX of highs (Donchian)' AS source,
    '' AS note
UNION ALL
SELECT
    'donchian_middle_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    NULL::varchar AS talib,
    'mean of upper and lower (Donchian)' AS source,
    '' AS note
UNION ALL
SELECT
    'donchian_lower_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'MIN' AS talib,
    'TA-Lib MIN of lows (Donchian)' AS source,
    '' AS note
UNION ALL
SELECT
    'obv' AS name,
    'running' AS kind,
    'volume' AS unit,
    '{}' AS parameters,
    2 AS needs,
    2 AS warm_up,
    'OBV' AS talib,
    'TA-Lib OBV (Granville)' AS source,
    'Starts anew at 00:00 UTC; TA-Lib runs on. A bar without a previous close adds nothing.' AS note
UNION ALL
SELECT
    'vwap_60' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 60}' AS parameters,
    60 AS needs,
    60 AS warm_up,
    NULL::varchar AS talib,
    'sum of turnover / sum of volume' AS source,
    'NULL when nothing was traded in the window.' AS note
UNION ALL
SELECT
    'mfi_14' AS name,
    'window' AS kind,
    'bounded' AS unit,
    '{"period": 14}' AS parameters,
    15 AS needs,
    15 AS warm_up,
    'MFI' AS talib,
    'TA-Lib MFI (Quong, Soudack)' AS source,
    'NULL when no money flowed; TA-Lib gives 0 below 1 unit of quote currency.' AS note
UNION ALL
SELECT
    'cmf_20' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    NULL::varchar AS talib,
    'Chaikin money flow' AS source,
    'A bar whose high equals its low counts as no flow; NULL when nothing was traded in the window.' AS note
UNION ALL
SELECT
    'order_flow_20' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    NULL::varchar AS talib,
    'taker buy volume / volume' AS source,
    '0.5 is balance. Bars whose buy volume is unknown count in neither sum.' AS note
UNION ALL
SELECT
    'log_return' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{}' AS parameters,
    2 AS needs,
    2 AS warm_up,
    NULL::varchar AS talib,
    'ln(close / previous close)' AS source,
    '' AS note
UNION ALL
SELECT
    'realised_volatility_60' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 60}' AS parameters,
    61 AS needs,
    61 AS warm_up,
    NULL::varchar AS talib,
    'square root of the sum of squared log returns (Andersen, Bollerslev 1998)' AS source,
    'Of the window, not annualised.' AS note
UNION ALL
SELECT
    'return_zscore_60' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 60}' AS parameters,
    61 AS needs,
    61 AS warm_up,
    NULL::varchar AS talib,
    '(log return - mean) / population standard deviation' AS source,
    'NULL when all returns of the window are equal.' AS note
UNION ALL
SELECT
    'amihud_60' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 60}' AS parameters,
    61 AS needs,
    61 AS warm_up,
    NULL::varchar AS talib,
    'mean of |log return| per million of turnover (Amihud 2002)' AS source,
    'Bars without turnover do not count.' AS note
"""

LOADED_RANGES = """-- loaded_ranges: which history of a market was loaded from where, so that no range is loaded from two places and counts twice.
-- grain: one row per exchange, symbol, source and begin of a range
-- keys: exchange, symbol, source, range_from
-- event time: range_from
-- late data: not applicable; a row is overwritten as its load goes on
-- readers: backfill, trade-to-ohlc, plan
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
"""

NEWS_DLQ = """-- news_dlq: what could not be used on the way to topic news, with the reason and the original bytes.
-- grain: one row per rejected message
-- keys: topic, id
-- event time: occurred_at
-- late data: kept
-- readers: dead_letters
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
"""

SYMBOLS = """-- symbols: the markets that are known, with their base and quote assets; filled from candlewave.toml and by replay.
-- grain: one row per exchange, symbol
-- keys: exchange, symbol
-- event time: none
-- late data: not applicable
-- readers: predictions-api, features
CREATE TABLE symbols (
    exchange VARCHAR,
    symbol VARCHAR,
    base VARCHAR,
    quote VARCHAR,
    PRIMARY KEY (exchange, symbol)
)
"""

TRADES = """-- trades: every trade and heartbeat as published; the first message of a key wins, so redelivery changes nothing.
-- grain: one row per exchange, symbol, trade_id
-- keys: exchange, symbol, trade_id
-- event time: ts
-- late data: kept; no watermark, because RisingWave would drop late rows unseen
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
) FORMAT PLAIN ENCODE JSON
"""

TRADES_DLQ = """-- trades_dlq: what could not be used on the way to topic trades, with the reason and the original bytes.
-- grain: one row per rejected message
-- keys: topic, id
-- event time: occurred_at
-- late data: kept
-- readers: dead_letters
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
"""

CANDLES_1M_LIVE = """-- candles_1m_live: one-minute candles of traded minutes, the open minute too. min and max of a row keep one value of
--   state where ordered first_value and last_value would keep every trade.
-- grain: one row per exchange, symbol, traded minute
-- keys: exchange, symbol, open_time
-- event time: open_time
-- late data: a late trade amends its candle
-- footprint:
--   trades by exchange, symbol: least(ts, ingest_ts) -> open_time [-1 minute, +2 seconds]
-- readers: candles_1m, candles_live
CREATE MATERIALIZED VIEW candles_1m_live AS
SELECT
    exchange,
    symbol,
    window_start AS open_time,
    (min(ROW(ts, seq, trade_id, price))).f4 AS open,
    max(price) AS high,
    min(price) AS low,
    (max(ROW(ts, seq, trade_id, price))).f4 AS close,
    sum(quantity) AS volume,
    sum(price * quantity) AS turnover,
    count(*) AS trades,
    CASE
        WHEN count(side) = count(*) THEN sum(CASE WHEN side = 'buy' THEN quantity ELSE 0 END)
    END AS buy_volume,
    max(ingest_ts) AS last_ingest_ts
FROM TUMBLE(trades, ts, INTERVAL '1 minute')
WHERE kind = 'trade' AND (price > 0 AND price < 'Infinity'::double precision) AND (quantity > 0 AND quantity < 'Infinity'::double precision) AND ts <= ingest_ts + INTERVAL '2 seconds'
GROUP BY exchange, symbol, window_start
"""

CLOCK_MINUTES = """-- clock_minutes: how far each feed had come in each minute, by trades and heartbeats; a future-dated row counts as its arrival.
-- grain: one row per exchange, symbol, minute in which something usable arrived
-- keys: exchange, symbol, minute
-- event time: minute
-- late data: a late row can only raise the maxima of its own minute
-- footprint:
--   trades by exchange, symbol: least(ts, ingest_ts) -> minute tumble 1 minute
-- readers: clock_days, candles_1m
CREATE MATERIALIZED VIEW clock_minutes AS
WITH seen AS (
    SELECT exchange, symbol, kind, least(ts, ingest_ts) AS seen_ts
    FROM trades
    WHERE (kind = 'heartbeat' AND ts IS NOT NULL)
        OR (kind = 'trade' AND (price > 0 AND price < 'Infinity'::double precision) AND (quantity > 0 AND quantity < 'Infinity'::double precision) AND ts <= ingest_ts + INTERVAL '2 seconds')
)
SELECT
    exchange,
    symbol,
    date_trunc('minute', seen_ts, 'UTC') AS minute,
    max(seen_ts) AS last_ts,
    max(CASE WHEN kind = 'trade' THEN seen_ts END) AS last_trade_ts,
    count(CASE WHEN kind = 'heartbeat' THEN 1 END) AS heartbeats
FROM seen
GROUP BY exchange, symbol, date_trunc('minute', seen_ts, 'UTC')
"""

DEAD_LETTERS = """-- dead_letters: every message any publisher refused, from all dead-letter topics.
-- grain: one row per rejected message
-- keys: topic, id
-- event time: occurred_at
-- late data: kept
-- readers: people, telemetry
CREATE VIEW dead_letters AS
SELECT topic, id, payload_base64, reason, source, "position", occurred_at FROM trades_dlq
UNION ALL
SELECT topic, id, payload_base64, reason, source, "position", occurred_at FROM news_dlq
"""

LATE_TRADES = """-- late_trades: live trades that came after their minute had closed; they are in candles too, this is their ledger.
-- grain: one row per late trade
-- keys: exchange, symbol, trade_id
-- event time: ingest_ts
-- late data: this is the late data
-- footprint:
--   trades by exchange, symbol, trade_id: all
-- readers: trade-to-ohlc, telemetry
CREATE MATERIALIZED VIEW late_trades AS
SELECT
    exchange,
    symbol,
    trade_id,
    ts,
    ingest_ts,
    date_trunc('minute', ts, 'UTC') AS open_time,
    date_trunc('minute', ts, 'UTC') + INTERVAL '1 minute' AS close_time,
    price,
    quantity
FROM trades
WHERE kind = 'trade' AND (price > 0 AND price < 'Infinity'::double precision) AND (quantity > 0 AND quantity < 'Infinity'::double precision) AND ts <= ingest_ts + INTERVAL '2 seconds'
    AND origin = 'live'
    AND ingest_ts > date_trunc('minute', ts, 'UTC') + INTERVAL '1 minute' + INTERVAL '2 seconds'
"""

TRADES_REJECTED = """-- trades_rejected: rows of topic trades that no candle can use, each with the first reason that applies.
-- grain: one row per rejected row of trades
-- keys: exchange, symbol, trade_id
-- event time: ingest_ts
-- late data: kept
-- footprint:
--   trades by exchange, symbol, trade_id: all
-- readers: trade-to-ohlc, telemetry
CREATE MATERIALIZED VIEW trades_rejected AS
SELECT
    exchange,
    symbol,
    trade_id,
    kind,
    ts,
    side,
    price,
    quantity,
    origin,
    ingest_ts,
    CASE
        WHEN kind IS NULL OR kind <> 'trade' THEN 'unknown kind'
        WHEN ts IS NULL THEN 'no event time'
        WHEN ts > ingest_ts + INTERVAL '2 seconds' THEN 'event time in the future'
        WHEN price IS NULL THEN 'no price'
        WHEN NOT (price > 0 AND price < 'Infinity'::double precision) THEN 'price not positive'
        WHEN quantity IS NULL THEN 'no quantity'
        ELSE 'quantity not positive'
    END AS reason
FROM trades
WHERE coalesce(kind <> 'heartbeat', true)
    AND NOT coalesce(kind = 'trade' AND (price > 0 AND price < 'Infinity'::double precision) AND (quantity > 0 AND quantity < 'Infinity'::double precision) AND ts <= ingest_ts + INTERVAL '2 seconds', false)
"""

CLOCK_DAYS = """-- clock_days: how far each feed had come on each day, without the excluded minutes; keeps the step to feed_clock small.
-- grain: one row per exchange, symbol, UTC day
-- keys: exchange, symbol, day
-- event time: day
-- late data: follows clock_minutes and clock_exclusions
-- footprint:
--   clock_minutes by exchange, symbol: minute -> day tumble 1 day
--   clock_exclusions by exchange, symbol: minute -> day tumble 1 day
-- readers: feed_clock
CREATE MATERIALIZED VIEW clock_days AS
SELECT
    m.exchange,
    m.symbol,
    date_trunc('day', m.minute, 'UTC') AS day,
    max(m.last_ts) AS last_ts,
    max(m.last_trade_ts) AS last_trade_ts
FROM clock_minutes AS m
LEFT JOIN clock_exclusions AS x
    ON m.exchange = x.exchange AND m.symbol = x.symbol AND m.minute = x.minute
WHERE x.minute IS NULL
GROUP BY m.exchange, m.symbol, date_trunc('day', m.minute, 'UTC')
"""

FEED_CLOCK = """-- feed_clock: newest event of each feed; a forecast waits until its own feed has passed the bar's close plus grace.
-- grain: one row per exchange, symbol
-- keys: exchange, symbol
-- event time: none
-- late data: never goes back, except by clock_exclusions
-- footprint:
--   clock_days by exchange, symbol: all
-- readers: market_clock, price-predictor, telemetry
CREATE MATERIALIZED VIEW feed_clock AS
SELECT
    exchange,
    symbol,
    max(last_ts) AS last_ts,
    max(last_trade_ts) AS last_trade_ts
FROM clock_days
GROUP BY exchange, symbol
"""

MARKET_CLOCK = """-- market_clock: the minute up to which candles are closed: the newest event of any feed, less the grace for late trades.
-- grain: one row; closed_until is NULL before the first event
-- keys: clock_id
-- event time: none
-- late data: goes back only by clock_exclusions
-- footprint:
--   feed_clock: full
-- readers: candles_1m, candles, candles_live
CREATE MATERIALIZED VIEW market_clock AS
SELECT
    1 AS clock_id,
    date_trunc('minute', max(last_ts) - INTERVAL '2 seconds', 'UTC') AS closed_until
FROM feed_clock
"""

CANDLES_1M = """-- candles_1m: closed one-minute candles without gaps; a minute without trades carries the last close for at most
--   240 minutes, beyond that is a hole.
-- grain: one row per exchange, symbol, closed minute
-- keys: exchange, symbol, open_time
-- event time: open_time
-- late data: amends the candle and the filled minutes after it
-- footprint:
--   candles_1m_live by exchange, symbol: open_time -> open_time [0, +240 minutes]
--   clock_minutes by exchange, symbol: minute -> open_time [0, 0]
--   market_clock by exchange, symbol of feed_clock: closed_until -> open_time [-1 minute, -1 minute]
-- readers: candles, candles_live
CREATE MATERIALIZED VIEW candles_1m AS
WITH closed AS (
    SELECT
        exchange, symbol, open_time, open, high, low, close, volume, turnover, trades, buy_volume, last_ingest_ts
    FROM candles_1m_live
    WHERE open_time <= (SELECT closed_until - INTERVAL '1 minute' FROM market_clock)
),
following AS (
    SELECT
        exchange, symbol, open_time, open, high, low, close, volume, turnover, trades, buy_volume, last_ingest_ts,
        lead(open_time) OVER (PARTITION BY exchange, symbol ORDER BY open_time) AS next_open
    FROM closed
),
-- Only each feed's last candle looks at the clock: joining every row to it would rewrite history each minute. Both joins
-- meet NULL where they cannot matter, and RisingWave keeps no state for a NULL key.
spans AS (
    SELECT
        f.exchange, f.symbol, f.open_time, f.open, f.high, f.low, f.close, f.volume, f.turnover, f.trades, f.buy_volume,
        f.last_ingest_ts,
        coalesce(f.next_open, c.closed_until) - INTERVAL '1 minute' AS last_minute
    FROM following AS f
    LEFT JOIN market_clock AS c ON CASE WHEN f.next_open IS NULL THEN 1 END = c.clock_id
),
minutes AS (
    SELECT
        exchange, symbol, open_time, open, high, low, close, volume, turnover, trades, buy_volume, last_ingest_ts,
        generate_series(open_time, least(last_minute, open_time + INTERVAL '240 minutes'), INTERVAL '1 minute') AS minute
    FROM spans
),
quiet AS (
    SELECT exchange, symbol, minute
    FROM clock_minutes
    WHERE heartbeats > 0
)
-- Minutes are unique already; DISTINCT ON tells RisingWave, which else gives all above a key of ten columns.
SELECT DISTINCT ON (f.exchange, f.symbol, f.minute)
    f.exchange,
    f.symbol,
    f.minute AS open_time,
    CASE WHEN f.minute = f.open_time THEN f.open ELSE f.close END AS open,
    CASE WHEN f.minute = f.open_time THEN f.high ELSE f.close END AS high,
    CASE WHEN f.minute = f.open_time THEN f.low ELSE f.close END AS low,
    f.close AS close,
    CASE WHEN f.minute = f.open_time THEN f.volume ELSE 0 END AS volume,
    CASE WHEN f.minute = f.open_time THEN f.turnover ELSE 0 END AS turnover,
    CASE WHEN f.minute = f.open_time THEN f.trades ELSE 0 END AS trades,
    CASE WHEN f.minute = f.open_time THEN f.buy_volume ELSE 0 END AS buy_volume,
    f.minute <> f.open_time AS is_filled,
    CASE
        WHEN f.minute = f.open_time THEN 'traded'
        WHEN q.minute IS NOT NULL THEN 'quiet'
        ELSE 'no_feed'
    END AS feed_state,
    CASE
        WHEN f.minute = f.open_time AND f.last_ingest_ts > f.open_time + INTERVAL '1 minute' + INTERVAL '2 seconds'
            THEN f.last_ingest_ts
    END AS amended_at
FROM minutes AS f
LEFT JOIN quiet AS q
    ON f.exchange = q.exchange AND f.symbol = q.symbol
    AND CASE WHEN f.minute <> f.open_time THEN f.minute END = q.minute
"""

CANDLES = """-- candles: closed candles of every timeframe, without gaps; each longer one rolls up from the one below when
--   wholly closed (a step of five rows keeps less state than a step of sixty). RisingWave plans the comparison with the
--   clock only directly on the aggregate (HAVING), not outside, above expressions of aggregates.
-- grain: one row per exchange, symbol, timeframe, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: an amended minute amends every bar above it; amended_at says when, if the bar was closed already
-- footprint:
--   candles_1m by exchange, symbol: open_time -> open_time tumble 3600 seconds
--   market_clock by exchange, symbol of feed_clock: closed_until -> open_time [-3600 seconds, -60 seconds]
-- readers: indicator_sums, candles_live, candles_sink, predictions-api
CREATE MATERIALIZED VIEW candles AS
WITH closed_1m AS (
    SELECT
        exchange, symbol, open_time, open, high, low, close, volume, turnover, trades, buy_volume, is_filled,
        feed_state, amended_at
    FROM candles_1m
),
closed_5m AS (
    SELECT
        exchange,
        symbol,
        window_start AS open_time,
        (min(ROW(open_time, open))).f2 AS open,
        max(high) AS high,
        min(low) AS low,
        (max(ROW(open_time, close))).f2 AS close,
        sum(volume) AS volume,
        sum(turnover) AS turnover,
        sum(trades)::bigint AS trades,
        CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS buy_volume,
        sum(trades) = 0 AS is_filled,
        CASE
            WHEN count(CASE WHEN feed_state = 'no_feed' THEN 1 END) > 0 THEN 'no_feed'
            WHEN count(CASE WHEN feed_state = 'quiet' THEN 1 END) > 0 THEN 'quiet'
            ELSE 'traded'
        END AS feed_state,
        CASE
            WHEN max(amended_at) > window_start + INTERVAL '300 seconds' + INTERVAL '2 seconds'
                THEN max(amended_at)
        END AS amended_at
    FROM TUMBLE(closed_1m, open_time, INTERVAL '300 seconds')
    GROUP BY exchange, symbol, window_start
    HAVING window_start <= (SELECT closed_until - INTERVAL '300 seconds' FROM market_clock)
),
closed_15m AS (
    SELECT
        exchange,
        symbol,
        window_start AS open_time,
        (min(ROW(open_time, open))).f2 AS open,
        max(high) AS high,
        min(low) AS low,
        (max(ROW(open_time, close))).f2 AS close,
        sum(volume) AS volume,
        sum(turnover) AS turnover,
        sum(trades)::bigint AS trades,
        CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS buy_volume,
        sum(trades) = 0 AS is_filled,
        CASE
            WHEN count(CASE WHEN feed_state = 'no_feed' THEN 1 END) > 0 THEN 'no_feed'
            WHEN count(CASE WHEN feed_state = 'quiet' THEN 1 END) > 0 THEN 'quiet'
            ELSE 'traded'
        END AS feed_state,
        CASE
            WHEN max(amended_at) > window_start + INTERVAL '900 seconds' + INTERVAL '2 seconds'
                THEN max(amended_at)
        END AS amended_at
    FROM TUMBLE(closed_5m, open_time, INTERVAL '900 seconds')
    GROUP BY exchange, symbol, window_start
    HAVING window_start <= (SELECT closed_until - INTERVAL '900 seconds' FROM market_clock)
),
closed_1h AS (
    SELECT
        exchange,
        symbol,
        window_start AS open_time,
        (min(ROW(open_time, open))).f2 AS open,
        max(high) AS high,
        min(low) AS low,
        (max(ROW(open_time, close))).f2 AS close,
        sum(volume) AS volume,
        sum(turnover) AS turnover,
        sum(trades)::bigint AS trades,
        CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS buy_volume,
        sum(trades) = 0 AS is_filled,
        CASE
            WHEN count(CASE WHEN feed_state = 'no_feed' THEN 1 END) > 0 THEN 'no_feed'
            WHEN count(CASE WHEN feed_state = 'quiet' THEN 1 END) > 0 THEN 'quiet'
            ELSE 'traded'
        END AS feed_state,
        CASE
            WHEN max(amended_at) > window_start + INTERVAL '3600 seconds' + INTERVAL '2 seconds'
                THEN max(amended_at)
        END AS amended_at
    FROM TUMBLE(closed_15m, open_time, INTERVAL '3600 seconds')
    GROUP BY exchange, symbol, window_start
    HAVING window_start <= (SELECT closed_until - INTERVAL '3600 seconds' FROM market_clock)
)
SELECT
    exchange,
    symbol,
    '1m' AS timeframe,
    open_time,
    open_time + INTERVAL '60 seconds' AS close_time,
    (extract(epoch FROM open_time)::bigint / 60) AS bar_index,
    open,
    high,
    low,
    close,
    volume,
    turnover,
    trades,
    buy_volume,
    is_filled,
    feed_state,
    amended_at
FROM closed_1m
UNION ALL
SELECT
    exchange,
    symbol,
    '5m' AS timeframe,
    open_time,
    open_time + INTERVAL '300 seconds' AS close_time,
    (extract(epoch FROM open_time)::bigint / 300) AS bar_index,
    open,
    high,
    low,
    close,
    volume,
    turnover,
    trades,
    buy_volume,
    is_filled,
    feed_state,
    amended_at
FROM closed_5m
UNION ALL
SELECT
    exchange,
    symbol,
    '15m' AS timeframe,
    open_time,
    open_time + INTERVAL '900 seconds' AS close_time,
    (extract(epoch FROM open_time)::bigint / 900) AS bar_index,
    open,
    high,
    low,
    close,
    volume,
    turnover,
    trades,
    buy_volume,
    is_filled,
    feed_state,
    amended_at
FROM closed_15m
UNION ALL
SELECT
    exchange,
    symbol,
    '1h' AS timeframe,
    open_time,
    open_time + INTERVAL '3600 seconds' AS close_time,
    (extract(epoch FROM open_time)::bigint / 3600) AS bar_index,
    open,
    high,
    low,
    close,
    volume,
    turnover,
    trades,
    buy_volume,
    is_filled,
    feed_state,
    amended_at
FROM closed_1h
"""

CANDLES_LIVE = """-- candles_live: candles of every timeframe with the open bar, for people who watch; is_open marks what can still grow.
-- grain: one row per exchange, symbol, timeframe, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: as candles; the open bar is read from trades that have arrived
-- readers: predictions-api, dashboard
CREATE VIEW candles_live AS
WITH minutes AS (
    SELECT exchange, symbol, open_time, open, high, low, close, volume, turnover, trades, buy_volume
    FROM candles_1m
    WHERE open_time >= (SELECT date_bin(INTERVAL '3600 seconds', closed_until, '1970-01-01 00:00:00+00'::timestamptz) FROM market_clock)
    UNION ALL
    SELECT exchange, symbol, open_time, open, high, low, close, volume, turnover, trades, buy_volume
    FROM candles_1m_live
    WHERE open_time >= (SELECT closed_until FROM market_clock)
)
SELECT
    exchange, symbol, timeframe, open_time, close_time, open, high, low, close, volume, turnover, trades, buy_volume,
    false AS is_open
FROM candles
UNION ALL
SELECT
    exchange,
    symbol,
    '1m' AS timeframe,
    window_start AS open_time,
    window_start + INTERVAL '60 seconds' AS close_time,
    (min(ROW(open_time, open))).f2 AS open,
    max(high) AS high,
    min(low) AS low,
    (max(ROW(open_time, close))).f2 AS close,
    sum(volume) AS volume,
    sum(turnover) AS turnover,
    sum(trades)::bigint AS trades,
    CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS buy_volume,
    true AS is_open
FROM TUMBLE(minutes, open_time, INTERVAL '60 seconds')
WHERE window_start > (SELECT closed_until - INTERVAL '60 seconds' FROM market_clock)
GROUP BY exchange, symbol, window_start
UNION ALL
SELECT
    exchange,
    symbol,
    '5m' AS timeframe,
    window_start AS open_time,
    window_start + INTERVAL '300 seconds' AS close_time,
    (min(ROW(open_time, open))).f2 AS open,
    max(high) AS high,
    min(low) AS low,
    (max(ROW(open_time, close))).f2 AS close,
    sum(volume) AS volume,
    sum(turnover) AS turnover,
    sum(trades)::bigint AS trades,
    CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS buy_volume,
    true AS is_open
FROM TUMBLE(minutes, open_time, INTERVAL '300 seconds')
WHERE window_start > (SELECT closed_until - INTERVAL '300 seconds' FROM market_clock)
GROUP BY exchange, symbol, window_start
UNION ALL
SELECT
    exchange,
    symbol,
    '15m' AS timeframe,
    window_start AS open_time,
    window_start + INTERVAL '900 seconds' AS close_time,
    (min(ROW(open_time, open))).f2 AS open,
    max(high) AS high,
    min(low) AS low,
    (max(ROW(open_time, close))).f2 AS close,
    sum(volume) AS volume,
    sum(turnover) AS turnover,
    sum(trades)::bigint AS trades,
    CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS buy_volume,
    true AS is_open
FROM TUMBLE(minutes, open_time, INTERVAL '900 seconds')
WHERE window_start > (SELECT closed_until - INTERVAL '900 seconds' FROM market_clock)
GROUP BY exchange, symbol, window_start
UNION ALL
SELECT
    exchange,
    symbol,
    '1h' AS timeframe,
    window_start AS open_time,
    window_start + INTERVAL '3600 seconds' AS close_time,
    (min(ROW(open_time, open))).f2 AS open,
    max(high) AS high,
    min(low) AS low,
    (max(ROW(open_time, close))).f2 AS close,
    sum(volume) AS volume,
    sum(turnover) AS turnover,
    sum(trades)::bigint AS trades,
    CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS buy_volume,
    true AS is_open
FROM TUMBLE(minutes, open_time, INTERVAL '3600 seconds')
WHERE window_start > (SELECT closed_until - INTERVAL '3600 seconds' FROM market_clock)
GROUP BY exchange, symbol, window_start
"""

CANDLES_SINK = """-- candles_sink: closed candles to topic candles, an amended candle as a new value of its key.
-- grain: one message per new or amended candle
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: an amended candle is sent again
-- readers: any Kafka consumer
CREATE SINK candles_sink FROM candles
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}candles',
    ${kafka_properties},
    primary_key = 'exchange,symbol,timeframe,open_time'
) FORMAT UPSERT ENCODE JSON
"""

INDICATOR_SUMS = """-- indicator_sums: what indicators add up: each bar's own terms, running sums over its chunk of 256 bars for
--   the exponential averages, and over its part of the UTC day for OBV. Earlier chunks are in indicator_carry and
--   indicator_obv_carry.
-- grain: one row per exchange, symbol, timeframe, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: an amended candle amends the rest of its chunk
-- footprint:
--   candles by exchange, symbol, timeframe: open_time -> open_time [0, +256 bars]
-- readers: indicator_chunks, indicator_obv_carry, indicator_averages
CREATE MATERIALIZED VIEW indicator_sums AS
WITH bars AS (
    SELECT
        exchange, symbol, timeframe, open_time, close_time, bar_index, high, low, close, volume, turnover, buy_volume,
        is_filled,
        CASE timeframe
            WHEN '1m' THEN date_bin(INTERVAL '15360 seconds', open_time, '1970-01-01 00:00:00+00'::timestamptz)
            WHEN '5m' THEN date_bin(INTERVAL '76800 seconds', open_time, '1970-01-01 00:00:00+00'::timestamptz)
            WHEN '15m' THEN date_bin(INTERVAL '230400 seconds', open_time, '1970-01-01 00:00:00+00'::timestamptz)
            WHEN '1h' THEN date_bin(INTERVAL '921600 seconds', open_time, '1970-01-01 00:00:00+00'::timestamptz)
        END AS chunk_start,
        bar_index % 256 AS chunk_position,
        coalesce(lag(bar_index) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) = bar_index - 1, false) AS follows,
        lag(high) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS last_high,
        lag(low) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS last_low,
        lag(close) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS last_close
    FROM candles
),
-- A bar after a hole has no previous bar.
steps AS (
    SELECT
        exchange, symbol, timeframe, open_time, close_time, bar_index, high, low, close, volume, turnover, buy_volume,
        is_filled, chunk_start, chunk_position, follows,
        greatest(chunk_start, date_trunc('day', open_time, 'UTC')) AS part_start,
        CASE WHEN follows THEN last_high END AS previous_high,
        CASE WHEN follows THEN last_low END AS previous_low,
        CASE WHEN follows THEN last_close END AS previous_close
    FROM bars
),
inputs AS (
    SELECT
        exchange, symbol, timeframe, open_time, close_time, bar_index, high, low, close, volume, turnover, buy_volume,
        is_filled, chunk_start, part_start, chunk_position, follows, previous_high, previous_low, previous_close,
        (high + low + close) / 3 AS typical,
        close::numeric AS exact_close,
        ln(nullif(greatest(close / nullif(previous_close, 0), 0), 0)) AS log_return,
        sign(close - previous_close) * volume AS signed_volume,
        CASE WHEN high + low + close - (previous_high + previous_low + previous_close) > '1e-12'::double precision * high THEN (high + low + close) / 3 * volume ELSE 0 END AS money_in,
        CASE WHEN previous_high + previous_low + previous_close - (high + low + close) > '1e-12'::double precision * high THEN (high + low + close) / 3 * volume ELSE 0 END AS money_out,
        CASE WHEN high > low THEN ((close - low) - (high - close)) / (high - low) * volume ELSE 0 END AS accumulation,
        abs(ln(nullif(greatest(close / nullif(previous_close, 0), 0), 0))) / nullif(turnover, 0) AS illiquidity,
        greatest(close - previous_close, 0) AS gain,
        greatest(previous_close - close, 0) AS loss,
        CASE WHEN previous_close IS NULL THEN 0 ELSE greatest(high, previous_close) - least(low, previous_close) END AS true_range,
        CASE WHEN previous_close IS NULL THEN 0 ELSE 1 END AS has_range,
        CASE WHEN high > previous_high AND high - previous_high - (previous_low - low) > '1e-12'::double precision * high THEN high - previous_high ELSE 0 END AS plus_dm,
        CASE WHEN low < previous_low AND previous_low - low - (high - previous_high) > '1e-12'::double precision * high THEN previous_low - low ELSE 0 END AS minus_dm,
        power('0.8'::double precision, -(bar_index % 256)::double precision) AS weight_ema_9,
        power('0.8461538461538461'::double precision, -(bar_index % 256)::double precision) AS weight_ema_12,
        power('0.9047619047619048'::double precision, -(bar_index % 256)::double precision) AS weight_ema_20,
        power('0.9259259259259259'::double precision, -(bar_index % 256)::double precision) AS weight_ema_26,
        power('0.9607843137254902'::double precision, -(bar_index % 256)::double precision) AS weight_ema_50,
        power('0.9900497512437811'::double precision, -(bar_index % 256)::double precision) AS weight_ema_200,
        power('0.9285714285714286'::double precision, -(bar_index % 256)::double precision) AS weight_wilder_14,
        power('0.9'::double precision, -(bar_index % 256)::double precision) AS weight_wilder_10
    FROM steps
)
SELECT
    exchange,
    symbol,
    timeframe,
    open_time,
    close_time,
    bar_index,
    high,
    low,
    close,
    volume,
    turnover,
    buy_volume,
    is_filled,
    chunk_start,
    part_start,
    chunk_position,
    previous_high,
    previous_low,
    previous_close,
    typical,
    exact_close,
    log_return,
    signed_volume,
    money_in,
    money_out,
    accumulation,
    illiquidity,
    sum(signed_volume) OVER (PARTITION BY exchange, symbol, timeframe, part_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS obv_part,
    max(CASE WHEN follows THEN NULL ELSE bar_index END) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run_start,
    sum(close * weight_ema_9) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_9,
    sum(weight_ema_9) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_9,
    sum(close * weight_ema_12) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_12,
    sum(weight_ema_12) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_12,
    sum(close * weight_ema_20) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_20,
    sum(close * weight_ema_20 * chunk_position) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_20_m1,
    sum(close * weight_ema_20 * chunk_position * chunk_position) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_20_m2,
    sum(weight_ema_20) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_20,
    sum(weight_ema_20 * chunk_position) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_20_m1,
    sum(weight_ema_20 * chunk_position * chunk_position) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_20_m2,
    sum(close * weight_ema_26) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_26,
    sum(weight_ema_26) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_26,
    sum(close * weight_ema_50) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_50,
    sum(weight_ema_50) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_50,
    sum(close * weight_ema_200) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_200,
    sum(weight_ema_200) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_200,
    sum(gain * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS gain_wilder_14,
    sum(loss * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS loss_wilder_14,
    sum(true_range * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS true_range_wilder_14,
    sum(has_range * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS ranges_wilder_14,
    sum(true_range * weight_wilder_10) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS true_range_wilder_10,
    sum(has_range * weight_wilder_10) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS ranges_wilder_10,
    sum(plus_dm * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS plus_dm_wilder_14,
    sum(minus_dm * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS minus_dm_wilder_14
FROM inputs
"""

INDICATOR_CHUNKS = """-- indicator_chunks: totals of each chunk of 256 bars, of what indicator_sums adds up bar by bar.
-- grain: one row per exchange, symbol, timeframe, chunk
-- keys: exchange, symbol, timeframe, chunk_start
-- event time: chunk_start
-- late data: follows indicator_sums
-- footprint:
--   indicator_sums by exchange, symbol, timeframe: open_time -> chunk_start [-255 bars, 0]
-- readers: indicator_carry
CREATE MATERIALIZED VIEW indicator_chunks AS
WITH inputs AS (
    SELECT
        exchange, symbol, timeframe, chunk_start, chunk_position, run_start, bar_index, close,
        greatest(close - previous_close, 0) AS gain,
        greatest(previous_close - close, 0) AS loss,
        CASE WHEN previous_close IS NULL THEN 0 ELSE greatest(high, previous_close) - least(low, previous_close) END AS true_range,
        CASE WHEN previous_close IS NULL THEN 0 ELSE 1 END AS has_range,
        CASE WHEN high > previous_high AND high - previous_high - (previous_low - low) > '1e-12'::double precision * high THEN high - previous_high ELSE 0 END AS plus_dm,
        CASE WHEN low < previous_low AND previous_low - low - (high - previous_high) > '1e-12'::double precision * high THEN previous_low - low ELSE 0 END AS minus_dm,
        power('0.8'::double precision, -(bar_index % 256)::double precision) AS weight_ema_9,
        power('0.8461538461538461'::double precision, -(bar_index % 256)::double precision) AS weight_ema_12,
        power('0.9047619047619048'::double precision, -(bar_index % 256)::double precision) AS weight_ema_20,
        power('0.9259259259259259'::double precision, -(bar_index % 256)::double precision) AS weight_ema_26,
        power('0.9607843137254902'::double precision, -(bar_index % 256)::double precision) AS weight_ema_50,
        power('0.9900497512437811'::double precision, -(bar_index % 256)::double precision) AS weight_ema_200,
        power('0.9285714285714286'::double precision, -(bar_index % 256)::double precision) AS weight_wilder_14,
        power('0.9'::double precision, -(bar_index % 256)::double precision) AS weight_wilder_10
    FROM indicator_sums
)
SELECT
    exchange,
    symbol,
    timeframe,
    chunk_start,
    bar_index / 256 AS chunk,
    max(run_start) AS run_start,
    sum(close * weight_ema_9) AS close_ema_9,
    sum(weight_ema_9) AS bars_ema_9,
    sum(close * weight_ema_12) AS close_ema_12,
    sum(weight_ema_12) AS bars_ema_12,
    sum(close * weight_ema_20) AS close_ema_20,
    sum(close * weight_ema_20 * chunk_position) AS close_ema_20_m1,
    sum(close * weight_ema_20 * chunk_position * chunk_position) AS close_ema_20_m2,
    sum(weight_ema_20) AS bars_ema_20,
    sum(weight_ema_20 * chunk_position) AS bars_ema_20_m1,
    sum(weight_ema_20 * chunk_position * chunk_position) AS bars_ema_20_m2,
    sum(close * weight_ema_26) AS close_ema_26,
    sum(weight_ema_26) AS bars_ema_26,
    sum(close * weight_ema_50) AS close_ema_50,
    sum(weight_ema_50) AS bars_ema_50,
    sum(close * weight_ema_200) AS close_ema_200,
    sum(weight_ema_200) AS bars_ema_200,
    sum(gain * weight_wilder_14) AS gain_wilder_14,
    sum(loss * weight_wilder_14) AS loss_wilder_14,
    sum(true_range * weight_wilder_14) AS true_range_wilder_14,
    sum(has_range * weight_wilder_14) AS ranges_wilder_14,
    sum(true_range * weight_wilder_10) AS true_range_wilder_10,
    sum(has_range * weight_wilder_10) AS ranges_wilder_10,
    sum(plus_dm * weight_wilder_14) AS plus_dm_wilder_14,
    sum(minus_dm * weight_wilder_14) AS minus_dm_wilder_14
FROM inputs
GROUP BY exchange, symbol, timeframe, chunk_start, bar_index / 256
"""

INDICATOR_OBV_CARRY = """-- indicator_obv_carry: on-balance volume that a chunk's part of a UTC day starts from: what the day has seen before.
-- grain: one row per exchange, symbol, timeframe, part of a chunk that lies in one day
-- keys: exchange, symbol, timeframe, part_start
-- event time: part_start
-- late data: an amended candle amends the later parts of its day
-- footprint:
--   indicator_sums by exchange, symbol, timeframe: open_time -> part_start tumble 1 day
-- readers: indicator_averages
CREATE MATERIALIZED VIEW indicator_obv_carry AS
WITH parts AS (
    SELECT
        exchange, symbol, timeframe, part_start,
        date_trunc('day', part_start, 'UTC') AS day,
        sum(signed_volume) AS signed_volume
    FROM indicator_sums
    GROUP BY exchange, symbol, timeframe, part_start
)
SELECT
    exchange,
    symbol,
    timeframe,
    part_start,
    sum(signed_volume) OVER (PARTITION BY exchange, symbol, timeframe, day ORDER BY part_start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS obv
FROM parts
"""

INDICATOR_CARRY = """-- indicator_carry: what the chunks before a chunk contribute to its exponential averages, and where the unbroken run of
--   bars that leads into it began.
-- grain: one row per exchange, symbol, timeframe, chunk whose predecessor has bars
-- keys: exchange, symbol, timeframe, chunk_start
-- event time: chunk_start
-- late data: an amended chunk amends the carry of the 11 chunks after it
-- footprint:
--   indicator_chunks by exchange, symbol, timeframe: chunk_start -> chunk_start [+256 bars, +2816 bars]
-- readers: indicator_averages
CREATE MATERIALIZED VIEW indicator_carry AS
SELECT
    exchange,
    symbol,
    timeframe,
    chunk_start + CASE timeframe
            WHEN '1m' THEN INTERVAL '15360 seconds'
            WHEN '5m' THEN INTERVAL '76800 seconds'
            WHEN '15m' THEN INTERVAL '230400 seconds'
            WHEN '1h' THEN INTERVAL '921600 seconds'
        END AS chunk_start,
    coalesce(
        max(run_start) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start ROWS BETWEEN 9 PRECEDING AND CURRENT ROW),
        (chunk - 9) * 256
    ) AS run_start,
    '1.552518092300731e-25'::double precision * close_ema_9 AS close_ema_9,
    '1.552518092300731e-25'::double precision * bars_ema_9 AS bars_ema_9,
    '2.673186196864631e-19'::double precision * close_ema_12 AS close_ema_12,
    '2.673186196864631e-19'::double precision * bars_ema_12 AS bars_ema_12,
    '7.460748358528833e-12'::double precision * close_ema_20
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '5.566276606929068e-23'::double precision * lag(close_ema_20, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS close_ema_20,
    '7.460748358528833e-12'::double precision * (close_ema_20_m1 - 256 * close_ema_20)
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '5.566276606929068e-23'::double precision * (lag(close_ema_20_m1, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) - 512 * lag(close_ema_20, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start)) END, 0) AS close_ema_20_m1,
    '7.460748358528833e-12'::double precision * (close_ema_20_m2 - 512 * close_ema_20_m1 + 65536 * close_ema_20)
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '5.566276606929068e-23'::double precision * (lag(close_ema_20_m2, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) - 1024 * lag(close_ema_20_m1, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) + 262144 * lag(close_ema_20, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start)) END, 0) AS close_ema_20_m2,
    '7.460748358528833e-12'::double precision * bars_ema_20
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '5.566276606929068e-23'::double precision * lag(bars_ema_20, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS bars_ema_20,
    '7.460748358528833e-12'::double precision * (bars_ema_20_m1 - 256 * bars_ema_20)
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '5.566276606929068e-23'::double precision * (lag(bars_ema_20_m1, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) - 512 * lag(bars_ema_20, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start)) END, 0) AS bars_ema_20_m1,
    '7.460748358528833e-12'::double precision * (bars_ema_20_m2 - 512 * bars_ema_20_m1 + 65536 * bars_ema_20)
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '5.566276606929068e-23'::double precision * (lag(bars_ema_20_m2, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) - 1024 * lag(bars_ema_20_m1, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) + 262144 * lag(bars_ema_20, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start)) END, 0) AS bars_ema_20_m2,
    '2.7766337316716746e-09'::double precision * close_ema_26
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '7.709694879856969e-18'::double precision * lag(close_ema_26, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS close_ema_26,
    '2.7766337316716746e-09'::double precision * bars_ema_26
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '7.709694879856969e-18'::double precision * lag(bars_ema_26, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS bars_ema_26,
    '3.566411127947797e-05'::double precision * close_ema_50
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '1.271928833354988e-09'::double precision * lag(close_ema_50, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '4.536221145234889e-14'::double precision * lag(close_ema_50, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS close_ema_50,
    '3.566411127947797e-05'::double precision * bars_ema_50
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '1.271928833354988e-09'::double precision * lag(bars_ema_50, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '4.536221145234889e-14'::double precision * lag(bars_ema_50, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS bars_ema_50,
    '0.07730309126835809'::double precision * close_ema_200
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '0.005975767919644101'::double precision * lag(close_ema_200, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '0.00046194533289077436'::double precision * lag(close_ema_200, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 3 THEN '3.570980222944759e-05'::double precision * lag(close_ema_200, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 4 THEN '2.760478100918005e-06'::double precision * lag(close_ema_200, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 5) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 5 THEN '2.1339349057956833e-07'::double precision * lag(close_ema_200, 5) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 6) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 6 THEN '1.6495976478345886e-08'::double precision * lag(close_ema_200, 6) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 7) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 7 THEN '1.2751899752662604e-09'::double precision * lag(close_ema_200, 7) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 8) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 8 THEN '9.857612704250301e-11'::double precision * lag(close_ema_200, 8) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 9) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 9 THEN '7.620239345647873e-12'::double precision * lag(close_ema_200, 9) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 10 THEN '5.89068057623351e-13'::double precision * lag(close_ema_200, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS close_ema_200,
    '0.07730309126835809'::double precision * bars_ema_200
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '0.005975767919644101'::double precision * lag(bars_ema_200, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '0.00046194533289077436'::double precision * lag(bars_ema_200, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 3 THEN '3.570980222944759e-05'::double precision * lag(bars_ema_200, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 4 THEN '2.760478100918005e-06'::double precision * lag(bars_ema_200, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 5) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 5 THEN '2.1339349057956833e-07'::double precision * lag(bars_ema_200, 5) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 6) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 6 THEN '1.6495976478345886e-08'::double precision * lag(bars_ema_200, 6) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 7) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 7 THEN '1.2751899752662604e-09'::double precision * lag(bars_ema_200, 7) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 8) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 8 THEN '9.857612704250301e-11'::double precision * lag(bars_ema_200, 8) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 9) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 9 THEN '7.620239345647873e-12'::double precision * lag(bars_ema_200, 9) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 10 THEN '5.89068057623351e-13'::double precision * lag(bars_ema_200, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS bars_ema_200,
    '5.763961309028221e-09'::double precision * gain_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(gain_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(gain_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS gain_wilder_14,
    '5.763961309028221e-09'::double precision * loss_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(loss_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(loss_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS loss_wilder_14,
    '5.763961309028221e-09'::double precision * true_range_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(true_range_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(true_range_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS true_range_wilder_14,
    '5.763961309028221e-09'::double precision * ranges_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(ranges_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(ranges_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS ranges_wilder_14,
    '1.9323349832289036e-12'::double precision * true_range_wilder_10
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.733918487410248e-24'::double precision * lag(true_range_wilder_10, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS true_range_wilder_10,
    '1.9323349832289036e-12'::double precision * ranges_wilder_10
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.733918487410248e-24'::double precision * lag(ranges_wilder_10, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS ranges_wilder_10,
    '5.763961309028221e-09'::double precision * plus_dm_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(plus_dm_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(plus_dm_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS plus_dm_wilder_14,
    '5.763961309028221e-09'::double precision * minus_dm_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(minus_dm_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(minus_dm_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS minus_dm_wilder_14
FROM indicator_chunks
"""

INDICATOR_AVERAGES = """-- indicator_averages: every exponential average, OBV, and warm_bars (bars since the last hole, at most 2560);
--   with the running sums of the directional index, which ADX smooths once more.
-- grain: one row per exchange, symbol, timeframe, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: an amended candle amends the averages that remember it
-- footprint:
--   indicator_sums by exchange, symbol, timeframe: open_time -> open_time [0, +255 bars]
--   indicator_carry by exchange, symbol, timeframe: chunk_start -> open_time [0, +255 bars]
--   indicator_obv_carry by exchange, symbol, timeframe: part_start -> open_time [0, +255 bars]
-- readers: indicator_adx_carry, indicators
CREATE MATERIALIZED VIEW indicator_averages AS
WITH smoothed AS (
    SELECT
        r.exchange, r.symbol, r.timeframe, r.open_time, r.close_time, r.bar_index, r.chunk_start, r.high, r.low,
        r.close, r.volume, r.turnover, r.buy_volume, r.is_filled, r.typical, r.exact_close, r.log_return, r.money_in,
        r.money_out, r.accumulation, r.illiquidity,
        least(r.bar_index - coalesce(r.run_start, c.run_start) + 1, 2560) AS warm_bars,
        (r.close_ema_12 + coalesce(c.close_ema_12, 0)) / nullif((r.bars_ema_12 + coalesce(c.bars_ema_12, 0)), 0) AS ema_12,
        (r.close_ema_26 + coalesce(c.close_ema_26, 0)) / nullif((r.bars_ema_26 + coalesce(c.bars_ema_26, 0)), 0) AS ema_26,
        (r.close_ema_50 + coalesce(c.close_ema_50, 0)) / nullif((r.bars_ema_50 + coalesce(c.bars_ema_50, 0)), 0) AS ema_50,
        (r.close_ema_200 + coalesce(c.close_ema_200, 0)) / nullif((r.bars_ema_200 + coalesce(c.bars_ema_200, 0)), 0) AS ema_200,
        2 * (r.close_ema_20 + coalesce(c.close_ema_20, 0)) / nullif((r.bars_ema_20 + coalesce(c.bars_ema_20, 0)), 0) - ((r.chunk_position + 1) * (r.close_ema_20 + coalesce(c.close_ema_20, 0)) - (r.close_ema_20_m1 + coalesce(c.close_ema_20_m1, 0))) / nullif(((r.chunk_position + 1) * (r.bars_ema_20 + coalesce(c.bars_ema_20, 0)) - (r.bars_ema_20_m1 + coalesce(c.bars_ema_20_m1, 0))), 0) AS dema_20,
        3 * (r.close_ema_20 + coalesce(c.close_ema_20, 0)) / nullif((r.bars_ema_20 + coalesce(c.bars_ema_20, 0)), 0) - 3 * ((r.chunk_position + 1) * (r.close_ema_20 + coalesce(c.close_ema_20, 0)) - (r.close_ema_20_m1 + coalesce(c.close_ema_20_m1, 0))) / nullif(((r.chunk_position + 1) * (r.bars_ema_20 + coalesce(c.bars_ema_20, 0)) - (r.bars_ema_20_m1 + coalesce(c.bars_ema_20_m1, 0))), 0) + ((r.chunk_position + 1) * (r.chunk_position + 2) * (r.close_ema_20 + coalesce(c.close_ema_20, 0)) - (2 * r.chunk_position + 3) * (r.close_ema_20_m1 + coalesce(c.close_ema_20_m1, 0)) + (r.close_ema_20_m2 + coalesce(c.close_ema_20_m2, 0))) / nullif(((r.chunk_position + 1) * (r.chunk_position + 2) * (r.bars_ema_20 + coalesce(c.bars_ema_20, 0)) - (2 * r.chunk_position + 3) * (r.bars_ema_20_m1 + coalesce(c.bars_ema_20_m1, 0)) + (r.bars_ema_20_m2 + coalesce(c.bars_ema_20_m2, 0))), 0) AS tema_20,
        (r.close_ema_12 + coalesce(c.close_ema_12, 0)) / nullif((r.bars_ema_12 + coalesce(c.bars_ema_12, 0)), 0) - (r.close_ema_26 + coalesce(c.close_ema_26, 0)) / nullif((r.bars_ema_26 + coalesce(c.bars_ema_26, 0)), 0) AS macd,
        ('3.66666666666667'::double precision * (r.close_ema_12 + coalesce(c.close_ema_12, 0)) / nullif((r.bars_ema_12 + coalesce(c.bars_ema_12, 0)), 0) - '2.66666666666667'::double precision * (r.close_ema_9 + coalesce(c.close_ema_9, 0)) / nullif((r.bars_ema_9 + coalesce(c.bars_ema_9, 0)), 0)) - ('1.4705882352941178'::double precision * (r.close_ema_26 + coalesce(c.close_ema_26, 0)) / nullif((r.bars_ema_26 + coalesce(c.bars_ema_26, 0)), 0) - '0.4705882352941178'::double precision * (r.close_ema_9 + coalesce(c.close_ema_9, 0)) / nullif((r.bars_ema_9 + coalesce(c.bars_ema_9, 0)), 0)) AS macd_signal,
        (r.close_ema_20 + coalesce(c.close_ema_20, 0)) / nullif((r.bars_ema_20 + coalesce(c.bars_ema_20, 0)), 0) AS keltner_middle,
        (r.true_range_wilder_10 + coalesce(c.true_range_wilder_10, 0)) / nullif((r.ranges_wilder_10 + coalesce(c.ranges_wilder_10, 0)), 0) AS keltner_atr,
        (r.true_range_wilder_14 + coalesce(c.true_range_wilder_14, 0)) / nullif((r.ranges_wilder_14 + coalesce(c.ranges_wilder_14, 0)), 0) AS atr,
        100 * (r.gain_wilder_14 + coalesce(c.gain_wilder_14, 0)) / nullif((r.gain_wilder_14 + coalesce(c.gain_wilder_14, 0)) + (r.loss_wilder_14 + coalesce(c.loss_wilder_14, 0)), 0) AS rsi,
        100 * (r.plus_dm_wilder_14 + coalesce(c.plus_dm_wilder_14, 0)) / nullif((r.true_range_wilder_14 + coalesce(c.true_range_wilder_14, 0)), 0) AS plus_di,
        100 * (r.minus_dm_wilder_14 + coalesce(c.minus_dm_wilder_14, 0)) / nullif((r.true_range_wilder_14 + coalesce(c.true_range_wilder_14, 0)), 0) AS minus_di,
        100 * abs((r.plus_dm_wilder_14 + coalesce(c.plus_dm_wilder_14, 0)) - (r.minus_dm_wilder_14 + coalesce(c.minus_dm_wilder_14, 0))) / nullif((r.plus_dm_wilder_14 + coalesce(c.plus_dm_wilder_14, 0)) + (r.minus_dm_wilder_14 + coalesce(c.minus_dm_wilder_14, 0)), 0) AS dx,
        CASE WHEN r.obv_part IS NULL THEN o.obv ELSE r.obv_part + coalesce(o.obv, 0) END AS obv
    FROM indicator_sums AS r
    LEFT JOIN indicator_carry AS c
        ON r.exchange = c.exchange AND r.symbol = c.symbol AND r.timeframe = c.timeframe
        AND r.chunk_start = c.chunk_start
    LEFT JOIN indicator_obv_carry AS o
        ON r.exchange = o.exchange AND r.symbol = o.symbol AND r.timeframe = o.timeframe
        AND r.part_start = o.part_start
),
indexed AS (
    SELECT
        exchange, symbol, timeframe, open_time, close_time, bar_index, chunk_start, high, low, close, volume, turnover,
        buy_volume, is_filled, typical, exact_close, log_return, money_in, money_out, accumulation, illiquidity,
        warm_bars, ema_12, ema_26, ema_50, ema_200, dema_20, tema_20, macd, macd_signal, keltner_middle, keltner_atr, atr, rsi, plus_di, minus_di, obv,
        coalesce(dx, 0) AS dx,
        CASE WHEN dx IS NULL THEN 0 ELSE 1 END AS has_dx,
        power('0.9285714285714286'::double precision, -(bar_index % 256)::double precision) AS weight_wilder_14
    FROM smoothed
)
SELECT
    exchange,
    symbol,
    timeframe,
    open_time,
    close_time,
    bar_index,
    chunk_start,
    high,
    low,
    close,
    volume,
    turnover,
    buy_volume,
    is_filled,
    typical,
    exact_close,
    log_return,
    money_in,
    money_out,
    accumulation,
    illiquidity,
    warm_bars,
    ema_12,
    ema_26,
    ema_50,
    ema_200,
    dema_20,
    tema_20,
    macd,
    macd_signal,
    keltner_middle,
    keltner_atr,
    atr,
    rsi,
    plus_di,
    minus_di,
    obv,
    dx,
    has_dx,
    sum(dx * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS dx_wilder_14,
    sum(has_dx * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS has_dx_wilder_14
FROM indexed
"""

INDICATOR_ADX_CARRY = """-- indicator_adx_carry: what the chunks before a chunk contribute to its ADX.
-- grain: one row per exchange, symbol, timeframe, chunk whose predecessor has bars
-- keys: exchange, symbol, timeframe, chunk_start
-- event time: chunk_start
-- late data: follows indicator_averages
-- footprint:
--   indicator_averages by exchange, symbol, timeframe: open_time -> chunk_start [+1 bar, +768 bars]
-- readers: indicators
CREATE MATERIALIZED VIEW indicator_adx_carry AS
WITH inputs AS (
    SELECT
        exchange, symbol, timeframe, chunk_start, bar_index, dx, has_dx,
        power('0.9285714285714286'::double precision, -(bar_index % 256)::double precision) AS weight_wilder_14
    FROM indicator_averages
),
totals AS (
    SELECT
        exchange, symbol, timeframe, chunk_start,
        bar_index / 256 AS chunk,
        sum(dx * weight_wilder_14) AS dx_wilder_14,
        sum(has_dx * weight_wilder_14) AS has_dx_wilder_14
    FROM inputs
    GROUP BY exchange, symbol, timeframe, chunk_start, bar_index / 256
)
SELECT
    exchange,
    symbol,
    timeframe,
    chunk_start + CASE timeframe
            WHEN '1m' THEN INTERVAL '15360 seconds'
            WHEN '5m' THEN INTERVAL '76800 seconds'
            WHEN '15m' THEN INTERVAL '230400 seconds'
            WHEN '1h' THEN INTERVAL '921600 seconds'
        END AS chunk_start,
    '5.763961309028221e-09'::double precision * dx_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(dx_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(dx_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS dx_wilder_14,
    '5.763961309028221e-09'::double precision * has_dx_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(has_dx_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(has_dx_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS has_dx_wilder_14
FROM totals
"""

INDICATORS = """-- indicators: technical indicators of every closed candle; what each means, and after how many bars it is warm, is in
--   indicator_catalog. 0/0 is NULL everywhere; warm_bars counts bars since the last hole, at most 2560.
-- grain: one row per exchange, symbol, timeframe, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: an amended candle amends the windows it is in and the averages that remember it
-- footprint:
--   indicator_averages by exchange, symbol, timeframe: open_time -> open_time [0, +60 bars]
--   indicator_adx_carry by exchange, symbol, timeframe: chunk_start -> open_time [0, +255 bars]
-- readers: signals, features, indicators_sink, predictions-api
CREATE MATERIALIZED VIEW indicators AS
WITH rolled AS (
    SELECT
        exchange, symbol, timeframe, open_time, close_time, bar_index, close, volume, is_filled, chunk_start, log_return,
        warm_bars, ema_12, ema_26, ema_50, ema_200, dema_20, tema_20, macd, macd_signal, keltner_middle, keltner_atr, atr, rsi, plus_di, minus_di, obv, dx_wilder_14, has_dx_wilder_14,
        sum(exact_close) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS close_sum_20,
        sum(exact_close) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 49 PRECEDING AND CURRENT ROW) AS close_sum_50,
        sum(bar_index * exact_close) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS index_close_sum_20,
        sum(exact_close * exact_close) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS square_sum_20,
        max(high) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW) AS stochastic_high,
        min(low) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW) AS stochastic_low,
        max(high) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW) AS williams_high,
        min(low) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW) AS williams_low,
        max(high) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS donchian_high,
        min(low) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS donchian_low,
        max(rsi) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW) AS rsi_high,
        min(rsi) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW) AS rsi_low,
        lag(close, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS roc_close,
        lag(close, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS mom_close,
        typical - lag(typical, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_1,
        typical - lag(typical, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_2,
        typical - lag(typical, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_3,
        typical - lag(typical, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_4,
        typical - lag(typical, 5) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_5,
        typical - lag(typical, 6) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_6,
        typical - lag(typical, 7) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_7,
        typical - lag(typical, 8) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_8,
        typical - lag(typical, 9) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_9,
        typical - lag(typical, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_10,
        typical - lag(typical, 11) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_11,
        typical - lag(typical, 12) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_12,
        typical - lag(typical, 13) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_13,
        typical - lag(typical, 14) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_14,
        typical - lag(typical, 15) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_15,
        typical - lag(typical, 16) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_16,
        typical - lag(typical, 17) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_17,
        typical - lag(typical, 18) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_18,
        typical - lag(typical, 19) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_19,
        ((typical - lag(typical, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 5) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 6) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 7) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 8) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 9) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 11) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 12) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 13) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 14) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 15) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 16) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 17) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 18) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) + (typical - lag(typical, 19) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time))) / 20 AS typical_above_mean,
        (coalesce(sum(turnover) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 59 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(turnover, 0)) AS vwap_turnover,
        (coalesce(sum(volume) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 59 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(volume, 0)) AS vwap_volume,
        (coalesce(sum(money_in) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(money_in, 0)) AS money_in,
        (coalesce(sum(money_out) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(money_out, 0)) AS money_out,
        (coalesce(sum(accumulation) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(accumulation, 0)) AS accumulation,
        (coalesce(sum(volume) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(volume, 0)) AS accumulation_volume,
        (coalesce(sum(buy_volume) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(buy_volume, 0)) AS bought,
        (coalesce(sum(CASE WHEN buy_volume IS NOT NULL THEN volume END) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(CASE WHEN buy_volume IS NOT NULL THEN volume END, 0)) AS bought_or_sold,
        (coalesce(sum(log_return * log_return) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 59 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(log_return * log_return, 0)) AS squared_returns,
        ln(nullif(greatest(close / nullif(lag(close, 60) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time), 0), 0), 0)) AS return_sum,
        (coalesce(sum(log_return * log_return) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 59 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(log_return * log_return, 0)) AS zscore_squares,
        (coalesce(sum(illiquidity) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 59 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(illiquidity, 0)) AS illiquidity,
        count(illiquidity) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 59 PRECEDING AND CURRENT ROW) AS traded_bars
    FROM indicator_averages
),
ranked AS (
    SELECT
        exchange, symbol, timeframe, open_time, close_time, bar_index, close, volume, is_filled, chunk_start, log_return,
        warm_bars, ema_12, ema_26, ema_50, ema_200, dema_20, tema_20, macd, macd_signal, keltner_middle, keltner_atr, atr, rsi, plus_di, minus_di, obv, dx_wilder_14, has_dx_wilder_14,
        close_sum_20, close_sum_50, index_close_sum_20, square_sum_20, williams_high, williams_low, donchian_high, donchian_low, roc_close, mom_close, typical_above_mean, vwap_turnover, vwap_volume, money_in, money_out, accumulation, accumulation_volume, bought, bought_or_sold, squared_returns, return_sum, zscore_squares, illiquidity, traded_bars,
        (abs(typical_above_mean) + abs(typical_above_mean - typical_above_1) + abs(typical_above_mean - typical_above_2) + abs(typical_above_mean - typical_above_3) + abs(typical_above_mean - typical_above_4) + abs(typical_above_mean - typical_above_5) + abs(typical_above_mean - typical_above_6) + abs(typical_above_mean - typical_above_7) + abs(typical_above_mean - typical_above_8) + abs(typical_above_mean - typical_above_9) + abs(typical_above_mean - typical_above_10) + abs(typical_above_mean - typical_above_11) + abs(typical_above_mean - typical_above_12) + abs(typical_above_mean - typical_above_13) + abs(typical_above_mean - typical_above_14) + abs(typical_above_mean - typical_above_15) + abs(typical_above_mean - typical_above_16) + abs(typical_above_mean - typical_above_17) + abs(typical_above_mean - typical_above_18) + abs(typical_above_mean - typical_above_19)) / 20 AS typical_distance,
        100 * (close - stochastic_low) / nullif(stochastic_high - stochastic_low, 0) AS stochastic_fast,
        CASE WHEN rsi_high - rsi_low > '1e-07'::double precision THEN 100 * (rsi - rsi_low) / nullif(rsi_high - rsi_low, 0) END AS stoch_rsi_fast
    FROM rolled
),
slowed AS (
    SELECT
        exchange, symbol, timeframe, open_time, close_time, bar_index, close, volume, is_filled, chunk_start, log_return,
        warm_bars, ema_12, ema_26, ema_50, ema_200, dema_20, tema_20, macd, macd_signal, keltner_middle, keltner_atr, atr, rsi, plus_di, minus_di, obv, dx_wilder_14, has_dx_wilder_14,
        close_sum_20, close_sum_50, index_close_sum_20, square_sum_20, williams_high, williams_low, donchian_high, donchian_low, roc_close, mom_close, typical_above_mean, vwap_turnover, vwap_volume, money_in, money_out, accumulation, accumulation_volume, bought, bought_or_sold, squared_returns, return_sum, zscore_squares, illiquidity, traded_bars, typical_distance,
        (stochastic_fast + lag(stochastic_fast, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + lag(stochastic_fast, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) / 3 AS stochastic_k,
        (stochastic_fast + 2 * lag(stochastic_fast, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + 3 * lag(stochastic_fast, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + 2 * lag(stochastic_fast, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + lag(stochastic_fast, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) / 9 AS stochastic_d,
        (stoch_rsi_fast + lag(stoch_rsi_fast, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + lag(stoch_rsi_fast, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) / 3 AS stoch_rsi_k,
        (stoch_rsi_fast + 2 * lag(stoch_rsi_fast, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + 3 * lag(stoch_rsi_fast, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + 2 * lag(stoch_rsi_fast, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + lag(stoch_rsi_fast, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) / 9 AS stoch_rsi_d
    FROM ranked
)
SELECT
    r.exchange,
    r.symbol,
    r.timeframe,
    r.open_time,
    r.close_time,
    r.bar_index,
    r.close,
    r.volume,
    r.is_filled,
    r.warm_bars,
    CASE WHEN warm_bars >= 20 THEN (close_sum_20 / 20)::double precision END AS sma_20,
    CASE WHEN warm_bars >= 50 THEN (close_sum_50 / 50)::double precision END AS sma_50,
    ema_12,
    ema_26,
    ema_50,
    ema_200,
    CASE WHEN warm_bars >= 20 THEN ((index_close_sum_20 - (bar_index - 20) * close_sum_20) / 210)::double precision END AS wma_20,
    dema_20,
    tema_20,
    macd AS macd_12_26_9,
    macd_signal AS macd_signal_12_26_9,
    macd - macd_signal AS macd_hist_12_26_9,
    rsi AS rsi_14,
    CASE WHEN warm_bars >= 17 THEN stoch_rsi_k END AS stoch_rsi_k_14_3_3,
    CASE WHEN warm_bars >= 19 THEN stoch_rsi_d END AS stoch_rsi_d_14_3_3,
    CASE WHEN warm_bars >= 16 THEN stochastic_k END AS stochastic_k_14_3_3,
    CASE WHEN warm_bars >= 18 THEN stochastic_d END AS stochastic_d_14_3_3,
    CASE WHEN warm_bars >= 20 THEN typical_above_mean / ('0.015'::double precision * CASE WHEN typical_distance > '1e-12'::double precision * close THEN typical_distance END) END AS cci_20,
    CASE WHEN warm_bars >= 11 THEN 100 * (close / nullif(roc_close, 0) - 1) END AS roc_10,
    CASE WHEN warm_bars >= 11 THEN close - mom_close END AS mom_10,
    CASE WHEN warm_bars >= 14 THEN (-100 * (williams_high - close)) / nullif(williams_high - williams_low, 0) END AS williams_r_14,
    (r.dx_wilder_14 + coalesce(a.dx_wilder_14, 0)) / nullif(r.has_dx_wilder_14 + coalesce(a.has_dx_wilder_14, 0), 0) AS adx_14,
    plus_di AS plus_di_14,
    minus_di AS minus_di_14,
    CASE WHEN warm_bars >= 20 THEN (close_sum_20 / 20)::double precision + 2.0 * (sqrt(greatest(20 * square_sum_20 - close_sum_20 * close_sum_20, 0)::double precision) / 20) END AS bollinger_upper_20,
    CASE WHEN warm_bars >= 20 THEN (close_sum_20 / 20)::double precision END AS bollinger_middle_20,
    CASE WHEN warm_bars >= 20 THEN (close_sum_20 / 20)::double precision - 2.0 * (sqrt(greatest(20 * square_sum_20 - close_sum_20 * close_sum_20, 0)::double precision) / 20) END AS bollinger_lower_20,
    CASE WHEN warm_bars >= 20 THEN (4.0 * (sqrt(greatest(20 * square_sum_20 - close_sum_20 * close_sum_20, 0)::double precision) / 20)) / nullif((close_sum_20 / 20)::double precision, 0) END AS bollinger_width_20,
    CASE WHEN warm_bars >= 20 THEN 0.5 + (close - (close_sum_20 / 20)::double precision) / nullif(4.0 * (sqrt(greatest(20 * square_sum_20 - close_sum_20 * close_sum_20, 0)::double precision) / 20), 0) END AS bollinger_percent_b_20,
    atr AS atr_14,
    (100 * atr) / nullif(close, 0) AS natr_14,
    keltner_middle + 2.0 * keltner_atr AS keltner_upper_20_10,
    keltner_middle AS keltner_middle_20_10,
    keltner_middle - 2.0 * keltner_atr AS keltner_lower_20_10,
    CASE WHEN warm_bars >= 20 THEN donchian_high END AS donchian_upper_20,
    CASE WHEN warm_bars >= 20 THEN (donchian_high + donchian_low) / 2 END AS donchian_middle_20,
    CASE WHEN warm_bars >= 20 THEN donchian_low END AS donchian_lower_20,
    obv,
    CASE WHEN warm_bars >= 60 THEN (vwap_turnover) / nullif(vwap_volume, 0) END AS vwap_60,
    CASE WHEN warm_bars >= 15 THEN (100 * money_in) / nullif(money_in + money_out, 0) END AS mfi_14,
    CASE WHEN warm_bars >= 20 THEN (accumulation) / nullif(accumulation_volume, 0) END AS cmf_20,
    CASE WHEN warm_bars >= 20 THEN (bought) / nullif(bought_or_sold, 0) END AS order_flow_20,
    log_return,
    CASE WHEN warm_bars >= 61 THEN sqrt(squared_returns) END AS realised_volatility_60,
    CASE WHEN warm_bars >= 61 THEN (60 * log_return - return_sum) / nullif(sqrt(greatest(60 * zscore_squares - return_sum * return_sum, 0)), 0) END AS return_zscore_60,
    CASE WHEN warm_bars >= 61 THEN (1000000 * illiquidity) / nullif(traded_bars, 0) END AS amihud_60
FROM slowed AS r
LEFT JOIN indicator_adx_carry AS a
    ON r.exchange = a.exchange AND r.symbol = a.symbol AND r.timeframe = a.timeframe AND r.chunk_start = a.chunk_start
"""

INDICATORS_SINK = """-- indicators_sink: indicators of closed candles to topic technical_indicators, an amended row as a new value of its key.
-- grain: one message per new or amended row
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: an amended row is sent again
-- readers: any Kafka consumer
CREATE SINK indicators_sink FROM indicators
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}technical_indicators',
    ${kafka_properties},
    primary_key = 'exchange,symbol,timeframe,open_time'
) FORMAT UPSERT ENCODE JSON
"""

SIGNALS = """-- signals: three plain rules on each closed candle and their majority: long, short or flat; NULL while an indicator is
--   NULL. A reading aid and a baseline for the models, not advice. trend: MACD histogram and directional indicators
--   agree and ADX is at least 25. reversion: RSI beyond 30/70 and the close outside its Bollinger band. breakout: the
--   close is outside its Keltner channel.
-- grain: one row per exchange, symbol, timeframe, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: follows indicators
-- footprint:
--   indicators by exchange, symbol, timeframe: open_time -> open_time [0, 0]
-- readers: predictions-api, dashboard
CREATE MATERIALIZED VIEW signals AS
WITH votes AS (
    SELECT
        exchange,
        symbol,
        timeframe,
        open_time,
        close_time,
        warm_bars >= 685 AS is_warm,
        CASE
            WHEN macd_hist_12_26_9 > 0 AND plus_di_14 > minus_di_14 AND adx_14 >= 25 THEN 1
            WHEN macd_hist_12_26_9 < 0 AND plus_di_14 < minus_di_14 AND adx_14 >= 25 THEN -1
            WHEN macd_hist_12_26_9 IS NOT NULL AND plus_di_14 IS NOT NULL AND adx_14 IS NOT NULL THEN 0
        END AS trend,
        CASE
            WHEN rsi_14 < 30 AND bollinger_percent_b_20 < 0 THEN 1
            WHEN rsi_14 > 70 AND bollinger_percent_b_20 > 1 THEN -1
            WHEN rsi_14 IS NOT NULL AND bollinger_percent_b_20 IS NOT NULL THEN 0
        END AS reversion,
        CASE
            WHEN close > keltner_upper_20_10 THEN 1
            WHEN close < keltner_lower_20_10 THEN -1
            WHEN keltner_upper_20_10 IS NOT NULL THEN 0
        END AS breakout
    FROM indicators
)
SELECT
    exchange,
    symbol,
    timeframe,
    open_time,
    close_time,
    is_warm,
    CASE trend WHEN 1 THEN 'long' WHEN -1 THEN 'short' WHEN 0 THEN 'flat' END AS trend,
    CASE reversion WHEN 1 THEN 'long' WHEN -1 THEN 'short' WHEN 0 THEN 'flat' END AS reversion,
    CASE breakout WHEN 1 THEN 'long' WHEN -1 THEN 'short' WHEN 0 THEN 'flat' END AS breakout,
    CASE sign((trend + reversion + breakout)::double precision)::int WHEN 1 THEN 'long' WHEN -1 THEN 'short' WHEN 0 THEN 'flat' END AS signal
FROM votes
"""

UPGRADE = (
    Create(CLOCK_EXCLUSIONS),
    Create(INDICATOR_CATALOG),
    Create(LOADED_RANGES),
    Create(NEWS_DLQ),
    Create(SYMBOLS),
    Create(TRADES),
    Create(TRADES_DLQ),
    Create(CANDLES_1M_LIVE),
    Create(CLOCK_MINUTES),
    Create(DEAD_LETTERS),
    Create(LATE_TRADES),
    Create(TRADES_REJECTED),
    Create(CLOCK_DAYS),
    Create(FEED_CLOCK),
    Create(MARKET_CLOCK),
    Create(CANDLES_1M),
    Create(CANDLES),
    Create(CANDLES_LIVE),
    Create(CANDLES_SINK),
    Create(INDICATOR_SUMS),
    Create(INDICATOR_CHUNKS),
    Create(INDICATOR_OBV_CARRY),
    Create(INDICATOR_CARRY),
    Create(INDICATOR_AVERAGES),
    Create(INDICATOR_ADX_CARRY),
    Create(INDICATORS),
    Create(INDICATORS_SINK),
    Create(SIGNALS),
)

DOWNGRADE = (
    Drop('materialized view', 'signals'),
    Drop('sink', 'indicators_sink'),
    Drop('materialized view', 'indicators'),
    Drop('materialized view', 'indicator_adx_carry'),
    Drop('materialized view', 'indicator_averages'),
    Drop('materialized view', 'indicator_carry'),
    Drop('materialized view', 'indicator_obv_carry'),
    Drop('materialized view', 'indicator_chunks'),
    Drop('materialized view', 'indicator_sums'),
    Drop('sink', 'candles_sink'),
    Drop('view', 'candles_live'),
    Drop('materialized view', 'candles'),
    Drop('materialized view', 'candles_1m'),
    Drop('materialized view', 'market_clock'),
    Drop('materialized view', 'feed_clock'),
    Drop('materialized view', 'clock_days'),
    Drop('materialized view', 'trades_rejected'),
    Drop('materialized view', 'late_trades'),
    Drop('view', 'dead_letters'),
    Drop('materialized view', 'clock_minutes'),
    Drop('materialized view', 'candles_1m_live'),
    Drop('table', 'trades_dlq'),
    Drop('table', 'trades'),
    Drop('table', 'symbols'),
    Drop('table', 'news_dlq'),
    Drop('table', 'loaded_ranges'),
    Drop('view', 'indicator_catalog'),
    Drop('table', 'clock_exclusions'),
)


def upgrade() -> None:
    run(UPGRADE, revision)


def downgrade() -> None:
    run(DOWNGRADE, down_revision)
