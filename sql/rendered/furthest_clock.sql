-- furthest_clock: the minute up to which the exchange that is furthest ahead has come: its newest event, less the grace for
--   late trades. What belongs to no exchange, such as news, goes by it.
-- grain: one row; closed_until is NULL before the first event
-- keys: clock_id
-- event time: none
-- late data: goes back only by clock_exclusions
-- columns:
--   clock_id: always 1, to join by
--   closed_until: minutes that end by then are closed on the exchange furthest ahead
-- footprint:
--   feed_clock: full
-- readers: market_clock, sentiment_minute, trade-to-ohlc, predictions-api, model-error-monitor
CREATE MATERIALIZED VIEW furthest_clock AS
SELECT
    1 AS clock_id,
    max(date_trunc('minute', last_ts - INTERVAL '2 seconds', 'UTC')) AS closed_until
FROM feed_clock;
