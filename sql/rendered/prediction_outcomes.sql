-- prediction_outcomes: every forecast whose target minute has closed, with what came. Joined by timestamp; a target minute that
--   is missing or without a feed gives no outcome. Errors are log returns; pinball is the mean pinball loss of the
--   three quantiles. is_direction_right is NULL when the median or the move is zero.
-- grain: one row per forecast with an outcome
-- keys: exchange, symbol, horizon_minutes, feature_time, model_name, model_version
-- event time: feature_time
-- late data: an amended target close amends the outcome; of amended inputs input_amendments keeps count
-- columns:
--   realised_price: close of the target minute
--   realised_return: log return from reference_price to it
--   error: q50 less the realised return
--   absolute_error: its size
--   last_price_absolute_error: error that the last price as forecast would have had
--   pinball: mean pinball loss of the three quantiles
--   interval_pinball: mean pinball loss of q10 and q90 alone
--   is_covered: the realised return lies within q10 and q90
--   is_direction_right: q50 has the sign of the move, NULL when either is zero
-- footprint:
--   predictions by exchange, symbol: feature_time -> feature_time [0, 0]
--   candles by exchange, symbol: open_time -> feature_time [-60 minutes, 0]
-- readers: outcome_hours, challenger_hours, amended_hours, prediction_error_documents, model-error-monitor, predictions-api, people
CREATE MATERIALIZED VIEW prediction_outcomes AS
WITH targets AS (
    SELECT exchange, symbol, open_time, close
    FROM candles
    WHERE timeframe = '1m' AND feed_state <> 'no_feed' AND close > 0
),
realised AS (
    SELECT
        p.*,
        t.close AS realised_price,
        ln(nullif(greatest(t.close / nullif(p.reference_price, 0), 0), 0)) AS realised_return
    FROM predictions AS p
    INNER JOIN targets AS t
        ON p.exchange = t.exchange AND p.symbol = t.symbol AND p.feature_time + p.horizon_minutes * INTERVAL '1 minute' = t.open_time
)
SELECT
    exchange, symbol, horizon_minutes, feature_time, target_time, model_name, model_version, role, q10, q50,
    q90, price_q10, price_q50, price_q90, reference_price, made_at, realised_price, realised_return,
    q50 - realised_return AS error,
    abs(q50 - realised_return) AS absolute_error,
    abs(realised_return) AS last_price_absolute_error,
    (greatest(0.1 * (realised_return - q10), (0.1 - 1) * (realised_return - q10)) + greatest(0.5 * (realised_return - q50), (0.5 - 1) * (realised_return - q50)) + greatest(0.9 * (realised_return - q90), (0.9 - 1) * (realised_return - q90))) / 3 AS pinball,
    (greatest(0.1 * (realised_return - q10), (0.1 - 1) * (realised_return - q10)) + greatest(0.9 * (realised_return - q90), (0.9 - 1) * (realised_return - q90))) / 2 AS interval_pinball,
    realised_return >= q10 AND realised_return <= q90 AS is_covered,
    CASE WHEN q50 <> 0 AND realised_return <> 0 THEN sign(q50) = sign(realised_return) END AS is_direction_right
FROM realised;
