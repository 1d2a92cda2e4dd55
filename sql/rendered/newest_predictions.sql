-- newest_predictions: the newest forecast of each model and role in each six hours.
-- grain: one row per exchange, symbol, horizon, model, role, six hours with forecasts
-- keys: exchange, symbol, horizon_minutes, model_name, role, period
-- event time: period
-- late data: a forecast that is not the newest of its six hours changes nothing
-- columns:
--   period: begin of the six hours
-- footprint:
--   predictions by exchange, symbol: feature_time -> period tumble 6 hours
-- readers: latest_predictions
CREATE MATERIALIZED VIEW newest_predictions AS
WITH dated AS (
    SELECT *, date_bin(INTERVAL '6 hours', feature_time, '1970-01-01 00:00:00+00'::timestamptz) AS period
    FROM predictions
),
numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, role, period
            ORDER BY feature_time DESC, model_version DESC
        ) AS place
    FROM dated
)
SELECT
    period, exchange, symbol, horizon_minutes, feature_time, target_time, model_name, model_version, role, q10,
    q50, q90, price_q10, price_q50, price_q90, reference_price, made_at
FROM numbered
WHERE place = 1;
