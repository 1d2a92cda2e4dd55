-- indicators: technical indicators of every closed candle; what each means, and after how many bars it is warm, is in
--   indicator_catalog. 0/0 is NULL everywhere; warm_bars counts bars since the last hole, at most 2560.
-- grain: one row per exchange, symbol, timeframe, whole bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: an amended candle amends the windows it is in and the averages that remember it
-- columns:
--   warm_bars: bars since the last hole, at most 2560
--   others: indicator; indicator_catalog explains it
-- footprint:
--   indicator_averages by exchange, symbol, timeframe: open_time -> open_time [0, +60 bars]
--   indicator_adx_carry by exchange, symbol, timeframe: chunk_start -> open_time [0, +255 bars]
-- readers: signals, bar_features, indicators_sink, predictions-api
CREATE MATERIALIZED VIEW indicators AS
WITH rolled AS (
    SELECT
        *,
        sum(exact_close) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS close_sum_20,
        sum(exact_close) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 49 PRECEDING AND CURRENT ROW) AS close_sum_50,
        sum(bar_index * exact_close) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS index_close_sum_20,
        sum(exact_close * exact_close) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS square_sum,
        max(high) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW) AS stochastic_high,
        min(low) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW) AS stochastic_low,
        max(high) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW) AS williams_high,
        min(low) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW) AS williams_low,
        max(high) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS donchian_high,
        min(low) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS donchian_low,
        max(rsi) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW) AS rsi_high,
        min(rsi) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW) AS rsi_low,
        lag(close, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS roc_close,
        lag(close, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS mom_close,
        typical - lag(typical, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_1,
        typical - lag(typical, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_2,
        typical - lag(typical, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_3,
        typical - lag(typical, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_4,
        typical - lag(typical, 5) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_5,
        typical - lag(typical, 6) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_6,
        typical - lag(typical, 7) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_7,
        typical - lag(typical, 8) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_8,
        typical - lag(typical, 9) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_9,
        typical - lag(typical, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_10,
        typical - lag(typical, 11) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_11,
        typical - lag(typical, 12) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_12,
        typical - lag(typical, 13) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_13,
        typical - lag(typical, 14) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_14,
        typical - lag(typical, 15) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_15,
        typical - lag(typical, 16) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_16,
        typical - lag(typical, 17) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_17,
        typical - lag(typical, 18) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_18,
        typical - lag(typical, 19) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS typical_above_19,
        (coalesce(sum(turnover) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 59 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(turnover, 0)) AS vwap_turnover,
        (coalesce(sum(volume) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 59 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(volume, 0)) AS vwap_volume,
        (coalesce(sum(money_in) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(money_in, 0)) AS mfi_in,
        (coalesce(sum(money_out) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 13 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(money_out, 0)) AS mfi_out,
        (coalesce(sum(accumulation) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(accumulation, 0)) AS cmf_accumulation,
        (coalesce(sum(volume) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(volume, 0)) AS cmf_volume,
        (coalesce(sum(buy_volume) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(buy_volume, 0)) AS bought,
        (coalesce(sum(CASE WHEN buy_volume IS NOT NULL THEN volume END) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(CASE WHEN buy_volume IS NOT NULL THEN volume END, 0)) AS bought_or_sold,
        (coalesce(sum(log_return * log_return) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 59 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(log_return * log_return, 0)) AS squared_returns,
        lag(close, 60) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS zscore_close,
        (coalesce(sum(log_return * log_return) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 59 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(log_return * log_return, 0)) AS zscore_squares,
        (coalesce(sum(illiquidity) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 59 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(illiquidity, 0)) AS amihud_illiquidity,
        count(illiquidity) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 59 PRECEDING AND CURRENT ROW) AS amihud_bars
    FROM indicator_averages
),
centred AS (
    SELECT
        *,
        (typical_above_1 + typical_above_2 + typical_above_3 + typical_above_4 + typical_above_5 + typical_above_6 + typical_above_7 + typical_above_8 + typical_above_9 + typical_above_10 + typical_above_11 + typical_above_12 + typical_above_13 + typical_above_14 + typical_above_15 + typical_above_16 + typical_above_17 + typical_above_18 + typical_above_19) / 20 AS typical_above_mean,
        (close_sum_20 / 20)::double precision AS band_middle,
        (sqrt(greatest(20 * square_sum - close_sum_20 * close_sum_20, 0)::double precision) / 20) AS band_deviation,
        ln(nullif(greatest(close / nullif(zscore_close, 0), 0), 0)) AS return_sum,
        100 * (close - stochastic_low) / nullif(stochastic_high - stochastic_low, 0) AS stochastic_fast,
        CASE WHEN rsi_high - rsi_low > '1e-07'::double precision THEN 100 * (rsi - rsi_low) / nullif(rsi_high - rsi_low, 0) END AS stoch_rsi_fast
    FROM rolled
),
slowed AS (
    SELECT
        *,
        (abs(typical_above_mean) + abs(typical_above_mean - typical_above_1) + abs(typical_above_mean - typical_above_2) + abs(typical_above_mean - typical_above_3) + abs(typical_above_mean - typical_above_4) + abs(typical_above_mean - typical_above_5) + abs(typical_above_mean - typical_above_6) + abs(typical_above_mean - typical_above_7) + abs(typical_above_mean - typical_above_8) + abs(typical_above_mean - typical_above_9) + abs(typical_above_mean - typical_above_10) + abs(typical_above_mean - typical_above_11) + abs(typical_above_mean - typical_above_12) + abs(typical_above_mean - typical_above_13) + abs(typical_above_mean - typical_above_14) + abs(typical_above_mean - typical_above_15) + abs(typical_above_mean - typical_above_16) + abs(typical_above_mean - typical_above_17) + abs(typical_above_mean - typical_above_18) + abs(typical_above_mean - typical_above_19)) / 20 AS typical_distance,
        (stochastic_fast + lag(stochastic_fast, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + lag(stochastic_fast, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) / 3 AS stochastic_k,
        (stochastic_fast + 2 * lag(stochastic_fast, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + 3 * lag(stochastic_fast, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + 2 * lag(stochastic_fast, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + lag(stochastic_fast, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) / 9 AS stochastic_d,
        (stoch_rsi_fast + lag(stoch_rsi_fast, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + lag(stoch_rsi_fast, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) / 3 AS stoch_rsi_k,
        (stoch_rsi_fast + 2 * lag(stoch_rsi_fast, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + 3 * lag(stoch_rsi_fast, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + 2 * lag(stoch_rsi_fast, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) + lag(stoch_rsi_fast, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time)) / 9 AS stoch_rsi_d
    FROM centred
)
SELECT
    r.exchange, r.symbol, r.timeframe, r.open_time, r.close_time, r.bar_index, r.close, r.volume, r.is_filled,
    r.warm_bars,
    CASE WHEN warm_bars >= 20 THEN (close_sum_20 / 20)::double precision END AS sma_20,
    CASE WHEN warm_bars >= 50 THEN (close_sum_50 / 50)::double precision END AS sma_50,
    ema_12,
    ema_26,
    ema_50,
    ema_200,
    CASE WHEN warm_bars >= 20 THEN ((index_close_sum_20 - (bar_index - 20) * close_sum_20) / 210)::double precision END AS wma_20,
    dema_20,
    tema_20,
    macd AS macd_12_26_9,
    macd_signal AS macd_signal_12_26_9,
    macd - macd_signal AS macd_hist_12_26_9,
    rsi AS rsi_14,
    CASE WHEN warm_bars >= 17 THEN stoch_rsi_k END AS stoch_rsi_k_14_3_3,
    CASE WHEN warm_bars >= 19 THEN stoch_rsi_d END AS stoch_rsi_d_14_3_3,
    CASE WHEN warm_bars >= 16 THEN stochastic_k END AS stochastic_k_14_3_3,
    CASE WHEN warm_bars >= 18 THEN stochastic_d END AS stochastic_d_14_3_3,
    CASE WHEN warm_bars >= 20 THEN typical_above_mean / ('0.015'::double precision * CASE WHEN typical_distance > '1e-12'::double precision * close THEN typical_distance END) END AS cci_20,
    CASE WHEN warm_bars >= 11 THEN 100 * (close / nullif(roc_close, 0) - 1) END AS roc_10,
    CASE WHEN warm_bars >= 11 THEN close - mom_close END AS mom_10,
    CASE WHEN warm_bars >= 14 THEN (-100 * (williams_high - close)) / nullif(williams_high - williams_low, 0) END AS williams_r_14,
    (r.dx_wilder_14 + coalesce(a.dx_wilder_14, 0)) / nullif(r.has_dx_wilder_14 + coalesce(a.has_dx_wilder_14, 0), 0) AS adx_14,
    plus_di AS plus_di_14,
    minus_di AS minus_di_14,
    CASE WHEN warm_bars >= 20 THEN band_middle + 2.0 * band_deviation END AS bollinger_upper_20,
    CASE WHEN warm_bars >= 20 THEN band_middle END AS bollinger_middle_20,
    CASE WHEN warm_bars >= 20 THEN band_middle - 2.0 * band_deviation END AS bollinger_lower_20,
    CASE WHEN warm_bars >= 20 THEN (4.0 * band_deviation) / nullif(band_middle, 0) END AS bollinger_width_20,
    CASE WHEN warm_bars >= 20 THEN 0.5 + (close - band_middle) / nullif(4.0 * band_deviation, 0) END AS bollinger_percent_b_20,
    atr AS atr_14,
    (100 * atr) / nullif(close, 0) AS natr_14,
    keltner_middle + 2.0 * keltner_atr AS keltner_upper_20_10,
    keltner_middle AS keltner_middle_20_10,
    keltner_middle - 2.0 * keltner_atr AS keltner_lower_20_10,
    CASE WHEN warm_bars >= 20 THEN donchian_high END AS donchian_upper_20,
    CASE WHEN warm_bars >= 20 THEN (donchian_high + donchian_low) / 2 END AS donchian_middle_20,
    CASE WHEN warm_bars >= 20 THEN donchian_low END AS donchian_lower_20,
    obv,
    CASE WHEN warm_bars >= 60 THEN (vwap_turnover) / nullif(vwap_volume, 0) END AS vwap_60,
    CASE WHEN warm_bars >= 15 THEN (100 * mfi_in) / nullif(mfi_in + mfi_out, 0) END AS mfi_14,
    CASE WHEN warm_bars >= 20 THEN (cmf_accumulation) / nullif(cmf_volume, 0) END AS cmf_20,
    CASE WHEN warm_bars >= 20 THEN (bought) / nullif(bought_or_sold, 0) END AS order_flow_20,
    log_return,
    CASE WHEN warm_bars >= 61 THEN sqrt(squared_returns) END AS realised_volatility_60,
    CASE WHEN warm_bars >= 61 THEN (60 * log_return - return_sum) / nullif(sqrt(greatest(60 * zscore_squares - return_sum * return_sum, 0)), 0) END AS return_zscore_60,
    CASE WHEN warm_bars >= 61 THEN (1000000 * amihud_illiquidity) / nullif(amihud_bars, 0) END AS amihud_60
FROM slowed AS r
LEFT JOIN indicator_adx_carry AS a
    ON r.exchange = a.exchange AND r.symbol = a.symbol AND r.timeframe = a.timeframe AND r.chunk_start = a.chunk_start;
