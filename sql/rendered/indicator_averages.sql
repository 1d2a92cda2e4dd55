-- indicator_averages: every exponential average, OBV, and warm_bars (bars since the last hole, at most 2560);
--   with the running sums of the directional index, which ADX smooths once more.
-- grain: one row per exchange, symbol, timeframe, whole bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: an amended candle amends the averages that remember it
-- columns:
--   warm_bars: bars since the last hole, at most 2560
--   dx, has_dx: directional index, 0 where it is not defined; 1 where it is
--   obv: on-balance volume since 00:00 UTC
--   others: average of the name, as indicators shows it; running sums of dx for ADX
-- footprint:
--   indicator_sums by exchange, symbol, timeframe: open_time -> open_time [0, +255 bars]
--   indicator_carry by exchange, symbol, timeframe: chunk_start -> open_time [0, +255 bars]
--   indicator_obv_carry by exchange, symbol, timeframe: part_start -> open_time [0, +255 bars]
-- readers: indicator_adx_carry, indicators
CREATE MATERIALIZED VIEW indicator_averages AS
WITH totals AS (
    SELECT
        r.*,
        least(r.bar_index - coalesce(r.run_start, c.run_start) + 1, 2560) AS warm_bars,
        CASE WHEN r.obv_part IS NULL THEN o.obv ELSE r.obv_part + coalesce(o.obv, 0) END AS obv,
        r.close_ema_9 + coalesce(c.close_ema_9, 0) AS all_close_ema_9,
        r.bars_ema_9 + coalesce(c.bars_ema_9, 0) AS all_bars_ema_9,
        r.close_ema_12 + coalesce(c.close_ema_12, 0) AS all_close_ema_12,
        r.bars_ema_12 + coalesce(c.bars_ema_12, 0) AS all_bars_ema_12,
        r.close_ema_20 + coalesce(c.close_ema_20, 0) AS all_close_ema_20,
        r.close_ema_20_m1 + coalesce(c.close_ema_20_m1, 0) AS all_close_ema_20_m1,
        r.close_ema_20_m2 + coalesce(c.close_ema_20_m2, 0) AS all_close_ema_20_m2,
        r.bars_ema_20 + coalesce(c.bars_ema_20, 0) AS all_bars_ema_20,
        r.bars_ema_20_m1 + coalesce(c.bars_ema_20_m1, 0) AS all_bars_ema_20_m1,
        r.bars_ema_20_m2 + coalesce(c.bars_ema_20_m2, 0) AS all_bars_ema_20_m2,
        r.close_ema_26 + coalesce(c.close_ema_26, 0) AS all_close_ema_26,
        r.bars_ema_26 + coalesce(c.bars_ema_26, 0) AS all_bars_ema_26,
        r.close_ema_50 + coalesce(c.close_ema_50, 0) AS all_close_ema_50,
        r.bars_ema_50 + coalesce(c.bars_ema_50, 0) AS all_bars_ema_50,
        r.close_ema_200 + coalesce(c.close_ema_200, 0) AS all_close_ema_200,
        r.bars_ema_200 + coalesce(c.bars_ema_200, 0) AS all_bars_ema_200,
        r.gain_wilder_14 + coalesce(c.gain_wilder_14, 0) AS all_gain_wilder_14,
        r.loss_wilder_14 + coalesce(c.loss_wilder_14, 0) AS all_loss_wilder_14,
        r.true_range_wilder_14 + coalesce(c.true_range_wilder_14, 0) AS all_true_range_wilder_14,
        r.ranges_wilder_14 + coalesce(c.ranges_wilder_14, 0) AS all_ranges_wilder_14,
        r.true_range_wilder_10 + coalesce(c.true_range_wilder_10, 0) AS all_true_range_wilder_10,
        r.ranges_wilder_10 + coalesce(c.ranges_wilder_10, 0) AS all_ranges_wilder_10,
        r.plus_dm_wilder_14 + coalesce(c.plus_dm_wilder_14, 0) AS all_plus_dm_wilder_14,
        r.minus_dm_wilder_14 + coalesce(c.minus_dm_wilder_14, 0) AS all_minus_dm_wilder_14
    FROM indicator_sums AS r
    LEFT JOIN indicator_carry AS c
        ON r.exchange = c.exchange AND r.symbol = c.symbol AND r.timeframe = c.timeframe
        AND r.chunk_start = c.chunk_start
    LEFT JOIN indicator_obv_carry AS o
        ON r.exchange = o.exchange AND r.symbol = o.symbol AND r.timeframe = o.timeframe
        AND r.part_start = o.part_start
),
directed AS (
    SELECT *, 100 * abs(all_plus_dm_wilder_14 - all_minus_dm_wilder_14) / nullif(all_plus_dm_wilder_14 + all_minus_dm_wilder_14, 0) AS directional_index
    FROM totals
),
weighted AS (
    SELECT
        *,
        coalesce(directional_index, 0) AS dx,
        CASE WHEN directional_index IS NULL THEN 0 ELSE 1 END AS has_dx,
        power('0.9285714285714286'::double precision, -(bar_index % 256)::double precision) AS weight_wilder_14
    FROM directed
)
SELECT
    exchange, symbol, timeframe, open_time, close_time, bar_index, chunk_start, high, low, close, volume,
    turnover, buy_volume, is_filled, typical, exact_close, log_return, money_in, money_out, accumulation,
    illiquidity, warm_bars,
    (all_close_ema_12) / nullif(all_bars_ema_12, 0) AS ema_12,
    (all_close_ema_26) / nullif(all_bars_ema_26, 0) AS ema_26,
    (all_close_ema_50) / nullif(all_bars_ema_50, 0) AS ema_50,
    (all_close_ema_200) / nullif(all_bars_ema_200, 0) AS ema_200,
    2 * (all_close_ema_20) / nullif(all_bars_ema_20, 0) - ((chunk_position + 1) * all_close_ema_20 - all_close_ema_20_m1) / nullif(((chunk_position + 1) * all_bars_ema_20 - all_bars_ema_20_m1), 0) AS dema_20,
    3 * (all_close_ema_20) / nullif(all_bars_ema_20, 0) - 3 * ((chunk_position + 1) * all_close_ema_20 - all_close_ema_20_m1) / nullif(((chunk_position + 1) * all_bars_ema_20 - all_bars_ema_20_m1), 0) + ((chunk_position + 1) * (chunk_position + 2) * all_close_ema_20 - (2 * chunk_position + 3) * all_close_ema_20_m1 + all_close_ema_20_m2) / nullif(((chunk_position + 1) * (chunk_position + 2) * all_bars_ema_20 - (2 * chunk_position + 3) * all_bars_ema_20_m1 + all_bars_ema_20_m2), 0) AS tema_20,
    (all_close_ema_12) / nullif(all_bars_ema_12, 0) - (all_close_ema_26) / nullif(all_bars_ema_26, 0) AS macd,
    ('3.66666666666667'::double precision * (all_close_ema_12) / nullif(all_bars_ema_12, 0) - '2.66666666666667'::double precision * (all_close_ema_9) / nullif(all_bars_ema_9, 0)) - ('1.4705882352941178'::double precision * (all_close_ema_26) / nullif(all_bars_ema_26, 0) - '0.4705882352941178'::double precision * (all_close_ema_9) / nullif(all_bars_ema_9, 0)) AS macd_signal,
    (all_close_ema_20) / nullif(all_bars_ema_20, 0) AS keltner_middle,
    (all_true_range_wilder_10) / nullif(all_ranges_wilder_10, 0) AS keltner_atr,
    (all_true_range_wilder_14) / nullif(all_ranges_wilder_14, 0) AS atr,
    100 * all_gain_wilder_14 / nullif(all_gain_wilder_14 + all_loss_wilder_14, 0) AS rsi,
    100 * all_plus_dm_wilder_14 / nullif(all_true_range_wilder_14, 0) AS plus_di,
    100 * all_minus_dm_wilder_14 / nullif(all_true_range_wilder_14, 0) AS minus_di,
    obv,
    dx,
    has_dx,
    sum(dx * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS dx_wilder_14,
    sum(has_dx * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS has_dx_wilder_14
FROM weighted;
