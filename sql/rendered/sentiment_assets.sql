-- sentiment_assets: the assets whose sentiment is wanted: the base of every known market.
-- grain: one row per asset
-- keys: asset
-- event time: none
-- late data: not applicable
-- columns:
--   markets: number of markets with this base
-- footprint:
--   symbols: full
-- readers: sentiment_news
CREATE MATERIALIZED VIEW sentiment_assets AS
SELECT base AS asset, count(*) AS markets
FROM symbols
WHERE base IS NOT NULL
GROUP BY base;
