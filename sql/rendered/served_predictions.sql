-- served_predictions: the forecast that users get: the champion's if it made the newest one, else the baseline's.
-- grain: one row per exchange, symbol, horizon
-- keys: exchange, symbol, horizon_minutes
-- event time: none
-- late data: follows latest_predictions
-- columns:
--   median_by, interval_by: model whose median (q50) and whose outer quantiles these are: of a champion, only what has
--     beaten the baseline is its own; a champion without an opinion of the direction says the baseline's, too
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
),
newest AS (
    SELECT
        exchange, symbol, horizon_minutes, feature_time, target_time, model_name, model_version, role, q10, q50,
        q90, price_q10, price_q50, price_q90, reference_price, made_at
    FROM numbered
    WHERE place = 1
)
SELECT
    n.exchange, n.symbol, n.horizon_minutes, n.feature_time, n.target_time, n.model_name, n.model_version, n.role,
    n.q10, n.q50, n.q90, n.price_q10, n.price_q50, n.price_q90, n.reference_price, n.made_at,
    CASE WHEN n.q50 = b.q50 THEN b.model_name ELSE n.model_name END AS median_by,
    CASE WHEN n.q10 = b.q10 AND n.q90 = b.q90 THEN b.model_name ELSE n.model_name END AS interval_by
FROM newest AS n
LEFT JOIN latest_predictions AS b
    ON
        n.exchange = b.exchange
        AND n.symbol = b.symbol
        AND n.horizon_minutes = b.horizon_minutes
        AND n.feature_time = b.feature_time
        AND b.role = 'baseline';
