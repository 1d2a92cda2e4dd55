-- candles_live: candles of every timeframe with the open bar, for people who watch; is_open marks what can still grow.
-- grain: one row per exchange, symbol, timeframe, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: as candles; the open bar is read from trades that have arrived
-- columns:
--   turnover: sum of price times quantity; of loaded minutes whose source does not tell, volume times typical price
--   trades: number of trades, NULL when unknown
--   buy_volume: volume that takers bought, NULL when a side is unknown
--   is_open: the bar can still grow
-- readers: predictions-api, dashboard
CREATE VIEW candles_live AS
WITH minutes AS (
    SELECT
        m.exchange, m.symbol, m.open_time, m.open, m.high, m.low, m.close, m.volume, m.turnover, m.trades, m.buy_volume,
        c.closed_until
    FROM candles_1m AS m
    INNER JOIN market_clock AS c
        ON m.exchange = c.exchange
        AND m.open_time >= date_bin(INTERVAL '3600 seconds', c.closed_until, '1970-01-01 00:00:00+00'::timestamptz)
    UNION ALL
    SELECT
        m.exchange, m.symbol, m.open_time, m.open, m.high, m.low, m.close, m.volume, m.turnover, m.trades, m.buy_volume,
        c.closed_until
    FROM candles_1m_live AS m
    INNER JOIN market_clock AS c ON m.exchange = c.exchange AND m.open_time >= c.closed_until
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
    CASE WHEN count(trades) = count(*) THEN sum(trades)::bigint END AS trades,
    CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS buy_volume,
    true AS is_open
FROM TUMBLE(minutes, open_time, INTERVAL '60 seconds')
WHERE window_start > closed_until - INTERVAL '60 seconds'
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
    CASE WHEN count(trades) = count(*) THEN sum(trades)::bigint END AS trades,
    CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS buy_volume,
    true AS is_open
FROM TUMBLE(minutes, open_time, INTERVAL '300 seconds')
WHERE window_start > closed_until - INTERVAL '300 seconds'
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
    CASE WHEN count(trades) = count(*) THEN sum(trades)::bigint END AS trades,
    CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS buy_volume,
    true AS is_open
FROM TUMBLE(minutes, open_time, INTERVAL '900 seconds')
WHERE window_start > closed_until - INTERVAL '900 seconds'
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
    CASE WHEN count(trades) = count(*) THEN sum(trades)::bigint END AS trades,
    CASE WHEN count(buy_volume) = count(*) THEN sum(buy_volume) END AS buy_volume,
    true AS is_open
FROM TUMBLE(minutes, open_time, INTERVAL '3600 seconds')
WHERE window_start > closed_until - INTERVAL '3600 seconds'
GROUP BY exchange, symbol, window_start;
