"""forecasts

Created: alerts, api_keys, feature_catalog, feature_reference, model_events, prediction_inputs, predictions,
    training_requests, alert_documents, forecast_inputs, newest_predictions, prediction_documents,
    alerts_sink, drift_hours, latest_predictions, predictions_sink, feature_drift, served_predictions,
    symbol_sentiment, labels, bar_features, features, input_amendments, prediction_outcomes, outcome_hours,
    prediction_error_documents, model_error, prediction_errors_sink.

Revises: 0002
"""

from candlewave.engine.migrate.steps import Create, Drop, run

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

ALERTS = """-- alerts: what the error monitor found wrong, and when it was over.
-- grain: one row per alert, change of status
-- keys: fingerprint, occurred_at, status
-- event time: occurred_at
-- late data: kept; the first message of a key wins, so redelivery changes nothing
-- readers: alert_documents, model-error-monitor, predictions-api, people
CREATE TABLE alerts (
    fingerprint VARCHAR,
    rule VARCHAR,
    severity VARCHAR,
    labels JSONB,
    value DOUBLE PRECISION,
    status VARCHAR,
    occurred_at TIMESTAMPTZ,
    PRIMARY KEY (fingerprint, occurred_at, status)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}alerts',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
"""

API_KEYS = """-- api_keys: who may use the API: hashes, never keys; written by `candlewave apikey`.
-- grain: one row per key
-- keys: prefix
-- event time: created_at
-- late data: not applicable
-- readers: predictions-api
CREATE TABLE api_keys (
    prefix VARCHAR,
    hash VARCHAR,
    name VARCHAR,
    scopes VARCHAR,
    created_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    PRIMARY KEY (prefix)
)
"""

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

FEATURE_REFERENCE = """-- feature_reference: how a model's most important features were distributed in its training: nine inner edges of ten buckets, and eleven shares, the first that of missing values.
-- grain: one row per model version, feature
-- keys: model_version, feature
-- event time: none
-- late data: kept; the first message of a key wins, so redelivery changes nothing
-- readers: drift_hours, feature_drift
CREATE TABLE feature_reference (
    model_version VARCHAR,
    feature VARCHAR,
    edges DOUBLE PRECISION[],
    shares DOUBLE PRECISION[],
    PRIMARY KEY (model_version, feature)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}feature_reference',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
"""

MODEL_EVENTS = """-- model_events: what became of models: registered, promoted, rejected, rolled_back, with the reason.
-- grain: one row per event
-- keys: event_id
-- event time: occurred_at
-- late data: kept; the first message of a key wins, so redelivery changes nothing
-- readers: model-error-monitor, predictions-api, people
CREATE TABLE model_events (
    event_id VARCHAR,
    model_name VARCHAR,
    model_version VARCHAR,
    event VARCHAR,
    reason VARCHAR,
    occurred_at TIMESTAMPTZ,
    PRIMARY KEY (event_id)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}model_events',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
"""

PREDICTION_INPUTS = """-- prediction_inputs: the vectors that forecasts were made from, as they were known then; "values" maps a feature to its value.
-- grain: one row per exchange, symbol, candle forecast from, set of features
-- keys: exchange, symbol, feature_time, feature_set
-- event time: feature_time
-- late data: kept; the first message of a key wins, so redelivery changes nothing
-- readers: input_amendments, forecast_inputs, model-trainer
CREATE TABLE prediction_inputs (
    exchange VARCHAR,
    symbol VARCHAR,
    feature_time TIMESTAMPTZ,
    feature_set VARCHAR,
    "values" JSONB,
    made_at TIMESTAMPTZ,
    PRIMARY KEY (exchange, symbol, feature_time, feature_set)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}prediction_inputs',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
"""

PREDICTIONS = """-- predictions: every forecast that was made, of every model and of the baseline.
-- grain: one row per exchange, symbol, horizon, candle forecast from, model version
-- keys: exchange, symbol, horizon_minutes, feature_time, model_name, model_version
-- event time: feature_time
-- late data: kept; the first message of a key wins, so redelivery changes nothing
-- readers: newest_predictions, prediction_outcomes, forecast_inputs, prediction_documents, predictions-api
CREATE TABLE predictions (
    exchange VARCHAR,
    symbol VARCHAR,
    horizon_minutes INT,
    feature_time TIMESTAMPTZ,
    target_time TIMESTAMPTZ,
    model_name VARCHAR,
    model_version VARCHAR,
    role VARCHAR,
    q10 DOUBLE PRECISION,
    q50 DOUBLE PRECISION,
    q90 DOUBLE PRECISION,
    price_q10 DOUBLE PRECISION,
    price_q50 DOUBLE PRECISION,
    price_q90 DOUBLE PRECISION,
    reference_price DOUBLE PRECISION,
    made_at TIMESTAMPTZ,
    PRIMARY KEY (exchange, symbol, horizon_minutes, feature_time, model_name, model_version)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}predictions',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
"""

TRAINING_REQUESTS = """-- training_requests: why a training was wanted, and by whom.
-- grain: one row per request
-- keys: request_id
-- event time: requested_at
-- late data: kept; the first message of a key wins, so redelivery changes nothing
-- readers: model-error-monitor, predictions-api, people
CREATE TABLE training_requests (
    request_id VARCHAR,
    model_name VARCHAR,
    reason VARCHAR,
    evidence JSONB,
    requested_at TIMESTAMPTZ,
    PRIMARY KEY (request_id)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}training_requests',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
"""

ALERT_DOCUMENTS = """-- alert_documents: alerts as Elasticsearch gets them: each with the name of its daily index.
-- grain: one row per alert, change of status
-- keys: fingerprint, occurred_at, status
-- event time: occurred_at
-- late data: follows alerts
-- footprint:
--   alerts by fingerprint: occurred_at -> occurred_at [0, 0]
-- readers: alerts_sink
CREATE MATERIALIZED VIEW alert_documents AS
SELECT
    'alerts-' || to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY.MM.DD') AS index_name,
    fingerprint,
    rule,
    severity,
    labels::VARCHAR AS labels,
    value,
    status,
    occurred_at
FROM alerts
"""

FORECAST_INPUTS = """-- forecast_inputs: the vector behind each forecast of a model, once per candle; it finds a model's references by version.
-- grain: one row per model version, exchange, symbol, candle forecast from
-- keys: model_version, exchange, symbol, feature_time, feature_set
-- event time: feature_time
-- late data: kept
-- footprint:
--   predictions by exchange, symbol: feature_time -> feature_time [0, 0]
--   prediction_inputs by exchange, symbol: feature_time -> feature_time [0, 0]
-- readers: drift_hours
CREATE MATERIALIZED VIEW forecast_inputs AS
SELECT
    p.model_version,
    p.exchange,
    p.symbol,
    p.feature_time,
    i.feature_set,
    i."values"
FROM predictions AS p
INNER JOIN prediction_inputs AS i
    ON p.exchange = i.exchange AND p.symbol = i.symbol AND p.feature_time = i.feature_time
WHERE p.role <> 'baseline' AND p.horizon_minutes = 1
"""

