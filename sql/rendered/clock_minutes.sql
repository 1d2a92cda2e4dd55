-- clock_minutes: how far each feed had come in each minute, by trades, heartbeats and ends of loaded candles; a
--   future-dated row counts as its arrival.
-- grain: one row per exchange, symbol, minute in which something usable arrived
-- keys: exchange, symbol, minute
-- event time: minute
-- late data: a late row can only raise the maxima of its own minute
-- columns:
--   last_ts: newest event of the minute
--   last_trade_ts: newest trade of the minute, NULL without one
--   heartbeats: number of heartbeats
--   early_at, passed_at: when the first event arrived that happened within, or after, the grace for the minute before
-- footprint:
--   trades by exchange, symbol: least(ts, ingest_ts) -> minute tumble 1 minute
--   loaded_candles by exchange, symbol: open_time -> minute [-11 minutes, +2 minutes]
-- readers: clock_days, clock_steps, candles_1m, trading_hours
CREATE MATERIALIZED VIEW clock_minutes AS
WITH seen AS (
    SELECT exchange, symbol, kind, ingest_ts, least(ts, ingest_ts) AS seen_ts
    FROM trades
    WHERE (kind = 'heartbeat' AND ts IS NOT NULL)
        OR (kind = 'trade' AND (price >= '1e-30'::double precision AND price <= '1e30'::double precision) AND (quantity >= '1e-30'::double precision AND quantity <= '1e30'::double precision) AND ts <= ingest_ts + INTERVAL '2 seconds')
    UNION ALL
    -- A loaded candle says that its minute is over, but never so that a load overtakes a live feed that lags.
    SELECT
        exchange,
        symbol,
        'candle' AS kind,
        ingest_ts,
        least(open_time + INTERVAL '1 minute' + INTERVAL '2 seconds', ingest_ts - INTERVAL '600 seconds') AS seen_ts
    FROM loaded_candles
    WHERE date_trunc('minute', open_time, 'UTC') = open_time AND open_time <= ingest_ts - INTERVAL '58 seconds'
    AND (low >= '1e-30'::double precision AND low <= '1e30'::double precision) AND (high >= '1e-30'::double precision AND high <= '1e30'::double precision) AND (low <= open AND open <= high AND low <= close AND close <= high)
    AND (volume >= 0 AND volume <= '1e30'::double precision) AND (coalesce(turnover, 0) >= 0 AND coalesce(turnover, 0) <= '1e30'::double precision) AND coalesce(trades, 0) >= 0
    AND (coalesce(buy_volume, 0) >= 0 AND coalesce(buy_volume, 0) <= '1e30'::double precision) AND coalesce(buy_volume, 0) <= volume * 1.000001
)
SELECT
    exchange,
    symbol,
    date_trunc('minute', seen_ts, 'UTC') AS minute,
    max(seen_ts) AS last_ts,
    max(CASE WHEN kind = 'trade' THEN seen_ts END) AS last_trade_ts,
    count(CASE WHEN kind = 'heartbeat' THEN 1 END) AS heartbeats,
    min(CASE WHEN seen_ts < date_trunc('minute', seen_ts, 'UTC') + INTERVAL '2 seconds' THEN ingest_ts END) AS early_at,
    min(CASE WHEN seen_ts >= date_trunc('minute', seen_ts, 'UTC') + INTERVAL '2 seconds' THEN ingest_ts END) AS passed_at
FROM seen
GROUP BY exchange, symbol, date_trunc('minute', seen_ts, 'UTC');
