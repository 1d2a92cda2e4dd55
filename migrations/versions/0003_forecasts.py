"""forecasts

Created: feature_catalog, symbol_sentiment, labels, bar_features, features.

Revises: 0002
"""

from candlewave.migrate.steps import Create, Drop, run

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

FEATURE_CATALOG = """-- feature_catalog: what each column of features means, the bars without a hole that it needs, and its range.
-- grain: one row per feature
-- keys: name
-- event time: none
-- late data: none
-- readers: predictions-api, people
CREATE VIEW feature_catalog AS
SELECT
    'return_1_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'log return of the bar, in standard deviations of the last 60 bars' AS meaning
UNION ALL
SELECT
    'return_1_lag_1_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'the same of the bar before' AS meaning
UNION ALL
SELECT
    'return_1_lag_2_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'the same of the bar before that' AS meaning
UNION ALL
SELECT
    'return_5_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'log return over 5 bars, in standard deviations of such a return' AS meaning
UNION ALL
SELECT
    'return_15_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'log return over 15 bars, in standard deviations of such a return' AS meaning
UNION ALL
SELECT
    'return_60_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'log return over 60 bars, in standard deviations of such a return' AS meaning
UNION ALL
SELECT
    'volatility_60_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    '0 and more' AS "range",
    'root mean square of the last 60 bars'' log returns: the scale of the next bar''s return' AS meaning
UNION ALL
SELECT
    'natr_14_1m' AS name,
    '1m' AS timeframe,
    42 AS needs,
    '0 and more' AS "range",
    'average true range, percent of the close' AS meaning
UNION ALL
SELECT
    'return_zscore_60_1m' AS name,
    '1m' AS timeframe,
    61 AS needs,
    'about -8 to 8' AS "range",
    'log return less its mean, by its deviation' AS meaning
UNION ALL
SELECT
    'rsi_14_1m' AS name,
    '1m' AS timeframe,
    42 AS needs,
    '0 to 100' AS "range",
    'relative strength index' AS meaning
UNION ALL
SELECT
    'stoch_rsi_k_1m' AS name,
    '1m' AS timeframe,
    59 AS needs,
    '0 to 100' AS "range",
    'where RSI stands in its own range' AS meaning
UNION ALL
SELECT
    'stochastic_k_1m' AS name,
    '1m' AS timeframe,
    16 AS needs,
    '0 to 100' AS "range",
    'where the close stands in the range of the last 14 bars' AS meaning
UNION ALL
SELECT
    'stochastic_d_1m' AS name,
    '1m' AS timeframe,
    18 AS needs,
    '0 to 100' AS "range",
    'mean of 3 stochastic_k' AS meaning
UNION ALL
SELECT
    'cci_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    'mostly -200 to 200' AS "range",
    'commodity channel index' AS meaning
UNION ALL
SELECT
    'macd_1m' AS name,
    '1m' AS timeframe,
    78 AS needs,
    'about -5 to 5' AS "range",
    'MACD, in average true ranges' AS meaning
UNION ALL
SELECT
    'macd_hist_1m' AS name,
    '1m' AS timeframe,
    105 AS needs,
    'about -2 to 2' AS "range",
    'MACD less its signal, in average true ranges' AS meaning
UNION ALL
SELECT
    'di_difference_14_1m' AS name,
    '1m' AS timeframe,
    42 AS needs,
    '-100 to 100' AS "range",
    '+DI less -DI' AS meaning
UNION ALL
SELECT
    'adx_14_1m' AS name,
    '1m' AS timeframe,
    84 AS needs,
    '0 to 100' AS "range",
    'strength of the trend, whatever its direction' AS meaning
UNION ALL
SELECT
    'bollinger_width_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    '0 and more' AS "range",
    'width of the Bollinger band by its middle' AS meaning
UNION ALL
SELECT
    'bollinger_percent_b_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    'mostly 0 to 1' AS "range",
    'where the close stands in the Bollinger band' AS meaning
UNION ALL
SELECT
    'keltner_position_1m' AS name,
    '1m' AS timeframe,
    60 AS needs,
    'mostly -1 to 1' AS "range",
    'close less the Keltner middle, by half the channel' AS meaning
UNION ALL
SELECT
    'donchian_position_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    '0 to 1' AS "range",
    'where the close stands in the range of the last 20 bars' AS meaning
UNION ALL
SELECT
    'vwap_gap_60_1m' AS name,
    '1m' AS timeframe,
    60 AS needs,
    'about -10 to 10' AS "range",
    'close less the volume-weighted average price, in average true ranges' AS meaning
UNION ALL
SELECT
    'mfi_14_1m' AS name,
    '1m' AS timeframe,
    15 AS needs,
    '0 to 100' AS "range",
    'money flow index' AS meaning
UNION ALL
SELECT
    'cmf_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    '-1 to 1' AS "range",
    'Chaikin''s money flow' AS meaning
UNION ALL
SELECT
    'order_flow_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    '0 to 1' AS "range",
    'share of the volume that takers bought' AS meaning
UNION ALL
SELECT
    'order_flow_1_1m' AS name,
    '1m' AS timeframe,
    1 AS needs,
    '0 to 1' AS "range",
    'the same of this bar alone' AS meaning
UNION ALL
SELECT
    'body_1m' AS name,
    '1m' AS timeframe,
    1 AS needs,
    '-1 to 1' AS "range",
    'close less open, by the range of the bar' AS meaning
UNION ALL
SELECT
    'close_position_1m' AS name,
    '1m' AS timeframe,
    1 AS needs,
    '0 to 1' AS "range",
    'where the close stands in the range of the bar' AS meaning
UNION ALL
SELECT
    'range_1m' AS name,
    '1m' AS timeframe,
    42 AS needs,
    '0 and more' AS "range",
    'range of the bar, in average true ranges' AS meaning
UNION ALL
SELECT
    'volume_ratio_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    '0 to 20' AS "range",
    'volume by its mean of the last 20 bars' AS meaning
UNION ALL
SELECT
    'trades_ratio_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    '0 to 20' AS "range",
    'number of trades by its mean of the last 20 bars' AS meaning
UNION ALL
SELECT
    'traded_share_20_1m' AS name,
    '1m' AS timeframe,
    20 AS needs,
    '0 to 1' AS "range",
    'share of the last 20 bars that had trades' AS meaning
UNION ALL
SELECT
    'ema_12_gap_1m' AS name,
    '1m' AS timeframe,
    42 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 12 bars, in average true ranges' AS meaning
UNION ALL
SELECT
    'ema_26_gap_1m' AS name,
    '1m' AS timeframe,
    78 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 26 bars, in average true ranges' AS meaning
UNION ALL
SELECT
    'ema_50_gap_1m' AS name,
    '1m' AS timeframe,
    150 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 50 bars, in average true ranges' AS meaning
UNION ALL
SELECT
    'ema_200_gap_1m' AS name,
    '1m' AS timeframe,
    600 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 200 bars, in average true ranges' AS meaning
UNION ALL
SELECT
    'imputed_1m' AS name,
    '1m' AS timeframe,
    1 AS needs,
    '0 to 1' AS "range",
    'share of the features of this bar for which 0/0 was replaced by a neutral value' AS meaning
UNION ALL
SELECT
    'return_1_5m' AS name,
    '5m' AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'log return of the bar, in standard deviations of the last 60 bars' AS meaning
UNION ALL
SELECT
    'return_5_5m' AS name,
    '5m' AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'log return over 5 bars, in standard deviations of such a return' AS meaning
UNION ALL
SELECT
    'volatility_60_5m' AS name,
    '5m' AS timeframe,
    61 AS needs,
    '0 and more' AS "range",
    'root mean square of the last 60 bars'' log returns: the scale of the next bar''s return' AS meaning
UNION ALL
SELECT
    'natr_14_5m' AS name,
    '5m' AS timeframe,
    42 AS needs,
    '0 and more' AS "range",
    'average true range, percent of the close' AS meaning
UNION ALL
SELECT
    'rsi_14_5m' AS name,
    '5m' AS timeframe,
    42 AS needs,
    '0 to 100' AS "range",
    'relative strength index' AS meaning
UNION ALL
SELECT
    'stochastic_k_5m' AS name,
    '5m' AS timeframe,
    16 AS needs,
    '0 to 100' AS "range",
    'where the close stands in the range of the last 14 bars' AS meaning
UNION ALL
SELECT
    'macd_hist_5m' AS name,
    '5m' AS timeframe,
    105 AS needs,
    'about -2 to 2' AS "range",
    'MACD less its signal, in average true ranges' AS meaning
UNION ALL
SELECT
    'bollinger_percent_b_20_5m' AS name,
    '5m' AS timeframe,
    20 AS needs,
    'mostly 0 to 1' AS "range",
    'where the close stands in the Bollinger band' AS meaning
UNION ALL
SELECT
    'order_flow_20_5m' AS name,
    '5m' AS timeframe,
    20 AS needs,
    '0 to 1' AS "range",
    'share of the volume that takers bought' AS meaning
UNION ALL
SELECT
    'ema_12_gap_5m' AS name,
    '5m' AS timeframe,
    42 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 12 bars, in average true ranges' AS meaning
UNION ALL
SELECT
    'ema_50_gap_5m' AS name,
    '5m' AS timeframe,
    150 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 50 bars, in average true ranges' AS meaning
UNION ALL
SELECT
    'imputed_5m' AS name,
    '5m' AS timeframe,
    1 AS needs,
    '0 to 1' AS "range",
    'share of the features of this bar for which 0/0 was replaced by a neutral value' AS meaning
UNION ALL
SELECT
    'return_1_15m' AS name,
    '15m' AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'log return of the bar, in standard deviations of the last 60 bars' AS meaning
UNION ALL
SELECT
    'return_5_15m' AS name,
    '15m' AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'log return over 5 bars, in standard deviations of such a return' AS meaning
UNION ALL
SELECT
    'volatility_60_15m' AS name,
    '15m' AS timeframe,
    61 AS needs,
    '0 and more' AS "range",
    'root mean square of the last 60 bars'' log returns: the scale of the next bar''s return' AS meaning
UNION ALL
SELECT
    'natr_14_15m' AS name,
    '15m' AS timeframe,
    42 AS needs,
    '0 and more' AS "range",
    'average true range, percent of the close' AS meaning
UNION ALL
SELECT
    'rsi_14_15m' AS name,
    '15m' AS timeframe,
    42 AS needs,
    '0 to 100' AS "range",
    'relative strength index' AS meaning
UNION ALL
SELECT
    'stochastic_k_15m' AS name,
    '15m' AS timeframe,
    16 AS needs,
    '0 to 100' AS "range",
    'where the close stands in the range of the last 14 bars' AS meaning
UNION ALL
SELECT
    'macd_hist_15m' AS name,
    '15m' AS timeframe,
    105 AS needs,
    'about -2 to 2' AS "range",
    'MACD less its signal, in average true ranges' AS meaning
UNION ALL
SELECT
    'bollinger_percent_b_20_15m' AS name,
    '15m' AS timeframe,
    20 AS needs,
    'mostly 0 to 1' AS "range",
    'where the close stands in the Bollinger band' AS meaning
UNION ALL
SELECT
    'order_flow_20_15m' AS name,
    '15m' AS timeframe,
    20 AS needs,
    '0 to 1' AS "range",
    'share of the volume that takers bought' AS meaning
UNION ALL
SELECT
    'ema_12_gap_15m' AS name,
    '15m' AS timeframe,
    42 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 12 bars, in average true ranges' AS meaning
UNION ALL
SELECT
    'ema_50_gap_15m' AS name,
    '15m' AS timeframe,
    150 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 50 bars, in average true ranges' AS meaning
UNION ALL
SELECT
    'imputed_15m' AS name,
    '15m' AS timeframe,
    1 AS needs,
    '0 to 1' AS "range",
    'share of the features of this bar for which 0/0 was replaced by a neutral value' AS meaning
UNION ALL
SELECT
    'return_1_1h' AS name,
    '1h' AS timeframe,
    61 AS needs,
    'about -10 to 10' AS "range",
    'log return of the bar, in standard deviations of the last 60 bars' AS meaning
UNION ALL
SELECT
    'return_5_1h' AS name,
    '1h' AS timeframe,
    61 AS needs,
    'about -5 to 5' AS "range",
    'log return over 5 bars, in standard deviations of such a return' AS meaning
UNION ALL
SELECT
    'volatility_60_1h' AS name,
    '1h' AS timeframe,
    61 AS needs,
    '0 and more' AS "range",
    'root mean square of the last 60 bars'' log returns: the scale of the next bar''s return' AS meaning
UNION ALL
SELECT
    'natr_14_1h' AS name,
    '1h' AS timeframe,
    42 AS needs,
    '0 and more' AS "range",
    'average true range, percent of the close' AS meaning
UNION ALL
SELECT
    'rsi_14_1h' AS name,
    '1h' AS timeframe,
    42 AS needs,
    '0 to 100' AS "range",
    'relative strength index' AS meaning
UNION ALL
SELECT
    'stochastic_k_1h' AS name,
    '1h' AS timeframe,
    16 AS needs,
    '0 to 100' AS "range",
    'where the close stands in the range of the last 14 bars' AS meaning
UNION ALL
SELECT
    'macd_hist_1h' AS name,
    '1h' AS timeframe,
    105 AS needs,
    'about -2 to 2' AS "range",
    'MACD less its signal, in average true ranges' AS meaning
UNION ALL
SELECT
    'bollinger_percent_b_20_1h' AS name,
    '1h' AS timeframe,
    20 AS needs,
    'mostly 0 to 1' AS "range",
    'where the close stands in the Bollinger band' AS meaning
UNION ALL
SELECT
    'order_flow_20_1h' AS name,
    '1h' AS timeframe,
    20 AS needs,
    '0 to 1' AS "range",
    'share of the volume that takers bought' AS meaning
UNION ALL
SELECT
    'ema_12_gap_1h' AS name,
    '1h' AS timeframe,
    42 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 12 bars, in average true ranges' AS meaning
UNION ALL
SELECT
    'ema_50_gap_1h' AS name,
    '1h' AS timeframe,
    150 AS needs,
    'about -20 to 20' AS "range",
    'close less its exponential average of 50 bars, in average true ranges' AS meaning
UNION ALL
SELECT
    'imputed_1h' AS name,
    '1h' AS timeframe,
    1 AS needs,
    '0 to 1' AS "range",
    'share of the features of this bar for which 0/0 was replaced by a neutral value' AS meaning
UNION ALL
SELECT
    'sentiment_1h' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'sentiment of the base asset with a half-life of 1 h, as known when the minute ended' AS meaning
UNION ALL
SELECT
    'news_volume_1h' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '0 and more' AS "range",
    'logarithm of 1 + decayed number of articles, half-life 1 h' AS meaning
UNION ALL
SELECT
    'sentiment_6h' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'sentiment of the base asset with a half-life of 6 h, as known when the minute ended' AS meaning
UNION ALL
SELECT
    'news_volume_6h' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '0 and more' AS "range",
    'logarithm of 1 + decayed number of articles, half-life 6 h' AS meaning
UNION ALL
SELECT
    'sentiment_24h' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'sentiment of the base asset with a half-life of 24 h, as known when the minute ended' AS meaning
UNION ALL
SELECT
    'news_volume_24h' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '0 and more' AS "range",
    'logarithm of 1 + decayed number of articles, half-life 24 h' AS meaning
UNION ALL
SELECT
    'sentiment_dispersion_24h' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '0 to 1' AS "range",
    'how much the scores disagree, half-life 24 h' AS meaning
UNION ALL
SELECT
    'no_news' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '0 or 1' AS "range",
    'no news of the base asset is known for the last seven days: sentiment is 0 for want of news' AS meaning
UNION ALL
SELECT
    'day_sin' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'time of day, sine: 00:00 UTC is 0' AS meaning
UNION ALL
SELECT
    'day_cos' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'time of day, cosine' AS meaning
UNION ALL
SELECT
    'week_sin' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'time of the week, sine: Thursday 00:00 UTC, as 1970 began, is 0' AS meaning
UNION ALL
SELECT
    'week_cos' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'time of the week, cosine' AS meaning
UNION ALL
SELECT
    'hour_sin' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'minute of the hour, sine' AS meaning
UNION ALL
SELECT
    'hour_cos' AS name,
    NULL::varchar AS timeframe,
    0 AS needs,
    '-1 to 1' AS "range",
    'minute of the hour, cosine' AS meaning
"""

