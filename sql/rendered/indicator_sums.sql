-- indicator_sums: what indicators add up: each bar's own terms, running sums over its chunk of 256 bars for
--   the exponential averages, and over its part of the UTC day for OBV. Earlier chunks are in indicator_carry and
--   indicator_obv_carry. A bar that lacks a minute is a hole.
-- grain: one row per exchange, symbol, timeframe, whole bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: an amended candle amends the rest of its chunk
-- columns:
--   chunk_start, chunk_position: chunk of the bar, and the bar's place in it
--   part_start: begin of the part of a UTC day that lies in the chunk
--   previous_high, previous_low, previous_close: of the bar before, NULL after a hole
--   typical: mean of high, low and close
--   exact_close: close as NUMERIC
--   log_return: of the close against the close before
--   signed_volume: volume with the sign of the close's move
--   money_in, money_out: typical price times volume of a bar whose typical price rose, or fell
--   accumulation: volume weighted by where the close lies in the bar's range, -1 to 1
--   illiquidity: absolute log return by turnover
--   obv_part: sum of signed_volume since part_start
--   run_start: bar_index after the last hole in the chunk, NULL without one
--   others: running sum over the chunk: of what the name begins with, weighted for the average that it ends with
--     (_m1, _m2: times the place in the chunk, and its square)
-- footprint:
--   candles by exchange, symbol, timeframe: open_time -> open_time [0, +256 bars]
-- readers: indicator_chunks, indicator_obv_carry, indicator_averages
CREATE MATERIALIZED VIEW indicator_sums AS
WITH bars AS (
    SELECT
        *,
        CASE timeframe
            WHEN '1m' THEN date_bin(INTERVAL '15360 seconds', open_time, '1970-01-01 00:00:00+00'::timestamptz)
            WHEN '5m' THEN date_bin(INTERVAL '76800 seconds', open_time, '1970-01-01 00:00:00+00'::timestamptz)
            WHEN '15m' THEN date_bin(INTERVAL '230400 seconds', open_time, '1970-01-01 00:00:00+00'::timestamptz)
            WHEN '1h' THEN date_bin(INTERVAL '921600 seconds', open_time, '1970-01-01 00:00:00+00'::timestamptz)
        END AS chunk_start,
        bar_index % 256 AS chunk_position,
        coalesce(lag(bar_index) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) = bar_index - 1, false) AS follows,
        lag(high) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS last_high,
        lag(low) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS last_low,
        lag(close) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS last_close
    FROM candles
    WHERE is_whole
),
-- A bar after a hole has no previous bar.
steps AS (
    SELECT
        *,
        greatest(chunk_start, date_trunc('day', open_time, 'UTC')) AS part_start,
        CASE WHEN follows THEN last_high END AS previous_high,
        CASE WHEN follows THEN last_low END AS previous_low,
        CASE WHEN follows THEN last_close END AS previous_close
    FROM bars
),
inputs AS (
    SELECT
        *,
        (high + low + close) / 3 AS typical,
        close::numeric AS exact_close,
        ln(nullif(greatest(close / nullif(previous_close, 0), 0), 0)) AS log_return,
        sign(close - previous_close) * volume AS signed_volume,
        CASE WHEN high + low + close - (previous_high + previous_low + previous_close) > '1e-12'::double precision * high THEN (high + low + close) / 3 * volume ELSE 0 END AS money_in,
        CASE WHEN previous_high + previous_low + previous_close - (high + low + close) > '1e-12'::double precision * high THEN (high + low + close) / 3 * volume ELSE 0 END AS money_out,
        CASE WHEN high > low THEN ((close - low) - (high - close)) / (high - low) * volume ELSE 0 END AS accumulation,
        abs(ln(nullif(greatest(close / nullif(previous_close, 0), 0), 0))) / nullif(turnover, 0) AS illiquidity,
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
    FROM steps
)
SELECT
    exchange, symbol, timeframe, open_time, close_time, bar_index, high, low, close, volume, turnover,
    buy_volume, is_filled, chunk_start, part_start, chunk_position, previous_high, previous_low, previous_close,
    typical, exact_close, log_return, signed_volume, money_in, money_out, accumulation, illiquidity,
    sum(signed_volume) OVER (PARTITION BY exchange, symbol, timeframe, part_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS obv_part,
    max(CASE WHEN follows THEN NULL ELSE bar_index END) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run_start,
    sum(close * weight_ema_9) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_9,
    sum(weight_ema_9) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_9,
    sum(close * weight_ema_12) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_12,
    sum(weight_ema_12) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_12,
    sum(close * weight_ema_20) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_20,
    sum(close * weight_ema_20 * chunk_position) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_20_m1,
    sum(close * weight_ema_20 * chunk_position * chunk_position) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_20_m2,
    sum(weight_ema_20) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_20,
    sum(weight_ema_20 * chunk_position) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_20_m1,
    sum(weight_ema_20 * chunk_position * chunk_position) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_20_m2,
    sum(close * weight_ema_26) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_26,
    sum(weight_ema_26) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_26,
    sum(close * weight_ema_50) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_50,
    sum(weight_ema_50) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_50,
    sum(close * weight_ema_200) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_ema_200,
    sum(weight_ema_200) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bars_ema_200,
    sum(gain * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS gain_wilder_14,
    sum(loss * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS loss_wilder_14,
    sum(true_range * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS true_range_wilder_14,
    sum(has_range * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS ranges_wilder_14,
    sum(true_range * weight_wilder_10) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS true_range_wilder_10,
    sum(has_range * weight_wilder_10) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS ranges_wilder_10,
    sum(plus_dm * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS plus_dm_wilder_14,
    sum(minus_dm * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS minus_dm_wilder_14
FROM inputs;