NEWEST_PREDICTIONS = """-- newest_predictions: the newest forecast of each model in each six hours, a step on the way to latest_predictions: what a
--   new forecast can change is then six hours, not all of history.
-- grain: one row per exchange, symbol, horizon, model, role, six hours with forecasts
-- keys: exchange, symbol, horizon_minutes, model_name, role, period
-- event time: period
-- late data: a forecast that is not the newest of its six hours changes nothing
-- footprint:
--   predictions by exchange, symbol: feature_time -> period tumble 6 hours
-- readers: latest_predictions
CREATE MATERIALIZED VIEW newest_predictions AS
WITH dated AS (
    SELECT
        date_bin(INTERVAL '6 hours', feature_time, '1970-01-01 00:00:00+00'::timestamptz) AS period,
        exchange,
        symbol,
        horizon_minutes,
        feature_time,
        target_time,
        model_name,
        model_version,
        role,
        q10,
        q50,
        q90,
        price_q10,
        price_q50,
        price_q90,
        reference_price,
        made_at
    FROM predictions
),
numbered AS (
    SELECT
        period,
        exchange,
        symbol,
        horizon_minutes,
        feature_time,
        target_time,
        model_name,
        model_version,
        role,
        q10,
        q50,
        q90,
        price_q10,
        price_q50,
        price_q90,
        reference_price,
        made_at,
        row_number() OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, role, period
            ORDER BY feature_time DESC, model_version DESC
        ) AS place
    FROM dated
)
SELECT
    period,
    exchange,
    symbol,
    horizon_minutes,
    feature_time,
    target_time,
    model_name,
    model_version,
    role,
    q10,
    q50,
    q90,
    price_q10,
    price_q50,
    price_q90,
    reference_price,
    made_at
FROM numbered
WHERE place = 1
"""

PREDICTION_DOCUMENTS = """-- prediction_documents: forecasts as Elasticsearch gets them: each with the name of its daily index.
-- grain: one row per exchange, symbol, horizon, candle forecast from, model version
-- keys: exchange, symbol, horizon_minutes, feature_time, model_name, model_version
-- event time: feature_time
-- late data: follows predictions
-- footprint:
--   predictions by exchange, symbol: feature_time -> feature_time [0, 0]
-- readers: predictions_sink
CREATE MATERIALIZED VIEW prediction_documents AS
SELECT
    'predictions-' || to_char(feature_time AT TIME ZONE 'UTC', 'YYYY.MM.DD') AS index_name,
    exchange,
    symbol,
    horizon_minutes,
    feature_time,
    target_time,
    model_name,
    model_version,
    role,
    q10,
    q50,
    q90,
    price_q10,
    price_q50,
    price_q90,
    reference_price,
    made_at
FROM predictions
"""

ALERTS_SINK = """-- alerts_sink: alerts to Elasticsearch, into the index of their day.
-- grain: one document per alert, change of status
-- keys: fingerprint, occurred_at, status
-- event time: occurred_at
-- late data: follows alert_documents
-- readers: people
CREATE SINK alerts_sink FROM alert_documents
WITH (
    connector = 'elasticsearch',
    type = 'upsert',
    ${elasticsearch_properties},
    index_column = 'index_name',
    primary_key = 'fingerprint,occurred_at,status',
    delimiter = '|'
)
"""

DRIFT_HOURS = """-- drift_hours: how many inputs of each hour fell into each bucket of a feature's training distribution; bucket 0 is missing.
-- grain: one row per model version, exchange, symbol, feature, hour of feature_time with forecasts
-- keys: model_version, exchange, symbol, feature, hour
-- event time: hour
-- late data: counted in its hour
-- footprint:
--   forecast_inputs by model_version: feature_time -> hour tumble 1 hour
--   feature_reference by model_version: all
-- readers: feature_drift
CREATE MATERIALIZED VIEW drift_hours AS
WITH valued AS (
    SELECT
        i.model_version,
        i.exchange,
        i.symbol,
        r.feature,
        date_bin(INTERVAL '1 hour', i.feature_time, '1970-01-01 00:00:00+00'::timestamptz) AS hour,
        r.edges,
        (i."values" ->> r.feature)::double precision AS value
    FROM forecast_inputs AS i
    INNER JOIN feature_reference AS r ON i.model_version = r.model_version
),
bucketed AS (
    SELECT
        model_version,
        exchange,
        symbol,
        feature,
        hour,
        CASE
            WHEN value IS NULL THEN 0
            ELSE 1 + CASE WHEN value > edges[1] THEN 1 ELSE 0 END + CASE WHEN value > edges[2] THEN 1 ELSE 0 END + CASE WHEN value > edges[3] THEN 1 ELSE 0 END + CASE WHEN value > edges[4] THEN 1 ELSE 0 END + CASE WHEN value > edges[5] THEN 1 ELSE 0 END + CASE WHEN value > edges[6] THEN 1 ELSE 0 END + CASE WHEN value > edges[7] THEN 1 ELSE 0 END + CASE WHEN value > edges[8] THEN 1 ELSE 0 END + CASE WHEN value > edges[9] THEN 1 ELSE 0 END
        END AS bucket
    FROM valued
)
SELECT
    model_version,
    exchange,
    symbol,
    feature,
    hour,
    count(*) AS rows,
    sum(CASE WHEN bucket = 0 THEN 1 ELSE 0 END)::bigint AS bucket_0,
    sum(CASE WHEN bucket = 1 THEN 1 ELSE 0 END)::bigint AS bucket_1,
    sum(CASE WHEN bucket = 2 THEN 1 ELSE 0 END)::bigint AS bucket_2,
    sum(CASE WHEN bucket = 3 THEN 1 ELSE 0 END)::bigint AS bucket_3,
    sum(CASE WHEN bucket = 4 THEN 1 ELSE 0 END)::bigint AS bucket_4,
    sum(CASE WHEN bucket = 5 THEN 1 ELSE 0 END)::bigint AS bucket_5,
    sum(CASE WHEN bucket = 6 THEN 1 ELSE 0 END)::bigint AS bucket_6,
    sum(CASE WHEN bucket = 7 THEN 1 ELSE 0 END)::bigint AS bucket_7,
    sum(CASE WHEN bucket = 8 THEN 1 ELSE 0 END)::bigint AS bucket_8,
    sum(CASE WHEN bucket = 9 THEN 1 ELSE 0 END)::bigint AS bucket_9,
    sum(CASE WHEN bucket = 10 THEN 1 ELSE 0 END)::bigint AS bucket_10
FROM bucketed
GROUP BY model_version, exchange, symbol, feature, hour
"""

