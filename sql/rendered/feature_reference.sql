-- feature_reference: how a model's most important features were distributed in its training: nine inner edges of ten buckets, and eleven shares, the first that of missing values.
-- grain: one row per model version, feature
-- keys: model_version, feature
-- event time: none
-- late data: kept; the first message of a key wins, so redelivery changes nothing
-- columns:
--   edges: nine inner edges of the ten buckets of the training's values
--   shares: eleven shares of the training's rows: missing values, then the ten buckets
-- readers: drift_references, feature_drift
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
) FORMAT PLAIN ENCODE JSON;
