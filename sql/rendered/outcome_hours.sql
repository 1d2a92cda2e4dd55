-- outcome_hours: sums of outcomes by hour, from which model_error is rolled up. Forecasts made at their target time or later, when a predictor catches up, are not judged.
--   paired sums are over the forecasts that are paired with one of the baseline: with one only, the first made, when a
--   training has changed the baseline's version in the middle.
--   Units are forecasts of a market and horizon that do not overlap: those whose feature_time is a multiple of the horizon.
--   Evidence of a unit lies between -1 and 1 and is positive when the forecast was worse than its reference: the difference of
--   their losses, divided by the most that it could have been, which is known when the forecast is made.
-- grain: one row per exchange, symbol, horizon, model version, hour of feature_time with outcomes
-- keys: exchange, symbol, horizon_minutes, model_name, model_version, hour
-- event time: hour
-- late data: follows prediction_outcomes
-- columns:
--   forecasts: number of outcomes
--   error, absolute_error, squared_error, last_price_absolute_error, pinball: sums over the hour
--   scaled_error, scaled_forecasts: sum of absolute errors by the width of the forecast's interval, of forecasts that have one
--   paired_pinball, baseline_pinball: sums of interval_pinball over the forecasts that are paired with one of the baseline, of it and of the baseline
--   covered, direction_right: outcomes within the interval; outcomes whose direction was right
--   directed: outcomes that have a direction
--   units, units_covered: forecasts that do not overlap, and those whose outcome lay in the interval
--   point_units, point_evidence, point_evidence_squares: units whose median is not zero, and sums of the median's evidence against the last price
--   interval_units, interval_evidence, interval_evidence_squares: units whose interval is not the baseline's, and sums of its evidence against that
-- footprint:
--   prediction_outcomes by exchange, symbol: feature_time -> hour tumble 1 hour
-- readers: model_error, model-error-monitor, price-predictor
CREATE MATERIALIZED VIEW outcome_hours AS
WITH judged AS (
    SELECT
        *,
        CASE WHEN extract(epoch FROM feature_time)::bigint / 60 % nullif(horizon_minutes, 0) = 0 THEN 1 ELSE 0 END AS is_unit
    FROM prediction_outcomes
    WHERE made_at < target_time
),
numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY exchange, symbol, horizon_minutes, feature_time
            ORDER BY made_at, model_name, model_version
        ) AS place
    FROM judged
    WHERE role = 'baseline'
),
baseline AS (
    SELECT *
    FROM numbered
    WHERE place = 1
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
        CASE WHEN j.q90 > j.q10 THEN j.absolute_error / nullif(j.q90 - j.q10, 0) END::numeric AS scaled_error,
        CASE WHEN b.interval_pinball IS NOT NULL THEN j.interval_pinball::numeric END AS paired_pinball,
        b.interval_pinball::numeric AS baseline_pinball,
        CASE WHEN j.is_covered THEN 1 ELSE 0 END AS covered,
        CASE WHEN j.is_direction_right THEN 1 ELSE 0 END AS direction_right,
        CASE WHEN j.is_direction_right IS NULL THEN 0 ELSE 1 END AS directed,
        j.is_unit,
        CASE
            WHEN j.is_unit = 1
                THEN (j.absolute_error - j.last_price_absolute_error) / nullif(abs(j.q50), 0)
        END AS point_evidence,
        CASE
            WHEN j.is_unit = 1
                THEN (
                    greatest(0.1 * (j.realised_return - j.q10), (0.1 - 1) * (j.realised_return - j.q10)) - greatest(0.1 * (j.realised_return - b.q10), (0.1 - 1) * (j.realised_return - b.q10)) + greatest(0.9 * (j.realised_return - j.q90), (0.9 - 1) * (j.realised_return - j.q90)) - greatest(0.9 * (j.realised_return - b.q90), (0.9 - 1) * (j.realised_return - b.q90))
                ) / nullif(0.9 * (abs(j.q10 - b.q10) + abs(j.q90 - b.q90)), 0)
        END AS interval_evidence
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
    coalesce(sum(scaled_error), 0) AS scaled_error,
    count(scaled_error) AS scaled_forecasts,
    coalesce(sum(paired_pinball), 0) AS paired_pinball,
    coalesce(sum(baseline_pinball), 0) AS baseline_pinball,
    sum(covered)::bigint AS covered,
    sum(direction_right)::bigint AS direction_right,
    sum(directed)::bigint AS directed,
    sum(is_unit)::bigint AS units,
    sum(is_unit * covered)::bigint AS units_covered,
    count(point_evidence) AS point_units,
    coalesce(sum(point_evidence::numeric), 0)::double precision AS point_evidence,
    coalesce(sum((point_evidence * point_evidence)::numeric), 0)::double precision AS point_evidence_squares,
    count(interval_evidence) AS interval_units,
    coalesce(sum(interval_evidence::numeric), 0)::double precision AS interval_evidence,
    coalesce(sum((interval_evidence * interval_evidence)::numeric), 0)::double precision AS interval_evidence_squares
FROM paired
GROUP BY exchange, symbol, horizon_minutes, model_name, model_version, hour;
