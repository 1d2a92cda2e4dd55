-- input_amendments: how far the features of a candle are now from those that its forecasts used: late trades and late
--   scores amend the past, and a forecast is judged with what it knew. A change counts in units of the feature or, of
--   numbers above one, as a share of them; one that appears or disappears counts as 1, except
--   a peer's that appears, which is no amendment, nor is its peers_missing. Only vectors of today's set of
--   features are compared: a feature that a migration has added, removed or computes in another way is no amendment.
--   inputs_amended says that one has moved by more than 0.05; a small late trade moves some by less for an hour.
-- grain: one row per exchange, symbol, candle forecast from with today's set of features
-- keys: exchange, symbol, feature_time
-- event time: feature_time
-- late data: follows features
-- columns:
--   amended_features: number of features that have moved since
--   largest_change: of a feature, in its unit, or as a share where it is above one
--   inputs_amended: a feature has moved by more than 0.05
-- footprint:
--   prediction_inputs by exchange, symbol: feature_time -> feature_time [0, 0]
--   features by exchange, symbol: open_time -> feature_time [0, 0]
-- readers: amended_hours, model-error-monitor, predictions-api, people
CREATE MATERIALIZED VIEW input_amendments AS
-- Taken apart before the join, which keeps numbers then, not the names with them.
WITH used AS (
    SELECT
        exchange,
        symbol,
        feature_time,
        ("values" ->> 'return_1_1m')::double precision AS used_return_1_1m,
        ("values" ->> 'return_1_lag_1_1m')::double precision AS used_return_1_lag_1_1m,
        ("values" ->> 'return_1_lag_2_1m')::double precision AS used_return_1_lag_2_1m,
        ("values" ->> 'return_5_1m')::double precision AS used_return_5_1m,
        ("values" ->> 'return_15_1m')::double precision AS used_return_15_1m,
        ("values" ->> 'return_60_1m')::double precision AS used_return_60_1m,
        ("values" ->> 'volatility_60_1m')::double precision AS used_volatility_60_1m,
        ("values" ->> 'natr_14_1m')::double precision AS used_natr_14_1m,
        ("values" ->> 'return_zscore_60_1m')::double precision AS used_return_zscore_60_1m,
        ("values" ->> 'log_variance_1_1m')::double precision AS used_log_variance_1_1m,
        ("values" ->> 'log_variance_3_1m')::double precision AS used_log_variance_3_1m,
        ("values" ->> 'log_variance_4_1m')::double precision AS used_log_variance_4_1m,
        ("values" ->> 'log_variance_5_1m')::double precision AS used_log_variance_5_1m,
        ("values" ->> 'log_variance_15_1m')::double precision AS used_log_variance_15_1m,
        ("values" ->> 'log_variance_24_1m')::double precision AS used_log_variance_24_1m,
        ("values" ->> 'log_variance_60_1m')::double precision AS used_log_variance_60_1m,
        ("values" ->> 'rsi_14_1m')::double precision AS used_rsi_14_1m,
        ("values" ->> 'stoch_rsi_k_1m')::double precision AS used_stoch_rsi_k_1m,
        ("values" ->> 'stochastic_k_1m')::double precision AS used_stochastic_k_1m,
        ("values" ->> 'stochastic_d_1m')::double precision AS used_stochastic_d_1m,
        ("values" ->> 'cci_20_1m')::double precision AS used_cci_20_1m,
        ("values" ->> 'macd_1m')::double precision AS used_macd_1m,
        ("values" ->> 'macd_hist_1m')::double precision AS used_macd_hist_1m,
        ("values" ->> 'di_difference_14_1m')::double precision AS used_di_difference_14_1m,
        ("values" ->> 'adx_14_1m')::double precision AS used_adx_14_1m,
        ("values" ->> 'bollinger_width_20_1m')::double precision AS used_bollinger_width_20_1m,
        ("values" ->> 'bollinger_percent_b_20_1m')::double precision AS used_bollinger_percent_b_20_1m,
        ("values" ->> 'keltner_position_1m')::double precision AS used_keltner_position_1m,
        ("values" ->> 'donchian_position_20_1m')::double precision AS used_donchian_position_20_1m,
        ("values" ->> 'vwap_gap_60_1m')::double precision AS used_vwap_gap_60_1m,
        ("values" ->> 'mfi_14_1m')::double precision AS used_mfi_14_1m,
        ("values" ->> 'cmf_20_1m')::double precision AS used_cmf_20_1m,
        ("values" ->> 'order_flow_20_1m')::double precision AS used_order_flow_20_1m,
        ("values" ->> 'order_flow_1_1m')::double precision AS used_order_flow_1_1m,
        ("values" ->> 'body_1m')::double precision AS used_body_1m,
        ("values" ->> 'close_position_1m')::double precision AS used_close_position_1m,
        ("values" ->> 'range_1m')::double precision AS used_range_1m,
        ("values" ->> 'volume_ratio_20_1m')::double precision AS used_volume_ratio_20_1m,
        ("values" ->> 'trades_ratio_20_1m')::double precision AS used_trades_ratio_20_1m,
        ("values" ->> 'traded_share_20_1m')::double precision AS used_traded_share_20_1m,
        ("values" ->> 'ema_12_gap_1m')::double precision AS used_ema_12_gap_1m,
        ("values" ->> 'ema_26_gap_1m')::double precision AS used_ema_26_gap_1m,
        ("values" ->> 'ema_50_gap_1m')::double precision AS used_ema_50_gap_1m,
        ("values" ->> 'ema_200_gap_1m')::double precision AS used_ema_200_gap_1m,
        ("values" ->> 'imputed_1m')::double precision AS used_imputed_1m,
        ("values" ->> 'return_1_5m')::double precision AS used_return_1_5m,
        ("values" ->> 'return_5_5m')::double precision AS used_return_5_5m,
        ("values" ->> 'volatility_60_5m')::double precision AS used_volatility_60_5m,
        ("values" ->> 'natr_14_5m')::double precision AS used_natr_14_5m,
        ("values" ->> 'log_variance_4_5m')::double precision AS used_log_variance_4_5m,
        ("values" ->> 'log_variance_24_5m')::double precision AS used_log_variance_24_5m,
        ("values" ->> 'rsi_14_5m')::double precision AS used_rsi_14_5m,
        ("values" ->> 'stochastic_k_5m')::double precision AS used_stochastic_k_5m,
        ("values" ->> 'macd_hist_5m')::double precision AS used_macd_hist_5m,
        ("values" ->> 'bollinger_percent_b_20_5m')::double precision AS used_bollinger_percent_b_20_5m,
        ("values" ->> 'order_flow_20_5m')::double precision AS used_order_flow_20_5m,
        ("values" ->> 'ema_12_gap_5m')::double precision AS used_ema_12_gap_5m,
        ("values" ->> 'ema_50_gap_5m')::double precision AS used_ema_50_gap_5m,
        ("values" ->> 'imputed_5m')::double precision AS used_imputed_5m,
        ("values" ->> 'return_1_15m')::double precision AS used_return_1_15m,
        ("values" ->> 'return_5_15m')::double precision AS used_return_5_15m,
        ("values" ->> 'volatility_60_15m')::double precision AS used_volatility_60_15m,
        ("values" ->> 'natr_14_15m')::double precision AS used_natr_14_15m,
        ("values" ->> 'log_variance_4_15m')::double precision AS used_log_variance_4_15m,
        ("values" ->> 'log_variance_24_15m')::double precision AS used_log_variance_24_15m,
        ("values" ->> 'rsi_14_15m')::double precision AS used_rsi_14_15m,
        ("values" ->> 'stochastic_k_15m')::double precision AS used_stochastic_k_15m,
        ("values" ->> 'macd_hist_15m')::double precision AS used_macd_hist_15m,
        ("values" ->> 'bollinger_percent_b_20_15m')::double precision AS used_bollinger_percent_b_20_15m,
        ("values" ->> 'order_flow_20_15m')::double precision AS used_order_flow_20_15m,
        ("values" ->> 'ema_12_gap_15m')::double precision AS used_ema_12_gap_15m,
        ("values" ->> 'ema_50_gap_15m')::double precision AS used_ema_50_gap_15m,
        ("values" ->> 'imputed_15m')::double precision AS used_imputed_15m,
        ("values" ->> 'return_1_1h')::double precision AS used_return_1_1h,
        ("values" ->> 'return_5_1h')::double precision AS used_return_5_1h,
        ("values" ->> 'volatility_60_1h')::double precision AS used_volatility_60_1h,
        ("values" ->> 'natr_14_1h')::double precision AS used_natr_14_1h,
        ("values" ->> 'log_variance_4_1h')::double precision AS used_log_variance_4_1h,
        ("values" ->> 'log_variance_24_1h')::double precision AS used_log_variance_24_1h,
        ("values" ->> 'rsi_14_1h')::double precision AS used_rsi_14_1h,
        ("values" ->> 'stochastic_k_1h')::double precision AS used_stochastic_k_1h,
        ("values" ->> 'macd_hist_1h')::double precision AS used_macd_hist_1h,
        ("values" ->> 'bollinger_percent_b_20_1h')::double precision AS used_bollinger_percent_b_20_1h,
        ("values" ->> 'order_flow_20_1h')::double precision AS used_order_flow_20_1h,
        ("values" ->> 'ema_12_gap_1h')::double precision AS used_ema_12_gap_1h,
        ("values" ->> 'ema_50_gap_1h')::double precision AS used_ema_50_gap_1h,
        ("values" ->> 'imputed_1h')::double precision AS used_imputed_1h,
        ("values" ->> 'peer_kraken_btc_usd_return_1')::double precision AS used_peer_kraken_btc_usd_return_1,
        ("values" ->> 'peer_kraken_btc_usd_return_1_lag_1')::double precision AS used_peer_kraken_btc_usd_return_1_lag_1,
        ("values" ->> 'peer_kraken_btc_usd_return_1_lag_2')::double precision AS used_peer_kraken_btc_usd_return_1_lag_2,
        ("values" ->> 'peer_kraken_btc_usd_return_5')::double precision AS used_peer_kraken_btc_usd_return_5,
        ("values" ->> 'peer_kraken_btc_usd_return_15')::double precision AS used_peer_kraken_btc_usd_return_15,
        ("values" ->> 'peer_kraken_btc_usd_return_60')::double precision AS used_peer_kraken_btc_usd_return_60,
        ("values" ->> 'peer_kraken_btc_usd_volatility_60')::double precision AS used_peer_kraken_btc_usd_volatility_60,
        ("values" ->> 'peer_kraken_btc_usd_natr_14')::double precision AS used_peer_kraken_btc_usd_natr_14,
        ("values" ->> 'peer_kraken_btc_usd_order_flow_20')::double precision AS used_peer_kraken_btc_usd_order_flow_20,
        ("values" ->> 'peer_kraken_btc_usd_order_flow_1')::double precision AS used_peer_kraken_btc_usd_order_flow_1,
        ("values" ->> 'peer_kraken_btc_usd_ema_12_gap')::double precision AS used_peer_kraken_btc_usd_ema_12_gap,
        ("values" ->> 'peer_kraken_btc_usd_ema_26_gap')::double precision AS used_peer_kraken_btc_usd_ema_26_gap,
        ("values" ->> 'peer_kraken_btc_usd_ema_50_gap')::double precision AS used_peer_kraken_btc_usd_ema_50_gap,
        ("values" ->> 'peer_kraken_btc_usd_ema_200_gap')::double precision AS used_peer_kraken_btc_usd_ema_200_gap,
        ("values" ->> 'sentiment_1h')::double precision AS used_sentiment_1h,
        ("values" ->> 'news_volume_1h')::double precision AS used_news_volume_1h,
        ("values" ->> 'sentiment_6h')::double precision AS used_sentiment_6h,
        ("values" ->> 'news_volume_6h')::double precision AS used_news_volume_6h,
        ("values" ->> 'sentiment_24h')::double precision AS used_sentiment_24h,
        ("values" ->> 'news_volume_24h')::double precision AS used_news_volume_24h,
        ("values" ->> 'sentiment_dispersion_24h')::double precision AS used_sentiment_dispersion_24h,
        ("values" ->> 'no_news')::double precision AS used_no_news,
        ("values" ->> 'day_sin')::double precision AS used_day_sin,
        ("values" ->> 'day_cos')::double precision AS used_day_cos,
        ("values" ->> 'week_sin')::double precision AS used_week_sin,
        ("values" ->> 'week_cos')::double precision AS used_week_cos,
        ("values" ->> 'hour_sin')::double precision AS used_hour_sin,
        ("values" ->> 'hour_cos')::double precision AS used_hour_cos,
        ("values" ->> 'quarter_begins')::double precision AS used_quarter_begins,
        ("values" ->> 'hour_begins')::double precision AS used_hour_begins
    FROM prediction_inputs
    WHERE feature_set = 'abe11ec864f7'
),
pairs AS (
    SELECT
        u.feature_time,
        u.used_return_1_1m,
        u.used_return_1_lag_1_1m,
        u.used_return_1_lag_2_1m,
        u.used_return_5_1m,
        u.used_return_15_1m,
        u.used_return_60_1m,
        u.used_volatility_60_1m,
        u.used_natr_14_1m,
        u.used_return_zscore_60_1m,
        u.used_log_variance_1_1m,
        u.used_log_variance_3_1m,
        u.used_log_variance_4_1m,
        u.used_log_variance_5_1m,
        u.used_log_variance_15_1m,
        u.used_log_variance_24_1m,
        u.used_log_variance_60_1m,
        u.used_rsi_14_1m,
        u.used_stoch_rsi_k_1m,
        u.used_stochastic_k_1m,
        u.used_stochastic_d_1m,
        u.used_cci_20_1m,
        u.used_macd_1m,
        u.used_macd_hist_1m,
        u.used_di_difference_14_1m,
        u.used_adx_14_1m,
        u.used_bollinger_width_20_1m,
        u.used_bollinger_percent_b_20_1m,
        u.used_keltner_position_1m,
        u.used_donchian_position_20_1m,
        u.used_vwap_gap_60_1m,
        u.used_mfi_14_1m,
        u.used_cmf_20_1m,
        u.used_order_flow_20_1m,
        u.used_order_flow_1_1m,
        u.used_body_1m,
        u.used_close_position_1m,
        u.used_range_1m,
        u.used_volume_ratio_20_1m,
        u.used_trades_ratio_20_1m,
        u.used_traded_share_20_1m,
        u.used_ema_12_gap_1m,
        u.used_ema_26_gap_1m,
        u.used_ema_50_gap_1m,
        u.used_ema_200_gap_1m,
        u.used_imputed_1m,
        u.used_return_1_5m,
        u.used_return_5_5m,
        u.used_volatility_60_5m,
        u.used_natr_14_5m,
        u.used_log_variance_4_5m,
        u.used_log_variance_24_5m,
        u.used_rsi_14_5m,
        u.used_stochastic_k_5m,
        u.used_macd_hist_5m,
        u.used_bollinger_percent_b_20_5m,
        u.used_order_flow_20_5m,
        u.used_ema_12_gap_5m,
        u.used_ema_50_gap_5m,
        u.used_imputed_5m,
        u.used_return_1_15m,
        u.used_return_5_15m,
        u.used_volatility_60_15m,
        u.used_natr_14_15m,
        u.used_log_variance_4_15m,
        u.used_log_variance_24_15m,
        u.used_rsi_14_15m,
        u.used_stochastic_k_15m,
        u.used_macd_hist_15m,
        u.used_bollinger_percent_b_20_15m,
        u.used_order_flow_20_15m,
        u.used_ema_12_gap_15m,
        u.used_ema_50_gap_15m,
        u.used_imputed_15m,
        u.used_return_1_1h,
        u.used_return_5_1h,
        u.used_volatility_60_1h,
        u.used_natr_14_1h,
        u.used_log_variance_4_1h,
        u.used_log_variance_24_1h,
        u.used_rsi_14_1h,
        u.used_stochastic_k_1h,
        u.used_macd_hist_1h,
        u.used_bollinger_percent_b_20_1h,
        u.used_order_flow_20_1h,
        u.used_ema_12_gap_1h,
        u.used_ema_50_gap_1h,
        u.used_imputed_1h,
        u.used_peer_kraken_btc_usd_return_1,
        u.used_peer_kraken_btc_usd_return_1_lag_1,
        u.used_peer_kraken_btc_usd_return_1_lag_2,
        u.used_peer_kraken_btc_usd_return_5,
        u.used_peer_kraken_btc_usd_return_15,
        u.used_peer_kraken_btc_usd_return_60,
        u.used_peer_kraken_btc_usd_volatility_60,
        u.used_peer_kraken_btc_usd_natr_14,
        u.used_peer_kraken_btc_usd_order_flow_20,
        u.used_peer_kraken_btc_usd_order_flow_1,
        u.used_peer_kraken_btc_usd_ema_12_gap,
        u.used_peer_kraken_btc_usd_ema_26_gap,
        u.used_peer_kraken_btc_usd_ema_50_gap,
        u.used_peer_kraken_btc_usd_ema_200_gap,
        u.used_sentiment_1h,
        u.used_news_volume_1h,
        u.used_sentiment_6h,
        u.used_news_volume_6h,
        u.used_sentiment_24h,
        u.used_news_volume_24h,
        u.used_sentiment_dispersion_24h,
        u.used_no_news,
        u.used_day_sin,
        u.used_day_cos,
        u.used_week_sin,
        u.used_week_cos,
        u.used_hour_sin,
        u.used_hour_cos,
        u.used_quarter_begins,
        u.used_hour_begins,
        f.*
    FROM used AS u
    INNER JOIN features AS f ON u.exchange = f.exchange AND u.symbol = f.symbol AND u.feature_time = f.open_time
),
changes AS (
    SELECT
        exchange,
        symbol,
        feature_time,
        CASE
            WHEN return_1_1m IS NULL AND used_return_1_1m IS NULL THEN 0
            WHEN return_1_1m IS NULL OR used_return_1_1m IS NULL THEN 1
            ELSE abs(return_1_1m - used_return_1_1m) / greatest(1::double precision, abs(return_1_1m), abs(used_return_1_1m))
        END AS return_1_1m,
        CASE
            WHEN return_1_lag_1_1m IS NULL AND used_return_1_lag_1_1m IS NULL THEN 0
            WHEN return_1_lag_1_1m IS NULL OR used_return_1_lag_1_1m IS NULL THEN 1
            ELSE abs(return_1_lag_1_1m - used_return_1_lag_1_1m) / greatest(1::double precision, abs(return_1_lag_1_1m), abs(used_return_1_lag_1_1m))
        END AS return_1_lag_1_1m,
        CASE
            WHEN return_1_lag_2_1m IS NULL AND used_return_1_lag_2_1m IS NULL THEN 0
            WHEN return_1_lag_2_1m IS NULL OR used_return_1_lag_2_1m IS NULL THEN 1
            ELSE abs(return_1_lag_2_1m - used_return_1_lag_2_1m) / greatest(1::double precision, abs(return_1_lag_2_1m), abs(used_return_1_lag_2_1m))
        END AS return_1_lag_2_1m,
        CASE
            WHEN return_5_1m IS NULL AND used_return_5_1m IS NULL THEN 0
            WHEN return_5_1m IS NULL OR used_return_5_1m IS NULL THEN 1
            ELSE abs(return_5_1m - used_return_5_1m) / greatest(1::double precision, abs(return_5_1m), abs(used_return_5_1m))
        END AS return_5_1m,
        CASE
            WHEN return_15_1m IS NULL AND used_return_15_1m IS NULL THEN 0
            WHEN return_15_1m IS NULL OR used_return_15_1m IS NULL THEN 1
            ELSE abs(return_15_1m - used_return_15_1m) / greatest(1::double precision, abs(return_15_1m), abs(used_return_15_1m))
        END AS return_15_1m,
        CASE
            WHEN return_60_1m IS NULL AND used_return_60_1m IS NULL THEN 0
            WHEN return_60_1m IS NULL OR used_return_60_1m IS NULL THEN 1
            ELSE abs(return_60_1m - used_return_60_1m) / greatest(1::double precision, abs(return_60_1m), abs(used_return_60_1m))
        END AS return_60_1m,
        CASE
            WHEN volatility_60_1m IS NULL AND used_volatility_60_1m IS NULL THEN 0
            WHEN volatility_60_1m IS NULL OR used_volatility_60_1m IS NULL THEN 1
            ELSE abs(volatility_60_1m - used_volatility_60_1m) / greatest(1::double precision, abs(volatility_60_1m), abs(used_volatility_60_1m))
        END AS volatility_60_1m,
        CASE
            WHEN natr_14_1m IS NULL AND used_natr_14_1m IS NULL THEN 0
            WHEN natr_14_1m IS NULL OR used_natr_14_1m IS NULL THEN 1
            ELSE abs(natr_14_1m - used_natr_14_1m) / greatest(1::double precision, abs(natr_14_1m), abs(used_natr_14_1m))
        END AS natr_14_1m,
        CASE
            WHEN return_zscore_60_1m IS NULL AND used_return_zscore_60_1m IS NULL THEN 0
            WHEN return_zscore_60_1m IS NULL OR used_return_zscore_60_1m IS NULL THEN 1
            ELSE abs(return_zscore_60_1m - used_return_zscore_60_1m) / greatest(1::double precision, abs(return_zscore_60_1m), abs(used_return_zscore_60_1m))
        END AS return_zscore_60_1m,
        CASE
            WHEN log_variance_1_1m IS NULL AND used_log_variance_1_1m IS NULL THEN 0
            WHEN log_variance_1_1m IS NULL OR used_log_variance_1_1m IS NULL THEN 1
            ELSE abs(log_variance_1_1m - used_log_variance_1_1m) / greatest(1::double precision, abs(log_variance_1_1m), abs(used_log_variance_1_1m))
        END AS log_variance_1_1m,
        CASE
            WHEN log_variance_3_1m IS NULL AND used_log_variance_3_1m IS NULL THEN 0
            WHEN log_variance_3_1m IS NULL OR used_log_variance_3_1m IS NULL THEN 1
            ELSE abs(log_variance_3_1m - used_log_variance_3_1m) / greatest(1::double precision, abs(log_variance_3_1m), abs(used_log_variance_3_1m))
        END AS log_variance_3_1m,
        CASE
            WHEN log_variance_4_1m IS NULL AND used_log_variance_4_1m IS NULL THEN 0
            WHEN log_variance_4_1m IS NULL OR used_log_variance_4_1m IS NULL THEN 1
            ELSE abs(log_variance_4_1m - used_log_variance_4_1m) / greatest(1::double precision, abs(log_variance_4_1m), abs(used_log_variance_4_1m))
        END AS log_variance_4_1m,
        CASE
            WHEN log_variance_5_1m IS NULL AND used_log_variance_5_1m IS NULL THEN 0
            WHEN log_variance_5_1m IS NULL OR used_log_variance_5_1m IS NULL THEN 1
            ELSE abs(log_variance_5_1m - used_log_variance_5_1m) / greatest(1::double precision, abs(log_variance_5_1m), abs(used_log_variance_5_1m))
        END AS log_variance_5_1m,
        CASE
            WHEN log_variance_15_1m IS NULL AND used_log_variance_15_1m IS NULL THEN 0
            WHEN log_variance_15_1m IS NULL OR used_log_variance_15_1m IS NULL THEN 1
            ELSE abs(log_variance_15_1m - used_log_variance_15_1m) / greatest(1::double precision, abs(log_variance_15_1m), abs(used_log_variance_15_1m))
        END AS log_variance_15_1m,
        CASE
            WHEN log_variance_24_1m IS NULL AND used_log_variance_24_1m IS NULL THEN 0
            WHEN log_variance_24_1m IS NULL OR used_log_variance_24_1m IS NULL THEN 1
            ELSE abs(log_variance_24_1m - used_log_variance_24_1m) / greatest(1::double precision, abs(log_variance_24_1m), abs(used_log_variance_24_1m))
        END AS log_variance_24_1m,
        CASE
            WHEN log_variance_60_1m IS NULL AND used_log_variance_60_1m IS NULL THEN 0
            WHEN log_variance_60_1m IS NULL OR used_log_variance_60_1m IS NULL THEN 1
            ELSE abs(log_variance_60_1m - used_log_variance_60_1m) / greatest(1::double precision, abs(log_variance_60_1m), abs(used_log_variance_60_1m))
        END AS log_variance_60_1m,
        CASE
            WHEN rsi_14_1m IS NULL AND used_rsi_14_1m IS NULL THEN 0
            WHEN rsi_14_1m IS NULL OR used_rsi_14_1m IS NULL THEN 1
            ELSE abs(rsi_14_1m - used_rsi_14_1m) / greatest(1::double precision, abs(rsi_14_1m), abs(used_rsi_14_1m))
        END AS rsi_14_1m,
        CASE
            WHEN stoch_rsi_k_1m IS NULL AND used_stoch_rsi_k_1m IS NULL THEN 0
            WHEN stoch_rsi_k_1m IS NULL OR used_stoch_rsi_k_1m IS NULL THEN 1
            ELSE abs(stoch_rsi_k_1m - used_stoch_rsi_k_1m) / greatest(1::double precision, abs(stoch_rsi_k_1m), abs(used_stoch_rsi_k_1m))
        END AS stoch_rsi_k_1m,
        CASE
            WHEN stochastic_k_1m IS NULL AND used_stochastic_k_1m IS NULL THEN 0
            WHEN stochastic_k_1m IS NULL OR used_stochastic_k_1m IS NULL THEN 1
            ELSE abs(stochastic_k_1m - used_stochastic_k_1m) / greatest(1::double precision, abs(stochastic_k_1m), abs(used_stochastic_k_1m))
        END AS stochastic_k_1m,
        CASE
            WHEN stochastic_d_1m IS NULL AND used_stochastic_d_1m IS NULL THEN 0
            WHEN stochastic_d_1m IS NULL OR used_stochastic_d_1m IS NULL THEN 1
            ELSE abs(stochastic_d_1m - used_stochastic_d_1m) / greatest(1::double precision, abs(stochastic_d_1m), abs(used_stochastic_d_1m))
        END AS stochastic_d_1m,
        CASE
            WHEN cci_20_1m IS NULL AND used_cci_20_1m IS NULL THEN 0
            WHEN cci_20_1m IS NULL OR used_cci_20_1m IS NULL THEN 1
            ELSE abs(cci_20_1m - used_cci_20_1m) / greatest(1::double precision, abs(cci_20_1m), abs(used_cci_20_1m))
        END AS cci_20_1m,
        CASE
            WHEN macd_1m IS NULL AND used_macd_1m IS NULL THEN 0
            WHEN macd_1m IS NULL OR used_macd_1m IS NULL THEN 1
            ELSE abs(macd_1m - used_macd_1m) / greatest(1::double precision, abs(macd_1m), abs(used_macd_1m))
        END AS macd_1m,
        CASE
            WHEN macd_hist_1m IS NULL AND used_macd_hist_1m IS NULL THEN 0
            WHEN macd_hist_1m IS NULL OR used_macd_hist_1m IS NULL THEN 1
            ELSE abs(macd_hist_1m - used_macd_hist_1m) / greatest(1::double precision, abs(macd_hist_1m), abs(used_macd_hist_1m))
        END AS macd_hist_1m,
        CASE
            WHEN di_difference_14_1m IS NULL AND used_di_difference_14_1m IS NULL THEN 0
            WHEN di_difference_14_1m IS NULL OR used_di_difference_14_1m IS NULL THEN 1
            ELSE abs(di_difference_14_1m - used_di_difference_14_1m) / greatest(1::double precision, abs(di_difference_14_1m), abs(used_di_difference_14_1m))
        END AS di_difference_14_1m,
        CASE
            WHEN adx_14_1m IS NULL AND used_adx_14_1m IS NULL THEN 0
            WHEN adx_14_1m IS NULL OR used_adx_14_1m IS NULL THEN 1
            ELSE abs(adx_14_1m - used_adx_14_1m) / greatest(1::double precision, abs(adx_14_1m), abs(used_adx_14_1m))
        END AS adx_14_1m,
        CASE
            WHEN bollinger_width_20_1m IS NULL AND used_bollinger_width_20_1m IS NULL THEN 0
            WHEN bollinger_width_20_1m IS NULL OR used_bollinger_width_20_1m IS NULL THEN 1
            ELSE abs(bollinger_width_20_1m - used_bollinger_width_20_1m) / greatest(1::double precision, abs(bollinger_width_20_1m), abs(used_bollinger_width_20_1m))
        END AS bollinger_width_20_1m,
        CASE
            WHEN bollinger_percent_b_20_1m IS NULL AND used_bollinger_percent_b_20_1m IS NULL THEN 0
            WHEN bollinger_percent_b_20_1m IS NULL OR used_bollinger_percent_b_20_1m IS NULL THEN 1
            ELSE abs(bollinger_percent_b_20_1m - used_bollinger_percent_b_20_1m) / greatest(1::double precision, abs(bollinger_percent_b_20_1m), abs(used_bollinger_percent_b_20_1m))
        END AS bollinger_percent_b_20_1m,
        CASE
            WHEN keltner_position_1m IS NULL AND used_keltner_position_1m IS NULL THEN 0
            WHEN keltner_position_1m IS NULL OR used_keltner_position_1m IS NULL THEN 1
            ELSE abs(keltner_position_1m - used_keltner_position_1m) / greatest(1::double precision, abs(keltner_position_1m), abs(used_keltner_position_1m))
        END AS keltner_position_1m,
        CASE
            WHEN donchian_position_20_1m IS NULL AND used_donchian_position_20_1m IS NULL THEN 0
            WHEN donchian_position_20_1m IS NULL OR used_donchian_position_20_1m IS NULL THEN 1
            ELSE abs(donchian_position_20_1m - used_donchian_position_20_1m) / greatest(1::double precision, abs(donchian_position_20_1m), abs(used_donchian_position_20_1m))
        END AS donchian_position_20_1m,
        CASE
            WHEN vwap_gap_60_1m IS NULL AND used_vwap_gap_60_1m IS NULL THEN 0
            WHEN vwap_gap_60_1m IS NULL OR used_vwap_gap_60_1m IS NULL THEN 1
            ELSE abs(vwap_gap_60_1m - used_vwap_gap_60_1m) / greatest(1::double precision, abs(vwap_gap_60_1m), abs(used_vwap_gap_60_1m))
        END AS vwap_gap_60_1m,
        CASE
            WHEN mfi_14_1m IS NULL AND used_mfi_14_1m IS NULL THEN 0
            WHEN mfi_14_1m IS NULL OR used_mfi_14_1m IS NULL THEN 1
            ELSE abs(mfi_14_1m - used_mfi_14_1m) / greatest(1::double precision, abs(mfi_14_1m), abs(used_mfi_14_1m))
        END AS mfi_14_1m,
        CASE
            WHEN cmf_20_1m IS NULL AND used_cmf_20_1m IS NULL THEN 0
            WHEN cmf_20_1m IS NULL OR used_cmf_20_1m IS NULL THEN 1
            ELSE abs(cmf_20_1m - used_cmf_20_1m) / greatest(1::double precision, abs(cmf_20_1m), abs(used_cmf_20_1m))
        END AS cmf_20_1m,
        CASE
            WHEN order_flow_20_1m IS NULL AND used_order_flow_20_1m IS NULL THEN 0
            WHEN order_flow_20_1m IS NULL OR used_order_flow_20_1m IS NULL THEN 1
            ELSE abs(order_flow_20_1m - used_order_flow_20_1m) / greatest(1::double precision, abs(order_flow_20_1m), abs(used_order_flow_20_1m))
        END AS order_flow_20_1m,
        CASE
            WHEN order_flow_1_1m IS NULL AND used_order_flow_1_1m IS NULL THEN 0
            WHEN order_flow_1_1m IS NULL OR used_order_flow_1_1m IS NULL THEN 1
            ELSE abs(order_flow_1_1m - used_order_flow_1_1m) / greatest(1::double precision, abs(order_flow_1_1m), abs(used_order_flow_1_1m))
        END AS order_flow_1_1m,
        CASE
            WHEN body_1m IS NULL AND used_body_1m IS NULL THEN 0
            WHEN body_1m IS NULL OR used_body_1m IS NULL THEN 1
            ELSE abs(body_1m - used_body_1m) / greatest(1::double precision, abs(body_1m), abs(used_body_1m))
        END AS body_1m,
        CASE
            WHEN close_position_1m IS NULL AND used_close_position_1m IS NULL THEN 0
            WHEN close_position_1m IS NULL OR used_close_position_1m IS NULL THEN 1
            ELSE abs(close_position_1m - used_close_position_1m) / greatest(1::double precision, abs(close_position_1m), abs(used_close_position_1m))
        END AS close_position_1m,
        CASE
            WHEN range_1m IS NULL AND used_range_1m IS NULL THEN 0
            WHEN range_1m IS NULL OR used_range_1m IS NULL THEN 1
            ELSE abs(range_1m - used_range_1m) / greatest(1::double precision, abs(range_1m), abs(used_range_1m))
        END AS range_1m,
        CASE
            WHEN volume_ratio_20_1m IS NULL AND used_volume_ratio_20_1m IS NULL THEN 0
            WHEN volume_ratio_20_1m IS NULL OR used_volume_ratio_20_1m IS NULL THEN 1
            ELSE abs(volume_ratio_20_1m - used_volume_ratio_20_1m) / greatest(1::double precision, abs(volume_ratio_20_1m), abs(used_volume_ratio_20_1m))
        END AS volume_ratio_20_1m,
        CASE
            WHEN trades_ratio_20_1m IS NULL AND used_trades_ratio_20_1m IS NULL THEN 0
            WHEN trades_ratio_20_1m IS NULL OR used_trades_ratio_20_1m IS NULL THEN 1
            ELSE abs(trades_ratio_20_1m - used_trades_ratio_20_1m) / greatest(1::double precision, abs(trades_ratio_20_1m), abs(used_trades_ratio_20_1m))
        END AS trades_ratio_20_1m,
        CASE
            WHEN traded_share_20_1m IS NULL AND used_traded_share_20_1m IS NULL THEN 0
            WHEN traded_share_20_1m IS NULL OR used_traded_share_20_1m IS NULL THEN 1
            ELSE abs(traded_share_20_1m - used_traded_share_20_1m) / greatest(1::double precision, abs(traded_share_20_1m), abs(used_traded_share_20_1m))
        END AS traded_share_20_1m,
        CASE
            WHEN ema_12_gap_1m IS NULL AND used_ema_12_gap_1m IS NULL THEN 0
            WHEN ema_12_gap_1m IS NULL OR used_ema_12_gap_1m IS NULL THEN 1
            ELSE abs(ema_12_gap_1m - used_ema_12_gap_1m) / greatest(1::double precision, abs(ema_12_gap_1m), abs(used_ema_12_gap_1m))
        END AS ema_12_gap_1m,
        CASE
            WHEN ema_26_gap_1m IS NULL AND used_ema_26_gap_1m IS NULL THEN 0
            WHEN ema_26_gap_1m IS NULL OR used_ema_26_gap_1m IS NULL THEN 1
            ELSE abs(ema_26_gap_1m - used_ema_26_gap_1m) / greatest(1::double precision, abs(ema_26_gap_1m), abs(used_ema_26_gap_1m))
        END AS ema_26_gap_1m,
        CASE
            WHEN ema_50_gap_1m IS NULL AND used_ema_50_gap_1m IS NULL THEN 0
            WHEN ema_50_gap_1m IS NULL OR used_ema_50_gap_1m IS NULL THEN 1
            ELSE abs(ema_50_gap_1m - used_ema_50_gap_1m) / greatest(1::double precision, abs(ema_50_gap_1m), abs(used_ema_50_gap_1m))
        END AS ema_50_gap_1m,
        CASE
            WHEN ema_200_gap_1m IS NULL AND used_ema_200_gap_1m IS NULL THEN 0
            WHEN ema_200_gap_1m IS NULL OR used_ema_200_gap_1m IS NULL THEN 1
            ELSE abs(ema_200_gap_1m - used_ema_200_gap_1m) / greatest(1::double precision, abs(ema_200_gap_1m), abs(used_ema_200_gap_1m))
        END AS ema_200_gap_1m,
        CASE
            WHEN imputed_1m IS NULL AND used_imputed_1m IS NULL THEN 0
            WHEN imputed_1m IS NULL OR used_imputed_1m IS NULL THEN 1
            ELSE abs(imputed_1m - used_imputed_1m) / greatest(1::double precision, abs(imputed_1m), abs(used_imputed_1m))
        END AS imputed_1m,
        CASE
            WHEN return_1_5m IS NULL AND used_return_1_5m IS NULL THEN 0
            WHEN return_1_5m IS NULL OR used_return_1_5m IS NULL THEN 1
            ELSE abs(return_1_5m - used_return_1_5m) / greatest(1::double precision, abs(return_1_5m), abs(used_return_1_5m))
        END AS return_1_5m,
        CASE
            WHEN return_5_5m IS NULL AND used_return_5_5m IS NULL THEN 0
            WHEN return_5_5m IS NULL OR used_return_5_5m IS NULL THEN 1
            ELSE abs(return_5_5m - used_return_5_5m) / greatest(1::double precision, abs(return_5_5m), abs(used_return_5_5m))
        END AS return_5_5m,
        CASE
            WHEN volatility_60_5m IS NULL AND used_volatility_60_5m IS NULL THEN 0
            WHEN volatility_60_5m IS NULL OR used_volatility_60_5m IS NULL THEN 1
            ELSE abs(volatility_60_5m - used_volatility_60_5m) / greatest(1::double precision, abs(volatility_60_5m), abs(used_volatility_60_5m))
        END AS volatility_60_5m,
        CASE
            WHEN natr_14_5m IS NULL AND used_natr_14_5m IS NULL THEN 0
            WHEN natr_14_5m IS NULL OR used_natr_14_5m IS NULL THEN 1
            ELSE abs(natr_14_5m - used_natr_14_5m) / greatest(1::double precision, abs(natr_14_5m), abs(used_natr_14_5m))
        END AS natr_14_5m,
        CASE
            WHEN log_variance_4_5m IS NULL AND used_log_variance_4_5m IS NULL THEN 0
            WHEN log_variance_4_5m IS NULL OR used_log_variance_4_5m IS NULL THEN 1
            ELSE abs(log_variance_4_5m - used_log_variance_4_5m) / greatest(1::double precision, abs(log_variance_4_5m), abs(used_log_variance_4_5m))
        END AS log_variance_4_5m,
        CASE
            WHEN log_variance_24_5m IS NULL AND used_log_variance_24_5m IS NULL THEN 0
            WHEN log_variance_24_5m IS NULL OR used_log_variance_24_5m IS NULL THEN 1
            ELSE abs(log_variance_24_5m - used_log_variance_24_5m) / greatest(1::double precision, abs(log_variance_24_5m), abs(used_log_variance_24_5m))
        END AS log_variance_24_5m,
        CASE
            WHEN rsi_14_5m IS NULL AND used_rsi_14_5m IS NULL THEN 0
            WHEN rsi_14_5m IS NULL OR used_rsi_14_5m IS NULL THEN 1
            ELSE abs(rsi_14_5m - used_rsi_14_5m) / greatest(1::double precision, abs(rsi_14_5m), abs(used_rsi_14_5m))
        END AS rsi_14_5m,
        CASE
            WHEN stochastic_k_5m IS NULL AND used_stochastic_k_5m IS NULL THEN 0
            WHEN stochastic_k_5m IS NULL OR used_stochastic_k_5m IS NULL THEN 1
            ELSE abs(stochastic_k_5m - used_stochastic_k_5m) / greatest(1::double precision, abs(stochastic_k_5m), abs(used_stochastic_k_5m))
        END AS stochastic_k_5m,
        CASE
            WHEN macd_hist_5m IS NULL AND used_macd_hist_5m IS NULL THEN 0
            WHEN macd_hist_5m IS NULL OR used_macd_hist_5m IS NULL THEN 1
            ELSE abs(macd_hist_5m - used_macd_hist_5m) / greatest(1::double precision, abs(macd_hist_5m), abs(used_macd_hist_5m))
        END AS macd_hist_5m,
        CASE
            WHEN bollinger_percent_b_20_5m IS NULL AND used_bollinger_percent_b_20_5m IS NULL THEN 0
            WHEN bollinger_percent_b_20_5m IS NULL OR used_bollinger_percent_b_20_5m IS NULL THEN 1
            ELSE abs(bollinger_percent_b_20_5m - used_bollinger_percent_b_20_5m) / greatest(1::double precision, abs(bollinger_percent_b_20_5m), abs(used_bollinger_percent_b_20_5m))
        END AS bollinger_percent_b_20_5m,
        CASE
            WHEN order_flow_20_5m IS NULL AND used_order_flow_20_5m IS NULL THEN 0
            WHEN order_flow_20_5m IS NULL OR used_order_flow_20_5m IS NULL THEN 1
            ELSE abs(order_flow_20_5m - used_order_flow_20_5m) / greatest(1::double precision, abs(order_flow_20_5m), abs(used_order_flow_20_5m))
        END AS order_flow_20_5m,
        CASE
            WHEN ema_12_gap_5m IS NULL AND used_ema_12_gap_5m IS NULL THEN 0
            WHEN ema_12_gap_5m IS NULL OR used_ema_12_gap_5m IS NULL THEN 1
            ELSE abs(ema_12_gap_5m - used_ema_12_gap_5m) / greatest(1::double precision, abs(ema_12_gap_5m), abs(used_ema_12_gap_5m))
        END AS ema_12_gap_5m,
        CASE
            WHEN ema_50_gap_5m IS NULL AND used_ema_50_gap_5m IS NULL THEN 0
            WHEN ema_50_gap_5m IS NULL OR used_ema_50_gap_5m IS NULL THEN 1
            ELSE abs(ema_50_gap_5m - used_ema_50_gap_5m) / greatest(1::double precision, abs(ema_50_gap_5m), abs(used_ema_50_gap_5m))
        END AS ema_50_gap_5m,
        CASE
            WHEN imputed_5m IS NULL AND used_imputed_5m IS NULL THEN 0
            WHEN imputed_5m IS NULL OR used_imputed_5m IS NULL THEN 1
            ELSE abs(imputed_5m - used_imputed_5m) / greatest(1::double precision, abs(imputed_5m), abs(used_imputed_5m))
        END AS imputed_5m,
        CASE
            WHEN return_1_15m IS NULL AND used_return_1_15m IS NULL THEN 0
            WHEN return_1_15m IS NULL OR used_return_1_15m IS NULL THEN 1
            ELSE abs(return_1_15m - used_return_1_15m) / greatest(1::double precision, abs(return_1_15m), abs(used_return_1_15m))
        END AS return_1_15m,
        CASE
            WHEN return_5_15m IS NULL AND used_return_5_15m IS NULL THEN 0
            WHEN return_5_15m IS NULL OR used_return_5_15m IS NULL THEN 1
            ELSE abs(return_5_15m - used_return_5_15m) / greatest(1::double precision, abs(return_5_15m), abs(used_return_5_15m))
        END AS return_5_15m,
        CASE
            WHEN volatility_60_15m IS NULL AND used_volatility_60_15m IS NULL THEN 0
            WHEN volatility_60_15m IS NULL OR used_volatility_60_15m IS NULL THEN 1
            ELSE abs(volatility_60_15m - used_volatility_60_15m) / greatest(1::double precision, abs(volatility_60_15m), abs(used_volatility_60_15m))
        END AS volatility_60_15m,
        CASE
            WHEN natr_14_15m IS NULL AND used_natr_14_15m IS NULL THEN 0
            WHEN natr_14_15m IS NULL OR used_natr_14_15m IS NULL THEN 1
            ELSE abs(natr_14_15m - used_natr_14_15m) / greatest(1::double precision, abs(natr_14_15m), abs(used_natr_14_15m))
        END AS natr_14_15m,
        CASE
            WHEN log_variance_4_15m IS NULL AND used_log_variance_4_15m IS NULL THEN 0
            WHEN log_variance_4_15m IS NULL OR used_log_variance_4_15m IS NULL THEN 1
            ELSE abs(log_variance_4_15m - used_log_variance_4_15m) / greatest(1::double precision, abs(log_variance_4_15m), abs(used_log_variance_4_15m))
        END AS log_variance_4_15m,
        CASE
            WHEN log_variance_24_15m IS NULL AND used_log_variance_24_15m IS NULL THEN 0
            WHEN log_variance_24_15m IS NULL OR used_log_variance_24_15m IS NULL THEN 1
            ELSE abs(log_variance_24_15m - used_log_variance_24_15m) / greatest(1::double precision, abs(log_variance_24_15m), abs(used_log_variance_24_15m))
        END AS log_variance_24_15m,
        CASE
            WHEN rsi_14_15m IS NULL AND used_rsi_14_15m IS NULL THEN 0
            WHEN rsi_14_15m IS NULL OR used_rsi_14_15m IS NULL THEN 1
            ELSE abs(rsi_14_15m - used_rsi_14_15m) / greatest(1::double precision, abs(rsi_14_15m), abs(used_rsi_14_15m))
        END AS rsi_14_15m,
        CASE
            WHEN stochastic_k_15m IS NULL AND used_stochastic_k_15m IS NULL THEN 0
            WHEN stochastic_k_15m IS NULL OR used_stochastic_k_15m IS NULL THEN 1
            ELSE abs(stochastic_k_15m - used_stochastic_k_15m) / greatest(1::double precision, abs(stochastic_k_15m), abs(used_stochastic_k_15m))
        END AS stochastic_k_15m,
        CASE
            WHEN macd_hist_15m IS NULL AND used_macd_hist_15m IS NULL THEN 0
            WHEN macd_hist_15m IS NULL OR used_macd_hist_15m IS NULL THEN 1
            ELSE abs(macd_hist_15m - used_macd_hist_15m) / greatest(1::double precision, abs(macd_hist_15m), abs(used_macd_hist_15m))
        END AS macd_hist_15m,
        CASE
            WHEN bollinger_percent_b_20_15m IS NULL AND used_bollinger_percent_b_20_15m IS NULL THEN 0
            WHEN bollinger_percent_b_20_15m IS NULL OR used_bollinger_percent_b_20_15m IS NULL THEN 1
            ELSE abs(bollinger_percent_b_20_15m - used_bollinger_percent_b_20_15m) / greatest(1::double precision, abs(bollinger_percent_b_20_15m), abs(used_bollinger_percent_b_20_15m))
        END AS bollinger_percent_b_20_15m,
        CASE
            WHEN order_flow_20_15m IS NULL AND used_order_flow_20_15m IS NULL THEN 0
            WHEN order_flow_20_15m IS NULL OR used_order_flow_20_15m IS NULL THEN 1
            ELSE abs(order_flow_20_15m - used_order_flow_20_15m) / greatest(1::double precision, abs(order_flow_20_15m), abs(used_order_flow_20_15m))
        END AS order_flow_20_15m,
        CASE
            WHEN ema_12_gap_15m IS NULL AND used_ema_12_gap_15m IS NULL THEN 0
            WHEN ema_12_gap_15m IS NULL OR used_ema_12_gap_15m IS NULL THEN 1
            ELSE abs(ema_12_gap_15m - used_ema_12_gap_15m) / greatest(1::double precision, abs(ema_12_gap_15m), abs(used_ema_12_gap_15m))
        END AS ema_12_gap_15m,
        CASE
            WHEN ema_50_gap_15m IS NULL AND used_ema_50_gap_15m IS NULL THEN 0
            WHEN ema_50_gap_15m IS NULL OR used_ema_50_gap_15m IS NULL THEN 1
            ELSE abs(ema_50_gap_15m - used_ema_50_gap_15m) / greatest(1::double precision, abs(ema_50_gap_15m), abs(used_ema_50_gap_15m))
        END AS ema_50_gap_15m,
        CASE
            WHEN imputed_15m IS NULL AND used_imputed_15m IS NULL THEN 0
            WHEN imputed_15m IS NULL OR used_imputed_15m IS NULL THEN 1
            ELSE abs(imputed_15m - used_imputed_15m) / greatest(1::double precision, abs(imputed_15m), abs(used_imputed_15m))
        END AS imputed_15m,
        CASE
            WHEN return_1_1h IS NULL AND used_return_1_1h IS NULL THEN 0
            WHEN return_1_1h IS NULL OR used_return_1_1h IS NULL THEN 1
            ELSE abs(return_1_1h - used_return_1_1h) / greatest(1::double precision, abs(return_1_1h), abs(used_return_1_1h))
        END AS return_1_1h,
        CASE
            WHEN return_5_1h IS NULL AND used_return_5_1h IS NULL THEN 0
            WHEN return_5_1h IS NULL OR used_return_5_1h IS NULL THEN 1
            ELSE abs(return_5_1h - used_return_5_1h) / greatest(1::double precision, abs(return_5_1h), abs(used_return_5_1h))
        END AS return_5_1h,
        CASE
            WHEN volatility_60_1h IS NULL AND used_volatility_60_1h IS NULL THEN 0
            WHEN volatility_60_1h IS NULL OR used_volatility_60_1h IS NULL THEN 1
            ELSE abs(volatility_60_1h - used_volatility_60_1h) / greatest(1::double precision, abs(volatility_60_1h), abs(used_volatility_60_1h))
        END AS volatility_60_1h,
        CASE
            WHEN natr_14_1h IS NULL AND used_natr_14_1h IS NULL THEN 0
            WHEN natr_14_1h IS NULL OR used_natr_14_1h IS NULL THEN 1
            ELSE abs(natr_14_1h - used_natr_14_1h) / greatest(1::double precision, abs(natr_14_1h), abs(used_natr_14_1h))
        END AS natr_14_1h,
        CASE
            WHEN log_variance_4_1h IS NULL AND used_log_variance_4_1h IS NULL THEN 0
            WHEN log_variance_4_1h IS NULL OR used_log_variance_4_1h IS NULL THEN 1
            ELSE abs(log_variance_4_1h - used_log_variance_4_1h) / greatest(1::double precision, abs(log_variance_4_1h), abs(used_log_variance_4_1h))
        END AS log_variance_4_1h,
        CASE
            WHEN log_variance_24_1h IS NULL AND used_log_variance_24_1h IS NULL THEN 0
            WHEN log_variance_24_1h IS NULL OR used_log_variance_24_1h IS NULL THEN 1
            ELSE abs(log_variance_24_1h - used_log_variance_24_1h) / greatest(1::double precision, abs(log_variance_24_1h), abs(used_log_variance_24_1h))
        END AS log_variance_24_1h,
        CASE
            WHEN rsi_14_1h IS NULL AND used_rsi_14_1h IS NULL THEN 0
            WHEN rsi_14_1h IS NULL OR used_rsi_14_1h IS NULL THEN 1
            ELSE abs(rsi_14_1h - used_rsi_14_1h) / greatest(1::double precision, abs(rsi_14_1h), abs(used_rsi_14_1h))
        END AS rsi_14_1h,
        CASE
            WHEN stochastic_k_1h IS NULL AND used_stochastic_k_1h IS NULL THEN 0
            WHEN stochastic_k_1h IS NULL OR used_stochastic_k_1h IS NULL THEN 1
            ELSE abs(stochastic_k_1h - used_stochastic_k_1h) / greatest(1::double precision, abs(stochastic_k_1h), abs(used_stochastic_k_1h))
        END AS stochastic_k_1h,
        CASE
            WHEN macd_hist_1h IS NULL AND used_macd_hist_1h IS NULL THEN 0
            WHEN macd_hist_1h IS NULL OR used_macd_hist_1h IS NULL THEN 1
            ELSE abs(macd_hist_1h - used_macd_hist_1h) / greatest(1::double precision, abs(macd_hist_1h), abs(used_macd_hist_1h))
        END AS macd_hist_1h,
        CASE
            WHEN bollinger_percent_b_20_1h IS NULL AND used_bollinger_percent_b_20_1h IS NULL THEN 0
            WHEN bollinger_percent_b_20_1h IS NULL OR used_bollinger_percent_b_20_1h IS NULL THEN 1
            ELSE abs(bollinger_percent_b_20_1h - used_bollinger_percent_b_20_1h) / greatest(1::double precision, abs(bollinger_percent_b_20_1h), abs(used_bollinger_percent_b_20_1h))
        END AS bollinger_percent_b_20_1h,
        CASE
            WHEN order_flow_20_1h IS NULL AND used_order_flow_20_1h IS NULL THEN 0
            WHEN order_flow_20_1h IS NULL OR used_order_flow_20_1h IS NULL THEN 1
            ELSE abs(order_flow_20_1h - used_order_flow_20_1h) / greatest(1::double precision, abs(order_flow_20_1h), abs(used_order_flow_20_1h))
        END AS order_flow_20_1h,
        CASE
            WHEN ema_12_gap_1h IS NULL AND used_ema_12_gap_1h IS NULL THEN 0
            WHEN ema_12_gap_1h IS NULL OR used_ema_12_gap_1h IS NULL THEN 1
            ELSE abs(ema_12_gap_1h - used_ema_12_gap_1h) / greatest(1::double precision, abs(ema_12_gap_1h), abs(used_ema_12_gap_1h))
        END AS ema_12_gap_1h,
        CASE
            WHEN ema_50_gap_1h IS NULL AND used_ema_50_gap_1h IS NULL THEN 0
            WHEN ema_50_gap_1h IS NULL OR used_ema_50_gap_1h IS NULL THEN 1
            ELSE abs(ema_50_gap_1h - used_ema_50_gap_1h) / greatest(1::double precision, abs(ema_50_gap_1h), abs(used_ema_50_gap_1h))
        END AS ema_50_gap_1h,
        CASE
            WHEN imputed_1h IS NULL AND used_imputed_1h IS NULL THEN 0
            WHEN imputed_1h IS NULL OR used_imputed_1h IS NULL THEN 1
            ELSE abs(imputed_1h - used_imputed_1h) / greatest(1::double precision, abs(imputed_1h), abs(used_imputed_1h))
        END AS imputed_1h,
        CASE
            WHEN peer_kraken_btc_usd_return_1 IS NULL AND used_peer_kraken_btc_usd_return_1 IS NULL THEN 0
            WHEN used_peer_kraken_btc_usd_return_1 IS NULL THEN 0
            WHEN peer_kraken_btc_usd_return_1 IS NULL OR used_peer_kraken_btc_usd_return_1 IS NULL THEN 1
            ELSE abs(peer_kraken_btc_usd_return_1 - used_peer_kraken_btc_usd_return_1) / greatest(1::double precision, abs(peer_kraken_btc_usd_return_1), abs(used_peer_kraken_btc_usd_return_1))
        END AS peer_kraken_btc_usd_return_1,
        CASE
            WHEN peer_kraken_btc_usd_return_1_lag_1 IS NULL AND used_peer_kraken_btc_usd_return_1_lag_1 IS NULL THEN 0
            WHEN used_peer_kraken_btc_usd_return_1_lag_1 IS NULL THEN 0
            WHEN peer_kraken_btc_usd_return_1_lag_1 IS NULL OR used_peer_kraken_btc_usd_return_1_lag_1 IS NULL THEN 1
            ELSE abs(peer_kraken_btc_usd_return_1_lag_1 - used_peer_kraken_btc_usd_return_1_lag_1) / greatest(1::double precision, abs(peer_kraken_btc_usd_return_1_lag_1), abs(used_peer_kraken_btc_usd_return_1_lag_1))
        END AS peer_kraken_btc_usd_return_1_lag_1,
        CASE
            WHEN peer_kraken_btc_usd_return_1_lag_2 IS NULL AND used_peer_kraken_btc_usd_return_1_lag_2 IS NULL THEN 0
            WHEN used_peer_kraken_btc_usd_return_1_lag_2 IS NULL THEN 0
            WHEN peer_kraken_btc_usd_return_1_lag_2 IS NULL OR used_peer_kraken_btc_usd_return_1_lag_2 IS NULL THEN 1
            ELSE abs(peer_kraken_btc_usd_return_1_lag_2 - used_peer_kraken_btc_usd_return_1_lag_2) / greatest(1::double precision, abs(peer_kraken_btc_usd_return_1_lag_2), abs(used_peer_kraken_btc_usd_return_1_lag_2))
        END AS peer_kraken_btc_usd_return_1_lag_2,
        CASE
            WHEN peer_kraken_btc_usd_return_5 IS NULL AND used_peer_kraken_btc_usd_return_5 IS NULL THEN 0
            WHEN used_peer_kraken_btc_usd_return_5 IS NULL THEN 0
            WHEN peer_kraken_btc_usd_return_5 IS NULL OR used_peer_kraken_btc_usd_return_5 IS NULL THEN 1
            ELSE abs(peer_kraken_btc_usd_return_5 - used_peer_kraken_btc_usd_return_5) / greatest(1::double precision, abs(peer_kraken_btc_usd_return_5), abs(used_peer_kraken_btc_usd_return_5))
        END AS peer_kraken_btc_usd_return_5,
        CASE
            WHEN peer_kraken_btc_usd_return_15 IS NULL AND used_peer_kraken_btc_usd_return_15 IS NULL THEN 0
            WHEN used_peer_kraken_btc_usd_return_15 IS NULL THEN 0
            WHEN peer_kraken_btc_usd_return_15 IS NULL OR used_peer_kraken_btc_usd_return_15 IS NULL THEN 1
            ELSE abs(peer_kraken_btc_usd_return_15 - used_peer_kraken_btc_usd_return_15) / greatest(1::double precision, abs(peer_kraken_btc_usd_return_15), abs(used_peer_kraken_btc_usd_return_15))
        END AS peer_kraken_btc_usd_return_15,
        CASE
            WHEN peer_kraken_btc_usd_return_60 IS NULL AND used_peer_kraken_btc_usd_return_60 IS NULL THEN 0
            WHEN used_peer_kraken_btc_usd_return_60 IS NULL THEN 0
            WHEN peer_kraken_btc_usd_return_60 IS NULL OR used_peer_kraken_btc_usd_return_60 IS NULL THEN 1
            ELSE abs(peer_kraken_btc_usd_return_60 - used_peer_kraken_btc_usd_return_60) / greatest(1::double precision, abs(peer_kraken_btc_usd_return_60), abs(used_peer_kraken_btc_usd_return_60))
        END AS peer_kraken_btc_usd_return_60,
        CASE
            WHEN peer_kraken_btc_usd_volatility_60 IS NULL AND used_peer_kraken_btc_usd_volatility_60 IS NULL THEN 0
            WHEN used_peer_kraken_btc_usd_volatility_60 IS NULL THEN 0
            WHEN peer_kraken_btc_usd_volatility_60 IS NULL OR used_peer_kraken_btc_usd_volatility_60 IS NULL THEN 1
            ELSE abs(peer_kraken_btc_usd_volatility_60 - used_peer_kraken_btc_usd_volatility_60) / greatest(1::double precision, abs(peer_kraken_btc_usd_volatility_60), abs(used_peer_kraken_btc_usd_volatility_60))
        END AS peer_kraken_btc_usd_volatility_60,
        CASE
            WHEN peer_kraken_btc_usd_natr_14 IS NULL AND used_peer_kraken_btc_usd_natr_14 IS NULL THEN 0
            WHEN used_peer_kraken_btc_usd_natr_14 IS NULL THEN 0
            WHEN peer_kraken_btc_usd_natr_14 IS NULL OR used_peer_kraken_btc_usd_natr_14 IS NULL THEN 1
            ELSE abs(peer_kraken_btc_usd_natr_14 - used_peer_kraken_btc_usd_natr_14) / greatest(1::double precision, abs(peer_kraken_btc_usd_natr_14), abs(used_peer_kraken_btc_usd_natr_14))
        END AS peer_kraken_btc_usd_natr_14,
        CASE
            WHEN peer_kraken_btc_usd_order_flow_20 IS NULL AND used_peer_kraken_btc_usd_order_flow_20 IS NULL THEN 0
            WHEN used_peer_kraken_btc_usd_order_flow_20 IS NULL THEN 0
            WHEN peer_kraken_btc_usd_order_flow_20 IS NULL OR used_peer_kraken_btc_usd_order_flow_20 IS NULL THEN 1
            ELSE abs(peer_kraken_btc_usd_order_flow_20 - used_peer_kraken_btc_usd_order_flow_20) / greatest(1::double precision, abs(peer_kraken_btc_usd_order_flow_20), abs(used_peer_kraken_btc_usd_order_flow_20))
        END AS peer_kraken_btc_usd_order_flow_20,
        CASE
            WHEN peer_kraken_btc_usd_order_flow_1 IS NULL AND used_peer_kraken_btc_usd_order_flow_1 IS NULL THEN 0
            WHEN used_peer_kraken_btc_usd_order_flow_1 IS NULL THEN 0
            WHEN peer_kraken_btc_usd_order_flow_1 IS NULL OR used_peer_kraken_btc_usd_order_flow_1 IS NULL THEN 1
            ELSE abs(peer_kraken_btc_usd_order_flow_1 - used_peer_kraken_btc_usd_order_flow_1) / greatest(1::double precision, abs(peer_kraken_btc_usd_order_flow_1), abs(used_peer_kraken_btc_usd_order_flow_1))
        END AS peer_kraken_btc_usd_order_flow_1,
        CASE
            WHEN peer_kraken_btc_usd_ema_12_gap IS NULL AND used_peer_kraken_btc_usd_ema_12_gap IS NULL THEN 0
            WHEN used_peer_kraken_btc_usd_ema_12_gap IS NULL THEN 0
            WHEN peer_kraken_btc_usd_ema_12_gap IS NULL OR used_peer_kraken_btc_usd_ema_12_gap IS NULL THEN 1
            ELSE abs(peer_kraken_btc_usd_ema_12_gap - used_peer_kraken_btc_usd_ema_12_gap) / greatest(1::double precision, abs(peer_kraken_btc_usd_ema_12_gap), abs(used_peer_kraken_btc_usd_ema_12_gap))
        END AS peer_kraken_btc_usd_ema_12_gap,
        CASE
            WHEN peer_kraken_btc_usd_ema_26_gap IS NULL AND used_peer_kraken_btc_usd_ema_26_gap IS NULL THEN 0
            WHEN used_peer_kraken_btc_usd_ema_26_gap IS NULL THEN 0
            WHEN peer_kraken_btc_usd_ema_26_gap IS NULL OR used_peer_kraken_btc_usd_ema_26_gap IS NULL THEN 1
            ELSE abs(peer_kraken_btc_usd_ema_26_gap - used_peer_kraken_btc_usd_ema_26_gap) / greatest(1::double precision, abs(peer_kraken_btc_usd_ema_26_gap), abs(used_peer_kraken_btc_usd_ema_26_gap))
        END AS peer_kraken_btc_usd_ema_26_gap,
        CASE
            WHEN peer_kraken_btc_usd_ema_50_gap IS NULL AND used_peer_kraken_btc_usd_ema_50_gap IS NULL THEN 0
            WHEN used_peer_kraken_btc_usd_ema_50_gap IS NULL THEN 0
            WHEN peer_kraken_btc_usd_ema_50_gap IS NULL OR used_peer_kraken_btc_usd_ema_50_gap IS NULL THEN 1
            ELSE abs(peer_kraken_btc_usd_ema_50_gap - used_peer_kraken_btc_usd_ema_50_gap) / greatest(1::double precision, abs(peer_kraken_btc_usd_ema_50_gap), abs(used_peer_kraken_btc_usd_ema_50_gap))
        END AS peer_kraken_btc_usd_ema_50_gap,
        CASE
            WHEN peer_kraken_btc_usd_ema_200_gap IS NULL AND used_peer_kraken_btc_usd_ema_200_gap IS NULL THEN 0
            WHEN used_peer_kraken_btc_usd_ema_200_gap IS NULL THEN 0
            WHEN peer_kraken_btc_usd_ema_200_gap IS NULL OR used_peer_kraken_btc_usd_ema_200_gap IS NULL THEN 1
            ELSE abs(peer_kraken_btc_usd_ema_200_gap - used_peer_kraken_btc_usd_ema_200_gap) / greatest(1::double precision, abs(peer_kraken_btc_usd_ema_200_gap), abs(used_peer_kraken_btc_usd_ema_200_gap))
        END AS peer_kraken_btc_usd_ema_200_gap,
        CASE
            WHEN sentiment_1h IS NULL AND used_sentiment_1h IS NULL THEN 0
            WHEN sentiment_1h IS NULL OR used_sentiment_1h IS NULL THEN 1
            ELSE abs(sentiment_1h - used_sentiment_1h) / greatest(1::double precision, abs(sentiment_1h), abs(used_sentiment_1h))
        END AS sentiment_1h,
        CASE
            WHEN news_volume_1h IS NULL AND used_news_volume_1h IS NULL THEN 0
            WHEN news_volume_1h IS NULL OR used_news_volume_1h IS NULL THEN 1
            ELSE abs(news_volume_1h - used_news_volume_1h) / greatest(1::double precision, abs(news_volume_1h), abs(used_news_volume_1h))
        END AS news_volume_1h,
        CASE
            WHEN sentiment_6h IS NULL AND used_sentiment_6h IS NULL THEN 0
            WHEN sentiment_6h IS NULL OR used_sentiment_6h IS NULL THEN 1
            ELSE abs(sentiment_6h - used_sentiment_6h) / greatest(1::double precision, abs(sentiment_6h), abs(used_sentiment_6h))
        END AS sentiment_6h,
        CASE
            WHEN news_volume_6h IS NULL AND used_news_volume_6h IS NULL THEN 0
            WHEN news_volume_6h IS NULL OR used_news_volume_6h IS NULL THEN 1
            ELSE abs(news_volume_6h - used_news_volume_6h) / greatest(1::double precision, abs(news_volume_6h), abs(used_news_volume_6h))
        END AS news_volume_6h,
        CASE
            WHEN sentiment_24h IS NULL AND used_sentiment_24h IS NULL THEN 0
            WHEN sentiment_24h IS NULL OR used_sentiment_24h IS NULL THEN 1
            ELSE abs(sentiment_24h - used_sentiment_24h) / greatest(1::double precision, abs(sentiment_24h), abs(used_sentiment_24h))
        END AS sentiment_24h,
        CASE
            WHEN news_volume_24h IS NULL AND used_news_volume_24h IS NULL THEN 0
            WHEN news_volume_24h IS NULL OR used_news_volume_24h IS NULL THEN 1
            ELSE abs(news_volume_24h - used_news_volume_24h) / greatest(1::double precision, abs(news_volume_24h), abs(used_news_volume_24h))
        END AS news_volume_24h,
        CASE
            WHEN sentiment_dispersion_24h IS NULL AND used_sentiment_dispersion_24h IS NULL THEN 0
            WHEN sentiment_dispersion_24h IS NULL OR used_sentiment_dispersion_24h IS NULL THEN 1
            ELSE abs(sentiment_dispersion_24h - used_sentiment_dispersion_24h) / greatest(1::double precision, abs(sentiment_dispersion_24h), abs(used_sentiment_dispersion_24h))
        END AS sentiment_dispersion_24h,
        CASE
            WHEN no_news IS NULL AND used_no_news IS NULL THEN 0
            WHEN no_news IS NULL OR used_no_news IS NULL THEN 1
            ELSE abs(no_news - used_no_news) / greatest(1::double precision, abs(no_news), abs(used_no_news))
        END AS no_news,
        CASE
            WHEN day_sin IS NULL AND used_day_sin IS NULL THEN 0
            WHEN day_sin IS NULL OR used_day_sin IS NULL THEN 1
            ELSE abs(day_sin - used_day_sin) / greatest(1::double precision, abs(day_sin), abs(used_day_sin))
        END AS day_sin,
        CASE
            WHEN day_cos IS NULL AND used_day_cos IS NULL THEN 0
            WHEN day_cos IS NULL OR used_day_cos IS NULL THEN 1
            ELSE abs(day_cos - used_day_cos) / greatest(1::double precision, abs(day_cos), abs(used_day_cos))
        END AS day_cos,
        CASE
            WHEN week_sin IS NULL AND used_week_sin IS NULL THEN 0
            WHEN week_sin IS NULL OR used_week_sin IS NULL THEN 1
            ELSE abs(week_sin - used_week_sin) / greatest(1::double precision, abs(week_sin), abs(used_week_sin))
        END AS week_sin,
        CASE
            WHEN week_cos IS NULL AND used_week_cos IS NULL THEN 0
            WHEN week_cos IS NULL OR used_week_cos IS NULL THEN 1
            ELSE abs(week_cos - used_week_cos) / greatest(1::double precision, abs(week_cos), abs(used_week_cos))
        END AS week_cos,
        CASE
            WHEN hour_sin IS NULL AND used_hour_sin IS NULL THEN 0
            WHEN hour_sin IS NULL OR used_hour_sin IS NULL THEN 1
            ELSE abs(hour_sin - used_hour_sin) / greatest(1::double precision, abs(hour_sin), abs(used_hour_sin))
        END AS hour_sin,
        CASE
            WHEN hour_cos IS NULL AND used_hour_cos IS NULL THEN 0
            WHEN hour_cos IS NULL OR used_hour_cos IS NULL THEN 1
            ELSE abs(hour_cos - used_hour_cos) / greatest(1::double precision, abs(hour_cos), abs(used_hour_cos))
        END AS hour_cos,
        CASE
            WHEN quarter_begins IS NULL AND used_quarter_begins IS NULL THEN 0
            WHEN quarter_begins IS NULL OR used_quarter_begins IS NULL THEN 1
            ELSE abs(quarter_begins - used_quarter_begins) / greatest(1::double precision, abs(quarter_begins), abs(used_quarter_begins))
        END AS quarter_begins,
        CASE
            WHEN hour_begins IS NULL AND used_hour_begins IS NULL THEN 0
            WHEN hour_begins IS NULL OR used_hour_begins IS NULL THEN 1
            ELSE abs(hour_begins - used_hour_begins) / greatest(1::double precision, abs(hour_begins), abs(used_hour_begins))
        END AS hour_begins
    FROM pairs
),
counted AS (
    SELECT
        exchange,
        symbol,
        feature_time,
        CASE WHEN return_1_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN return_1_lag_1_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN return_1_lag_2_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN return_5_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN return_15_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN return_60_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN volatility_60_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN natr_14_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN return_zscore_60_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN log_variance_1_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN log_variance_3_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN log_variance_4_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN log_variance_5_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN log_variance_15_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN log_variance_24_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN log_variance_60_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN rsi_14_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN stoch_rsi_k_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN stochastic_k_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN stochastic_d_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN cci_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN macd_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN macd_hist_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN di_difference_14_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN adx_14_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN bollinger_width_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN bollinger_percent_b_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN keltner_position_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN donchian_position_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN vwap_gap_60_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN mfi_14_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN cmf_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN order_flow_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN order_flow_1_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN body_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN close_position_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN range_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN volume_ratio_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN trades_ratio_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN traded_share_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN ema_12_gap_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN ema_26_gap_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN ema_50_gap_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN ema_200_gap_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN imputed_1m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN return_1_5m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN return_5_5m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN volatility_60_5m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN natr_14_5m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN log_variance_4_5m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN log_variance_24_5m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN rsi_14_5m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN stochastic_k_5m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN macd_hist_5m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN bollinger_percent_b_20_5m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN order_flow_20_5m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN ema_12_gap_5m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN ema_50_gap_5m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN imputed_5m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN return_1_15m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN return_5_15m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN volatility_60_15m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN natr_14_15m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN log_variance_4_15m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN log_variance_24_15m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN rsi_14_15m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN stochastic_k_15m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN macd_hist_15m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN bollinger_percent_b_20_15m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN order_flow_20_15m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN ema_12_gap_15m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN ema_50_gap_15m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN imputed_15m > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN return_1_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN return_5_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN volatility_60_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN natr_14_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN log_variance_4_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN log_variance_24_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN rsi_14_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN stochastic_k_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN macd_hist_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN bollinger_percent_b_20_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN order_flow_20_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN ema_12_gap_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN ema_50_gap_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN imputed_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN peer_kraken_btc_usd_return_1 > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN peer_kraken_btc_usd_return_1_lag_1 > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN peer_kraken_btc_usd_return_1_lag_2 > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN peer_kraken_btc_usd_return_5 > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN peer_kraken_btc_usd_return_15 > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN peer_kraken_btc_usd_return_60 > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN peer_kraken_btc_usd_volatility_60 > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN peer_kraken_btc_usd_natr_14 > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN peer_kraken_btc_usd_order_flow_20 > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN peer_kraken_btc_usd_order_flow_1 > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN peer_kraken_btc_usd_ema_12_gap > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN peer_kraken_btc_usd_ema_26_gap > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN peer_kraken_btc_usd_ema_50_gap > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN peer_kraken_btc_usd_ema_200_gap > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN sentiment_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN news_volume_1h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN sentiment_6h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN news_volume_6h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN sentiment_24h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN news_volume_24h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN sentiment_dispersion_24h > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN no_news > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN day_sin > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN day_cos > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN week_sin > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN week_cos > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN hour_sin > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN hour_cos > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN quarter_begins > '1e-9'::double precision THEN 1 ELSE 0 END
        + CASE WHEN hour_begins > '1e-9'::double precision THEN 1 ELSE 0 END
            AS amended_features,
        greatest(return_1_1m, return_1_lag_1_1m, return_1_lag_2_1m, return_5_1m, return_15_1m, return_60_1m, volatility_60_1m, natr_14_1m, return_zscore_60_1m, log_variance_1_1m, log_variance_3_1m, log_variance_4_1m, log_variance_5_1m, log_variance_15_1m, log_variance_24_1m, log_variance_60_1m, rsi_14_1m, stoch_rsi_k_1m, stochastic_k_1m, stochastic_d_1m, cci_20_1m, macd_1m, macd_hist_1m, di_difference_14_1m, adx_14_1m, bollinger_width_20_1m, bollinger_percent_b_20_1m, keltner_position_1m, donchian_position_20_1m, vwap_gap_60_1m, mfi_14_1m, cmf_20_1m, order_flow_20_1m, order_flow_1_1m, body_1m, close_position_1m, range_1m, volume_ratio_20_1m, trades_ratio_20_1m, traded_share_20_1m, ema_12_gap_1m, ema_26_gap_1m, ema_50_gap_1m, ema_200_gap_1m, imputed_1m, return_1_5m, return_5_5m, volatility_60_5m, natr_14_5m, log_variance_4_5m, log_variance_24_5m, rsi_14_5m, stochastic_k_5m, macd_hist_5m, bollinger_percent_b_20_5m, order_flow_20_5m, ema_12_gap_5m, ema_50_gap_5m, imputed_5m, return_1_15m, return_5_15m, volatility_60_15m, natr_14_15m, log_variance_4_15m, log_variance_24_15m, rsi_14_15m, stochastic_k_15m, macd_hist_15m, bollinger_percent_b_20_15m, order_flow_20_15m, ema_12_gap_15m, ema_50_gap_15m, imputed_15m, return_1_1h, return_5_1h, volatility_60_1h, natr_14_1h, log_variance_4_1h, log_variance_24_1h, rsi_14_1h, stochastic_k_1h, macd_hist_1h, bollinger_percent_b_20_1h, order_flow_20_1h, ema_12_gap_1h, ema_50_gap_1h, imputed_1h, peer_kraken_btc_usd_return_1, peer_kraken_btc_usd_return_1_lag_1, peer_kraken_btc_usd_return_1_lag_2, peer_kraken_btc_usd_return_5, peer_kraken_btc_usd_return_15, peer_kraken_btc_usd_return_60, peer_kraken_btc_usd_volatility_60, peer_kraken_btc_usd_natr_14, peer_kraken_btc_usd_order_flow_20, peer_kraken_btc_usd_order_flow_1, peer_kraken_btc_usd_ema_12_gap, peer_kraken_btc_usd_ema_26_gap, peer_kraken_btc_usd_ema_50_gap, peer_kraken_btc_usd_ema_200_gap, sentiment_1h, news_volume_1h, sentiment_6h, news_volume_6h, sentiment_24h, news_volume_24h, sentiment_dispersion_24h, no_news, day_sin, day_cos, week_sin, week_cos, hour_sin, hour_cos, quarter_begins, hour_begins) AS largest_change
    FROM changes
)
SELECT
    exchange,
    symbol,
    feature_time,
    max(amended_features) AS amended_features,
    max(largest_change) AS largest_change,
    max(largest_change) > 0.05 AS inputs_amended
FROM counted
GROUP BY exchange, symbol, feature_time;
