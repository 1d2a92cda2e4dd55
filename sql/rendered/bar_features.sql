-- bar_features: every closed bar in numbers without units: by the close, the average true range or the volatility, or
--   bounded. NULL while the bars since the last hole are fewer than a feature needs; 0/0 of a market that stands still, and
--   what loaded history does not tell, has a neutral value, and imputed says of what share of the features that is true.
-- grain: one row per exchange, symbol, timeframe, whole bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: follows indicators and candles
-- columns:
--   imputed: share of the features for which 0/0 or an unknown number was replaced by a neutral value
--   others: feature of the bar; feature_catalog explains it
-- footprint:
--   candles by exchange, symbol, timeframe: open_time -> open_time [0, +60 bars]
--   indicators by exchange, symbol, timeframe: open_time -> open_time [0, 0]
-- readers: features, peer_minutes
CREATE MATERIALIZED VIEW bar_features AS
WITH ranges AS (
    SELECT *, ln(nullif(greatest(high / nullif(low, 0), 0), 0)) * ln(nullif(greatest(high / nullif(low, 0), 0), 0)) AS log_range_square
    FROM candles
    WHERE is_whole
),
moves AS (
    SELECT
        exchange, symbol, timeframe, open_time, open, high, low, trades, buy_volume,
        lag(close, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS close_1,
        lag(close, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS close_2,
        lag(close, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS close_3,
        lag(close, 5) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS close_5,
        lag(close, 15) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS close_15,
        lag(close, 60) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS close_60,
        coalesce(log_range_square, 0) AS log_range_squares_1,
        (coalesce(sum(log_range_square) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 2 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(log_range_square, 0)) AS log_range_squares_3,
        (coalesce(sum(log_range_square) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 3 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(log_range_square, 0)) AS log_range_squares_4,
        (coalesce(sum(log_range_square) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 4 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(log_range_square, 0)) AS log_range_squares_5,
        (coalesce(sum(log_range_square) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 14 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(log_range_square, 0)) AS log_range_squares_15,
        (coalesce(sum(log_range_square) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 23 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(log_range_square, 0)) AS log_range_squares_24,
        (coalesce(sum(log_range_square) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 59 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(log_range_square, 0)) AS log_range_squares_60,
        (coalesce(sum(volume) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(volume, 0)) AS volume_sum,
        sum(trades) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS trades_sum,
        count(trades) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS counted_bars,
        count(CASE WHEN NOT is_filled THEN 1 END) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS traded_bars
    FROM ranges
),
measured AS (
    SELECT
        i.exchange, i.symbol, i.timeframe, i.open_time, i.close_time, i.warm_bars,
        (log_return) / nullif(realised_volatility_60 * 0.129099444874, 0) AS return_1,
        (ln(nullif(greatest(close_1 / nullif(close_2, 0), 0), 0))) / nullif(realised_volatility_60 * 0.129099444874, 0) AS return_1_lag_1,
        (ln(nullif(greatest(close_2 / nullif(close_3, 0), 0), 0))) / nullif(realised_volatility_60 * 0.129099444874, 0) AS return_1_lag_2,
        (ln(nullif(greatest(close / nullif(close_5, 0), 0), 0))) / nullif(realised_volatility_60 * 0.288675134595, 0) AS return_5,
        (ln(nullif(greatest(close / nullif(close_15, 0), 0), 0))) / nullif(realised_volatility_60 * 0.5, 0) AS return_15,
        (ln(nullif(greatest(close / nullif(close_60, 0), 0), 0))) / nullif(realised_volatility_60 * 1.0, 0) AS return_60,
        realised_volatility_60 / 7.745966692415 AS volatility_60,
        natr_14 AS natr_14,
        return_zscore_60 AS return_zscore_60,
        ln(greatest(log_range_squares_1 / 2.77258872224, 0.0000000001)) AS log_variance_1,
        ln(greatest(log_range_squares_3 / 8.317766166719, 0.0000000001)) AS log_variance_3,
        ln(greatest(log_range_squares_4 / 11.090354888959, 0.0000000001)) AS log_variance_4,
        ln(greatest(log_range_squares_5 / 13.862943611199, 0.0000000001)) AS log_variance_5,
        ln(greatest(log_range_squares_15 / 41.588830833597, 0.0000000001)) AS log_variance_15,
        ln(greatest(log_range_squares_24 / 66.542129333755, 0.0000000001)) AS log_variance_24,
        ln(greatest(log_range_squares_60 / 166.355323334387, 0.0000000001)) AS log_variance_60,
        rsi_14 AS rsi_14,
        stoch_rsi_k_14_3_3 AS stoch_rsi_k,
        stochastic_k_14_3_3 AS stochastic_k,
        stochastic_d_14_3_3 AS stochastic_d,
        cci_20 AS cci_20,
        (macd_12_26_9) / nullif(atr_14, 0) AS macd,
        (macd_hist_12_26_9) / nullif(atr_14, 0) AS macd_hist,
        plus_di_14 - minus_di_14 AS di_difference_14,
        adx_14 AS adx_14,
        bollinger_width_20 AS bollinger_width_20,
        bollinger_percent_b_20 AS bollinger_percent_b_20,
        (2 * (close - keltner_middle_20_10)) / nullif(keltner_upper_20_10 - keltner_lower_20_10, 0) AS keltner_position,
        (close - donchian_lower_20) / nullif(donchian_upper_20 - donchian_lower_20, 0) AS donchian_position_20,
        (close - vwap_60) / nullif(atr_14, 0) AS vwap_gap_60,
        mfi_14 AS mfi_14,
        cmf_20 AS cmf_20,
        order_flow_20 AS order_flow_20,
        (buy_volume) / nullif(volume, 0) AS order_flow_1,
        (close - open) / nullif(high - low, 0) AS body,
        (close - low) / nullif(high - low, 0) AS close_position,
        (high - low) / nullif(atr_14, 0) AS range,
        (20 * volume) / nullif(volume_sum, 0) AS volume_ratio_20,
        CASE WHEN counted_bars = 20 THEN (20 * trades) / nullif(trades_sum, 0) END::double precision AS trades_ratio_20,
        traded_bars / 20::double precision AS traded_share_20,
        (close - ema_12) / nullif(atr_14, 0) AS ema_12_gap,
        (close - ema_26) / nullif(atr_14, 0) AS ema_26_gap,
        (close - ema_50) / nullif(atr_14, 0) AS ema_50_gap,
        (close - ema_200) / nullif(atr_14, 0) AS ema_200_gap
    FROM indicators AS i
    INNER JOIN moves AS m
        ON i.exchange = m.exchange AND i.symbol = m.symbol AND i.timeframe = m.timeframe AND i.open_time = m.open_time
)
SELECT
    exchange, symbol, timeframe, open_time, close_time,
    CASE WHEN warm_bars >= 61 THEN coalesce(return_1, 0) END AS return_1,
    CASE WHEN warm_bars >= 61 THEN coalesce(return_1_lag_1, 0) END AS return_1_lag_1,
    CASE WHEN warm_bars >= 61 THEN coalesce(return_1_lag_2, 0) END AS return_1_lag_2,
    CASE WHEN warm_bars >= 61 THEN coalesce(return_5, 0) END AS return_5,
    CASE WHEN warm_bars >= 61 THEN coalesce(return_15, 0) END AS return_15,
    CASE WHEN warm_bars >= 61 THEN coalesce(return_60, 0) END AS return_60,
    CASE WHEN warm_bars >= 61 THEN volatility_60 END AS volatility_60,
    CASE WHEN warm_bars >= 42 THEN natr_14 END AS natr_14,
    CASE WHEN warm_bars >= 61 THEN coalesce(return_zscore_60, 0) END AS return_zscore_60,
    CASE WHEN warm_bars >= 1 THEN log_variance_1 END AS log_variance_1,
    CASE WHEN warm_bars >= 3 THEN log_variance_3 END AS log_variance_3,
    CASE WHEN warm_bars >= 4 THEN log_variance_4 END AS log_variance_4,
    CASE WHEN warm_bars >= 5 THEN log_variance_5 END AS log_variance_5,
    CASE WHEN warm_bars >= 15 THEN log_variance_15 END AS log_variance_15,
    CASE WHEN warm_bars >= 24 THEN log_variance_24 END AS log_variance_24,
    CASE WHEN warm_bars >= 60 THEN log_variance_60 END AS log_variance_60,
    CASE WHEN warm_bars >= 42 THEN coalesce(rsi_14, 50) END AS rsi_14,
    CASE WHEN warm_bars >= 59 THEN coalesce(stoch_rsi_k, 50) END AS stoch_rsi_k,
    CASE WHEN warm_bars >= 16 THEN coalesce(stochastic_k, 50) END AS stochastic_k,
    CASE WHEN warm_bars >= 18 THEN coalesce(stochastic_d, 50) END AS stochastic_d,
    CASE WHEN warm_bars >= 20 THEN coalesce(cci_20, 0) END AS cci_20,
    CASE WHEN warm_bars >= 78 THEN coalesce(macd, 0) END AS macd,
    CASE WHEN warm_bars >= 105 THEN coalesce(macd_hist, 0) END AS macd_hist,
    CASE WHEN warm_bars >= 42 THEN coalesce(di_difference_14, 0) END AS di_difference_14,
    CASE WHEN warm_bars >= 84 THEN coalesce(adx_14, 0) END AS adx_14,
    CASE WHEN warm_bars >= 20 THEN bollinger_width_20 END AS bollinger_width_20,
    CASE WHEN warm_bars >= 20 THEN coalesce(bollinger_percent_b_20, 0.5) END AS bollinger_percent_b_20,
    CASE WHEN warm_bars >= 60 THEN coalesce(keltner_position, 0) END AS keltner_position,
    CASE WHEN warm_bars >= 20 THEN coalesce(donchian_position_20, 0.5) END AS donchian_position_20,
    CASE WHEN warm_bars >= 60 THEN coalesce(vwap_gap_60, 0) END AS vwap_gap_60,
    CASE WHEN warm_bars >= 15 THEN coalesce(mfi_14, 50) END AS mfi_14,
    CASE WHEN warm_bars >= 20 THEN coalesce(cmf_20, 0) END AS cmf_20,
    CASE WHEN warm_bars >= 20 THEN coalesce(order_flow_20, 0.5) END AS order_flow_20,
    CASE WHEN warm_bars >= 1 THEN coalesce(order_flow_1, 0.5) END AS order_flow_1,
    CASE WHEN warm_bars >= 1 THEN coalesce(body, 0) END AS body,
    CASE WHEN warm_bars >= 1 THEN coalesce(close_position, 0.5) END AS close_position,
    CASE WHEN warm_bars >= 42 THEN coalesce(range, 0) END AS range,
    CASE WHEN warm_bars >= 20 THEN coalesce(volume_ratio_20, 1) END AS volume_ratio_20,
    CASE WHEN warm_bars >= 20 THEN coalesce(trades_ratio_20, 1) END AS trades_ratio_20,
    CASE WHEN warm_bars >= 20 THEN traded_share_20 END AS traded_share_20,
    CASE WHEN warm_bars >= 42 THEN coalesce(ema_12_gap, 0) END AS ema_12_gap,
    CASE WHEN warm_bars >= 78 THEN coalesce(ema_26_gap, 0) END AS ema_26_gap,
    CASE WHEN warm_bars >= 150 THEN coalesce(ema_50_gap, 0) END AS ema_50_gap,
    CASE WHEN warm_bars >= 600 THEN coalesce(ema_200_gap, 0) END AS ema_200_gap,
    (
        CASE WHEN warm_bars >= 61 AND return_1 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 61 AND return_1_lag_1 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 61 AND return_1_lag_2 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 61 AND return_5 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 61 AND return_15 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 61 AND return_60 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 61 AND return_zscore_60 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 42 AND rsi_14 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 59 AND stoch_rsi_k IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 16 AND stochastic_k IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 18 AND stochastic_d IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 20 AND cci_20 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 78 AND macd IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 105 AND macd_hist IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 42 AND di_difference_14 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 84 AND adx_14 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 20 AND bollinger_percent_b_20 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 60 AND keltner_position IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 20 AND donchian_position_20 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 60 AND vwap_gap_60 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 15 AND mfi_14 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 20 AND cmf_20 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 20 AND order_flow_20 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 1 AND order_flow_1 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 1 AND body IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 1 AND close_position IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 42 AND range IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 20 AND volume_ratio_20 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 20 AND trades_ratio_20 IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 42 AND ema_12_gap IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 78 AND ema_26_gap IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 150 AND ema_50_gap IS NULL THEN 1 ELSE 0 END
        + CASE WHEN warm_bars >= 600 AND ema_200_gap IS NULL THEN 1 ELSE 0 END
    ) / 33::double precision AS imputed
FROM measured;
