-- prediction_error_documents: outcomes as Elasticsearch gets them: each with the name of its daily index.
-- grain: one row per forecast with an outcome
-- keys: exchange, symbol, horizon_minutes, feature_time, model_name, model_version
-- event time: feature_time
-- late data: follows prediction_outcomes; an amended outcome is sent again
-- columns:
--   index_name: daily index that the document goes to
-- footprint:
--   prediction_outcomes by exchange, symbol: feature_time -> feature_time [0, 0]
-- readers: prediction_errors_sink
CREATE VIEW prediction_error_documents AS
SELECT
    'prediction-errors-' || to_char(feature_time AT TIME ZONE 'UTC', 'YYYY.MM.DD') AS index_name,
    exchange, symbol, horizon_minutes, feature_time, target_time, model_name, model_version, role, q10, q50,
    q90, reference_price, made_at, realised_price, realised_return, error, absolute_error,
    last_price_absolute_error, pinball, is_covered, is_direction_right
FROM prediction_outcomes;
