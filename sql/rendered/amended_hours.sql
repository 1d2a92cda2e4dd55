-- amended_hours: how many judged forecasts of each hour had inputs that were amended later: what model_error's forecasts
--   are divided into for the amended share. Apart from outcome_hours, because outcomes do not depend on features.
-- grain: one row per exchange, symbol, horizon, model version, hour of feature_time with such forecasts
-- keys: exchange, symbol, horizon_minutes, model_name, model_version, hour
-- event time: hour
-- late data: follows prediction_outcomes and input_amendments
-- columns:
--   forecasts: forecasts of the hour whose inputs were amended later
-- footprint:
--   prediction_outcomes by exchange, symbol: feature_time -> hour tumble 1 hour
--   input_amendments by exchange, symbol: feature_time -> hour tumble 1 hour
-- readers: predictions-api, people
CREATE MATERIALIZED VIEW amended_hours AS
WITH amended AS (
    SELECT
        o.exchange,
        o.symbol,
        o.horizon_minutes,
        o.model_name,
        o.model_version,
        date_bin(INTERVAL '1 hour', o.feature_time, '1970-01-01 00:00:00+00'::timestamptz) AS hour
    FROM prediction_outcomes AS o
    INNER JOIN input_amendments AS a
        ON o.exchange = a.exchange AND o.symbol = a.symbol AND o.feature_time = a.feature_time
    WHERE o.made_at < o.target_time AND a.inputs_amended
)
SELECT
    exchange, symbol, horizon_minutes, model_name, model_version, hour,
    count(*) AS forecasts
FROM amended
GROUP BY exchange, symbol, horizon_minutes, model_name, model_version, hour;