LATEST_PREDICTIONS = """-- latest_predictions: the newest forecast of each model and role, for every market and horizon.
-- grain: one row per exchange, symbol, horizon, model, role
-- keys: exchange, symbol, horizon_minutes, model_name, role
-- event time: none
-- late data: an older forecast that comes late changes nothing
-- footprint:
--   newest_predictions by exchange, symbol: all
-- readers: served_predictions, price-predictor, model-error-monitor, predictions-api
CREATE MATERIALIZED VIEW latest_predictions AS
WITH numbered AS (
    SELECT
        exchange,
        symbol,
        horizon_minutes,
        feature_time,
        target_time,
        model_name,
        model_version,
        role,
        q10,
        q50,
        q90,
        price_q10,
        price_q50,
        price_q90,
        reference_price,
        made_at,
        row_number() OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, role
            ORDER BY feature_time DESC, period DESC
        ) AS place
    FROM newest_predictions
)
SELECT
    exchange,
    symbol,
    horizon_minutes,
    feature_time,
    target_time,
    model_name,
    model_version,
    role,
    q10,
    q50,
    q90,
    price_q10,
    price_q50,
    price_q90,
    reference_price,
    made_at
FROM numbered
WHERE place = 1
"""

PREDICTIONS_SINK = """-- predictions_sink: forecasts to Elasticsearch, into the index of their day.
-- grain: one document per forecast
-- keys: exchange, symbol, horizon_minutes, feature_time, model_name, model_version
-- event time: feature_time
-- late data: follows prediction_documents
-- readers: predictions-api, people
CREATE SINK predictions_sink FROM prediction_documents
WITH (
    connector = 'elasticsearch',
    type = 'upsert',
    ${elasticsearch_properties},
    index_column = 'index_name',
    primary_key = 'exchange,symbol,horizon_minutes,feature_time,model_name,model_version',
    delimiter = '|'
)
"""

FEATURE_DRIFT = """-- feature_drift: population stability index of each important feature: the 24 hours that end with each hour against the
--   model's training. Above 0.2 a feature is no longer what the model learnt from; with few rows it is noise, about
--   10 / rows.
-- grain: one row per model version, exchange, symbol, feature, hour of feature_time with forecasts
-- keys: model_version, exchange, symbol, feature, hour
-- event time: hour
-- late data: follows drift_hours
-- footprint:
--   drift_hours by model_version: hour -> hour [0, +23 hours]
--   feature_reference by model_version: all
-- readers: model-error-monitor, predictions-api, people
CREATE MATERIALIZED VIEW feature_drift AS
WITH day AS (
    SELECT
        model_version,
        exchange,
        symbol,
        feature,
        hour,
        sum(rows) OVER (PARTITION BY model_version, exchange, symbol, feature ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW)::double precision AS rows,
        sum(bucket_0) OVER (PARTITION BY model_version, exchange, symbol, feature ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW)::double precision AS bucket_0,
        sum(bucket_1) OVER (PARTITION BY model_version, exchange, symbol, feature ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW)::double precision AS bucket_1,
        sum(bucket_2) OVER (PARTITION BY model_version, exchange, symbol, feature ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW)::double precision AS bucket_2,
        sum(bucket_3) OVER (PARTITION BY model_version, exchange, symbol, feature ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW)::double precision AS bucket_3,
        sum(bucket_4) OVER (PARTITION BY model_version, exchange, symbol, feature ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW)::double precision AS bucket_4,
        sum(bucket_5) OVER (PARTITION BY model_version, exchange, symbol, feature ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW)::double precision AS bucket_5,
        sum(bucket_6) OVER (PARTITION BY model_version, exchange, symbol, feature ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW)::double precision AS bucket_6,
        sum(bucket_7) OVER (PARTITION BY model_version, exchange, symbol, feature ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW)::double precision AS bucket_7,
        sum(bucket_8) OVER (PARTITION BY model_version, exchange, symbol, feature ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW)::double precision AS bucket_8,
        sum(bucket_9) OVER (PARTITION BY model_version, exchange, symbol, feature ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW)::double precision AS bucket_9,
        sum(bucket_10) OVER (PARTITION BY model_version, exchange, symbol, feature ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW)::double precision AS bucket_10
    FROM drift_hours
),
compared AS (
    SELECT
        d.model_version,
        d.exchange,
        d.symbol,
        d.feature,
        d.hour,
        d.rows,
        r.shares,
        d.bucket_0,
        d.bucket_1,
        d.bucket_2,
        d.bucket_3,
        d.bucket_4,
        d.bucket_5,
        d.bucket_6,
        d.bucket_7,
        d.bucket_8,
        d.bucket_9,
        d.bucket_10
    FROM day AS d
    INNER JOIN feature_reference AS r ON d.model_version = r.model_version AND d.feature = r.feature
)
SELECT
    model_version,
    exchange,
    symbol,
    feature,
    hour,
(greatest(bucket_0 / nullif(rows, 0), 0.001) - greatest(shares[1], 0.001)) * ln(greatest(bucket_0 / nullif(rows, 0), 0.001) / nullif(greatest(shares[1], 0.001), 0)) + (greatest(bucket_1 / nullif(rows, 0), 0.001) - greatest(shares[2], 0.001)) * ln(greatest(bucket_1 / nullif(rows, 0), 0.001) / nullif(greatest(shares[2], 0.001), 0)) + (greatest(bucket_2 / nullif(rows, 0), 0.001) - greatest(shares[3], 0.001)) * ln(greatest(bucket_2 / nullif(rows, 0), 0.001) / nullif(greatest(shares[3], 0.001), 0)) + (greatest(bucket_3 / nullif(rows, 0), 0.001) - greatest(shares[4], 0.001)) * ln(greatest(bucket_3 / nullif(rows, 0), 0.001) / nullif(greatest(shares[4], 0.001), 0)) + (greatest(bucket_4 / nullif(rows, 0), 0.001) - greatest(shares[5], 0.001)) * ln(greatest(bucket_4 / nullif(rows, 0), 0.001) / nullif(greatest(shares[5], 0.001), 0)) + (greatest(bucket_5 / nullif(rows, 0), 0.001) - greatest(shares[6], 0.001)) * ln(greatest(bucket_5 / nullif(rows, 0), 0.001) / nullif(greatest(shares[6], 0.001), 0)) + (greatest(bucket_6 / nullif(rows, 0), 0.001) - greatest(shares[7], 0.001)) * ln(greatest(bucket_6 / nullif(rows, 0), 0.001) / nullif(greatest(shares[7], 0.001), 0)) + (greatest(bucket_7 / nullif(rows, 0), 0.001) - greatest(shares[8], 0.001)) * ln(greatest(bucket_7 / nullif(rows, 0), 0.001) / nullif(greatest(shares[8], 0.001), 0)) + (greatest(bucket_8 / nullif(rows, 0), 0.001) - greatest(shares[9], 0.001)) * ln(greatest(bucket_8 / nullif(rows, 0), 0.001) / nullif(greatest(shares[9], 0.001), 0)) + (greatest(bucket_9 / nullif(rows, 0), 0.001) - greatest(shares[10], 0.001)) * ln(greatest(bucket_9 / nullif(rows, 0), 0.001) / nullif(greatest(shares[10], 0.001), 0)) + (greatest(bucket_10 / nullif(rows, 0), 0.001) - greatest(shares[11], 0.001)) * ln(greatest(bucket_10 / nullif(rows, 0), 0.001) / nullif(greatest(shares[11], 0.001), 0)) AS psi,
    rows::bigint AS rows
FROM compared
"""

