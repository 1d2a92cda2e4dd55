-- indicator_averages: every exponential average, OBV, and warm_bars (bars since the last hole, at most 2560);
--   with the running sums of the directional index, which ADX smooths once more.
-- grain: one row per exchange, symbol, timeframe, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: an amended candle amends the averages that remember it
-- footprint:
--   indicator_sums by exchange, symbol, timeframe: open_time -> open_time [0, +255 bars]
--   indicator_carry by exchange, symbol, timeframe: chunk_start -> open_time [0, +255 bars]
--   indicator_obv_carry by exchange, symbol, timeframe: part_start -> open_time [0, +255 bars]
-- readers: indicator_adx_carry, indicators
CREATE MATERIALIZED VIEW indicator_averages AS
WITH smoothed AS (
    SELECT
        r.exchange, r.symbol, r.timeframe, r.open_time, r.close_time, r.bar_index, r.chunk_start, r.high, r.low,
        r.close, r.volume, r.turnover, r.buy_volume, r.is_filled, r.typical, r.exact_close, r.log_return, r.money_in,
        r.money_out, r.accumulation, r.illiquidity,
        least(r.bar_index - coalesce(r.run_start, c.run_start) + 1, 2560) AS warm_bars,
        (r.close_ema_12 + coalesce(c.close_ema_12, 0)) / nullif((r.bars_ema_12 + coalesce(c.bars_ema_12, 0)), 0) AS ema_12,
        (r.close_ema_26 + coalesce(c.close_ema_26, 0)) / nullif((r.bars_ema_26 + coalesce(c.bars_ema_26, 0)), 0) AS ema_26,
        (r.close_ema_50 + coalesce(c.close_ema_50, 0)) / nullif((r.bars_ema_50 + coalesce(c.bars_ema_50, 0)), 0) AS ema_50,
        (r.close_ema_200 + coalesce(c.close_ema_200, 0)) / nullif((r.bars_ema_200 + coalesce(c.bars_ema_200, 0)), 0) AS ema_200,
        2 * (r.close_ema_20 + coalesce(c.close_ema_20, 0)) / nullif((r.bars_ema_20 + coalesce(c.bars_ema_20, 0)), 0) - ((r.chunk_position + 1) * (r.close_ema_20 + coalesce(c.close_ema_20, 0)) - (r.close_ema_20_m1 + coalesce(c.close_ema_20_m1, 0))) / nullif(((r.chunk_position + 1) * (r.bars_ema_20 + coalesce(c.bars_ema_20, 0)) - (r.bars_ema_20_m1 + coalesce(c.bars_ema_20_m1, 0))), 0) AS dema_20,
        3 * (r.close_ema_20 + coalesce(c.close_ema_20, 0)) / nullif((r.bars_ema_20 + coalesce(c.bars_ema_20, 0)), 0) - 3 * ((r.chunk_position + 1) * (r.close_ema_20 + coalesce(c.close_ema_20, 0)) - (r.close_ema_20_m1 + coalesce(c.close_ema_20_m1, 0))) / nullif(((r.chunk_position + 1) * (r.bars_ema_20 + coalesce(c.bars_ema_20, 0)) - (r.bars_ema_20_m1 + coalesce(c.bars_ema_20_m1, 0))), 0) + ((r.chunk_position + 1) * (r.chunk_position + 2) * (r.close_ema_20 + coalesce(c.close_ema_20, 0)) - (2 * r.chunk_position + 3) * (r.close_ema_20_m1 + coalesce(c.close_ema_20_m1, 0)) + (r.close_ema_20_m2 + coalesce(c.close_ema_20_m2, 0))) / nullif(((r.chunk_position + 1) * (r.chunk_position + 2) * (r.bars_ema_20 + coalesce(c.bars_ema_20, 0)) - (2 * r.chunk_position + 3) * (r.bars_ema_20_m1 + coalesce(c.bars_ema_20_m1, 0)) + (r.bars_ema_20_m2 + coalesce(c.bars_ema_20_m2, 0))), 0) AS tema_20,
        (r.close_ema_12 + coalesce(c.close_ema_12, 0)) / nullif((r.bars_ema_12 + coalesce(c.bars_ema_12, 0)), 0) - (r.close_ema_26 + coalesce(c.close_ema_26, 0)) / nullif((r.bars_ema_26 + coalesce(c.bars_ema_26, 0)), 0) AS macd,
        ('3.66666666666667'::double precision * (r.close_ema_12 + coalesce(c.close_ema_12, 0)) / nullif((r.bars_ema_12 + coalesce(c.bars_ema_12, 0)), 0) - '2.66666666666667'::double precision * (r.close_ema_9 + coalesce(c.close_ema_9, 0)) / nullif((r.bars_ema_9 + coalesce(c.bars_ema_9, 0)), 0)) - ('1.4705882352941178'::double precision * (r.close_ema_26 + coalesce(c.close_ema_26, 0)) / nullif((r.bars_ema_26 + coalesce(c.bars_ema_26, 0)), 0) - '0.4705882352941178'::double precision * (r.close_ema_9 + coalesce(c.close_ema_9, 0)) / nullif((r.bars_ema_9 + coalesce(c.bars_ema_9, 0)), 0)) AS macd_signal,
        (r.close_ema_20 + coalesce(c.close_ema_20, 0)) / nullif((r.bars_ema_20 + coalesce(c.bars_ema_20, 0)), 0) AS keltner_middle,
        (r.true_range_wilder_10 + coalesce(c.true_range_wilder_10, 0)) / nullif((r.ranges_wilder_10 + coalesce(c.ranges_wilder_10, 0)), 0) AS keltner_atr,
        (r.true_range_wilder_14 + coalesce(c.true_range_wilder_14, 0)) / nullif((r.ranges_wilder_14 + coalesce(c.ranges_wilder_14, 0)), 0) AS atr,
        100 * (r.gain_wilder_14 + coalesce(c.gain_wilder_14, 0)) / nullif((r.gain_wilder_14 + coalesce(c.gain_wilder_14, 0)) + (r.loss_wilder_14 + coalesce(c.loss_wilder_14, 0)), 0) AS rsi,
        100 * (r.plus_dm_wilder_14 + coalesce(c.plus_dm_wilder_14, 0)) / nullif((r.true_range_wilder_14 + coalesce(c.true_range_wilder_14, 0)), 0) AS plus_di,
        100 * (r.minus_dm_wilder_14 + coalesce(c.minus_dm_wilder_14, 0)) / nullif((r.true_range_wilder_14 + coalesce(c.true_range_wilder_14, 0)), 0) AS minus_di,
        100 * abs((r.plus_dm_wilder_14 + coalesce(c.plus_dm_wilder_14, 0)) - (r.minus_dm_wilder_14 + coalesce(c.minus_dm_wilder_14, 0))) / nullif((r.plus_dm_wilder_14 + coalesce(c.plus_dm_wilder_14, 0)) + (r.minus_dm_wilder_14 + coalesce(c.minus_dm_wilder_14, 0)), 0) AS dx,
        CASE WHEN r.obv_part IS NULL THEN o.obv ELSE r.obv_part + coalesce(o.obv, 0) END AS obv
    FROM indicator_sums AS r
    LEFT JOIN indicator_carry AS c
        ON r.exchange = c.exchange AND r.symbol = c.symbol AND r.timeframe = c.timeframe
        AND r.chunk_start = c.chunk_start
    LEFT JOIN indicator_obv_carry AS o
        ON r.exchange = o.exchange AND r.symbol = o.symbol AND r.timeframe = o.timeframe
        AND r.part_start = o.part_start
),
indexed AS (
    SELECT
        exchange, symbol, timeframe, open_time, close_time, bar_index, chunk_start, high, low, close, volume, turnover,
        buy_volume, is_filled, typical, exact_close, log_return, money_in, money_out, accumulation, illiquidity,
        warm_bars, ema_12, ema_26, ema_50, ema_200, dema_20, tema_20, macd, macd_signal, keltner_middle, keltner_atr, atr, rsi, plus_di, minus_di, obv,
        coalesce(dx, 0) AS dx,
        CASE WHEN dx IS NULL THEN 0 ELSE 1 END AS has_dx,
        power('0.9285714285714286'::double precision, -(bar_index % 256)::double precision) AS weight_wilder_14
    FROM smoothed
)
SELECT
    exchange,
    symbol,
    timeframe,
    open_time,
    close_time,
    bar_index,
    chunk_start,
    high,
    low,
    close,
    volume,
    turnover,
    buy_volume,
    is_filled,
    typical,
    exact_close,
    log_return,
    money_in,
    money_out,
    accumulation,
    illiquidity,
    warm_bars,
    ema_12,
    ema_26,
    ema_50,
    ema_200,
    dema_20,
    tema_20,
    macd,
    macd_signal,
    keltner_middle,
    keltner_atr,
    atr,
    rsi,
    plus_di,
    minus_di,
    obv,
    dx,
    has_dx,
    sum(dx * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS dx_wilder_14,
    sum(has_dx * weight_wilder_14) OVER (PARTITION BY exchange, symbol, timeframe, chunk_start ORDER BY open_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS has_dx_wilder_14
FROM indexed;
