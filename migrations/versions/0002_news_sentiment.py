"""News sentiment

Created: news, news_sentiment, sentiment_assets, sentiment_changes, sentiment_news, sentiment_carry,
    sentiment_minute.

Revises: 0001
"""

from candlewave.engine.migrate.steps import Create, Drop, run

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

NEWS = """-- news: every article as fetched; the first message of an id wins, so redelivery changes nothing.
-- grain: one row per article
-- keys: article_id
-- event time: fetched_at
-- late data: kept
-- readers: people
CREATE TABLE news (
    article_id VARCHAR,
    url VARCHAR,
    title VARCHAR,
    summary VARCHAR,
    source VARCHAR,
    lang VARCHAR,
    published_at TIMESTAMPTZ,
    fetched_at TIMESTAMPTZ,
    PRIMARY KEY (article_id)
) APPEND ONLY
ON CONFLICT DO NOTHING
INCLUDE timestamp AS ingest_ts
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}news',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
"""

NEWS_SENTIMENT = """-- news_sentiment: what each article means for each asset, by each version of each extractor that scored it.
-- grain: one row per article_id, asset, extractor_version
-- keys: article_id, asset, extractor_version
-- event time: scored_at
-- late data: kept; a score counts from its scored_at on
-- readers: sentiment_changes
CREATE TABLE news_sentiment (
    article_id VARCHAR,
    asset VARCHAR,
    score DOUBLE PRECISION,
    confidence DOUBLE PRECISION,
    relevance DOUBLE PRECISION,
    event_type VARCHAR,
    extractor VARCHAR,
    extractor_version VARCHAR,
    published_at TIMESTAMPTZ,
    fetched_at TIMESTAMPTZ,
    scored_at TIMESTAMPTZ,
    PRIMARY KEY (article_id, asset, extractor_version)
) APPEND ONLY
ON CONFLICT DO NOTHING
INCLUDE timestamp AS ingest_ts
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}news_sentiment',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
"""

SENTIMENT_ASSETS = """-- sentiment_assets: the assets whose sentiment is wanted: the base of every known market.
-- grain: one row per asset
-- keys: asset
-- event time: none
-- late data: not applicable
-- footprint:
--   symbols: full
-- readers: sentiment_news
CREATE MATERIALIZED VIEW sentiment_assets AS
SELECT base AS asset, count(*) AS markets
FROM symbols
WHERE base IS NOT NULL
GROUP BY base
"""

SENTIMENT_CHANGES = """-- sentiment_changes: what each score changed when it became available: the first of an article and asset adds it, a later
--   one (a newer extractor) replaces what was there. The latest scored_at holds, not the name of the version.
-- grain: one row per article_id, asset, extractor_version with a usable score
-- keys: article_id, asset, extractor_version
-- event time: minute
-- late data: a score that arrives out of order changes the one after it
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
),
following AS (
    SELECT
        article_id,
        asset,
        extractor_version,
        minute,
        score,
        weight,
        first_value(published_minute) OVER (PARTITION BY article_id, asset ORDER BY scored_at, extractor_version ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS published_minute,
        lag(score) OVER (PARTITION BY article_id, asset ORDER BY scored_at, extractor_version) AS last_score,
        lag(weight) OVER (PARTITION BY article_id, asset ORDER BY scored_at, extractor_version) AS last_weight
    FROM usable
)
SELECT
    article_id,
    asset,
    extractor_version,
    minute,
    -- News grows old from its publication on, whenever it was scored. All versions have the first one's, so that what a
    -- version takes back has the age of what was added.
    least((extract(epoch FROM minute - published_minute)::double precision / 60), 10080) AS age_minutes,
    CASE WHEN last_weight IS NULL THEN 1 ELSE 0 END AS articles,
    weight - coalesce(last_weight, 0) AS weight,
    weight * score - coalesce(last_weight * last_score, 0) AS score,
    weight * score * score - coalesce(last_weight * last_score * last_score, 0) AS square
FROM following
"""

SENTIMENT_NEWS = """-- sentiment_news: what news changed in a minute, per half-life: sums of sentiment_changes with the weight of each article's
--   age (news older than the horizon counts for nothing), brought to the start of the chunk of 240 minutes that the minute lies in.
-- grain: one row per watched asset, minute with news
-- keys: asset, minute
-- event time: minute
-- late data: a late score amends its minute
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
GROUP BY asset, minute
"""