SYMBOL_SENTIMENT = """-- symbol_sentiment: sentiment_minute of each market's base asset, so that features finds it by market and minute.
-- grain: one row per exchange, symbol, minute that sentiment_minute has for the base asset
-- keys: exchange, symbol, minute
-- event time: minute
-- late data: follows sentiment_minute
-- footprint:
--   sentiment_minute by asset: minute -> minute [0, 0]
--   symbols: full
-- readers: features
CREATE MATERIALIZED VIEW symbol_sentiment AS
SELECT
    s.exchange,
    s.symbol,
    n.asset,
    n.minute,
    coalesce(sentiment_1h, 0) AS sentiment_1h,
    coalesce(ln(1 + volume_1h), 0) AS news_volume_1h,
    coalesce(sentiment_6h, 0) AS sentiment_6h,
    coalesce(ln(1 + volume_6h), 0) AS news_volume_6h,
    coalesce(sentiment_24h, 0) AS sentiment_24h,
    coalesce(ln(1 + volume_24h), 0) AS news_volume_24h,
    coalesce(dispersion_24h, 0) AS sentiment_dispersion_24h
FROM sentiment_minute AS n
INNER JOIN symbols AS s ON n.asset = s.base
"""

LABELS = """-- labels: what came after each closed minute: the log return over every horizon, joined by timestamp, never by position.
--   NULL while the target minute is not closed, and for ever if either minute is missing or without a feed.
-- grain: one row per exchange, symbol, closed minute, horizon
-- keys: exchange, symbol, horizon_minutes, open_time
-- event time: open_time
-- late data: an amended close amends the labels that begin or end with it
-- footprint:
--   candles by exchange, symbol: open_time -> open_time [-60 minutes, 0]
-- readers: model-trainer, people
CREATE MATERIALIZED VIEW labels AS
WITH minutes AS (
    SELECT exchange, symbol, open_time, close_time, close, feed_state
    FROM candles
    WHERE timeframe = '1m'
),
wanted AS (
    SELECT
        exchange,
        symbol,
        open_time,
        close_time,
        close,
        feed_state,
        unnest(ARRAY[1, 5, 15, 60]) AS horizon_minutes
    FROM minutes
)
SELECT
    w.exchange,
    w.symbol,
    w.horizon_minutes,
    w.open_time,
    w.close_time + w.horizon_minutes * INTERVAL '1 minute' AS target_time,
    CASE
        WHEN w.feed_state <> 'no_feed' AND t.feed_state <> 'no_feed' AND w.close > 0 AND t.close > 0
            THEN ln(t.close / nullif(w.close, 0))
    END AS realised_return
FROM wanted AS w
LEFT JOIN minutes AS t
    ON w.exchange = t.exchange AND w.symbol = t.symbol AND w.open_time + w.horizon_minutes * INTERVAL '1 minute' = t.open_time
"""

