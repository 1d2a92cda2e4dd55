-- sentiment_minute: the sentiment of an asset as it was known at the end of each closed minute: news scored up to then,
--   weighted by relevance and confidence, decaying since its publication with half-lives of 1, 6 and 24 hours.
--   Every closed minute has a row while news of the last seven days is known, so that a candle finds its own by equality
--   on (asset, minute = open_time); no row means no news. Columns per half-life: sentiment in (-1, 1), drawn to zero by one
--   unit of weight, so that it fades with its news; volume: decayed number of articles; dispersion: weighted standard
--   deviation of scores, NULL when the weight has faded.
-- grain: one row per watched asset, closed minute with news in the 7 days before it
-- keys: asset, minute
-- event time: minute
-- late data: a late score amends the rest of its chunk of 240 minutes, and later ones through sentiment_carry
-- columns:
--   new_articles: articles that were scored in the minute
--   others: sentiment, decayed number of articles, or dispersion of scores, with this half-life
-- footprint:
--   sentiment_carry by asset: chunk_start -> minute [0, +239 minutes]
--   sentiment_news by asset: minute -> minute [0, +239 minutes]
--   furthest_clock by asset of sentiment_assets: closed_until -> minute [-1 minute, -1 minute]
-- readers: symbol_sentiment
CREATE MATERIALIZED VIEW sentiment_minute AS
-- Only chunks that have begun get minutes: the carry of a coming week would be rewritten with every article.
WITH begun AS (
    SELECT *
    FROM sentiment_carry
    WHERE chunk_start <= (SELECT closed_until - INTERVAL '1 minute' FROM furthest_clock)
),
minutes AS (
    SELECT
        *,
        generate_series(chunk_start, chunk_start + INTERVAL '239 minutes', INTERVAL '1 minute') AS minute
    FROM begun
),
closed AS (
    SELECT *
    FROM minutes
    WHERE minute <= (SELECT closed_until - INTERVAL '1 minute' FROM furthest_clock)
),
sums AS (
    SELECT
        m.*,
        coalesce(n.new_articles, 0) AS new_articles,
        coalesce(n.weight_1h, 0) AS new_weight_1h,
        coalesce(n.score_1h, 0) AS new_score_1h,
        coalesce(n.square_1h, 0) AS new_square_1h,
        coalesce(n.articles_1h, 0) AS new_articles_1h,
        coalesce(n.weight_6h, 0) AS new_weight_6h,
        coalesce(n.score_6h, 0) AS new_score_6h,
        coalesce(n.square_6h, 0) AS new_square_6h,
        coalesce(n.articles_6h, 0) AS new_articles_6h,
        coalesce(n.weight_24h, 0) AS new_weight_24h,
        coalesce(n.score_24h, 0) AS new_score_24h,
        coalesce(n.square_24h, 0) AS new_square_24h,
        coalesce(n.articles_24h, 0) AS new_articles_24h
    FROM closed AS m
    LEFT JOIN sentiment_news AS n ON m.asset = n.asset AND m.minute = n.minute
),
decayed AS (
    SELECT
        asset,
        minute,
        new_articles,
        (weight_1h + sum(new_weight_1h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 60) AS weight_1h,
        (score_1h + sum(new_score_1h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 60) AS score_1h,
        (square_1h + sum(new_square_1h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 60) AS square_1h,
        (articles_1h + sum(new_articles_1h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 60) AS articles_1h,
        (weight_6h + sum(new_weight_6h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 360) AS weight_6h,
        (score_6h + sum(new_score_6h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 360) AS score_6h,
        (square_6h + sum(new_square_6h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 360) AS square_6h,
        (articles_6h + sum(new_articles_6h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 360) AS articles_6h,
        (weight_24h + sum(new_weight_24h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 1440) AS weight_24h,
        (score_24h + sum(new_score_24h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 1440) AS score_24h,
        (square_24h + sum(new_square_24h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 1440) AS square_24h,
        (articles_24h + sum(new_articles_24h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 1440) AS articles_24h
    FROM sums
)
SELECT
    asset,
    minute,
    new_articles::bigint AS new_articles,
    score_1h / nullif(1 + greatest(weight_1h, 0), 0) AS sentiment_1h,
    articles_1h AS volume_1h,
    -- Below a millionth a variance is the rounding of equal scores.
    CASE
        WHEN weight_1h < 0.01 THEN NULL
        WHEN square_1h / nullif(weight_1h, 0) - power(score_1h / nullif(weight_1h, 0), 2) < 0.000001 THEN 0
        ELSE sqrt(square_1h / nullif(weight_1h, 0) - power(score_1h / nullif(weight_1h, 0), 2))
    END AS dispersion_1h,
    score_6h / nullif(1 + greatest(weight_6h, 0), 0) AS sentiment_6h,
    articles_6h AS volume_6h,
    -- Below a millionth a variance is the rounding of equal scores.
    CASE
        WHEN weight_6h < 0.01 THEN NULL
        WHEN square_6h / nullif(weight_6h, 0) - power(score_6h / nullif(weight_6h, 0), 2) < 0.000001 THEN 0
        ELSE sqrt(square_6h / nullif(weight_6h, 0) - power(score_6h / nullif(weight_6h, 0), 2))
    END AS dispersion_6h,
    score_24h / nullif(1 + greatest(weight_24h, 0), 0) AS sentiment_24h,
    articles_24h AS volume_24h,
    -- Below a millionth a variance is the rounding of equal scores.
    CASE
        WHEN weight_24h < 0.01 THEN NULL
        WHEN square_24h / nullif(weight_24h, 0) - power(score_24h / nullif(weight_24h, 0), 2) < 0.000001 THEN 0
        ELSE sqrt(square_24h / nullif(weight_24h, 0) - power(score_24h / nullif(weight_24h, 0), 2))
    END AS dispersion_24h
FROM decayed
-- A minute before its chunk's first news has no row, or news would show before it is there.
WHERE articles_24h > 0;
