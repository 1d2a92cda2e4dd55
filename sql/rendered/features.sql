-- features: what a model may know when a minute's candle has closed: the candle itself, the latest closed bar of each
--   longer timeframe, the same minute of its peers, the sentiment of its base asset, the calendar. Columns are explained in feature_catalog; no unit is
--   left in them. available_at is when the row could first be read: the close and the grace.
-- grain: one row per exchange, symbol, closed minute
-- keys: exchange, symbol, open_time
-- event time: open_time
-- late data: follows bar_features, market_peers and sentiment_minute; prediction_inputs keeps what a forecast had seen
-- columns:
--   available_at: when the row could first be read: close and grace
--   others: feature; feature_catalog explains it
-- footprint:
--   bar_features by exchange, symbol: open_time -> open_time [0, +7080 seconds]
--   market_peers by exchange, symbol: open_time -> open_time [0, 0]
--   symbol_sentiment by exchange, symbol: minute -> open_time [0, 0]
-- readers: input_amendments, model-trainer, price-predictor, model-error-monitor, predictions-api
CREATE MATERIALIZED VIEW features AS
WITH minutes AS (
    SELECT
        *,
        -- Closed when this minute ends, that is: ending at it or before.
        date_bin(INTERVAL '300 seconds', open_time + INTERVAL '60 seconds', '1970-01-01 00:00:00+00'::timestamptz) - INTERVAL '300 seconds' AS bar_5m,
        -- Closed when this minute ends, that is: ending at it or before.
        date_bin(INTERVAL '900 seconds', open_time + INTERVAL '60 seconds', '1970-01-01 00:00:00+00'::timestamptz) - INTERVAL '900 seconds' AS bar_15m,
        -- Closed when this minute ends, that is: ending at it or before.
        date_bin(INTERVAL '3600 seconds', open_time + INTERVAL '60 seconds', '1970-01-01 00:00:00+00'::timestamptz) - INTERVAL '3600 seconds' AS bar_1h,
        extract(epoch FROM open_time)::bigint / 60 AS minute_number
    FROM bar_features
    WHERE timeframe = '1m'
),
bars_5m AS (
    SELECT *
    FROM bar_features
    WHERE timeframe = '5m'
),
bars_15m AS (
    SELECT *
    FROM bar_features
    WHERE timeframe = '15m'
),
bars_1h AS (
    SELECT *
    FROM bar_features
    WHERE timeframe = '1h'
),
-- The longer bars are the same for all minutes of one of 5m: they meet once, so that joins keep no minute with all of them.
steps AS (
    SELECT DISTINCT exchange, symbol, bar_5m, bar_15m, bar_1h
    FROM minutes
),
longer AS (
    SELECT
        s.exchange, s.symbol, s.bar_5m,
        b5m.return_1 AS return_1_5m,
        b5m.return_5 AS return_5_5m,
        b5m.volatility_60 AS volatility_60_5m,
        b5m.natr_14 AS natr_14_5m,
        b5m.log_variance_4 AS log_variance_4_5m,
        b5m.log_variance_24 AS log_variance_24_5m,
        b5m.rsi_14 AS rsi_14_5m,
        b5m.stochastic_k AS stochastic_k_5m,
        b5m.macd_hist AS macd_hist_5m,
        b5m.bollinger_percent_b_20 AS bollinger_percent_b_20_5m,
        b5m.order_flow_20 AS order_flow_20_5m,
        b5m.ema_12_gap AS ema_12_gap_5m,
        b5m.ema_50_gap AS ema_50_gap_5m,
        b5m.imputed AS imputed_5m,
        b15m.return_1 AS return_1_15m,
        b15m.return_5 AS return_5_15m,
        b15m.volatility_60 AS volatility_60_15m,
        b15m.natr_14 AS natr_14_15m,
        b15m.log_variance_4 AS log_variance_4_15m,
        b15m.log_variance_24 AS log_variance_24_15m,
        b15m.rsi_14 AS rsi_14_15m,
        b15m.stochastic_k AS stochastic_k_15m,
        b15m.macd_hist AS macd_hist_15m,
        b15m.bollinger_percent_b_20 AS bollinger_percent_b_20_15m,
        b15m.order_flow_20 AS order_flow_20_15m,
        b15m.ema_12_gap AS ema_12_gap_15m,
        b15m.ema_50_gap AS ema_50_gap_15m,
        b15m.imputed AS imputed_15m,
        b1h.return_1 AS return_1_1h,
        b1h.return_5 AS return_5_1h,
        b1h.volatility_60 AS volatility_60_1h,
        b1h.natr_14 AS natr_14_1h,
        b1h.log_variance_4 AS log_variance_4_1h,
        b1h.log_variance_24 AS log_variance_24_1h,
        b1h.rsi_14 AS rsi_14_1h,
        b1h.stochastic_k AS stochastic_k_1h,
        b1h.macd_hist AS macd_hist_1h,
        b1h.bollinger_percent_b_20 AS bollinger_percent_b_20_1h,
        b1h.order_flow_20 AS order_flow_20_1h,
        b1h.ema_12_gap AS ema_12_gap_1h,
        b1h.ema_50_gap AS ema_50_gap_1h,
        b1h.imputed AS imputed_1h
    FROM steps AS s
    LEFT JOIN bars_5m AS b5m
        ON s.exchange = b5m.exchange AND s.symbol = b5m.symbol AND s.bar_5m = b5m.open_time
    LEFT JOIN bars_15m AS b15m
        ON s.exchange = b15m.exchange AND s.symbol = b15m.symbol AND s.bar_15m = b15m.open_time
    LEFT JOIN bars_1h AS b1h
        ON s.exchange = b1h.exchange AND s.symbol = b1h.symbol AND s.bar_1h = b1h.open_time
)
SELECT
    m.exchange, m.symbol, m.open_time, m.close_time,
    m.close_time + INTERVAL '2 seconds' AS available_at,
    m.return_1 AS return_1_1m,
    m.return_1_lag_1 AS return_1_lag_1_1m,
    m.return_1_lag_2 AS return_1_lag_2_1m,
    m.return_5 AS return_5_1m,
    m.return_15 AS return_15_1m,
    m.return_60 AS return_60_1m,
    m.volatility_60 AS volatility_60_1m,
    m.natr_14 AS natr_14_1m,
    m.return_zscore_60 AS return_zscore_60_1m,
    m.log_variance_1 AS log_variance_1_1m,
    m.log_variance_3 AS log_variance_3_1m,
    m.log_variance_4 AS log_variance_4_1m,
    m.log_variance_5 AS log_variance_5_1m,
    m.log_variance_15 AS log_variance_15_1m,
    m.log_variance_24 AS log_variance_24_1m,
    m.log_variance_60 AS log_variance_60_1m,
    m.rsi_14 AS rsi_14_1m,
    m.stoch_rsi_k AS stoch_rsi_k_1m,
    m.stochastic_k AS stochastic_k_1m,
    m.stochastic_d AS stochastic_d_1m,
    m.cci_20 AS cci_20_1m,
    m.macd AS macd_1m,
    m.macd_hist AS macd_hist_1m,
    m.di_difference_14 AS di_difference_14_1m,
    m.adx_14 AS adx_14_1m,
    m.bollinger_width_20 AS bollinger_width_20_1m,
    m.bollinger_percent_b_20 AS bollinger_percent_b_20_1m,
    m.keltner_position AS keltner_position_1m,
    m.donchian_position_20 AS donchian_position_20_1m,
    m.vwap_gap_60 AS vwap_gap_60_1m,
    m.mfi_14 AS mfi_14_1m,
    m.cmf_20 AS cmf_20_1m,
    m.order_flow_20 AS order_flow_20_1m,
    m.order_flow_1 AS order_flow_1_1m,
    m.body AS body_1m,
    m.close_position AS close_position_1m,
    m.range AS range_1m,
    m.volume_ratio_20 AS volume_ratio_20_1m,
    m.trades_ratio_20 AS trades_ratio_20_1m,
    m.traded_share_20 AS traded_share_20_1m,
    m.ema_12_gap AS ema_12_gap_1m,
    m.ema_26_gap AS ema_26_gap_1m,
    m.ema_50_gap AS ema_50_gap_1m,
    m.ema_200_gap AS ema_200_gap_1m,
    m.imputed AS imputed_1m,
    l.return_1_5m,
    l.return_5_5m,
    l.volatility_60_5m,
    l.natr_14_5m,
    l.log_variance_4_5m,
    l.log_variance_24_5m,
    l.rsi_14_5m,
    l.stochastic_k_5m,
    l.macd_hist_5m,
    l.bollinger_percent_b_20_5m,
    l.order_flow_20_5m,
    l.ema_12_gap_5m,
    l.ema_50_gap_5m,
    l.imputed_5m,
    l.return_1_15m,
    l.return_5_15m,
    l.volatility_60_15m,
    l.natr_14_15m,
    l.log_variance_4_15m,
    l.log_variance_24_15m,
    l.rsi_14_15m,
    l.stochastic_k_15m,
    l.macd_hist_15m,
    l.bollinger_percent_b_20_15m,
    l.order_flow_20_15m,
    l.ema_12_gap_15m,
    l.ema_50_gap_15m,
    l.imputed_15m,
    l.return_1_1h,
    l.return_5_1h,
    l.volatility_60_1h,
    l.natr_14_1h,
    l.log_variance_4_1h,
    l.log_variance_24_1h,
    l.rsi_14_1h,
    l.stochastic_k_1h,
    l.macd_hist_1h,
    l.bollinger_percent_b_20_1h,
    l.order_flow_20_1h,
    l.ema_12_gap_1h,
    l.ema_50_gap_1h,
    l.imputed_1h,
    p.peer_kraken_btc_usd_return_1,
    p.peer_kraken_btc_usd_return_1_lag_1,
    p.peer_kraken_btc_usd_return_1_lag_2,
    p.peer_kraken_btc_usd_return_5,
    p.peer_kraken_btc_usd_return_15,
    p.peer_kraken_btc_usd_return_60,
    p.peer_kraken_btc_usd_volatility_60,
    p.peer_kraken_btc_usd_natr_14,
    p.peer_kraken_btc_usd_order_flow_20,
    p.peer_kraken_btc_usd_order_flow_1,
    p.peer_kraken_btc_usd_ema_12_gap,
    p.peer_kraken_btc_usd_ema_26_gap,
    p.peer_kraken_btc_usd_ema_50_gap,
    p.peer_kraken_btc_usd_ema_200_gap,
    coalesce(p.peers_missing, 1) AS peers_missing,
    coalesce(n.sentiment_1h, 0) AS sentiment_1h,
    coalesce(n.news_volume_1h, 0) AS news_volume_1h,
    coalesce(n.sentiment_6h, 0) AS sentiment_6h,
    coalesce(n.news_volume_6h, 0) AS news_volume_6h,
    coalesce(n.sentiment_24h, 0) AS sentiment_24h,
    coalesce(n.news_volume_24h, 0) AS news_volume_24h,
    coalesce(n.sentiment_dispersion_24h, 0) AS sentiment_dispersion_24h,
    CASE WHEN n.minute IS NULL THEN 1 ELSE 0 END::double precision AS no_news,
    sin((0.004363323129986 * (minute_number % 1440))::double precision) AS day_sin,
    cos((0.004363323129986 * (minute_number % 1440))::double precision) AS day_cos,
    sin((0.000623331875712 * (minute_number % 10080))::double precision) AS week_sin,
    cos((0.000623331875712 * (minute_number % 10080))::double precision) AS week_cos,
    sin((0.10471975511966 * (minute_number % 60))::double precision) AS hour_sin,
    cos((0.10471975511966 * (minute_number % 60))::double precision) AS hour_cos,
    CASE WHEN (minute_number + 1) % 15 = 0 THEN 1 ELSE 0 END::double precision AS quarter_begins,
    CASE WHEN (minute_number + 1) % 60 = 0 THEN 1 ELSE 0 END::double precision AS hour_begins
FROM minutes AS m
LEFT JOIN market_peers AS p ON m.exchange = p.exchange AND m.symbol = p.symbol AND m.open_time = p.open_time
LEFT JOIN symbol_sentiment AS n ON m.exchange = n.exchange AND m.symbol = n.symbol AND m.open_time = n.minute
INNER JOIN longer AS l
    ON m.exchange = l.exchange AND m.symbol = l.symbol AND m.bar_5m = l.bar_5m;