BAR_FEATURES = """-- bar_features: every closed bar in numbers without units: by the close, the average true range or the volatility, or
--   bounded. NULL while the bars since the last hole are fewer than a feature needs; 0/0 of a market that stands still has
--   a neutral value, and imputed says of what share of the features that is true.
-- grain: one row per exchange, symbol, timeframe, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: follows indicators and candles
-- footprint:
--   candles by exchange, symbol, timeframe: open_time -> open_time [0, +60 bars]
--   indicators by exchange, symbol, timeframe: open_time -> open_time [0, 0]
-- readers: features
CREATE MATERIALIZED VIEW bar_features AS
WITH moves AS (
    SELECT
        exchange, symbol, timeframe, open_time, open, high, low, trades, buy_volume,
        lag(close, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS close_1,
        lag(close, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS close_2,
        lag(close, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS close_3,
        lag(close, 5) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS close_5,
        lag(close, 15) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS close_15,
        lag(close, 60) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time) AS close_60,
        (coalesce(sum(volume) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW), 0) + coalesce(volume, 0)) AS volume_sum,
        sum(trades) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS trades_sum,
        count(CASE WHEN trades > 0 THEN 1 END) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY open_time ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS traded_bars
    FROM candles
),
bars AS (
    SELECT
        i.exchange,
        i.symbol,
        i.timeframe,
        i.open_time,
        i.close_time,
        i.warm_bars,
        (log_return) / nullif(realised_volatility_60 * 0.129099444874, 0) AS return_1,
        (ln(nullif(greatest(close_1 / nullif(close_2, 0), 0), 0))) / nullif(realised_volatility_60 * 0.129099444874, 0) AS return_1_lag_1,
        (ln(nullif(greatest(close_2 / nullif(close_3, 0), 0), 0))) / nullif(realised_volatility_60 * 0.129099444874, 0) AS return_1_lag_2,
        (ln(nullif(greatest(close / nullif(close_5, 0), 0), 0))) / nullif(realised_volatility_60 * 0.288675134595, 0) AS return_5,
        (ln(nullif(greatest(close / nullif(close_15, 0), 0), 0))) / nullif(realised_volatility_60 * 0.5, 0) AS return_15,
        (ln(nullif(greatest(close / nullif(close_60, 0), 0), 0))) / nullif(realised_volatility_60 * 1.0, 0) AS return_60,
        realised_volatility_60 / 7.745966692415 AS volatility_60,
        natr_14 AS natr_14,
        return_zscore_60 AS return_zscore_60,
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
        (20 * trades) / nullif(trades_sum, 0)::double precision AS trades_ratio_20,
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
    exchange,
    symbol,
    timeframe,
    open_time,
    close_time,
    CASE WHEN warm_bars >= 61 THEN coalesce(return_1, 0) END AS return_1,
    CASE WHEN warm_bars >= 61 THEN coalesce(return_1_lag_1, 0) END AS return_1_lag_1,
    CASE WHEN warm_bars >= 61 THEN coalesce(return_1_lag_2, 0) END AS return_1_lag_2,
    CASE WHEN warm_bars >= 61 THEN coalesce(return_5, 0) END AS return_5,
    CASE WHEN warm_bars >= 61 THEN coalesce(return_15, 0) END AS return_15,
    CASE WHEN warm_bars >= 61 THEN coalesce(return_60, 0) END AS return_60,
    CASE WHEN warm_bars >= 61 THEN volatility_60 END AS volatility_60,
    CASE WHEN warm_bars >= 42 THEN natr_14 END AS natr_14,
    CASE WHEN warm_bars >= 61 THEN coalesce(return_zscore_60, 0) END AS return_zscore_60,
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
    (CASE WHEN warm_bars >= 61 AND return_1 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 61 AND return_1_lag_1 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 61 AND return_1_lag_2 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 61 AND return_5 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 61 AND return_15 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 61 AND return_60 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 61 AND return_zscore_60 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 42 AND rsi_14 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 59 AND stoch_rsi_k IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 16 AND stochastic_k IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 18 AND stochastic_d IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 20 AND cci_20 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 78 AND macd IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 105 AND macd_hist IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 42 AND di_difference_14 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 84 AND adx_14 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 20 AND bollinger_percent_b_20 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 60 AND keltner_position IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 20 AND donchian_position_20 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 60 AND vwap_gap_60 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 15 AND mfi_14 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 20 AND cmf_20 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 20 AND order_flow_20 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 1 AND order_flow_1 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 1 AND body IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 1 AND close_position IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 42 AND range IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 20 AND volume_ratio_20 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 20 AND trades_ratio_20 IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 42 AND ema_12_gap IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 78 AND ema_26_gap IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 150 AND ema_50_gap IS NULL THEN 1 ELSE 0 END + CASE WHEN warm_bars >= 600 AND ema_200_gap IS NULL THEN 1 ELSE 0 END) / 33::double precision AS imputed
FROM bars
"""

