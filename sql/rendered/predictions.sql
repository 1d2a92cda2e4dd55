-- predictions: every forecast that was made, of every model and of the baseline.
-- grain: one row per exchange, symbol, horizon, candle forecast from, model version
-- keys: exchange, symbol, horizon_minutes, feature_time, model_name, model_version
-- event time: feature_time
-- late data: kept; the first message of a key wins, so redelivery changes nothing
-- columns:
--   feature_time: open time of the newest closed candle that the forecast knew
--   role: champion, challenger or baseline, when the forecast was made
--   q10, q50, q90: quantiles of the log return until target_time
--   price_q10, price_q50, price_q90: the quantiles as prices
--   reference_price: the close that the log return starts from
-- readers: newest_predictions, prediction_outcomes, forecast_hours, prediction_documents, predictions-api
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
) FORMAT PLAIN ENCODE JSON;
