-- indicator_adx_carry: what the chunks before a chunk contribute to its ADX.
-- grain: one row per exchange, symbol, timeframe, chunk whose predecessor has bars
-- keys: exchange, symbol, timeframe, chunk_start
-- event time: chunk_start
-- late data: follows indicator_averages
-- columns:
--   chunk_start: begin of the chunk that this leads into
--   others: what earlier chunks contribute to the sum of this name
-- footprint:
--   indicator_averages by exchange, symbol, timeframe: open_time -> chunk_start [+1 bar, +768 bars]
-- readers: indicators
CREATE MATERIALIZED VIEW indicator_adx_carry AS
WITH inputs AS (
    SELECT *, power('0.9285714285714286'::double precision, -(bar_index % 256)::double precision) AS weight_wilder_14
    FROM indicator_averages
),
totals AS (
    SELECT
        exchange, symbol, timeframe, chunk_start,
        bar_index / 256 AS chunk,
        sum(dx * weight_wilder_14) AS dx_wilder_14,
        sum(has_dx * weight_wilder_14) AS has_dx_wilder_14
    FROM inputs
    GROUP BY exchange, symbol, timeframe, chunk_start, bar_index / 256
)
SELECT
    exchange,
    symbol,
    timeframe,
    chunk_start + CASE timeframe
            WHEN '1m' THEN INTERVAL '15360 seconds'
            WHEN '5m' THEN INTERVAL '76800 seconds'
            WHEN '15m' THEN INTERVAL '230400 seconds'
            WHEN '1h' THEN INTERVAL '921600 seconds'
        END AS chunk_start,
    '5.763961309028221e-09'::double precision * dx_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(dx_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(dx_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS dx_wilder_14,
    '5.763961309028221e-09'::double precision * has_dx_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(has_dx_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(has_dx_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS has_dx_wilder_14
FROM totals;
