-- loaded_candles_rejected: rows of topic loaded_candles that no candle can use, each with the first reason that applies.
-- grain: one row per rejected row of loaded_candles
-- keys: exchange, symbol, open_time, loaded_at
-- event time: open_time
-- late data: kept
-- footprint:
--   loaded_candles by exchange, symbol: open_time -> open_time [0, 0]
-- readers: trade-to-ohlc, telemetry
CREATE MATERIALIZED VIEW loaded_candles_rejected AS
SELECT
    exchange, symbol, open_time, loaded_at, open, high, low, close, volume, turnover, trades, buy_volume, source,
    ingest_ts,
    CASE
        WHEN date_trunc('minute', open_time, 'UTC') <> open_time THEN 'open time not at a full minute'
        WHEN open_time > ingest_ts - INTERVAL '58 seconds' THEN 'minute not over when it came'
        WHEN open IS NULL OR high IS NULL OR low IS NULL OR close IS NULL THEN 'a price is missing'
        WHEN NOT ((low >= '1e-30'::double precision AND low <= '1e30'::double precision) AND (high >= '1e-30'::double precision AND high <= '1e30'::double precision)) THEN
            CASE
                WHEN (low > 0 AND low < 'Infinity'::double precision) AND (high > 0 AND high < 'Infinity'::double precision)
                    THEN 'price out of range'
                ELSE 'price not positive'
            END
        WHEN NOT (low <= open AND open <= high AND low <= close AND close <= high) THEN 'open or close outside low and high'
        WHEN volume IS NULL THEN 'no volume'
        WHEN NOT (volume >= 0 AND volume <= '1e30'::double precision) THEN 'volume negative or out of range'
        WHEN NOT (turnover >= 0 AND turnover <= '1e30'::double precision) THEN 'turnover negative or out of range'
        WHEN trades < 0 THEN 'number of trades negative'
        ELSE 'bought volume negative or above volume'
    END AS reason
FROM loaded_candles
WHERE NOT coalesce(date_trunc('minute', open_time, 'UTC') = open_time AND open_time <= ingest_ts - INTERVAL '58 seconds'
    AND (low >= '1e-30'::double precision AND low <= '1e30'::double precision) AND (high >= '1e-30'::double precision AND high <= '1e30'::double precision) AND (low <= open AND open <= high AND low <= close AND close <= high)
    AND (volume >= 0 AND volume <= '1e30'::double precision) AND (coalesce(turnover, 0) >= 0 AND coalesce(turnover, 0) <= '1e30'::double precision) AND coalesce(trades, 0) >= 0
    AND (coalesce(buy_volume, 0) >= 0 AND coalesce(buy_volume, 0) <= '1e30'::double precision) AND coalesce(buy_volume, 0) <= volume * 1.000001, false);
