-- sentiment_news: what news changed in a minute, per half-life: sums of sentiment_changes with the weight of each article's
--   age (news older than the horizon counts for nothing), brought to the start of the chunk of 240 minutes that the minute lies in.
-- grain: one row per watched asset, minute with news
-- keys: asset, minute
-- event time: minute
-- late data: a late score amends its minute
-- columns:
--   new_articles: articles that were new in the minute
--   others: sum per half-life, brought to the start of the chunk
-- footprint:
--   sentiment_changes by asset: minute -> minute [0, 0]
--   sentiment_assets by asset: all
-- readers: sentiment_carry, sentiment_minute
CREATE MATERIALIZED VIEW sentiment_news AS
WITH placed AS (
    SELECT
        c.asset,
        c.minute,
        (extract(epoch FROM c.minute - date_bin(INTERVAL '240 minutes', c.minute, '1970-01-01 00:00:00+00'::timestamptz))::double precision / 60) AS place,
        c.age_minutes,
        c.articles::double precision AS articles,
        c.weight,
        c.score,
        c.square
    FROM sentiment_changes AS c
    JOIN sentiment_assets AS a ON c.asset = a.asset
    WHERE c.age_minutes < 10080
)
SELECT
    asset,
    minute,
    sum(articles) AS new_articles,
    sum(weight * power(0.5::double precision, age_minutes / 60) * power(2::double precision, place / 60)) AS weight_1h,
    sum(score * power(0.5::double precision, age_minutes / 60) * power(2::double precision, place / 60)) AS score_1h,
    sum(square * power(0.5::double precision, age_minutes / 60) * power(2::double precision, place / 60)) AS square_1h,
    sum(articles * power(0.5::double precision, age_minutes / 60) * power(2::double precision, place / 60)) AS articles_1h,
    sum(weight * power(0.5::double precision, age_minutes / 360) * power(2::double precision, place / 360)) AS weight_6h,
    sum(score * power(0.5::double precision, age_minutes / 360) * power(2::double precision, place / 360)) AS score_6h,
    sum(square * power(0.5::double precision, age_minutes / 360) * power(2::double precision, place / 360)) AS square_6h,
    sum(articles * power(0.5::double precision, age_minutes / 360) * power(2::double precision, place / 360)) AS articles_6h,
    sum(weight * power(0.5::double precision, age_minutes / 1440) * power(2::double precision, place / 1440)) AS weight_24h,
    sum(score * power(0.5::double precision, age_minutes / 1440) * power(2::double precision, place / 1440)) AS score_24h,
    sum(square * power(0.5::double precision, age_minutes / 1440) * power(2::double precision, place / 1440)) AS square_24h,
    sum(articles * power(0.5::double precision, age_minutes / 1440) * power(2::double precision, place / 1440)) AS articles_24h
FROM placed
GROUP BY asset, minute;
