-- prediction_documents: forecasts as Elasticsearch gets them: each with the name of its daily index.
-- grain: one row per exchange, symbol, horizon, candle forecast from, model version
-- keys: exchange, symbol, horizon_minutes, feature_time, model_name, model_version
-- event time: feature_time
-- late data: follows predictions
-- columns:
--   index_name: daily index that the document goes to
-- footprint:
--   predictions by exchange, symbol: feature_time -> feature_time [0, 0]
-- readers: predictions_sink
CREATE VIEW prediction_documents AS
SELECT
    'predictions-' || to_char(feature_time AT TIME ZONE 'UTC', 'YYYY.MM.DD') AS index_name,
    exchange, symbol, horizon_minutes, feature_time, target_time, model_name, model_version, role, q10, q50,
    q90, price_q10, price_q50, price_q90, reference_price, made_at
FROM predictions;
