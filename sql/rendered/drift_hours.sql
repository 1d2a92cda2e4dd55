-- drift_hours: how many inputs of each hour fell into each bucket of a feature's training distribution; bucket 0 is missing.
--   All inputs of the hours in which a version forecast count for it, also those of other versions' forecasts: a vector is
--   kept once per market and minute, not once per version.
-- grain: one row per model version, exchange, symbol, feature, hour of feature_time with forecasts
-- keys: model_version, exchange, symbol, feature, hour
-- event time: hour
-- late data: counted in its hour
-- columns:
--   rows: inputs of the hour
--   others: inputs whose value fell into the bucket; bucket_0 is missing values
-- footprint:
--   drift_references by exchange, symbol: hour -> hour [0, 0]
--   prediction_inputs by exchange, symbol: feature_time -> hour tumble 1 hour
-- readers: feature_drift
CREATE MATERIALIZED VIEW drift_hours AS
WITH inputs AS (
    SELECT
        exchange,
        symbol,
        date_bin(INTERVAL '1 hour', feature_time, '1970-01-01 00:00:00+00'::timestamptz) AS hour,
        "values"
    FROM prediction_inputs
),
valued AS (
    SELECT
        r.model_version,
        r.exchange,
        r.symbol,
        r.feature,
        r.hour,
        r.edges,
        (i."values" ->> r.feature)::double precision AS value
    FROM inputs AS i
    INNER JOIN drift_references AS r ON i.exchange = r.exchange AND i.symbol = r.symbol AND i.hour = r.hour
),
bucketed AS (
    SELECT
        *,
        CASE
            WHEN value IS NULL THEN 0
            ELSE 1 + CASE WHEN value > edges[1] THEN 1 ELSE 0 END + CASE WHEN value > edges[2] THEN 1 ELSE 0 END + CASE WHEN value > edges[3] THEN 1 ELSE 0 END + CASE WHEN value > edges[4] THEN 1 ELSE 0 END + CASE WHEN value > edges[5] THEN 1 ELSE 0 END + CASE WHEN value > edges[6] THEN 1 ELSE 0 END + CASE WHEN value > edges[7] THEN 1 ELSE 0 END + CASE WHEN value > edges[8] THEN 1 ELSE 0 END + CASE WHEN value > edges[9] THEN 1 ELSE 0 END
        END AS bucket
    FROM valued
)
SELECT
    model_version, exchange, symbol, feature, hour,
    count(*) AS rows,
    sum(CASE WHEN bucket = 0 THEN 1 ELSE 0 END)::bigint AS bucket_0,
    sum(CASE WHEN bucket = 1 THEN 1 ELSE 0 END)::bigint AS bucket_1,
    sum(CASE WHEN bucket = 2 THEN 1 ELSE 0 END)::bigint AS bucket_2,
    sum(CASE WHEN bucket = 3 THEN 1 ELSE 0 END)::bigint AS bucket_3,
    sum(CASE WHEN bucket = 4 THEN 1 ELSE 0 END)::bigint AS bucket_4,
    sum(CASE WHEN bucket = 5 THEN 1 ELSE 0 END)::bigint AS bucket_5,
    sum(CASE WHEN bucket = 6 THEN 1 ELSE 0 END)::bigint AS bucket_6,
    sum(CASE WHEN bucket = 7 THEN 1 ELSE 0 END)::bigint AS bucket_7,
    sum(CASE WHEN bucket = 8 THEN 1 ELSE 0 END)::bigint AS bucket_8,
    sum(CASE WHEN bucket = 9 THEN 1 ELSE 0 END)::bigint AS bucket_9,
    sum(CASE WHEN bucket = 10 THEN 1 ELSE 0 END)::bigint AS bucket_10
FROM bucketed
GROUP BY model_version, exchange, symbol, feature, hour;
