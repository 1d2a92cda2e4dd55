-- forecast_inputs: the vector behind each forecast of a model, once per candle; it finds a model's references by version.
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
    p.model_version, p.exchange, p.symbol, p.feature_time, i.feature_set,
    i."values"
FROM predictions AS p
INNER JOIN prediction_inputs AS i
    ON p.exchange = i.exchange AND p.symbol = i.symbol AND p.feature_time = i.feature_time
WHERE p.role <> 'baseline' AND p.horizon_minutes = 1;
