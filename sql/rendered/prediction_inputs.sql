-- prediction_inputs: the vectors that forecasts were made from, as they were known then; "values" maps a feature to its value.
-- grain: one row per exchange, symbol, candle forecast from, set of features
-- keys: exchange, symbol, feature_time, feature_set
-- event time: feature_time
-- late data: kept; the first message of a key wins, so redelivery changes nothing
-- columns:
--   feature_time: open time of the newest closed candle that the forecast knew
--   feature_set: identity of the features and their meanings, feature_catalog.feature_set
--   values: a feature's value by its name
-- readers: input_amendments, drift_hours, model-trainer
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
) FORMAT PLAIN ENCODE JSON;
