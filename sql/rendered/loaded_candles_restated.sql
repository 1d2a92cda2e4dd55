-- loaded_candles_restated: minutes of which usable loads say different things: an exchange that corrected its history, or
--   two sources that disagree. The newest load counts; what a load does not tell contradicts none.
-- grain: one row per exchange, symbol, minute with contradicting loads
-- keys: exchange, symbol, open_time
-- event time: open_time
-- late data: follows loaded_candles
-- columns:
--   loads: usable loads of the minute
--   loaded_at: when the newest of them began
--   price_difference: largest among open, high, low and close of the loads
--   volume_difference: largest among volumes
-- footprint:
--   loaded_candles by exchange, symbol: open_time -> open_time [0, 0]
-- readers: trade-to-ohlc, people
CREATE MATERIALIZED VIEW loaded_candles_restated AS
SELECT
    exchange,
    symbol,
    open_time,
    count(*) AS loads,
    max(loaded_at) AS loaded_at,
    greatest(max(open) - min(open), max(high) - min(high), max(low) - min(low), max(close) - min(close)) AS price_difference,
    max(volume) - min(volume) AS volume_difference
FROM loaded_candles
WHERE date_trunc('minute', open_time, 'UTC') = open_time AND open_time <= ingest_ts - INTERVAL '58 seconds'
    AND (low >= '1e-30'::double precision AND low <= '1e30'::double precision) AND (high >= '1e-30'::double precision AND high <= '1e30'::double precision) AND (low <= open AND open <= high AND low <= close AND close <= high)
    AND (volume >= 0 AND volume <= '1e30'::double precision) AND (coalesce(turnover, 0) >= 0 AND coalesce(turnover, 0) <= '1e30'::double precision) AND coalesce(trades, 0) >= 0
    AND (coalesce(buy_volume, 0) >= 0 AND coalesce(buy_volume, 0) <= '1e30'::double precision) AND coalesce(buy_volume, 0) <= volume * 1.000001
GROUP BY exchange, symbol, open_time
HAVING min(open) <> max(open) OR min(high) <> max(high) OR min(low) <> max(low) OR min(close) <> max(close) OR min(volume) <> max(volume) OR min(turnover) <> max(turnover) OR min(trades) <> max(trades) OR min(buy_volume) <> max(buy_volume);