SERVED_PREDICTIONS = """-- served_predictions: the forecast that users get: the champion's if it made the newest one, else the baseline's.
-- grain: one row per exchange, symbol, horizon
-- keys: exchange, symbol, horizon_minutes
-- event time: none
-- late data: follows latest_predictions
-- footprint:
--   latest_predictions by exchange, symbol: all
-- readers: model-error-monitor, predictions-api, people
CREATE MATERIALIZED VIEW served_predictions AS
WITH numbered AS (
    SELECT
        exchange,
        symbol,
        horizon_minutes,
        feature_time,
        target_time,
        model_name,
        model_version,
        role,
        q10,
        q50,
        q90,
        price_q10,
        price_q50,
        price_q90,
        reference_price,
        made_at,
        row_number() OVER (
            PARTITION BY exchange, symbol, horizon_minutes
            ORDER BY feature_time DESC, CASE role WHEN 'champion' THEN 0 ELSE 1 END, model_name, role
        ) AS place
    FROM latest_predictions
    WHERE role IN ('champion', 'baseline')
)
SELECT
    exchange,
    symbol,
    horizon_minutes,
    feature_time,
    target_time,
    model_name,
    model_version,
    role,
    q10,
    q50,
    q90,
    price_q10,
    price_q50,
    price_q90,
    reference_price,
    made_at
FROM numbered
WHERE place = 1
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
-- readers: input_amendments, model-trainer, price-predictor, model-error-monitor, predictions-api
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

INPUT_AMENDMENTS = """-- input_amendments: how far the features of a candle are now from those that its forecasts used: late trades and late
--   scores amend the past, and a forecast is judged with what it knew. A change counts in units of the feature or, of
--   numbers above one, as a share of them; one that appears or disappears counts as 1.
-- grain: one row per exchange, symbol, candle forecast from
-- keys: exchange, symbol, feature_time
-- event time: feature_time
-- late data: follows features
-- footprint:
--   prediction_inputs by exchange, symbol: feature_time -> feature_time [0, 0]
--   features by exchange, symbol: open_time -> feature_time [0, 0]
-- readers: prediction_outcomes, model-error-monitor, people
CREATE MATERIALIZED VIEW input_amendments AS
WITH pairs AS (
    SELECT
        i.exchange,
        i.symbol,
        i.feature_time,
        f.return_1_1m,
        (i."values" ->> 'return_1_1m')::double precision AS used_return_1_1m,
        f.return_1_lag_1_1m,
        (i."values" ->> 'return_1_lag_1_1m')::double precision AS used_return_1_lag_1_1m,
        f.return_1_lag_2_1m,
        (i."values" ->> 'return_1_lag_2_1m')::double precision AS used_return_1_lag_2_1m,
        f.return_5_1m,
        (i."values" ->> 'return_5_1m')::double precision AS used_return_5_1m,
        f.return_15_1m,
        (i."values" ->> 'return_15_1m')::double precision AS used_return_15_1m,
        f.return_60_1m,
        (i."values" ->> 'return_60_1m')::double precision AS used_return_60_1m,
        f.volatility_60_1m,
        (i."values" ->> 'volatility_60_1m')::double precision AS used_volatility_60_1m,
        f.natr_14_1m,
        (i."values" ->> 'natr_14_1m')::double precision AS used_natr_14_1m,
        f.return_zscore_60_1m,
        (i."values" ->> 'return_zscore_60_1m')::double precision AS used_return_zscore_60_1m,
        f.rsi_14_1m,
        (i."values" ->> 'rsi_14_1m')::double precision AS used_rsi_14_1m,
        f.stoch_rsi_k_1m,
        (i."values" ->> 'stoch_rsi_k_1m')::double precision AS used_stoch_rsi_k_1m,
        f.stochastic_k_1m,
        (i."values" ->> 'stochastic_k_1m')::double precision AS used_stochastic_k_1m,
        f.stochastic_d_1m,
        (i."values" ->> 'stochastic_d_1m')::double precision AS used_stochastic_d_1m,
        f.cci_20_1m,
        (i."values" ->> 'cci_20_1m')::double precision AS used_cci_20_1m,
        f.macd_1m,
        (i."values" ->> 'macd_1m')::double precision AS used_macd_1m,
        f.macd_hist_1m,
        (i."values" ->> 'macd_hist_1m')::double precision AS used_macd_hist_1m,
        f.di_difference_14_1m,
        (i."values" ->> 'di_difference_14_1m')::double precision AS used_di_difference_14_1m,
        f.adx_14_1m,
        (i."values" ->> 'adx_14_1m')::double precision AS used_adx_14_1m,
        f.bollinger_width_20_1m,
        (i."values" ->> 'bollinger_width_20_1m')::double precision AS used_bollinger_width_20_1m,
        f.bollinger_percent_b_20_1m,
        (i."values" ->> 'bollinger_percent_b_20_1m')::double precision AS used_bollinger_percent_b_20_1m,
        f.keltner_position_1m,
        (i."values" ->> 'keltner_position_1m')::double precision AS used_keltner_position_1m,
        f.donchian_position_20_1m,
        (i."values" ->> 'donchian_position_20_1m')::double precision AS used_donchian_position_20_1m,
        f.vwap_gap_60_1m,
        (i."values" ->> 'vwap_gap_60_1m')::double precision AS used_vwap_gap_60_1m,
        f.mfi_14_1m,
        (i."values" ->> 'mfi_14_1m')::double precision AS used_mfi_14_1m,
        f.cmf_20_1m,
        (i."values" ->> 'cmf_20_1m')::double precision AS used_cmf_20_1m,
        f.order_flow_20_1m,
        (i."values" ->> 'order_flow_20_1m')::double precision AS used_order_flow_20_1m,
        f.order_flow_1_1m,
        (i."values" ->> 'order_flow_1_1m')::double precision AS used_order_flow_1_1m,
        f.body_1m,
        (i."values" ->> 'body_1m')::double precision AS used_body_1m,
        f.close_position_1m,
        (i."values" ->> 'close_position_1m')::double precision AS used_close_position_1m,
        f.range_1m,
        (i."values" ->> 'range_1m')::double precision AS used_range_1m,
        f.volume_ratio_20_1m,
        (i."values" ->> 'volume_ratio_20_1m')::double precision AS used_volume_ratio_20_1m,
        f.trades_ratio_20_1m,
        (i."values" ->> 'trades_ratio_20_1m')::double precision AS used_trades_ratio_20_1m,
        f.traded_share_20_1m,
        (i."values" ->> 'traded_share_20_1m')::double precision AS used_traded_share_20_1m,
        f.ema_12_gap_1m,
        (i."values" ->> 'ema_12_gap_1m')::double precision AS used_ema_12_gap_1m,
        f.ema_26_gap_1m,
        (i."values" ->> 'ema_26_gap_1m')::double precision AS used_ema_26_gap_1m,
        f.ema_50_gap_1m,
        (i."values" ->> 'ema_50_gap_1m')::double precision AS used_ema_50_gap_1m,
        f.ema_200_gap_1m,
        (i."values" ->> 'ema_200_gap_1m')::double precision AS used_ema_200_gap_1m,
        f.imputed_1m,
        (i."values" ->> 'imputed_1m')::double precision AS used_imputed_1m,
        f.return_1_5m,
        (i."values" ->> 'return_1_5m')::double precision AS used_return_1_5m,
        f.return_5_5m,
        (i."values" ->> 'return_5_5m')::double precision AS used_return_5_5m,
        f.volatility_60_5m,
        (i."values" ->> 'volatility_60_5m')::double precision AS used_volatility_60_5m,
        f.natr_14_5m,
        (i."values" ->> 'natr_14_5m')::double precision AS used_natr_14_5m,
        f.rsi_14_5m,
        (i."values" ->> 'rsi_14_5m')::double precision AS used_rsi_14_5m,
        f.stochastic_k_5m,
        (i."values" ->> 'stochastic_k_5m')::double precision AS used_stochastic_k_5m,
        f.macd_hist_5m,
        (i."values" ->> 'macd_hist_5m')::double precision AS used_macd_hist_5m,
        f.bollinger_percent_b_20_5m,
        (i."values" ->> 'bollinger_percent_b_20_5m')::double precision AS used_bollinger_percent_b_20_5m,
        f.order_flow_20_5m,
        (i."values" ->> 'order_flow_20_5m')::double precision AS used_order_flow_20_5m,
        f.ema_12_gap_5m,
        (i."values" ->> 'ema_12_gap_5m')::double precision AS used_ema_12_gap_5m,
        f.ema_50_gap_5m,
        (i."values" ->> 'ema_50_gap_5m')::double precision AS used_ema_50_gap_5m,
        f.imputed_5m,
        (i."values" ->> 'imputed_5m')::double precision AS used_imputed_5m,
        f.return_1_15m,
        (i."values" ->> 'return_1_15m')::double precision AS used_return_1_15m,
        f.return_5_15m,
        (i."values" ->> 'return_5_15m')::double precision AS used_return_5_15m,
        f.volatility_60_15m,
        (i."values" ->> 'volatility_60_15m')::double precision AS used_volatility_60_15m,
        f.natr_14_15m,
        (i."values" ->> 'natr_14_15m')::double precision AS used_natr_14_15m,
        f.rsi_14_15m,
        (i."values" ->> 'rsi_14_15m')::double precision AS used_rsi_14_15m,
        f.stochastic_k_15m,
        (i."values" ->> 'stochastic_k_15m')::double precision AS used_stochastic_k_15m,
        f.macd_hist_15m,
        (i."values" ->> 'macd_hist_15m')::double precision AS used_macd_hist_15m,
        f.bollinger_percent_b_20_15m,
        (i."values" ->> 'bollinger_percent_b_20_15m')::double precision AS used_bollinger_percent_b_20_15m,
        f.order_flow_20_15m,
        (i."values" ->> 'order_flow_20_15m')::double precision AS used_order_flow_20_15m,
        f.ema_12_gap_15m,
        (i."values" ->> 'ema_12_gap_15m')::double precision AS used_ema_12_gap_15m,
        f.ema_50_gap_15m,
        (i."values" ->> 'ema_50_gap_15m')::double precision AS used_ema_50_gap_15m,
        f.imputed_15m,
        (i."values" ->> 'imputed_15m')::double precision AS used_imputed_15m,
        f.return_1_1h,
        (i."values" ->> 'return_1_1h')::double precision AS used_return_1_1h,
        f.return_5_1h,
        (i."values" ->> 'return_5_1h')::double precision AS used_return_5_1h,
        f.volatility_60_1h,
        (i."values" ->> 'volatility_60_1h')::double precision AS used_volatility_60_1h,
        f.natr_14_1h,
        (i."values" ->> 'natr_14_1h')::double precision AS used_natr_14_1h,
        f.rsi_14_1h,
        (i."values" ->> 'rsi_14_1h')::double precision AS used_rsi_14_1h,
        f.stochastic_k_1h,
        (i."values" ->> 'stochastic_k_1h')::double precision AS used_stochastic_k_1h,
        f.macd_hist_1h,
        (i."values" ->> 'macd_hist_1h')::double precision AS used_macd_hist_1h,
        f.bollinger_percent_b_20_1h,
        (i."values" ->> 'bollinger_percent_b_20_1h')::double precision AS used_bollinger_percent_b_20_1h,
        f.order_flow_20_1h,
        (i."values" ->> 'order_flow_20_1h')::double precision AS used_order_flow_20_1h,
        f.ema_12_gap_1h,
        (i."values" ->> 'ema_12_gap_1h')::double precision AS used_ema_12_gap_1h,
        f.ema_50_gap_1h,
        (i."values" ->> 'ema_50_gap_1h')::double precision AS used_ema_50_gap_1h,
        f.imputed_1h,
        (i."values" ->> 'imputed_1h')::double precision AS used_imputed_1h,
        f.sentiment_1h,
        (i."values" ->> 'sentiment_1h')::double precision AS used_sentiment_1h,
        f.news_volume_1h,
        (i."values" ->> 'news_volume_1h')::double precision AS used_news_volume_1h,
        f.sentiment_6h,
        (i."values" ->> 'sentiment_6h')::double precision AS used_sentiment_6h,
        f.news_volume_6h,
        (i."values" ->> 'news_volume_6h')::double precision AS used_news_volume_6h,
        f.sentiment_24h,
        (i."values" ->> 'sentiment_24h')::double precision AS used_sentiment_24h,
        f.news_volume_24h,
        (i."values" ->> 'news_volume_24h')::double precision AS used_news_volume_24h,
        f.sentiment_dispersion_24h,
        (i."values" ->> 'sentiment_dispersion_24h')::double precision AS used_sentiment_dispersion_24h,
        f.no_news,
        (i."values" ->> 'no_news')::double precision AS used_no_news,
        f.day_sin,
        (i."values" ->> 'day_sin')::double precision AS used_day_sin,
        f.day_cos,
        (i."values" ->> 'day_cos')::double precision AS used_day_cos,
        f.week_sin,
        (i."values" ->> 'week_sin')::double precision AS used_week_sin,
        f.week_cos,
        (i."values" ->> 'week_cos')::double precision AS used_week_cos,
        f.hour_sin,
        (i."values" ->> 'hour_sin')::double precision AS used_hour_sin,
        f.hour_cos,
        (i."values" ->> 'hour_cos')::double precision AS used_hour_cos
    FROM prediction_inputs AS i
    INNER JOIN features AS f ON i.exchange = f.exchange AND i.symbol = f.symbol AND i.feature_time = f.open_time
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
        END AS hour_cos
    FROM pairs
)
SELECT
    exchange,
    symbol,
    feature_time,
    max(CASE WHEN return_1_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN return_1_lag_1_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN return_1_lag_2_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN return_5_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN return_15_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN return_60_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN volatility_60_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN natr_14_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN return_zscore_60_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN rsi_14_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN stoch_rsi_k_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN stochastic_k_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN stochastic_d_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN cci_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN macd_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN macd_hist_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN di_difference_14_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN adx_14_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN bollinger_width_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN bollinger_percent_b_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN keltner_position_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN donchian_position_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN vwap_gap_60_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN mfi_14_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN cmf_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN order_flow_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN order_flow_1_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN body_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN close_position_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN range_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN volume_ratio_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN trades_ratio_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN traded_share_20_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN ema_12_gap_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN ema_26_gap_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN ema_50_gap_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN ema_200_gap_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN imputed_1m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN return_1_5m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN return_5_5m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN volatility_60_5m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN natr_14_5m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN rsi_14_5m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN stochastic_k_5m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN macd_hist_5m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN bollinger_percent_b_20_5m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN order_flow_20_5m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN ema_12_gap_5m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN ema_50_gap_5m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN imputed_5m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN return_1_15m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN return_5_15m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN volatility_60_15m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN natr_14_15m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN rsi_14_15m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN stochastic_k_15m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN macd_hist_15m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN bollinger_percent_b_20_15m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN order_flow_20_15m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN ema_12_gap_15m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN ema_50_gap_15m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN imputed_15m > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN return_1_1h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN return_5_1h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN volatility_60_1h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN natr_14_1h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN rsi_14_1h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN stochastic_k_1h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN macd_hist_1h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN bollinger_percent_b_20_1h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN order_flow_20_1h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN ema_12_gap_1h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN ema_50_gap_1h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN imputed_1h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN sentiment_1h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN news_volume_1h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN sentiment_6h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN news_volume_6h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN sentiment_24h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN news_volume_24h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN sentiment_dispersion_24h > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN no_news > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN day_sin > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN day_cos > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN week_sin > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN week_cos > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN hour_sin > '1e-9'::double precision THEN 1 ELSE 0 END + CASE WHEN hour_cos > '1e-9'::double precision THEN 1 ELSE 0 END) AS amended_features,
    max(greatest(return_1_1m, return_1_lag_1_1m, return_1_lag_2_1m, return_5_1m, return_15_1m, return_60_1m, volatility_60_1m, natr_14_1m, return_zscore_60_1m, rsi_14_1m, stoch_rsi_k_1m, stochastic_k_1m, stochastic_d_1m, cci_20_1m, macd_1m, macd_hist_1m, di_difference_14_1m, adx_14_1m, bollinger_width_20_1m, bollinger_percent_b_20_1m, keltner_position_1m, donchian_position_20_1m, vwap_gap_60_1m, mfi_14_1m, cmf_20_1m, order_flow_20_1m, order_flow_1_1m, body_1m, close_position_1m, range_1m, volume_ratio_20_1m, trades_ratio_20_1m, traded_share_20_1m, ema_12_gap_1m, ema_26_gap_1m, ema_50_gap_1m, ema_200_gap_1m, imputed_1m, return_1_5m, return_5_5m, volatility_60_5m, natr_14_5m, rsi_14_5m, stochastic_k_5m, macd_hist_5m, bollinger_percent_b_20_5m, order_flow_20_5m, ema_12_gap_5m, ema_50_gap_5m, imputed_5m, return_1_15m, return_5_15m, volatility_60_15m, natr_14_15m, rsi_14_15m, stochastic_k_15m, macd_hist_15m, bollinger_percent_b_20_15m, order_flow_20_15m, ema_12_gap_15m, ema_50_gap_15m, imputed_15m, return_1_1h, return_5_1h, volatility_60_1h, natr_14_1h, rsi_14_1h, stochastic_k_1h, macd_hist_1h, bollinger_percent_b_20_1h, order_flow_20_1h, ema_12_gap_1h, ema_50_gap_1h, imputed_1h, sentiment_1h, news_volume_1h, sentiment_6h, news_volume_6h, sentiment_24h, news_volume_24h, sentiment_dispersion_24h, no_news, day_sin, day_cos, week_sin, week_cos, hour_sin, hour_cos)) AS largest_change
