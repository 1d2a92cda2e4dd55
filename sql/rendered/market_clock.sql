-- market_clock: the minute up to which the candles of each exchange are closed: its newest event of any symbol, less the
--   grace for late trades. An exchange that lags closes its own minutes later; 600 seconds behind the one
--   furthest ahead it is closed with that one, so that a dead feed ends in minutes without a feed and not in silence.
-- grain: one row per exchange
-- keys: exchange
-- event time: none
-- late data: goes back only by clock_exclusions
-- columns:
--   closed_until: candles of the exchange that end by then are closed
-- footprint:
--   feed_clock: full
--   furthest_clock: full
-- readers: closed_minutes, candles_live, trade-to-ohlc, price-predictor, predictions-api
CREATE MATERIALIZED VIEW market_clock AS
WITH own AS (
    SELECT exchange, 1 AS clock_id, max(date_trunc('minute', last_ts - INTERVAL '2 seconds', 'UTC')) AS closed_until
    FROM feed_clock
    GROUP BY exchange
)
SELECT
    o.exchange,
    greatest(o.closed_until, f.closed_until - INTERVAL '600 seconds') AS closed_until
FROM own AS o
INNER JOIN furthest_clock AS f ON o.clock_id = f.clock_id;
