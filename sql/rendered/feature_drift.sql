-- feature_drift: population stability index of each important feature: the 24 hours that end with each hour against the
--   model's training. Above 0.2 a feature is no longer what the model learnt from; with few rows it is noise, about
--   10 / rows.
-- grain: one row per model version, exchange, symbol, feature, hour of feature_time with forecasts
-- keys: model_version, exchange, symbol, feature, hour
-- event time: hour
-- late data: follows drift_hours
-- columns:
--   psi: population stability index of 24 hours against the training
--   rows: inputs in the 24 hours
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
    SELECT d.*, r.shares
    FROM day AS d
    INNER JOIN feature_reference AS r ON d.model_version = r.model_version AND d.feature = r.feature
)
SELECT
    model_version, exchange, symbol, feature, hour,
(greatest(bucket_0 / nullif(rows, 0), 0.001) - greatest(shares[1], 0.001)) * ln(greatest(bucket_0 / nullif(rows, 0), 0.001) / nullif(greatest(shares[1], 0.001), 0)) + (greatest(bucket_1 / nullif(rows, 0), 0.001) - greatest(shares[2], 0.001)) * ln(greatest(bucket_1 / nullif(rows, 0), 0.001) / nullif(greatest(shares[2], 0.001), 0)) + (greatest(bucket_2 / nullif(rows, 0), 0.001) - greatest(shares[3], 0.001)) * ln(greatest(bucket_2 / nullif(rows, 0), 0.001) / nullif(greatest(shares[3], 0.001), 0)) + (greatest(bucket_3 / nullif(rows, 0), 0.001) - greatest(shares[4], 0.001)) * ln(greatest(bucket_3 / nullif(rows, 0), 0.001) / nullif(greatest(shares[4], 0.001), 0)) + (greatest(bucket_4 / nullif(rows, 0), 0.001) - greatest(shares[5], 0.001)) * ln(greatest(bucket_4 / nullif(rows, 0), 0.001) / nullif(greatest(shares[5], 0.001), 0)) + (greatest(bucket_5 / nullif(rows, 0), 0.001) - greatest(shares[6], 0.001)) * ln(greatest(bucket_5 / nullif(rows, 0), 0.001) / nullif(greatest(shares[6], 0.001), 0)) + (greatest(bucket_6 / nullif(rows, 0), 0.001) - greatest(shares[7], 0.001)) * ln(greatest(bucket_6 / nullif(rows, 0), 0.001) / nullif(greatest(shares[7], 0.001), 0)) + (greatest(bucket_7 / nullif(rows, 0), 0.001) - greatest(shares[8], 0.001)) * ln(greatest(bucket_7 / nullif(rows, 0), 0.001) / nullif(greatest(shares[8], 0.001), 0)) + (greatest(bucket_8 / nullif(rows, 0), 0.001) - greatest(shares[9], 0.001)) * ln(greatest(bucket_8 / nullif(rows, 0), 0.001) / nullif(greatest(shares[9], 0.001), 0)) + (greatest(bucket_9 / nullif(rows, 0), 0.001) - greatest(shares[10], 0.001)) * ln(greatest(bucket_9 / nullif(rows, 0), 0.001) / nullif(greatest(shares[10], 0.001), 0)) + (greatest(bucket_10 / nullif(rows, 0), 0.001) - greatest(shares[11], 0.001)) * ln(greatest(bucket_10 / nullif(rows, 0), 0.001) / nullif(greatest(shares[11], 0.001), 0)) AS psi,
    rows::bigint AS rows
FROM compared;
