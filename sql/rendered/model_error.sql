-- model_error: how good each model version has been over the hour, the 24 hours and the seven days that end with each hour:
--   errors in log returns, skill against the last price (1 - MAE / its MAE) and interval skill against the baseline
--   (1 - pinball / its pinball, of the outer quantiles alone, over forecasts that both made).
-- grain: one row per exchange, symbol, horizon, model version, span, hour of feature_time with outcomes
-- keys: exchange, symbol, horizon_minutes, model_name, model_version, span, hour
-- event time: hour
-- late data: follows outcome_hours
-- columns:
--   span: 1h, 24h or 7d: window that ends with the hour
--   forecasts: outcomes in the window
--   rmse, mae, bias: root mean square, mean absolute and mean error, log returns
--   directional_accuracy: share of right directions among outcomes that have one
--   pinball: mean pinball loss
--   coverage: share of outcomes within q10 and q90; the aim is 0.8
--   skill: 1 - MAE / MAE of the last price as forecast
--   scaled_error: mean of absolute errors by the width of the forecast's interval, so that a volatile day is no larger error
--   interval_skill: 1 - pinball of q10 and q90 / that of the baseline, over forecasts that both made
-- footprint:
--   outcome_hours by exchange, symbol: hour -> hour [0, +167 hours]
-- readers: model-error-monitor, predictions-api, people
CREATE MATERIALIZED VIEW model_error AS
WITH rolled AS (
    SELECT
        exchange,
        symbol,
        horizon_minutes,
        model_name,
        model_version,
        hour,
        sum(forecasts) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS forecasts_1h,
        sum(error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS error_1h,
        sum(absolute_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS absolute_error_1h,
        sum(squared_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS squared_error_1h,
        sum(last_price_absolute_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS last_price_absolute_error_1h,
        sum(pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS pinball_1h,
        sum(scaled_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS scaled_error_1h,
        sum(scaled_forecasts) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS scaled_forecasts_1h,
        sum(paired_pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS paired_pinball_1h,
        sum(baseline_pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS baseline_pinball_1h,
        sum(covered) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS covered_1h,
        sum(direction_right) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS direction_right_1h,
        sum(directed) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '0 hours' PRECEDING AND CURRENT ROW
        )::double precision AS directed_1h,
        sum(forecasts) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS forecasts_24h,
        sum(error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS error_24h,
        sum(absolute_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS absolute_error_24h,
        sum(squared_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS squared_error_24h,
        sum(last_price_absolute_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS last_price_absolute_error_24h,
        sum(pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS pinball_24h,
        sum(scaled_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS scaled_error_24h,
        sum(scaled_forecasts) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS scaled_forecasts_24h,
        sum(paired_pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS paired_pinball_24h,
        sum(baseline_pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS baseline_pinball_24h,
        sum(covered) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS covered_24h,
        sum(direction_right) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS direction_right_24h,
        sum(directed) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '23 hours' PRECEDING AND CURRENT ROW
        )::double precision AS directed_24h,
        sum(forecasts) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS forecasts_7d,
        sum(error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS error_7d,
        sum(absolute_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS absolute_error_7d,
        sum(squared_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS squared_error_7d,
        sum(last_price_absolute_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS last_price_absolute_error_7d,
        sum(pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS pinball_7d,
        sum(scaled_error) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS scaled_error_7d,
        sum(scaled_forecasts) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS scaled_forecasts_7d,
        sum(paired_pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS paired_pinball_7d,
        sum(baseline_pinball) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS baseline_pinball_7d,
        sum(covered) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS covered_7d,
        sum(direction_right) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS direction_right_7d,
        sum(directed) OVER (
            PARTITION BY exchange, symbol, horizon_minutes, model_name, model_version
            ORDER BY hour RANGE BETWEEN INTERVAL '167 hours' PRECEDING AND CURRENT ROW
        )::double precision AS directed_7d
    FROM outcome_hours
)
SELECT
    exchange, symbol, horizon_minutes, model_name, model_version,
    '1h' AS span,
    hour,
    forecasts_1h::bigint AS forecasts,
    sqrt(squared_error_1h / nullif(forecasts_1h, 0)) AS rmse,
    absolute_error_1h / nullif(forecasts_1h, 0) AS mae,
    error_1h / nullif(forecasts_1h, 0) AS bias,
    direction_right_1h / nullif(directed_1h, 0) AS directional_accuracy,
    pinball_1h / nullif(forecasts_1h, 0) AS pinball,
    scaled_error_1h / nullif(scaled_forecasts_1h, 0) AS scaled_error,
    covered_1h / nullif(forecasts_1h, 0) AS coverage,
    1 - absolute_error_1h / nullif(last_price_absolute_error_1h, 0) AS skill,
    1 - paired_pinball_1h / nullif(baseline_pinball_1h, 0) AS interval_skill
FROM rolled
UNION ALL
SELECT
    exchange, symbol, horizon_minutes, model_name, model_version,
    '24h' AS span,
    hour,
    forecasts_24h::bigint AS forecasts,
    sqrt(squared_error_24h / nullif(forecasts_24h, 0)) AS rmse,
    absolute_error_24h / nullif(forecasts_24h, 0) AS mae,
    error_24h / nullif(forecasts_24h, 0) AS bias,
    direction_right_24h / nullif(directed_24h, 0) AS directional_accuracy,
    pinball_24h / nullif(forecasts_24h, 0) AS pinball,
    scaled_error_24h / nullif(scaled_forecasts_24h, 0) AS scaled_error,
    covered_24h / nullif(forecasts_24h, 0) AS coverage,
    1 - absolute_error_24h / nullif(last_price_absolute_error_24h, 0) AS skill,
    1 - paired_pinball_24h / nullif(baseline_pinball_24h, 0) AS interval_skill
FROM rolled
UNION ALL
SELECT
    exchange, symbol, horizon_minutes, model_name, model_version,
    '7d' AS span,
    hour,
    forecasts_7d::bigint AS forecasts,
    sqrt(squared_error_7d / nullif(forecasts_7d, 0)) AS rmse,
    absolute_error_7d / nullif(forecasts_7d, 0) AS mae,
    error_7d / nullif(forecasts_7d, 0) AS bias,
    direction_right_7d / nullif(directed_7d, 0) AS directional_accuracy,
    pinball_7d / nullif(forecasts_7d, 0) AS pinball,
    scaled_error_7d / nullif(scaled_forecasts_7d, 0) AS scaled_error,
    covered_7d / nullif(forecasts_7d, 0) AS coverage,
    1 - absolute_error_7d / nullif(last_price_absolute_error_7d, 0) AS skill,
    1 - paired_pinball_7d / nullif(baseline_pinball_7d, 0) AS interval_skill
FROM rolled;
