-- sentiment_carry: what news of the 42 chunks before a chunk is worth at its start, per half-life. A chunk has a row
--   if there was news in it or in one of those; older news counts for nothing.
-- grain: one row per asset, chunk of 240 minutes, also such that have not begun
-- keys: asset, chunk_start
-- event time: chunk_start
-- late data: a late score amends all chunks after it
-- columns:
--   chunk_start: begin of the chunk that this leads into
--   others: decayed sum per half-life at the chunk's start
-- footprint:
--   sentiment_news by asset: minute -> chunk_start [-239 minutes, +10080 minutes]
-- readers: sentiment_minute
CREATE MATERIALIZED VIEW sentiment_carry AS
WITH carried AS (
    SELECT
        *,
        date_bin(INTERVAL '240 minutes', minute, '1970-01-01 00:00:00+00'::timestamptz) AS own_chunk,
        generate_series(
            date_bin(INTERVAL '240 minutes', minute, '1970-01-01 00:00:00+00'::timestamptz),
            date_bin(INTERVAL '240 minutes', minute, '1970-01-01 00:00:00+00'::timestamptz) + INTERVAL '10080 minutes',
            INTERVAL '240 minutes'
        ) AS chunk_start
    FROM sentiment_news
),
aged AS (
    SELECT *, (extract(epoch FROM chunk_start - own_chunk)::double precision / 60) AS age_minutes
    FROM carried
)
SELECT
    asset,
    chunk_start,
    sum(CASE WHEN age_minutes > 0 THEN weight_1h * power(0.5::double precision, age_minutes / 60) ELSE 0 END) AS weight_1h,
    sum(CASE WHEN age_minutes > 0 THEN score_1h * power(0.5::double precision, age_minutes / 60) ELSE 0 END) AS score_1h,
    sum(CASE WHEN age_minutes > 0 THEN square_1h * power(0.5::double precision, age_minutes / 60) ELSE 0 END) AS square_1h,
    sum(CASE WHEN age_minutes > 0 THEN articles_1h * power(0.5::double precision, age_minutes / 60) ELSE 0 END) AS articles_1h,
    sum(CASE WHEN age_minutes > 0 THEN weight_6h * power(0.5::double precision, age_minutes / 360) ELSE 0 END) AS weight_6h,
    sum(CASE WHEN age_minutes > 0 THEN score_6h * power(0.5::double precision, age_minutes / 360) ELSE 0 END) AS score_6h,
    sum(CASE WHEN age_minutes > 0 THEN square_6h * power(0.5::double precision, age_minutes / 360) ELSE 0 END) AS square_6h,
    sum(CASE WHEN age_minutes > 0 THEN articles_6h * power(0.5::double precision, age_minutes / 360) ELSE 0 END) AS articles_6h,
    sum(CASE WHEN age_minutes > 0 THEN weight_24h * power(0.5::double precision, age_minutes / 1440) ELSE 0 END) AS weight_24h,
    sum(CASE WHEN age_minutes > 0 THEN score_24h * power(0.5::double precision, age_minutes / 1440) ELSE 0 END) AS score_24h,
    sum(CASE WHEN age_minutes > 0 THEN square_24h * power(0.5::double precision, age_minutes / 1440) ELSE 0 END) AS square_24h,
    sum(CASE WHEN age_minutes > 0 THEN articles_24h * power(0.5::double precision, age_minutes / 1440) ELSE 0 END) AS articles_24h
FROM aged
GROUP BY asset, chunk_start;
