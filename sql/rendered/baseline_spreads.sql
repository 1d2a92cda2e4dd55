-- baseline_spreads: how wide the baseline's interval is, as each training found it: the price-predictor serves the newest
--   version, which is what the training judged its candidates against. Before the first training -1.1 and 1.1 are used.
-- grain: one row per baseline version, market, horizon; a market with empty exchange and symbol stands for all together
-- keys: baseline_version, exchange, symbol, horizon_minutes
-- event time: trained_until
-- late data: kept; the first message of a key wins, so redelivery changes nothing
-- columns:
--   baseline_version: model_version of the baseline's forecasts that were made with it
--   exchange, symbol: empty for all markets together, which holds for a market without a row of its own
--   volatility: feature that scales the interval
--   low, high: 10 % and 90 % quantile of a log return, in units of volatility times the square root of the horizon
--   trained_until: end of the training's data
-- readers: price-predictor, people
CREATE TABLE baseline_spreads (
    baseline_version VARCHAR,
    exchange VARCHAR,
    symbol VARCHAR,
    horizon_minutes INT,
    volatility VARCHAR,
    low DOUBLE PRECISION,
    high DOUBLE PRECISION,
    trained_until TIMESTAMPTZ,
    PRIMARY KEY (baseline_version, exchange, symbol, horizon_minutes)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}baseline_spreads',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON;
