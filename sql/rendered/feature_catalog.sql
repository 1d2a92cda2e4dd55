-- feature_catalog: what each column of features means, the bars without a hole that it needs, and its range.
-- grain: one row per feature
-- keys: name
-- event time: none
-- late data: none
-- columns:
--   needs: bars without a hole before there is a value
--   range: where its values lie
--   meaning: in a sentence
--   feature_set: identity of all features and their meanings together, the same in every row
-- readers: price-predictor, model-trainer, predictions-api, people
CREATE VIEW feature_catalog AS
SELECT
    'return_1_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'log return of the bar, in standard deviations of the last 60 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'return_1_lag_1_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'the same of the bar before' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'return_1_lag_2_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'the same of the bar before that' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'return_5_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'log return over 5 bars, in standard deviations of such a return' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'return_15_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'log return over 15 bars, in standard deviations of such a return' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'return_60_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'log return over 60 bars, in standard deviations of such a return' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'volatility_60_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    '0 and more' AS "range",
    'root mean square of the last 60 bars'' log returns: the scale of the next bar''s return' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'natr_14_1m' AS name,
    '1m' AS timeframe,
    42 AS needs,
    '0 and more' AS "range",
    'average true range, percent of the close' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'return_zscore_60_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    'about -8 to 8' AS "range",
    'log return less its mean, by its deviation' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'log_variance_1_1m' AS name,
    '1m' AS timeframe,
    1 AS needs,
    '-23.03 to 0' AS "range",
    'logarithm of the variance of a bar''s log return, by the range of the bar, not below -23.03' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'log_variance_3_1m' AS name,
    '1m' AS timeframe,
    3 AS needs,
    '-23.03 to 0' AS "range",
    'the same, mean of the variances of 3 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'log_variance_4_1m' AS name,
    '1m' AS timeframe,
    4 AS needs,
    '-23.03 to 0' AS "range",
    'the same, mean of the variances of 4 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'log_variance_5_1m' AS name,
    '1m' AS timeframe,
    5 AS needs,
    '-23.03 to 0' AS "range",
    'the same, mean of the variances of 5 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'log_variance_15_1m' AS name,
    '1m' AS timeframe,
    15 AS needs,
    '-23.03 to 0' AS "range",
    'the same, mean of the variances of 15 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'log_variance_24_1m' AS name,
    '1m' AS timeframe,
    24 AS needs,
    '-23.03 to 0' AS "range",
    'the same, mean of the variances of 24 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'log_variance_60_1m' AS name,
    '1m' AS timeframe,
    60 AS needs,
    '-23.03 to 0' AS "range",
    'the same, mean of the variances of 60 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'rsi_14_1m' AS name,
    '1m' AS timeframe,
    42 AS needs,
    '0 to 100' AS "range",
    'relative strength index' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'stoch_rsi_k_1m' AS name,
    '1m' AS timeframe,
    59 AS needs,
    '0 to 100' AS "range",
    'where RSI stands in its own range' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'stochastic_k_1m' AS name,
    '1m' AS timeframe,
    16 AS needs,
    '0 to 100' AS "range",
    'where the close stands in the range of the last 14 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'stochastic_d_1m' AS name,
    '1m' AS timeframe,
    18 AS needs,
    '0 to 100' AS "range",
    'mean of 3 stochastic_k' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'cci_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    'mostly -200 to 200' AS "range",
    'commodity channel index' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'macd_1m' AS name,
    '1m' AS timeframe,
    78 AS needs,
    'about -5 to 5' AS "range",
    'MACD, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'macd_hist_1m' AS name,
    '1m' AS timeframe,
    105 AS needs,
    'about -2 to 2' AS "range",
    'MACD less its signal, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'di_difference_14_1m' AS name,
    '1m' AS timeframe,
    42 AS needs,
    '-100 to 100' AS "range",
    '+DI less -DI' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'adx_14_1m' AS name,
    '1m' AS timeframe,
    84 AS needs,
    '0 to 100' AS "range",
    'strength of the trend, whatever its direction' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'bollinger_width_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    '0 and more' AS "range",
    'width of the Bollinger band by its middle' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'bollinger_percent_b_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    'mostly 0 to 1' AS "range",
    'where the close stands in the Bollinger band' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'keltner_position_1m' AS name,
    '1m' AS timeframe,
    60 AS needs,
    'mostly -1 to 1' AS "range",
    'close less the Keltner middle, by half the channel' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'donchian_position_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    '0 to 1' AS "range",
    'where the close stands in the range of the last 20 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'vwap_gap_60_1m' AS name,
    '1m' AS timeframe,
    60 AS needs,
    'about -10 to 10' AS "range",
    'close less the volume-weighted average price, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'mfi_14_1m' AS name,
    '1m' AS timeframe,
    15 AS needs,
    '0 to 100' AS "range",
    'money flow index' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'cmf_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    '-1 to 1' AS "range",
    'Chaikin''s money flow' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'order_flow_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    '0 to 1' AS "range",
    'share of the volume that takers bought' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'order_flow_1_1m' AS name,
    '1m' AS timeframe,
    1 AS needs,
    '0 to 1' AS "range",
    'the same of this bar alone' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'body_1m' AS name,
    '1m' AS timeframe,
    1 AS needs,
    '-1 to 1' AS "range",
    'close less open, by the range of the bar' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'close_position_1m' AS name,
    '1m' AS timeframe,
    1 AS needs,
    '0 to 1' AS "range",
    'where the close stands in the range of the bar' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'range_1m' AS name,
    '1m' AS timeframe,
    42 AS needs,
    '0 and more' AS "range",
    'range of the bar, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'volume_ratio_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    '0 to 20' AS "range",
    'volume by its mean of the last 20 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'trades_ratio_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    '0 to 20' AS "range",
    'number of trades by its mean of the last 20 bars, 1 where history does not tell one of them' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'traded_share_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    '0 to 1' AS "range",
    'share of the last 20 bars that had trades' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'ema_12_gap_1m' AS name,
    '1m' AS timeframe,
    42 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 12 bars, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'ema_26_gap_1m' AS name,
    '1m' AS timeframe,
    78 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 26 bars, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'ema_50_gap_1m' AS name,
    '1m' AS timeframe,
    150 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 50 bars, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'ema_200_gap_1m' AS name,
    '1m' AS timeframe,
    600 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 200 bars, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'imputed_1m' AS name,
    '1m' AS timeframe,
    1 AS needs,
    '0 to 1' AS "range",
    'share of the features of this bar for which 0/0 or an unknown number was replaced by a neutral value' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'return_1_5m' AS name,
    '5m' AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'log return of the bar, in standard deviations of the last 60 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'return_5_5m' AS name,
    '5m' AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'log return over 5 bars, in standard deviations of such a return' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'volatility_60_5m' AS name,
    '5m' AS timeframe,
    61 AS needs,
    '0 and more' AS "range",
    'root mean square of the last 60 bars'' log returns: the scale of the next bar''s return' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'natr_14_5m' AS name,
    '5m' AS timeframe,
    42 AS needs,
    '0 and more' AS "range",
    'average true range, percent of the close' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'log_variance_4_5m' AS name,
    '5m' AS timeframe,
    4 AS needs,
    '-23.03 to 0' AS "range",
    'the same, mean of the variances of 4 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'log_variance_24_5m' AS name,
    '5m' AS timeframe,
    24 AS needs,
    '-23.03 to 0' AS "range",
    'the same, mean of the variances of 24 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'rsi_14_5m' AS name,
    '5m' AS timeframe,
    42 AS needs,
    '0 to 100' AS "range",
    'relative strength index' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'stochastic_k_5m' AS name,
    '5m' AS timeframe,
    16 AS needs,
    '0 to 100' AS "range",
    'where the close stands in the range of the last 14 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'macd_hist_5m' AS name,
    '5m' AS timeframe,
    105 AS needs,
    'about -2 to 2' AS "range",
    'MACD less its signal, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'bollinger_percent_b_20_5m' AS name,
    '5m' AS timeframe,
    20 AS needs,
    'mostly 0 to 1' AS "range",
    'where the close stands in the Bollinger band' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'order_flow_20_5m' AS name,
    '5m' AS timeframe,
    20 AS needs,
    '0 to 1' AS "range",
    'share of the volume that takers bought' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'ema_12_gap_5m' AS name,
    '5m' AS timeframe,
    42 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 12 bars, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'ema_50_gap_5m' AS name,
    '5m' AS timeframe,
    150 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 50 bars, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'imputed_5m' AS name,
    '5m' AS timeframe,
    1 AS needs,
    '0 to 1' AS "range",
    'share of the features of this bar for which 0/0 or an unknown number was replaced by a neutral value' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'return_1_15m' AS name,
    '15m' AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'log return of the bar, in standard deviations of the last 60 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'return_5_15m' AS name,
    '15m' AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'log return over 5 bars, in standard deviations of such a return' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'volatility_60_15m' AS name,
    '15m' AS timeframe,
    61 AS needs,
    '0 and more' AS "range",
    'root mean square of the last 60 bars'' log returns: the scale of the next bar''s return' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'natr_14_15m' AS name,
    '15m' AS timeframe,
    42 AS needs,
    '0 and more' AS "range",
    'average true range, percent of the close' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'log_variance_4_15m' AS name,
    '15m' AS timeframe,
    4 AS needs,
    '-23.03 to 0' AS "range",
    'the same, mean of the variances of 4 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'log_variance_24_15m' AS name,
    '15m' AS timeframe,
    24 AS needs,
    '-23.03 to 0' AS "range",
    'the same, mean of the variances of 24 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'rsi_14_15m' AS name,
    '15m' AS timeframe,
    42 AS needs,
    '0 to 100' AS "range",
    'relative strength index' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'stochastic_k_15m' AS name,
    '15m' AS timeframe,
    16 AS needs,
    '0 to 100' AS "range",
    'where the close stands in the range of the last 14 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'macd_hist_15m' AS name,
    '15m' AS timeframe,
    105 AS needs,
    'about -2 to 2' AS "range",
    'MACD less its signal, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'bollinger_percent_b_20_15m' AS name,
    '15m' AS timeframe,
    20 AS needs,
    'mostly 0 to 1' AS "range",
    'where the close stands in the Bollinger band' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'order_flow_20_15m' AS name,
    '15m' AS timeframe,
    20 AS needs,
    '0 to 1' AS "range",
    'share of the volume that takers bought' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'ema_12_gap_15m' AS name,
    '15m' AS timeframe,
    42 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 12 bars, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'ema_50_gap_15m' AS name,
    '15m' AS timeframe,
    150 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 50 bars, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'imputed_15m' AS name,
    '15m' AS timeframe,
    1 AS needs,
    '0 to 1' AS "range",
    'share of the features of this bar for which 0/0 or an unknown number was replaced by a neutral value' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'return_1_1h' AS name,
    '1h' AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'log return of the bar, in standard deviations of the last 60 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'return_5_1h' AS name,
    '1h' AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'log return over 5 bars, in standard deviations of such a return' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'volatility_60_1h' AS name,
    '1h' AS timeframe,
    61 AS needs,
    '0 and more' AS "range",
    'root mean square of the last 60 bars'' log returns: the scale of the next bar''s return' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'natr_14_1h' AS name,
    '1h' AS timeframe,
    42 AS needs,
    '0 and more' AS "range",
    'average true range, percent of the close' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'log_variance_4_1h' AS name,
    '1h' AS timeframe,
    4 AS needs,
    '-23.03 to 0' AS "range",
    'the same, mean of the variances of 4 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'log_variance_24_1h' AS name,
    '1h' AS timeframe,
    24 AS needs,
    '-23.03 to 0' AS "range",
    'the same, mean of the variances of 24 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'rsi_14_1h' AS name,
    '1h' AS timeframe,
    42 AS needs,
    '0 to 100' AS "range",
    'relative strength index' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'stochastic_k_1h' AS name,
    '1h' AS timeframe,
    16 AS needs,
    '0 to 100' AS "range",
    'where the close stands in the range of the last 14 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'macd_hist_1h' AS name,
    '1h' AS timeframe,
    105 AS needs,
    'about -2 to 2' AS "range",
    'MACD less its signal, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'bollinger_percent_b_20_1h' AS name,
    '1h' AS timeframe,
    20 AS needs,
    'mostly 0 to 1' AS "range",
    'where the close stands in the Bollinger band' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'order_flow_20_1h' AS name,
    '1h' AS timeframe,
    20 AS needs,
    '0 to 1' AS "range",
    'share of the volume that takers bought' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'ema_12_gap_1h' AS name,
    '1h' AS timeframe,
    42 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 12 bars, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'ema_50_gap_1h' AS name,
    '1h' AS timeframe,
    150 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 50 bars, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'imputed_1h' AS name,
    '1h' AS timeframe,
    1 AS needs,
    '0 to 1' AS "range",
    'share of the features of this bar for which 0/0 or an unknown number was replaced by a neutral value' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peer_kraken_btc_usd_return_1' AS name,
    NULL::varchar AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'kraken BTC/USD in the same minute: log return of the bar, in standard deviations of the last 60 bars' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peer_kraken_btc_usd_return_1_lag_1' AS name,
    NULL::varchar AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'kraken BTC/USD in the same minute: the same of the bar before' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peer_kraken_btc_usd_return_1_lag_2' AS name,
    NULL::varchar AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'kraken BTC/USD in the same minute: the same of the bar before that' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peer_kraken_btc_usd_return_5' AS name,
    NULL::varchar AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'kraken BTC/USD in the same minute: log return over 5 bars, in standard deviations of such a return' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peer_kraken_btc_usd_return_15' AS name,
    NULL::varchar AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'kraken BTC/USD in the same minute: log return over 15 bars, in standard deviations of such a return' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peer_kraken_btc_usd_return_60' AS name,
    NULL::varchar AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'kraken BTC/USD in the same minute: log return over 60 bars, in standard deviations of such a return' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peer_kraken_btc_usd_volatility_60' AS name,
    NULL::varchar AS timeframe,
    61 AS needs,
    '0 and more' AS "range",
    'kraken BTC/USD in the same minute: root mean square of the last 60 bars'' log returns: the scale of the next bar''s return' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peer_kraken_btc_usd_natr_14' AS name,
    NULL::varchar AS timeframe,
    42 AS needs,
    '0 and more' AS "range",
    'kraken BTC/USD in the same minute: average true range, percent of the close' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peer_kraken_btc_usd_order_flow_20' AS name,
    NULL::varchar AS timeframe,
    20 AS needs,
    '0 to 1' AS "range",
    'kraken BTC/USD in the same minute: share of the volume that takers bought' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peer_kraken_btc_usd_order_flow_1' AS name,
    NULL::varchar AS timeframe,
    1 AS needs,
    '0 to 1' AS "range",
    'kraken BTC/USD in the same minute: the same of this bar alone' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peer_kraken_btc_usd_ema_12_gap' AS name,
    NULL::varchar AS timeframe,
    42 AS needs,
    'about -20 to 20' AS "range",
    'kraken BTC/USD in the same minute: close less its exponential average of 12 bars, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peer_kraken_btc_usd_ema_26_gap' AS name,
    NULL::varchar AS timeframe,
    78 AS needs,
    'about -20 to 20' AS "range",
    'kraken BTC/USD in the same minute: close less its exponential average of 26 bars, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peer_kraken_btc_usd_ema_50_gap' AS name,
    NULL::varchar AS timeframe,
    150 AS needs,
    'about -20 to 20' AS "range",
    'kraken BTC/USD in the same minute: close less its exponential average of 50 bars, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peer_kraken_btc_usd_ema_200_gap' AS name,
    NULL::varchar AS timeframe,
    600 AS needs,
    'about -20 to 20' AS "range",
    'kraken BTC/USD in the same minute: close less its exponential average of 200 bars, in average true ranges' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'peers_missing' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '0 to 1' AS "range",
    'share of the market''s peers whose bar of the minute is not there; 1 without peers' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'sentiment_1h' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'sentiment of the base asset with a half-life of 1 h, as known when the minute ended' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'news_volume_1h' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '0 and more' AS "range",
    'logarithm of 1 + decayed number of articles, half-life 1 h' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'sentiment_6h' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'sentiment of the base asset with a half-life of 6 h, as known when the minute ended' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'news_volume_6h' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '0 and more' AS "range",
    'logarithm of 1 + decayed number of articles, half-life 6 h' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'sentiment_24h' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'sentiment of the base asset with a half-life of 24 h, as known when the minute ended' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'news_volume_24h' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '0 and more' AS "range",
    'logarithm of 1 + decayed number of articles, half-life 24 h' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'sentiment_dispersion_24h' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '0 to 1' AS "range",
    'how much the scores disagree, half-life 24 h' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'no_news' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '0 or 1' AS "range",
    'no news of the base asset is known for the last seven days: sentiment is 0 for want of news' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'day_sin' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'time of day, sine: 00:00 UTC is 0' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'day_cos' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'time of day, cosine' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'week_sin' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'time of the week, sine: Thursday 00:00 UTC, as 1970 began, is 0' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'week_cos' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'time of the week, cosine' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'hour_sin' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'minute of the hour, sine' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'hour_cos' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'minute of the hour, cosine' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'quarter_begins' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '0 or 1' AS "range",
    'the next minute begins a quarter of an hour, when many programs trade' AS meaning,
    'abe11ec864f7' AS feature_set
UNION ALL
SELECT
    'hour_begins' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '0 or 1' AS "range",
    'the next minute begins an hour' AS meaning,
    'abe11ec864f7' AS feature_set;
