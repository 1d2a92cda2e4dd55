-- trading_hours: when each market traded in each hour, by minutes: from this follow the pauses that are usual for it.
-- grain: one row per exchange, symbol, UTC hour with a trade
-- keys: exchange, symbol, hour
-- event time: hour
-- late data: follows clock_minutes
-- columns:
--   first_minute, last_minute: the first and the last minute with a trade
--   longest_pause: seconds between two minutes with trades and none between, NULL with one such minute
-- footprint:
--   clock_minutes by exchange, symbol: minute -> hour tumble 1 hour
-- readers: model-error-monitor
CREATE MATERIALIZED VIEW trading_hours AS
WITH traded AS (
    SELECT
        exchange,
        symbol,
        date_trunc('hour', minute, 'UTC') AS hour,
        minute,
        lead(minute) OVER (
            PARTITION BY exchange, symbol, date_trunc('hour', minute, 'UTC') ORDER BY minute
        ) AS next_minute
    FROM clock_minutes
    WHERE last_trade_ts IS NOT NULL
)
SELECT
    exchange,
    symbol,
    hour,
    min(minute) AS first_minute,
    max(minute) AS last_minute,
    max(extract(epoch FROM next_minute - minute))::double precision AS longest_pause
FROM traded
GROUP BY exchange, symbol, hour;