FROM changes
GROUP BY exchange, symbol, feature_time
"""

PREDICTION_OUTCOMES = """-- prediction_outcomes: every forecast whose target minute has closed, with what came. Joined by timestamp; a target minute that
--   is missing or without a feed gives no outcome. Errors are log returns; pinball is the mean pinball loss of the
--   three quantiles. is_direction_right is NULL when the median or the move is zero.
-- grain: one row per forecast with an outcome
-- keys: exchange, symbol, horizon_minutes, feature_time, model_name, model_version
-- event time: feature_time
-- late data: an amended target close amends the outcome; inputs_amended says that an input has moved by more than 0.05
-- footprint:
--   predictions by exchange, symbol: feature_time -> feature_time [0, 0]
--   candles by exchange, symbol: open_time -> feature_time [-60 minutes, 0]
--   input_amendments by exchange, symbol: feature_time -> feature_time [0, 0]
-- readers: outcome_hours, prediction_error_documents, model-error-monitor, predictions-api, people
CREATE MATERIALIZED VIEW prediction_outcomes AS
WITH targets AS (
    SELECT exchange, symbol, open_time, close
    FROM candles
    WHERE timeframe = '1m' AND feed_state <> 'no_feed' AND close > 0
),
realised AS (
    SELECT
        p.exchange,
        p.symbol,
        p.horizon_minutes,
        p.feature_time,
        p.target_time,
        p.model_name,
        p.model_version,
        p.role,
        p.q10,
        p.q50,
        p.q90,
        p.price_q10,
        p.price_q50,
        p.price_q90,
        p.reference_price,
        p.made_at,
        t.close AS realised_price,
        ln(nullif(greatest(t.close / nullif(p.reference_price, 0), 0), 0)) AS realised_return
    FROM predictions AS p
    INNER JOIN targets AS t
        ON p.exchange = t.exchange AND p.symbol = t.symbol AND p.feature_time + p.horizon_minutes * INTERVAL '1 minute' = t.open_time
)
SELECT
    r.exchange,
    r.symbol,
    r.horizon_minutes,
    r.feature_time,
    r.target_time,
    r.model_name,
    r.model_version,
    r.role,
    r.q10,
    r.q50,
    r.q90,
    r.price_q10,
    r.price_q50,
    r.price_q90,
    r.reference_price,
    r.made_at,
    r.realised_price,
    r.realised_return,
    r.q50 - r.realised_return AS error,
    abs(r.q50 - r.realised_return) AS absolute_error,
    abs(r.realised_return) AS last_price_absolute_error,
    (greatest(0.1 * (realised_return - r.q10), (0.1 - 1) * (realised_return - r.q10)) + greatest(0.5 * (realised_return - r.q50), (0.5 - 1) * (realised_return - r.q50)) + greatest(0.9 * (realised_return - r.q90), (0.9 - 1) * (realised_return - r.q90))) / 3 AS pinball,
    r.realised_return >= r.q10 AND r.realised_return <= r.q90 AS is_covered,
    CASE WHEN r.q50 <> 0 AND r.realised_return <> 0 THEN sign(r.q50) = sign(r.realised_return) END AS is_direction_right,
    coalesce(a.largest_change, 0) > 0.05 AS inputs_amended
