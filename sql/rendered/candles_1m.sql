-- candles_1m: closed one-minute candles without gaps; a minute without trades carries the last close for at most
--   240 minutes, beyond that is a hole.
-- grain: one row per exchange, symbol, closed minute
-- keys: exchange, symbol, open_time
-- event time: open_time
-- late data: amends the candle and the filled minutes after it
-- columns:
--   turnover: sum of price times quantity; of a loaded minute whose source does not tell, volume times typical price
--   trades: number of trades, NULL when unknown
--   buy_volume: volume that takers bought, NULL when a side is unknown
--   is_filled: no trade: the last close goes on
--   feed_state: traded, loaded (as a candle), quiet (heartbeats only) or no_feed
--   amended_at: when a late trade last changed it after its own exchange's clock had closed it; never of a loaded minute
-- footprint:
--   candles_1m_live by exchange, symbol: open_time -> open_time [0, +240 minutes]
--   clock_minutes by exchange, symbol: minute -> open_time [0, 0]
--   closed_minutes by exchange, each symbol of candles_1m_live: minute -> open_time [0, +240 minutes]
-- readers: candles, candles_live
CREATE MATERIALIZED VIEW candles_1m AS
WITH closed AS (
    SELECT l.*, c.closed_at
    FROM candles_1m_live AS l
    INNER JOIN closed_minutes AS c ON l.exchange = c.exchange AND l.open_time = c.minute
),
-- Each candle, and the minute after it once that is closed: only then is the candle carried on, up to the next one, so a
-- market that trades every minute generates nothing.
ends AS (
    SELECT exchange, symbol, open_time AS minute, close, 1 AS is_candle
    FROM closed
    UNION ALL
    SELECT
        l.exchange,
        l.symbol,
        l.open_time + INTERVAL '1 minute' AS minute,
        NULL::double precision AS close,
        0 AS is_candle
    FROM closed AS l
    INNER JOIN closed_minutes AS c ON l.exchange = c.exchange AND l.open_time + INTERVAL '1 minute' = c.minute
),
following AS (
    SELECT
        *,
        lead(is_candle) OVER (PARTITION BY exchange, symbol ORDER BY minute, is_candle) AS next_is_candle,
        lead(minute, 2) OVER (PARTITION BY exchange, symbol ORDER BY minute, is_candle) AS next_open
    FROM ends
),
-- The minutes that the last candle may be carried into wait here until they are closed.
gaps AS (
    SELECT
        exchange,
        symbol,
        close,
        generate_series(
            minute + INTERVAL '1 minute',
            least(next_open - INTERVAL '1 minute', minute + INTERVAL '240 minutes'),
            INTERVAL '1 minute'
        ) AS open_time
    FROM following
    WHERE is_candle = 1 AND next_is_candle = 0
),
quiet AS (
    SELECT exchange, symbol, minute
    FROM clock_minutes
    WHERE heartbeats > 0
),
filled AS (
    SELECT
        exchange, symbol, open_time, open, high, low, close, volume, turnover, trades, buy_volume,
        volume = 0 AS is_filled,
        CASE WHEN is_loaded THEN 'loaded' ELSE 'traded' END AS feed_state,
        CASE WHEN last_ingest_ts > closed_at THEN last_ingest_ts END AS amended_at
    FROM closed
    UNION ALL
    SELECT
        g.exchange, g.symbol, g.open_time, g.close AS open, g.close AS high, g.close AS low, g.close,
        0 AS volume, 0 AS turnover, 0 AS trades, 0 AS buy_volume,
        true AS is_filled,
        CASE WHEN q.minute IS NOT NULL THEN 'quiet' ELSE 'no_feed' END AS feed_state,
        NULL::timestamptz AS amended_at
    FROM gaps AS g
    INNER JOIN closed_minutes AS c ON g.exchange = c.exchange AND g.open_time = c.minute
    LEFT JOIN quiet AS q ON g.exchange = q.exchange AND g.symbol = q.symbol AND g.open_time = q.minute
)
-- Minutes are already unique; DISTINCT ON lets RisingWave infer the three-column key.
SELECT DISTINCT ON (exchange, symbol, open_time)
    exchange, symbol, open_time, open, high, low, close, volume, turnover, trades, buy_volume, is_filled, feed_state,
    amended_at
FROM filled;