SENTIMENT_CARRY = """-- sentiment_carry: what news of the 42 chunks before a chunk is worth at its start, per half-life. A chunk has a row
--   if there was news in it or in one of those; older news counts for nothing.
-- grain: one row per asset, chunk of 240 minutes, also such that have not begun
-- keys: asset, chunk_start
-- event time: chunk_start
-- late data: a late score amends all chunks after it
-- footprint:
--   sentiment_news by asset: minute -> chunk_start [-239 minutes, +10080 minutes]
-- readers: sentiment_minute
CREATE MATERIALIZED VIEW sentiment_carry AS
WITH carried AS (
    SELECT
        asset,
        date_bin(INTERVAL '240 minutes', minute, '1970-01-01 00:00:00+00'::timestamptz) AS own_chunk,
        generate_series(
            date_bin(INTERVAL '240 minutes', minute, '1970-01-01 00:00:00+00'::timestamptz),
            date_bin(INTERVAL '240 minutes', minute, '1970-01-01 00:00:00+00'::timestamptz) + INTERVAL '10080 minutes',
            INTERVAL '240 minutes'
        ) AS chunk_start,
        weight_1h,
        score_1h,
        square_1h,
        articles_1h,
        weight_6h,
        score_6h,
        square_6h,
        articles_6h,
        weight_24h,
        score_24h,
        square_24h,
        articles_24h
    FROM sentiment_news
),
aged AS (
    SELECT
        asset,
        chunk_start,
        (extract(epoch FROM chunk_start - own_chunk)::double precision / 60) AS age_minutes,
        weight_1h,
        score_1h,
        square_1h,
        articles_1h,
        weight_6h,
        score_6h,
        square_6h,
        articles_6h,
        weight_24h,
        score_24h,
        square_24h,
        articles_24h
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
GROUP BY asset, chunk_start
"""

