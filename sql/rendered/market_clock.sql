-- market_clock: the minute up to which candles are closed: the newest event of any feed, less the grace for late trades.
-- grain: one row; closed_until is NULL before the first event
-- keys: clock_id
-- event time: none
-- late data: goes back only by clock_exclusions
-- columns:
--   clock_id: always 1, to join by
--   closed_until: candles that end by then are closed
-- footprint:
--   feed_clock: full
-- readers: candles_1m, candles, candles_live, sentiment_minute
CREATE MATERIALIZED VIEW market_clock AS
SELECT
    1 AS clock_id,
    date_trunc('minute', max(last_ts) - INTERVAL '2 seconds', 'UTC') AS closed_until
FROM feed_clock;
