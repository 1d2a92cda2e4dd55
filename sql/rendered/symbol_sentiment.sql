-- symbol_sentiment: sentiment_minute of each market's base asset, so that features finds it by market and minute.
-- grain: one row per exchange, symbol, minute that sentiment_minute has for the base asset
-- keys: exchange, symbol, minute
-- event time: minute
-- late data: follows sentiment_minute
-- columns:
--   others: feature of the base asset; feature_catalog explains it
-- footprint:
--   sentiment_minute by asset: minute -> minute [0, 0]
--   symbols: full
-- readers: features
CREATE MATERIALIZED VIEW symbol_sentiment AS
SELECT
    s.exchange, s.symbol, n.asset, n.minute,
    coalesce(sentiment_1h, 0) AS sentiment_1h,
    coalesce(ln(1 + volume_1h), 0) AS news_volume_1h,
    coalesce(sentiment_6h, 0) AS sentiment_6h,
    coalesce(ln(1 + volume_6h), 0) AS news_volume_6h,
    coalesce(sentiment_24h, 0) AS sentiment_24h,
    coalesce(ln(1 + volume_24h), 0) AS news_volume_24h,
    coalesce(dispersion_24h, 0) AS sentiment_dispersion_24h
FROM sentiment_minute AS n
INNER JOIN symbols AS s ON n.asset = s.base;