SENTIMENT_MINUTE = """-- sentiment_minute: the sentiment of an asset as it was known at the end of each closed minute: news scored up to then,
--   weighted by relevance and confidence, decaying since its publication with half-lives of 1, 6 and 24 hours.
--   Every closed minute has a row while news of the last seven days is known, so that a candle finds its own by equality
--   on (asset, minute = open_time); no row means no news. Columns per half-life: sentiment in (-1, 1), drawn to zero by one
--   unit of weight, so that it fades with its news; volume: decayed number of articles; dispersion: weighted standard
--   deviation of scores, NULL when the weight has faded.
-- grain: one row per watched asset, closed minute with news in the 7 days before it
-- keys: asset, minute
-- event time: minute
-- late data: a late score amends the rest of its chunk of 240 minutes, and later ones through sentiment_carry
-- footprint:
--   sentiment_carry by asset: chunk_start -> minute [0, +239 minutes]
--   sentiment_news by asset: minute -> minute [0, +239 minutes]
--   market_clock by asset of sentiment_assets: closed_until -> minute [-1 minute, -1 minute]
-- readers: features
CREATE MATERIALIZED VIEW sentiment_minute AS
-- Only chunks that have begun get minutes: the carry of a coming week would be rewritten with every article.
WITH begun AS (
    SELECT
        asset,
        chunk_start,
        weight_1h,
        score_1h,
        square_1h,
        articles_1h,
        weight_6h,
        score_6h,
        square_6h,
        articles_6h,
        weight_24h,
        score_24h,
        square_24h,
        articles_24h
    FROM sentiment_carry
    WHERE chunk_start <= (SELECT closed_until - INTERVAL '1 minute' FROM market_clock)
),
minutes AS (
    SELECT
        asset,
        chunk_start,
        generate_series(chunk_start, chunk_start + INTERVAL '239 minutes', INTERVAL '1 minute') AS minute,
        weight_1h,
        score_1h,
        square_1h,
        articles_1h,
        weight_6h,
        score_6h,
        square_6h,
        articles_6h,
        weight_24h,
        score_24h,
        square_24h,
        articles_24h
    FROM begun
),
-- RisingWave plans a comparison with the clock only on plain columns, so not below, above sums and quotients.
closed AS (
    SELECT
        asset,
        chunk_start,
        minute,
        weight_1h,
        score_1h,
        square_1h,
        articles_1h,
        weight_6h,
        score_6h,
        square_6h,
        articles_6h,
        weight_24h,
        score_24h,
        square_24h,
        articles_24h
    FROM minutes
    WHERE minute <= (SELECT closed_until - INTERVAL '1 minute' FROM market_clock)
),
sums AS (
    SELECT
        m.asset,
        m.chunk_start,
        m.minute,
        coalesce(n.new_articles, 0) AS new_articles,
        m.weight_1h AS carried_weight_1h,
        coalesce(n.weight_1h, 0) AS weight_1h,
        m.score_1h AS carried_score_1h,
        coalesce(n.score_1h, 0) AS score_1h,
        m.square_1h AS carried_square_1h,
        coalesce(n.square_1h, 0) AS square_1h,
        m.articles_1h AS carried_articles_1h,
        coalesce(n.articles_1h, 0) AS articles_1h,
        m.weight_6h AS carried_weight_6h,
        coalesce(n.weight_6h, 0) AS weight_6h,
        m.score_6h AS carried_score_6h,
        coalesce(n.score_6h, 0) AS score_6h,
        m.square_6h AS carried_square_6h,
        coalesce(n.square_6h, 0) AS square_6h,
        m.articles_6h AS carried_articles_6h,
        coalesce(n.articles_6h, 0) AS articles_6h,
        m.weight_24h AS carried_weight_24h,
        coalesce(n.weight_24h, 0) AS weight_24h,
        m.score_24h AS carried_score_24h,
        coalesce(n.score_24h, 0) AS score_24h,
        m.square_24h AS carried_square_24h,
        coalesce(n.square_24h, 0) AS square_24h,
        m.articles_24h AS carried_articles_24h,
        coalesce(n.articles_24h, 0) AS articles_24h
    FROM closed AS m
    LEFT JOIN sentiment_news AS n ON m.asset = n.asset AND m.minute = n.minute
),
decayed AS (
    SELECT
        asset,
        minute,
        new_articles,
        (carried_weight_1h + sum(weight_1h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 60) AS weight_1h,
        (carried_score_1h + sum(score_1h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 60) AS score_1h,
        (carried_square_1h + sum(square_1h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 60) AS square_1h,
        (carried_articles_1h + sum(articles_1h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 60) AS articles_1h,
        (carried_weight_6h + sum(weight_6h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 360) AS weight_6h,
        (carried_score_6h + sum(score_6h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 360) AS score_6h,
        (carried_square_6h + sum(square_6h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 360) AS square_6h,
        (carried_articles_6h + sum(articles_6h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 360) AS articles_6h,
        (carried_weight_24h + sum(weight_24h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 1440) AS weight_24h,
        (carried_score_24h + sum(score_24h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 1440) AS score_24h,
        (carried_square_24h + sum(square_24h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 1440) AS square_24h,
        (carried_articles_24h + sum(articles_24h) OVER (PARTITION BY asset, chunk_start ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) * power(0.5::double precision, (extract(epoch FROM minute - chunk_start)::double precision / 60) / 1440) AS articles_24h
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
WHERE articles_24h > 0
"""

UPGRADE = (
    Create(NEWS),
    Create(NEWS_SENTIMENT),
    Create(SENTIMENT_ASSETS),
    Create(SENTIMENT_CHANGES),
    Create(SENTIMENT_NEWS),
    Create(SENTIMENT_CARRY),
    Create(SENTIMENT_MINUTE),
)

DOWNGRADE = (
    Drop('materialized view', 'sentiment_minute'),
    Drop('materialized view', 'sentiment_carry'),
    Drop('materialized view', 'sentiment_news'),
    Drop('materialized view', 'sentiment_changes'),
    Drop('materialized view', 'sentiment_assets'),
    Drop('table', 'news_sentiment'),
    Drop('table', 'news'),
)


def upgrade() -> None:
    run(UPGRADE, revision)


def downgrade() -> None:
    run(DOWNGRADE, down_revision)
