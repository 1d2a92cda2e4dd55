-- candles: closed candles of every timeframe, without gaps; each longer one rolls up from the one below when
--   wholly closed.
-- grain: one row per exchange, symbol, timeframe, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: an amended minute amends every bar above it; amended_at says when, if the bar was closed already
-- columns:
--   bar_index: position on the time line of its timeframe: neighbours differ by one
--   turnover: sum of price times quantity; of loaded minutes whose source does not tell, volume times typical price
--   trades: number of trades, NULL when unknown
--   buy_volume: volume that takers bought, NULL when a side is unknown
--   is_filled: no trade: the last close goes on
--   feed_state: traded, loaded (as candles), quiet (heartbeats only) or no_feed, of the worst of its minutes
--   amended_at: when a late trade last changed it after it had closed
--   minutes_present: minutes that it is made of
--   is_whole: made of all its minutes; a bar with a hole, such as the first of a history, is as good as none for
--     indicators and features
-- footprint:
--   candles_1m by exchange, symbol: open_time -> open_time tumble 3600 seconds
--   closed_minutes by exchange, each symbol of candles_1m: minute -> open_time tumble 3600 seconds
-- readers: indicator_sums, candles_live, bar_features, labels, prediction_outcomes, candles_sink, predictions-api
CREATE MATERIALIZED VIEW candles AS
WITH closed_1m AS (
    SELECT *, 1 AS minutes_present
    FROM candles_1m
),
begun_5m AS (
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
        CASE WHEN count(trades) = count(*) THEN sum(trades)::bigint END AS trades,
        CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS buy_volume,
        count(CASE WHEN NOT is_filled THEN 1 END) = 0 AS is_filled,
        CASE
            WHEN count(CASE WHEN feed_state = 'no_feed' THEN 1 END) > 0 THEN 'no_feed'
            WHEN count(CASE WHEN feed_state = 'quiet' THEN 1 END) > 0 THEN 'quiet'
            WHEN count(CASE WHEN feed_state = 'loaded' THEN 1 END) > 0 THEN 'loaded'
            ELSE 'traded'
        END AS feed_state,
        max(amended_at) AS amended_at,
        sum(minutes_present)::int AS minutes_present,
        window_start + INTERVAL '240 seconds' AS last_minute
    FROM TUMBLE(closed_1m, open_time, INTERVAL '300 seconds')
    GROUP BY exchange, symbol, window_start
),
closed_5m AS (
    SELECT
        b.exchange, b.symbol, b.open_time, b.open, b.high, b.low, b.close, b.volume, b.turnover, b.trades, b.buy_volume,
        b.is_filled, b.feed_state,
        CASE WHEN b.amended_at > c.closed_at THEN b.amended_at END AS amended_at,
        b.minutes_present
    FROM begun_5m AS b
    INNER JOIN closed_minutes AS c ON b.exchange = c.exchange AND b.last_minute = c.minute
),
begun_15m AS (
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
        CASE WHEN count(trades) = count(*) THEN sum(trades)::bigint END AS trades,
        CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS buy_volume,
        count(CASE WHEN NOT is_filled THEN 1 END) = 0 AS is_filled,
        CASE
            WHEN count(CASE WHEN feed_state = 'no_feed' THEN 1 END) > 0 THEN 'no_feed'
            WHEN count(CASE WHEN feed_state = 'quiet' THEN 1 END) > 0 THEN 'quiet'
            WHEN count(CASE WHEN feed_state = 'loaded' THEN 1 END) > 0 THEN 'loaded'
            ELSE 'traded'
        END AS feed_state,
        max(amended_at) AS amended_at,
        sum(minutes_present)::int AS minutes_present,
        window_start + INTERVAL '840 seconds' AS last_minute
    FROM TUMBLE(closed_5m, open_time, INTERVAL '900 seconds')
    GROUP BY exchange, symbol, window_start
),
closed_15m AS (
    SELECT
        b.exchange, b.symbol, b.open_time, b.open, b.high, b.low, b.close, b.volume, b.turnover, b.trades, b.buy_volume,
        b.is_filled, b.feed_state,
        CASE WHEN b.amended_at > c.closed_at THEN b.amended_at END AS amended_at,
        b.minutes_present
    FROM begun_15m AS b
    INNER JOIN closed_minutes AS c ON b.exchange = c.exchange AND b.last_minute = c.minute
),
begun_1h AS (
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
        CASE WHEN count(trades) = count(*) THEN sum(trades)::bigint END AS trades,
        CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS buy_volume,
        count(CASE WHEN NOT is_filled THEN 1 END) = 0 AS is_filled,
        CASE
            WHEN count(CASE WHEN feed_state = 'no_feed' THEN 1 END) > 0 THEN 'no_feed'
            WHEN count(CASE WHEN feed_state = 'quiet' THEN 1 END) > 0 THEN 'quiet'
            WHEN count(CASE WHEN feed_state = 'loaded' THEN 1 END) > 0 THEN 'loaded'
            ELSE 'traded'
        END AS feed_state,
        max(amended_at) AS amended_at,
        sum(minutes_present)::int AS minutes_present,
        window_start + INTERVAL '3540 seconds' AS last_minute
    FROM TUMBLE(closed_15m, open_time, INTERVAL '3600 seconds')
    GROUP BY exchange, symbol, window_start
),
closed_1h AS (
    SELECT
        b.exchange, b.symbol, b.open_time, b.open, b.high, b.low, b.close, b.volume, b.turnover, b.trades, b.buy_volume,
        b.is_filled, b.feed_state,
        CASE WHEN b.amended_at > c.closed_at THEN b.amended_at END AS amended_at,
        b.minutes_present
    FROM begun_1h AS b
    INNER JOIN closed_minutes AS c ON b.exchange = c.exchange AND b.last_minute = c.minute
)
SELECT
    exchange,
    symbol,
    '1m' AS timeframe,
    open_time,
    open_time + INTERVAL '60 seconds' AS close_time,
    (extract(epoch FROM open_time)::bigint / 60) AS bar_index,
    open, high, low, close, volume, turnover, trades, buy_volume, is_filled, feed_state, amended_at,
    minutes_present,
    minutes_present = 1 AS is_whole
FROM closed_1m
UNION ALL
SELECT
    exchange,
    symbol,
    '5m' AS timeframe,
    open_time,
    open_time + INTERVAL '300 seconds' AS close_time,
    (extract(epoch FROM open_time)::bigint / 300) AS bar_index,
    open, high, low, close, volume, turnover, trades, buy_volume, is_filled, feed_state, amended_at,
    minutes_present,
    minutes_present = 5 AS is_whole
FROM closed_5m
UNION ALL
SELECT
    exchange,
    symbol,
    '15m' AS timeframe,
    open_time,
    open_time + INTERVAL '900 seconds' AS close_time,
    (extract(epoch FROM open_time)::bigint / 900) AS bar_index,
    open, high, low, close, volume, turnover, trades, buy_volume, is_filled, feed_state, amended_at,
    minutes_present,
    minutes_present = 15 AS is_whole
FROM closed_15m
UNION ALL
SELECT
    exchange,
    symbol,
    '1h' AS timeframe,
    open_time,
    open_time + INTERVAL '3600 seconds' AS close_time,
    (extract(epoch FROM open_time)::bigint / 3600) AS bar_index,
    open, high, low, close, volume, turnover, trades, buy_volume, is_filled, feed_state, amended_at,
    minutes_present,
    minutes_present = 60 AS is_whole
FROM closed_1h;