FEATURES = """-- features: what a model may know when a minute's candle has closed: the candle itself, the latest closed bar of each
--   longer timeframe, the sentiment of its base asset, the calendar. Columns are explained in feature_catalog; no unit is
--   left in them. available_at is when the row could first be read: the close and the grace.
-- grain: one row per exchange, symbol, closed minute
-- keys: exchange, symbol, open_time
-- event time: open_time
-- late data: follows bar_features and sentiment_minute; prediction_inputs keeps what a forecast had seen
-- footprint:
--   bar_features by exchange, symbol: open_time -> open_time [0, +7080 seconds]
--   symbol_sentiment by exchange, symbol: minute -> open_time [0, 0]
-- readers: model-trainer, price-predictor, model-error-monitor, predictions-api
CREATE MATERIALIZED VIEW features AS
WITH minutes AS (
    SELECT
        exchange,
        symbol,
        open_time,
        close_time,
        -- Closed when this minute ends, that is: ending at it or before.
        date_bin(INTERVAL '300 seconds', open_time + INTERVAL '60 seconds', '1970-01-01 00:00:00+00'::timestamptz) - INTERVAL '300 seconds' AS bar_5m,
        -- Closed when this minute ends, that is: ending at it or before.
        date_bin(INTERVAL '900 seconds', open_time + INTERVAL '60 seconds', '1970-01-01 00:00:00+00'::timestamptz) - INTERVAL '900 seconds' AS bar_15m,
        -- Closed when this minute ends, that is: ending at it or before.
        date_bin(INTERVAL '3600 seconds', open_time + INTERVAL '60 seconds', '1970-01-01 00:00:00+00'::timestamptz) - INTERVAL '3600 seconds' AS bar_1h,
        extract(epoch FROM open_time)::bigint / 60 AS minute_number,
        return_1,
        return_1_lag_1,
        return_1_lag_2,
        return_5,
        return_15,
        return_60,
        volatility_60,
        natr_14,
        return_zscore_60,
        rsi_14,
        stoch_rsi_k,
        stochastic_k,
        stochastic_d,
        cci_20,
        macd,
        macd_hist,
        di_difference_14,
        adx_14,
        bollinger_width_20,
        bollinger_percent_b_20,
        keltner_position,
        donchian_position_20,
        vwap_gap_60,
        mfi_14,
        cmf_20,
        order_flow_20,
        order_flow_1,
        body,
        close_position,
        range,
        volume_ratio_20,
        trades_ratio_20,
        traded_share_20,
        ema_12_gap,
        ema_26_gap,
        ema_50_gap,
        ema_200_gap,
        imputed
    FROM bar_features
    WHERE timeframe = '1m'
),
bars_5m AS (
    SELECT
        exchange,
        symbol,
        open_time,
        return_1,
        return_5,
        volatility_60,
        natr_14,
        rsi_14,
        stochastic_k,
        macd_hist,
        bollinger_percent_b_20,
        order_flow_20,
        ema_12_gap,
        ema_50_gap,
        imputed
    FROM bar_features
    WHERE timeframe = '5m'
),
bars_15m AS (
    SELECT
        exchange,
        symbol,
        open_time,
        return_1,
        return_5,
        volatility_60,
        natr_14,
        rsi_14,
        stochastic_k,
        macd_hist,
        bollinger_percent_b_20,
        order_flow_20,
        ema_12_gap,
        ema_50_gap,
        imputed
    FROM bar_features
    WHERE timeframe = '15m'
),
bars_1h AS (
    SELECT
        exchange,
        symbol,
        open_time,
        return_1,
        return_5,
        volatility_60,
        natr_14,
        rsi_14,
        stochastic_k,
        macd_hist,
        bollinger_percent_b_20,
        order_flow_20,
        ema_12_gap,
        ema_50_gap,
        imputed
    FROM bar_features
    WHERE timeframe = '1h'
)
SELECT
    m.exchange,
    m.symbol,
    m.open_time,
    m.close_time,
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
    b5m.return_1 AS return_1_5m,
    b5m.return_5 AS return_5_5m,
    b5m.volatility_60 AS volatility_60_5m,
    b5m.natr_14 AS natr_14_5m,
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
    b1h.rsi_14 AS rsi_14_1h,
    b1h.stochastic_k AS stochastic_k_1h,
    b1h.macd_hist AS macd_hist_1h,
    b1h.bollinger_percent_b_20 AS bollinger_percent_b_20_1h,
    b1h.order_flow_20 AS order_flow_20_1h,
    b1h.ema_12_gap AS ema_12_gap_1h,
    b1h.ema_50_gap AS ema_50_gap_1h,
    b1h.imputed AS imputed_1h,
    coalesce(n.sentiment_1h, 0) AS sentiment_1h,
    coalesce(n.news_volume_1h, 0) AS news_volume_1h,
    coalesce(n.sentiment_6h, 0) AS sentiment_6h,
    coalesce(n.news_volume_6h, 0) AS news_volume_6h,
    coalesce(n.sentiment_24h, 0) AS sentiment_24h,
    coalesce(n.news_volume_24h, 0) AS news_volume_24h,
    coalesce(n.sentiment_dispersion_24h, 0) AS sentiment_dispersion_24h,
    CASE WHEN n.minute IS NULL THEN 1 ELSE 0 END::double precision AS no_news,
    sin((0.004363323129986 * ((m.minute_number) % 1440))::double precision) AS day_sin,
    cos((0.004363323129986 * ((m.minute_number) % 1440))::double precision) AS day_cos,
    sin((0.000623331875712 * ((m.minute_number) % 10080))::double precision) AS week_sin,
    cos((0.000623331875712 * ((m.minute_number) % 10080))::double precision) AS week_cos,
    sin((0.10471975511966 * ((m.minute_number) % 60))::double precision) AS hour_sin,
    cos((0.10471975511966 * ((m.minute_number) % 60))::double precision) AS hour_cos
FROM minutes AS m
LEFT JOIN bars_5m AS b5m
    ON m.exchange = b5m.exchange AND m.symbol = b5m.symbol AND m.bar_5m = b5m.open_time
LEFT JOIN bars_15m AS b15m
    ON m.exchange = b15m.exchange AND m.symbol = b15m.symbol AND m.bar_15m = b15m.open_time
LEFT JOIN bars_1h AS b1h
    ON m.exchange = b1h.exchange AND m.symbol = b1h.symbol AND m.bar_1h = b1h.open_time
LEFT JOIN symbol_sentiment AS n ON m.exchange = n.exchange AND m.symbol = n.symbol AND m.open_time = n.minute
"""

UPGRADE = (
    Create(FEATURE_CATALOG),
    Create(SYMBOL_SENTIMENT),
    Create(LABELS),
    Create(BAR_FEATURES),
    Create(FEATURES),
)

DOWNGRADE = (
    Drop('materialized view', 'features'),
    Drop('materialized view', 'bar_features'),
    Drop('materialized view', 'labels'),
    Drop('materialized view', 'symbol_sentiment'),
    Drop('view', 'feature_catalog'),
)


def upgrade() -> None:
    run(UPGRADE, revision)


def downgrade() -> None:
    run(DOWNGRADE, down_revision)
