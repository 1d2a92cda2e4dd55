-- sentiment_changes: what each score changed when it became available: the first of an article and asset adds it, a later
--   one (a newer extractor) replaces what was there. The latest scored_at holds, not the name of the version.
--   An article of unknown age counts for nothing: it could be years old.
-- grain: one row per article_id, asset, extractor_version with a usable score and a publication time
-- keys: article_id, asset, extractor_version
-- event time: minute
-- late data: a score that arrives out of order changes the one after it
-- columns:
--   age_minutes: age of the article when the score became available, at most the horizon
--   articles: 1 for the first score of an article, else 0
--   weight, score, square: change of the weight (relevance times confidence), of the weighted score and of the weighted square of scores
-- footprint:
--   news_sentiment by article_id, asset: all
-- readers: sentiment_news
CREATE MATERIALIZED VIEW sentiment_changes AS
WITH usable AS (
    SELECT
        article_id,
        asset,
        extractor_version,
        scored_at,
        date_trunc('minute', scored_at, 'UTC') AS minute,
        date_trunc('minute', least(published_at, scored_at), 'UTC') AS published_minute,
        score,
        relevance * confidence AS weight
    FROM news_sentiment
    WHERE score BETWEEN -1 AND 1
        AND confidence BETWEEN 0 AND 1
        AND relevance BETWEEN 0 AND 1
        AND scored_at <= ingest_ts + INTERVAL '2 seconds'
        AND published_at IS NOT NULL
),
following AS (
    SELECT
        *,
        first_value(published_minute) OVER (PARTITION BY article_id, asset ORDER BY scored_at, extractor_version ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS first_published,
        lag(score) OVER (PARTITION BY article_id, asset ORDER BY scored_at, extractor_version) AS last_score,
        lag(weight) OVER (PARTITION BY article_id, asset ORDER BY scored_at, extractor_version) AS last_weight
    FROM usable
)
SELECT
    article_id, asset, extractor_version, minute,
    -- News grows old from its publication on, whenever it was scored. All versions have the first one's, so that what a
    -- version takes back has the age of what was added.
    least((extract(epoch FROM minute - first_published)::double precision / 60), 10080) AS age_minutes,
    CASE WHEN last_weight IS NULL THEN 1 ELSE 0 END AS articles,
    weight - coalesce(last_weight, 0) AS weight,
    weight * score - coalesce(last_weight * last_score, 0) AS score,
    weight * score * score - coalesce(last_weight * last_score * last_score, 0) AS square
FROM following;
