-- feed_clock: newest event of each feed; a forecast waits until its own feed has passed the bar's close plus grace.
-- grain: one row per exchange, symbol
-- keys: exchange, symbol
-- event time: none
-- late data: never goes back, except by clock_exclusions
-- columns:
--   last_ts, last_trade_ts: newest event and newest trade of the feed
-- footprint:
--   clock_days by exchange, symbol: all
-- readers: furthest_clock, market_clock, price-predictor, telemetry
CREATE MATERIALIZED VIEW feed_clock AS
SELECT
    exchange,
    symbol,
    max(last_ts) AS last_ts,
    max(last_trade_ts) AS last_trade_ts
FROM clock_days
GROUP BY exchange, symbol;
