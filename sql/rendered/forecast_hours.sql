-- forecast_hours: the hours of each market in which a model version has forecast: whose inputs its drift is measured on.
-- grain: one row per model version, exchange, symbol, hour of feature_time with forecasts
-- keys: model_version, exchange, symbol, hour
-- event time: hour
-- late data: kept
-- footprint:
--   predictions by exchange, symbol: feature_time -> hour tumble 1 hour
-- readers: drift_references
CREATE MATERIALIZED VIEW forecast_hours AS
SELECT
    model_version, exchange, symbol,
    date_bin(INTERVAL '1 hour', feature_time, '1970-01-01 00:00:00+00'::timestamptz) AS hour
FROM predictions
WHERE role <> 'baseline' AND horizon_minutes = 1
GROUP BY model_version, exchange, symbol, date_bin(INTERVAL '1 hour', feature_time, '1970-01-01 00:00:00+00'::timestamptz);
