-- latest_predictions: the newest forecast of each model and role, for every market and horizon.
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
        *,
        row_number() OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, role
            ORDER BY feature_time DESC, period DESC
        ) AS place
    FROM newest_predictions
)
SELECT
    exchange, symbol, horizon_minutes, feature_time, target_time, model_name, model_version, role, q10, q50,
    q90, price_q10, price_q50, price_q90, reference_price, made_at
FROM numbered
WHERE place = 1;
