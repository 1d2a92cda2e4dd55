-- challenger_hours: what would have been gained by serving another model's forecast than the one that was served, in sums by hour:
--   evidence for replacing a champion. Served is the champion's, without one the baseline's; the others are those of a
--   challenger, and of the baseline where a champion serves.
--   Units are forecasts of a market and horizon that do not overlap: those whose feature_time is a multiple of the horizon.
--   Evidence of a unit lies between -1 and 1 and is positive when the other forecast lost less: the difference of their losses, divided
--   by the most that it could have been or, where they hardly differ, by 5 % of the width of the served interval. Both are known when the
--   forecasts are made. So the losses of a wild hour count no more than those of a calm one, and big differences more than small ones.
-- grain: one row per exchange, symbol, horizon, other and served model version, hour of feature_time with units
-- keys: exchange, symbol, horizon_minutes, model_name, model_version, served_name, served_version, hour
-- event time: hour
-- late data: follows prediction_outcomes
-- columns:
--   served_name, served_version: the model that was served
--   units: forecasts that do not overlap and were made of the same minute by both, before their target time
--   point_evidence, point_evidence_squares: sums of the median's evidence, and of its squares
--   interval_evidence, interval_evidence_squares: the same of the outer quantiles'
-- footprint:
--   prediction_outcomes by exchange, symbol: feature_time -> hour tumble 1 hour
-- readers: model-trainer, people
CREATE MATERIALIZED VIEW challenger_hours AS
WITH units AS (
    SELECT
        exchange, symbol, horizon_minutes, feature_time, model_name, model_version, role, made_at, realised_return,
        absolute_error, q10, q50, q90
    FROM prediction_outcomes
    WHERE made_at < target_time AND extract(epoch FROM feature_time)::bigint / 60 % nullif(horizon_minutes, 0) = 0
),
numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY exchange, symbol, horizon_minutes, feature_time
            ORDER BY CASE role WHEN 'champion' THEN 0 ELSE 1 END, made_at, model_name, model_version
        ) AS place
    FROM units
    WHERE role IN ('champion', 'baseline')
),
served AS (
    SELECT *
    FROM numbered
    WHERE place = 1
),
numbered_baselines AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY exchange, symbol, horizon_minutes, feature_time ORDER BY made_at, model_name, model_version
        ) AS place
    FROM units
    WHERE role = 'baseline'
),
others AS (
    SELECT
        exchange, symbol, horizon_minutes, feature_time, model_name, model_version, role, realised_return, absolute_error,
        q10, q50, q90
    FROM units
    WHERE role = 'challenger'
    UNION ALL
    SELECT
        exchange, symbol, horizon_minutes, feature_time, model_name, model_version, role, realised_return, absolute_error,
        q10, q50, q90
    FROM numbered_baselines
    WHERE place = 1
),
compared AS (
    SELECT
        m.exchange,
        m.symbol,
        m.horizon_minutes,
        m.model_name,
        m.model_version,
        s.model_name AS served_name,
        s.model_version AS served_version,
        date_bin(INTERVAL '1 hour', m.feature_time, '1970-01-01 00:00:00+00'::timestamptz) AS hour,
        coalesce(
            (s.absolute_error - m.absolute_error)
            / nullif(greatest(abs(m.q50 - s.q50), 0.05 * (s.q90 - s.q10)), 0),
            0
        ) AS point_evidence,
        coalesce(
            (
                greatest(0.1 * (m.realised_return - s.q10), (0.1 - 1) * (m.realised_return - s.q10)) - greatest(0.1 * (m.realised_return - m.q10), (0.1 - 1) * (m.realised_return - m.q10)) + greatest(0.9 * (m.realised_return - s.q90), (0.9 - 1) * (m.realised_return - s.q90)) - greatest(0.9 * (m.realised_return - m.q90), (0.9 - 1) * (m.realised_return - m.q90))
            ) / nullif(greatest(0.9 * (abs(m.q10 - s.q10) + abs(m.q90 - s.q90)), 0.05 * (s.q90 - s.q10)), 0),
            0
        ) AS interval_evidence
    FROM others AS m
    INNER JOIN served AS s
        ON m.exchange = s.exchange AND m.symbol = s.symbol AND m.horizon_minutes = s.horizon_minutes AND m.feature_time = s.feature_time
    WHERE
        (m.role = 'challenger' AND (m.model_name <> s.model_name OR m.model_version <> s.model_version))
        OR (m.role = 'baseline' AND s.role = 'champion')
)
SELECT
    exchange, symbol, horizon_minutes, model_name, model_version, served_name, served_version, hour,
    count(*) AS units,
    sum(point_evidence::numeric)::double precision AS point_evidence,
    sum((point_evidence * point_evidence)::numeric)::double precision AS point_evidence_squares,
    sum(interval_evidence::numeric)::double precision AS interval_evidence,
    sum((interval_evidence * interval_evidence)::numeric)::double precision AS interval_evidence_squares
FROM compared
GROUP BY exchange, symbol, horizon_minutes, model_name, model_version, served_name, served_version, hour;
