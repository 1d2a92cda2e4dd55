-- labels: what came after each closed minute: the log return over every horizon, joined by timestamp, never by position.
--   NULL while the target minute is not closed, and permanently if either minute is missing or without a feed.
-- grain: one row per exchange, symbol, closed minute, horizon
-- keys: exchange, symbol, horizon_minutes, open_time
-- event time: open_time
-- late data: an amended close amends the labels that begin or end with it
-- columns:
--   realised_return: log return from close_time to target_time
-- footprint:
--   candles by exchange, symbol: open_time -> open_time [-60 minutes, 0]
-- readers: model-trainer, people
CREATE MATERIALIZED VIEW labels AS
WITH minutes AS (
    SELECT *
    FROM candles
    WHERE timeframe = '1m'
),
wanted AS (
    SELECT *, unnest(ARRAY[1, 5, 15, 60]) AS horizon_minutes
    FROM minutes
)
SELECT
    w.exchange, w.symbol, w.horizon_minutes, w.open_time,
    w.close_time + w.horizon_minutes * INTERVAL '1 minute' AS target_time,
    CASE
        WHEN w.feed_state <> 'no_feed' AND t.feed_state <> 'no_feed' AND w.close > 0 AND t.close > 0
            THEN ln(t.close / nullif(w.close, 0))
    END AS realised_return
FROM wanted AS w
LEFT JOIN minutes AS t
    ON w.exchange = t.exchange AND w.symbol = t.symbol AND w.open_time + w.horizon_minutes * INTERVAL '1 minute' = t.open_time;
