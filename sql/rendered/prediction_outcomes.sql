-- prediction_outcomes: every forecast whose target minute has closed, with what came. Joined by timestamp; a target minute that
--   is missing or without a feed gives no outcome. Errors are log returns; pinball is the mean pinball loss of the
--   three quantiles. is_direction_right is NULL when the median or the move is zero.
-- grain: one row per forecast with an outcome
-- keys: exchange, symbol, horizon_minutes, feature_time, model_name, model_version
-- event time: feature_time
-- late data: an amended target close amends the outcome; of amended inputs input_amendments keeps count
-- footprint:
--   predictions by exchange, symbol: feature_time -> feature_time [0, 0]
--   candles by exchange, symbol: open_time -> feature_time [-60 minutes, 0]
-- readers: outcome_hours, amended_hours, prediction_error_documents, model-error-monitor, predictions-api, people
CREATE MATERIALIZED VIEW prediction_outcomes AS
WITH targets AS (
    SELECT exchange, symbol, open_time, close
    FROM candles
    WHERE timeframe = '1m' AND feed_state <> 'no_feed' AND close > 0
),
realised AS (
    SELECT
        p.exchange,
        p.symbol,
        p.horizon_minutes,
        p.feature_time,
        p.target_time,
        p.model_name,
        p.model_version,
        p.role,
        p.q10,
        p.q50,
        p.q90,
        p.price_q10,
        p.price_q50,
        p.price_q90,
        p.reference_price,
        p.made_at,
        t.close AS realised_price,
        ln(nullif(greatest(t.close / nullif(p.reference_price, 0), 0), 0)) AS realised_return
    FROM predictions AS p
    INNER JOIN targets AS t
        ON p.exchange = t.exchange AND p.symbol = t.symbol AND p.feature_time + p.horizon_minutes * INTERVAL '1 minute' = t.open_time
)
SELECT
    r.exchange,
    r.symbol,
    r.horizon_minutes,
    r.feature_time,
    r.target_time,
    r.model_name,
    r.model_version,
    r.role,
    r.q10,
    r.q50,
    r.q90,
    r.price_q10,
    r.price_q50,
    r.price_q90,
    r.reference_price,
    r.made_at,
    r.realised_price,
    r.realised_return,
    r.q50 - r.realised_return AS error,
    abs(r.q50 - r.realised_return) AS absolute_error,
    abs(r.realised_return) AS last_price_absolute_error,
    (greatest(0.1 * (realised_return - r.q10), (0.1 - 1) * (realised_return - r.q10)) + greatest(0.5 * (realised_return - r.q50), (0.5 - 1) * (realised_return - r.q50)) + greatest(0.9 * (realised_return - r.q90), (0.9 - 1) * (realised_return - r.q90))) / 3 AS pinball,
    r.realised_return >= r.q10 AND r.realised_return <= r.q90 AS is_covered,
    CASE WHEN r.q50 <> 0 AND r.realised_return <> 0 THEN sign(r.q50) = sign(r.realised_return) END AS is_direction_right
FROM realised AS r;
