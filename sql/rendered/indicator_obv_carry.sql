-- indicator_obv_carry: on-balance volume that a chunk's part of a UTC day starts from: what the day has seen before.
-- grain: one row per exchange, symbol, timeframe, part of a chunk that lies in one day
-- keys: exchange, symbol, timeframe, part_start
-- event time: part_start
-- late data: an amended candle amends the later parts of its day
-- columns:
--   part_start: begin of the part that this leads into
--   obv: on-balance volume of the day before the part
-- footprint:
--   indicator_sums by exchange, symbol, timeframe: open_time -> part_start tumble 1 day
-- readers: indicator_averages
CREATE MATERIALIZED VIEW indicator_obv_carry AS
WITH parts AS (
    SELECT
        exchange, symbol, timeframe, part_start,
        date_trunc('day', part_start, 'UTC') AS day,
        sum(signed_volume) AS signed_volume
    FROM indicator_sums
    GROUP BY exchange, symbol, timeframe, part_start
)
SELECT
    exchange, symbol, timeframe, part_start,
    sum(signed_volume) OVER (PARTITION BY exchange, symbol, timeframe, day ORDER BY part_start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS obv
FROM parts;