FROM realised AS r
LEFT JOIN input_amendments AS a
    ON r.exchange = a.exchange AND r.symbol = a.symbol AND r.feature_time = a.feature_time
"""

OUTCOME_HOURS = """-- outcome_hours: sums of outcomes by hour, from which model_error is rolled up. Exact sums (NUMERIC), for they are added to and
--   taken from for ever. Forecasts made at their target time or later, when a predictor catches up, are not judged.
--   paired sums are over the forecasts that have one of the baseline beside them.
-- grain: one row per exchange, symbol, horizon, model version, hour of feature_time with outcomes
-- keys: exchange, symbol, horizon_minutes, model_name, model_version, hour
-- event time: hour
-- late data: follows prediction_outcomes
-- footprint:
--   prediction_outcomes by exchange, symbol: feature_time -> hour tumble 1 hour
-- readers: model_error
CREATE MATERIALIZED VIEW outcome_hours AS
WITH judged AS (
    SELECT
        exchange, symbol, horizon_minutes, feature_time, model_name, model_version, role, error, absolute_error,
        last_price_absolute_error, pinball, is_covered, is_direction_right, inputs_amended
    FROM prediction_outcomes
    WHERE made_at < target_time
),
baseline AS (
    SELECT exchange, symbol, horizon_minutes, feature_time, model_name, model_version, pinball
    FROM judged
    WHERE role = 'baseline'
),
paired AS (
    SELECT
        j.exchange,
        j.symbol,
        j.horizon_minutes,
        j.model_name,
        j.model_version,
        date_bin(INTERVAL '1 hour', j.feature_time, '1970-01-01 00:00:00+00'::timestamptz) AS hour,
        j.error::numeric AS error,
        j.absolute_error::numeric AS absolute_error,
        (j.error * j.error)::numeric AS squared_error,
        j.last_price_absolute_error::numeric AS last_price_absolute_error,
        j.pinball::numeric AS pinball,
        CASE WHEN b.pinball IS NOT NULL THEN j.pinball::numeric END AS paired_pinball,
        b.pinball::numeric AS baseline_pinball,
        CASE WHEN j.is_covered THEN 1 ELSE 0 END AS covered,
        CASE WHEN j.is_direction_right THEN 1 ELSE 0 END AS direction_right,
        CASE WHEN j.is_direction_right IS NULL THEN 0 ELSE 1 END AS directed,
        CASE WHEN j.inputs_amended THEN 1 ELSE 0 END AS amended
    FROM judged AS j
    LEFT JOIN baseline AS b
        ON j.exchange = b.exchange AND j.symbol = b.symbol AND j.horizon_minutes = b.horizon_minutes AND j.feature_time = b.feature_time
)
SELECT
    exchange,
    symbol,
    horizon_minutes,
    model_name,
    model_version,
    hour,
    count(*) AS forecasts,
    sum(error) AS error,
    sum(absolute_error) AS absolute_error,
    sum(squared_error) AS squared_error,
    sum(last_price_absolute_error) AS last_price_absolute_error,
    sum(pinball) AS pinball,
    coalesce(sum(paired_pinball), 0) AS paired_pinball,
    coalesce(sum(baseline_pinball), 0) AS baseline_pinball,
    sum(covered)::bigint AS covered,
    sum(direction_right)::bigint AS direction_right,
    sum(directed)::bigint AS directed,
    sum(amended)::bigint AS amended
