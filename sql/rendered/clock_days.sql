-- clock_days: how far each feed had come on each day, without the excluded minutes.
-- grain: one row per exchange, symbol, UTC day
-- keys: exchange, symbol, day
-- event time: day
-- late data: follows clock_minutes and clock_exclusions
-- columns:
--   last_ts, last_trade_ts: newest event and newest trade of the day
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
GROUP BY m.exchange, m.symbol, date_trunc('day', m.minute, 'UTC');
