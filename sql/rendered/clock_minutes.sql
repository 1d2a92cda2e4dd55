-- clock_minutes: how far each feed had come in each minute, by trades and heartbeats; a future-dated row counts as its arrival.
-- grain: one row per exchange, symbol, minute in which something usable arrived
-- keys: exchange, symbol, minute
-- event time: minute
-- late data: a late row can only raise the maxima of its own minute
-- columns:
--   last_ts: newest event of the minute
--   last_trade_ts: newest trade of the minute, NULL without one
--   heartbeats: number of heartbeats
-- footprint:
--   trades by exchange, symbol: least(ts, ingest_ts) -> minute tumble 1 minute
-- readers: clock_days, candles_1m
CREATE MATERIALIZED VIEW clock_minutes AS
WITH seen AS (
    SELECT exchange, symbol, kind, least(ts, ingest_ts) AS seen_ts
    FROM trades
    WHERE (kind = 'heartbeat' AND ts IS NOT NULL)
        OR (kind = 'trade' AND (price > 0 AND price < 'Infinity'::double precision) AND (quantity > 0 AND quantity < 'Infinity'::double precision) AND ts <= ingest_ts + INTERVAL '2 seconds')
)
SELECT
    exchange,
    symbol,
    date_trunc('minute', seen_ts, 'UTC') AS minute,
    max(seen_ts) AS last_ts,
    max(CASE WHEN kind = 'trade' THEN seen_ts END) AS last_trade_ts,
    count(CASE WHEN kind = 'heartbeat' THEN 1 END) AS heartbeats
FROM seen
GROUP BY exchange, symbol, date_trunc('minute', seen_ts, 'UTC');
