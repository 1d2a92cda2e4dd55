-- outcome_hours: sums of outcomes by hour, from which model_error is rolled up. Forecasts made at their target time or later, when a predictor catches up, are not judged.
--   paired sums are over the forecasts that are paired with one of the baseline.
-- grain: one row per exchange, symbol, horizon, model version, hour of feature_time with outcomes
-- keys: exchange, symbol, horizon_minutes, model_name, model_version, hour
-- event time: hour
-- late data: follows prediction_outcomes
-- columns:
--   forecasts: number of outcomes
--   error, absolute_error, squared_error, last_price_absolute_error, pinball: sums over the hour
--   paired_pinball, baseline_pinball: sums over the forecasts that are paired with one of the baseline, of it and of the baseline
--   covered, direction_right: outcomes within the interval; outcomes whose direction was right
--   directed: outcomes that have a direction
-- footprint:
--   prediction_outcomes by exchange, symbol: feature_time -> hour tumble 1 hour
-- readers: model_error
CREATE MATERIALIZED VIEW outcome_hours AS
WITH judged AS (
    SELECT *
    FROM prediction_outcomes
    WHERE made_at < target_time
),
baseline AS (
    SELECT *
    FROM judged
    WHERE role = 'baseline'
),
paired AS (
    SELECT
        j.exchange,
        j.symbol,
        j.horizon_minutes,
        j.model_name,
        j.model_version,
        date_bin(INTERVAL '1 hour', j.feature_time, '1970-01-01 00:00:00+00'::timestamptz) AS hour,
        j.error::numeric AS error,
        j.absolute_error::numeric AS absolute_error,
        (j.error * j.error)::numeric AS squared_error,
        j.last_price_absolute_error::numeric AS last_price_absolute_error,
        j.pinball::numeric AS pinball,
        CASE WHEN b.pinball IS NOT NULL THEN j.pinball::numeric END AS paired_pinball,
        b.pinball::numeric AS baseline_pinball,
        CASE WHEN j.is_covered THEN 1 ELSE 0 END AS covered,
        CASE WHEN j.is_direction_right THEN 1 ELSE 0 END AS direction_right,
        CASE WHEN j.is_direction_right IS NULL THEN 0 ELSE 1 END AS directed
    FROM judged AS j
    LEFT JOIN baseline AS b
        ON j.exchange = b.exchange AND j.symbol = b.symbol AND j.horizon_minutes = b.horizon_minutes AND j.feature_time = b.feature_time
)
SELECT
    exchange, symbol, horizon_minutes, model_name, model_version, hour,
    count(*) AS forecasts,
    sum(error) AS error,
    sum(absolute_error) AS absolute_error,
    sum(squared_error) AS squared_error,
    sum(last_price_absolute_error) AS last_price_absolute_error,
    sum(pinball) AS pinball,
    coalesce(sum(paired_pinball), 0) AS paired_pinball,
    coalesce(sum(baseline_pinball), 0) AS baseline_pinball,
    sum(covered)::bigint AS covered,
    sum(direction_right)::bigint AS direction_right,
    sum(directed)::bigint AS directed
FROM paired
GROUP BY exchange, symbol, horizon_minutes, model_name, model_version, hour;
