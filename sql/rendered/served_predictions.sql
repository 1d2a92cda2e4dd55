-- served_predictions: the forecast that users get: the champion's if it made the newest one, else the baseline's.
-- grain: one row per exchange, symbol, horizon
-- keys: exchange, symbol, horizon_minutes
-- event time: none
-- late data: follows latest_predictions
-- footprint:
--   latest_predictions by exchange, symbol: all
-- readers: model-error-monitor, predictions-api, people
CREATE MATERIALIZED VIEW served_predictions AS
WITH numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY exchange, symbol, horizon_minutes
            ORDER BY feature_time DESC, CASE role WHEN 'champion' THEN 0 ELSE 1 END, model_name, role
        ) AS place
    FROM latest_predictions
    WHERE role IN ('champion', 'baseline')
)
SELECT
    exchange, symbol, horizon_minutes, feature_time, target_time, model_name, model_version, role, q10, q50,
    q90, price_q10, price_q50, price_q90, reference_price, made_at
FROM numbered
WHERE place = 1;
