-- indicator_chunks: totals of each chunk of 256 bars, of what indicator_sums adds up bar by bar.
-- grain: one row per exchange, symbol, timeframe, chunk
-- keys: exchange, symbol, timeframe, chunk_start
-- event time: chunk_start
-- late data: follows indicator_sums
-- columns:
--   chunk_start, chunk: begin of the chunk, and its number since 1970
--   run_start: bar_index after the last hole in the chunk, NULL without one
--   others: total of the running sum of this name
-- footprint:
--   indicator_sums by exchange, symbol, timeframe: open_time -> chunk_start [-255 bars, 0]
-- readers: indicator_carry
CREATE MATERIALIZED VIEW indicator_chunks AS
WITH inputs AS (
    SELECT
        *,
        greatest(close - previous_close, 0) AS gain,
        greatest(previous_close - close, 0) AS loss,
        CASE WHEN previous_close IS NULL THEN 0 ELSE greatest(high, previous_close) - least(low, previous_close) END AS true_range,
        CASE WHEN previous_close IS NULL THEN 0 ELSE 1 END AS has_range,
        CASE WHEN high > previous_high AND high - previous_high - (previous_low - low) > '1e-12'::double precision * high THEN high - previous_high ELSE 0 END AS plus_dm,
        CASE WHEN low < previous_low AND previous_low - low - (high - previous_high) > '1e-12'::double precision * high THEN previous_low - low ELSE 0 END AS minus_dm,
        power('0.8'::double precision, -(bar_index % 256)::double precision) AS weight_ema_9,
        power('0.8461538461538461'::double precision, -(bar_index % 256)::double precision) AS weight_ema_12,
        power('0.9047619047619048'::double precision, -(bar_index % 256)::double precision) AS weight_ema_20,
        power('0.9259259259259259'::double precision, -(bar_index % 256)::double precision) AS weight_ema_26,
        power('0.9607843137254902'::double precision, -(bar_index % 256)::double precision) AS weight_ema_50,
        power('0.9900497512437811'::double precision, -(bar_index % 256)::double precision) AS weight_ema_200,
        power('0.9285714285714286'::double precision, -(bar_index % 256)::double precision) AS weight_wilder_14,
        power('0.9'::double precision, -(bar_index % 256)::double precision) AS weight_wilder_10
    FROM indicator_sums
)
SELECT
    exchange, symbol, timeframe, chunk_start,
    bar_index / 256 AS chunk,
    max(run_start) AS run_start,
    sum(close * weight_ema_9) AS close_ema_9,
    sum(weight_ema_9) AS bars_ema_9,
    sum(close * weight_ema_12) AS close_ema_12,
    sum(weight_ema_12) AS bars_ema_12,
    sum(close * weight_ema_20) AS close_ema_20,
    sum(close * weight_ema_20 * chunk_position) AS close_ema_20_m1,
    sum(close * weight_ema_20 * chunk_position * chunk_position) AS close_ema_20_m2,
    sum(weight_ema_20) AS bars_ema_20,
    sum(weight_ema_20 * chunk_position) AS bars_ema_20_m1,
    sum(weight_ema_20 * chunk_position * chunk_position) AS bars_ema_20_m2,
    sum(close * weight_ema_26) AS close_ema_26,
    sum(weight_ema_26) AS bars_ema_26,
    sum(close * weight_ema_50) AS close_ema_50,
    sum(weight_ema_50) AS bars_ema_50,
    sum(close * weight_ema_200) AS close_ema_200,
    sum(weight_ema_200) AS bars_ema_200,
    sum(gain * weight_wilder_14) AS gain_wilder_14,
    sum(loss * weight_wilder_14) AS loss_wilder_14,
    sum(true_range * weight_wilder_14) AS true_range_wilder_14,
    sum(has_range * weight_wilder_14) AS ranges_wilder_14,
    sum(true_range * weight_wilder_10) AS true_range_wilder_10,
    sum(has_range * weight_wilder_10) AS ranges_wilder_10,
    sum(plus_dm * weight_wilder_14) AS plus_dm_wilder_14,
    sum(minus_dm * weight_wilder_14) AS minus_dm_wilder_14
FROM inputs
GROUP BY exchange, symbol, timeframe, chunk_start, bar_index / 256;