FROM paired
GROUP BY exchange, symbol, horizon_minutes, model_name, model_version, hour
"""

PREDICTION_ERROR_DOCUMENTS = """-- prediction_error_documents: outcomes as Elasticsearch gets them: each with the name of its daily index.
-- grain: one row per forecast with an outcome
-- keys: exchange, symbol, horizon_minutes, feature_time, model_name, model_version
-- event time: feature_time
-- late data: follows prediction_outcomes; an amended outcome is sent again
-- footprint:
--   prediction_outcomes by exchange, symbol: feature_time -> feature_time [0, 0]
-- readers: prediction_errors_sink
CREATE MATERIALIZED VIEW prediction_error_documents AS
SELECT
    'prediction-errors-' || to_char(feature_time AT TIME ZONE 'UTC', 'YYYY.MM.DD') AS index_name,
    exchange,
    symbol,
    horizon_minutes,
    feature_time,
    target_time,
    model_name,
    model_version,
    role,
    q10,
    q50,
    q90,
    reference_price,
    made_at,
    realised_price,
    realised_return,
    error,
    absolute_error,
    last_price_absolute_error,
    pinball,
    is_covered,
    is_direction_right,
    inputs_amended
FROM prediction_outcomes
"""

MODEL_ERROR = """-- model_error: how good each model version has been over the hour, the 24 hours and the seven days that end with each hour:
--   errors in log returns, skill against the last price (1 - MAE / its MAE) and interval skill against the baseline
--   (1 - pinball / its pinball, over forecasts that both made).
-- grain: one row per exchange, symbol, horizon, model version, span, hour of feature_time with outcomes
-- keys: exchange, symbol, horizon_minutes, model_name, model_version, span, hour
-- event time: hour
-- late data: follows outcome_hours
-- footprint:
--   outcome_hours by exchange, symbol: hour -> hour [0, +167 hours]
-- readers: model-error-monitor, predictions-api, people
CREATE MATERIALIZED VIEW model_error AS
WITH rolled AS (
    SELECT
        exchange,
        symbol,
        horizon_minutes,
        model_name,
        model_version,
        hour,
        sum(forecasts) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS forecasts_1h,
        sum(error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS error_1h,
        sum(absolute_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS absolute_error_1h,
        sum(squared_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS squared_error_1h,
        sum(last_price_absolute_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS last_price_absolute_error_1h,
        sum(pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS pinball_1h,
        sum(paired_pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS paired_pinball_1h,
        sum(baseline_pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS baseline_pinball_1h,
        sum(covered) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS covered_1h,
        sum(direction_right) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS direction_right_1h,
        sum(directed) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS directed_1h,
        sum(amended) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS amended_1h,
        sum(forecasts) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS forecasts_24h,
        sum(error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS error_24h,
        sum(absolute_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS absolute_error_24h,
        sum(squared_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS squared_error_24h,
        sum(last_price_absolute_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS last_price_absolute_error_24h,
        sum(pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS pinball_24h,
        sum(paired_pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS paired_pinball_24h,
        sum(baseline_pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS baseline_pinball_24h,
        sum(covered) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS covered_24h,
        sum(direction_right) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS direction_right_24h,
        sum(directed) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS directed_24h,
        sum(amended) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS amended_24h,
        sum(forecasts) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS forecasts_7d,
        sum(error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS error_7d,
        sum(absolute_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS absolute_error_7d,
        sum(squared_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS squared_error_7d,
        sum(last_price_absolute_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS last_price_absolute_error_7d,
        sum(pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS pinball_7d,
        sum(paired_pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS paired_pinball_7d,
        sum(baseline_pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS baseline_pinball_7d,
        sum(covered) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS covered_7d,
        sum(direction_right) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS direction_right_7d,
        sum(directed) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS directed_7d,
        sum(amended) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS amended_7d
    FROM outcome_hours
)
SELECT
    exchange,
    symbol,
    horizon_minutes,
    model_name,
    model_version,
    '1h' AS span,
    hour,
    forecasts_1h::bigint AS forecasts,
    sqrt(squared_error_1h / nullif(forecasts_1h, 0)) AS rmse,
    absolute_error_1h / nullif(forecasts_1h, 0) AS mae,
    error_1h / nullif(forecasts_1h, 0) AS bias,
    direction_right_1h / nullif(directed_1h, 0) AS directional_accuracy,
    pinball_1h / nullif(forecasts_1h, 0) AS pinball,
    covered_1h / nullif(forecasts_1h, 0) AS coverage,
    1 - absolute_error_1h / nullif(last_price_absolute_error_1h, 0) AS skill,
    1 - paired_pinball_1h / nullif(baseline_pinball_1h, 0) AS interval_skill,
    amended_1h / nullif(forecasts_1h, 0) AS amended_share
FROM rolled
UNION ALL
SELECT
    exchange,
    symbol,
    horizon_minutes,
    model_name,
    model_version,
    '24h' AS span,
    hour,
    forecasts_24h::bigint AS forecasts,
    sqrt(squared_error_24h / nullif(forecasts_24h, 0)) AS rmse,
    absolute_error_24h / nullif(forecasts_24h, 0) AS mae,
    error_24h / nullif(forecasts_24h, 0) AS bias,
    direction_right_24h / nullif(directed_24h, 0) AS directional_accuracy,
    pinball_24h / nullif(forecasts_24h, 0) AS pinball,
    covered_24h / nullif(forecasts_24h, 0) AS coverage,
    1 - absolute_error_24h / nullif(last_price_absolute_error_24h, 0) AS skill,
    1 - paired_pinball_24h / nullif(baseline_pinball_24h, 0) AS interval_skill,
    amended_24h / nullif(forecasts_24h, 0) AS amended_share
FROM rolled
UNION ALL
SELECT
    exchange,
    symbol,
    horizon_minutes,
    model_name,
    model_version,
    '7d' AS span,
    hour,
    forecasts_7d::bigint AS forecasts,
    sqrt(squared_error_7d / nullif(forecasts_7d, 0)) AS rmse,
    absolute_error_7d / nullif(forecasts_7d, 0) AS mae,
    error_7d / nullif(forecasts_7d, 0) AS bias,
    direction_right_7d / nullif(directed_7d, 0) AS directional_accuracy,
    pinball_7d / nullif(forecasts_7d, 0) AS pinball,
    covered_7d / nullif(forecasts_7d, 0) AS coverage,
    1 - absolute_error_7d / nullif(last_price_absolute_error_7d, 0) AS skill,
    1 - paired_pinball_7d / nullif(baseline_pinball_7d, 0) AS interval_skill,
    amended_7d / nullif(forecasts_7d, 0) AS amended_share
FROM rolled
"""

PREDICTION_ERRORS_SINK = """-- prediction_errors_sink: outcomes of forecasts to Elasticsearch, into the index of their feature_time's day.
-- grain: one document per forecast with an outcome
-- keys: exchange, symbol, horizon_minutes, feature_time, model_name, model_version
-- event time: feature_time
-- late data: an amended outcome replaces its document
-- readers: predictions-api, people
CREATE SINK prediction_errors_sink FROM prediction_error_documents
WITH (
    connector = 'elasticsearch',
    type = 'upsert',
    ${elasticsearch_properties},
    index_column = 'index_name',
    primary_key = 'exchange,symbol,horizon_minutes,feature_time,model_name,model_version',
    delimiter = '|'
)
"""

UPGRADE = (
    Create(ALERTS),
    Create(API_KEYS),
    Create(FEATURE_CATALOG),
    Create(FEATURE_REFERENCE),
    Create(MODEL_EVENTS),
    Create(PREDICTION_INPUTS),
    Create(PREDICTIONS),
    Create(TRAINING_REQUESTS),
    Create(ALERT_DOCUMENTS),
    Create(FORECAST_INPUTS),
    Create(NEWEST_PREDICTIONS),
    Create(PREDICTION_DOCUMENTS),
    Create(ALERTS_SINK),
    Create(DRIFT_HOURS),
    Create(LATEST_PREDICTIONS),
    Create(PREDICTIONS_SINK),
    Create(FEATURE_DRIFT),
    Create(SERVED_PREDICTIONS),
    Create(SYMBOL_SENTIMENT),
    Create(LABELS),
    Create(BAR_FEATURES),
    Create(FEATURES),
    Create(INPUT_AMENDMENTS),
    Create(PREDICTION_OUTCOMES),
    Create(OUTCOME_HOURS),
    Create(PREDICTION_ERROR_DOCUMENTS),
    Create(MODEL_ERROR),
    Create(PREDICTION_ERRORS_SINK),
)

DOWNGRADE = (
    Drop('sink', 'prediction_errors_sink'),
    Drop('materialized view', 'model_error'),
    Drop('materialized view', 'prediction_error_documents'),
    Drop('materialized view', 'outcome_hours'),
    Drop('materialized view', 'prediction_outcomes'),
    Drop('materialized view', 'input_amendments'),
    Drop('materialized view', 'features'),
    Drop('materialized view', 'bar_features'),
    Drop('materialized view', 'labels'),
    Drop('materialized view', 'symbol_sentiment'),
    Drop('materialized view', 'served_predictions'),
    Drop('materialized view', 'feature_drift'),
    Drop('sink', 'predictions_sink'),
    Drop('materialized view', 'latest_predictions'),
    Drop('materialized view', 'drift_hours'),
    Drop('sink', 'alerts_sink'),
    Drop('materialized view', 'prediction_documents'),
    Drop('materialized view', 'newest_predictions'),
    Drop('materialized view', 'forecast_inputs'),
    Drop('materialized view', 'alert_documents'),
    Drop('table', 'training_requests'),
    Drop('table', 'predictions'),
    Drop('table', 'prediction_inputs'),
    Drop('table', 'model_events'),
    Drop('table', 'feature_reference'),
    Drop('view', 'feature_catalog'),
    Drop('table', 'api_keys'),
    Drop('table', 'alerts'),
)


def upgrade() -> None:
    run(UPGRADE, revision)


def downgrade() -> None:
    run(DOWNGRADE, down_revision)
