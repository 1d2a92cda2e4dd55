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
following AS (
    SELECT *, lead(open_time) OVER (PARTITION BY exchange, symbol ORDER BY open_time) AS next_open
    FROM closed
),
minutes AS (
    SELECT
        *,
        generate_series(
            open_time,
            least(next_open - INTERVAL '1 minute', open_time + INTERVAL '240 minutes'),
            INTERVAL '1 minute'
        ) AS minute
    FROM following
),
-- The minutes that the last candle may be carried into wait here until they are closed.
filled AS (
    SELECT m.*
    FROM minutes AS m
    INNER JOIN closed_minutes AS c ON m.exchange = c.exchange AND m.minute = c.minute
),
quiet AS (
    SELECT exchange, symbol, minute
    FROM clock_minutes
    WHERE heartbeats > 0
)
-- Minutes are already unique; DISTINCT ON lets RisingWave infer the three-column key.
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
    f.minute <> f.open_time OR f.volume = 0 AS is_filled,
    CASE
        WHEN f.minute = f.open_time AND f.is_loaded THEN 'loaded'
        WHEN f.minute = f.open_time THEN 'traded'
        WHEN q.minute IS NOT NULL THEN 'quiet'
        ELSE 'no_feed'
    END AS feed_state,
    CASE
        WHEN f.minute = f.open_time AND f.last_ingest_ts > f.closed_at
            THEN f.last_ingest_ts
    END AS amended_at
FROM filled AS f
LEFT JOIN quiet AS q
    ON f.exchange = q.exchange AND f.symbol = q.symbol
    AND CASE WHEN f.minute <> f.open_time THEN f.minute END = q.minute;
