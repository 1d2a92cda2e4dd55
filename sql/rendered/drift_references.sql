-- drift_references: what each market's inputs of an hour are compared with: the references of every model version that forecast in it.
-- grain: one row per model version, exchange, symbol, feature, hour of feature_time with forecasts
-- keys: model_version, exchange, symbol, feature, hour
-- event time: hour
-- late data: follows forecast_hours; a reference may come after the forecasts
-- columns:
--   edges: as in feature_reference
-- footprint:
--   forecast_hours by model_version: hour -> hour [0, 0]
--   feature_reference by model_version: all
-- readers: drift_hours
CREATE MATERIALIZED VIEW drift_references AS
SELECT h.model_version, h.exchange, h.symbol, r.feature, h.hour, r.edges
FROM forecast_hours AS h
INNER JOIN feature_reference AS r ON h.model_version = r.model_version;
