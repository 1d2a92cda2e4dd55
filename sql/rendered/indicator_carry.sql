-- indicator_carry: what the chunks before a chunk contribute to its exponential averages, and where the unbroken run of
--   bars that leads into it began.
-- grain: one row per exchange, symbol, timeframe, chunk whose predecessor has bars
-- keys: exchange, symbol, timeframe, chunk_start
-- event time: chunk_start
-- late data: an amended chunk amends the carry of the 11 chunks after it
-- columns:
--   chunk_start: begin of the chunk that this leads into
--   run_start: bar_index at which the unbroken run into the chunk began
--   others: what earlier chunks contribute to the sum of this name, as the chunk's first bar sees it
-- footprint:
--   indicator_chunks by exchange, symbol, timeframe: chunk_start -> chunk_start [+256 bars, +2816 bars]
-- readers: indicator_averages
CREATE MATERIALIZED VIEW indicator_carry AS
SELECT
    exchange,
    symbol,
    timeframe,
    chunk_start + CASE timeframe
            WHEN '1m' THEN INTERVAL '15360 seconds'
            WHEN '5m' THEN INTERVAL '76800 seconds'
            WHEN '15m' THEN INTERVAL '230400 seconds'
            WHEN '1h' THEN INTERVAL '921600 seconds'
        END AS chunk_start,
    coalesce(
        max(run_start) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start ROWS BETWEEN 9 PRECEDING AND CURRENT ROW),
        (chunk - 9) * 256
    ) AS run_start,
    '1.552518092300731e-25'::double precision * close_ema_9 AS close_ema_9,
    '1.552518092300731e-25'::double precision * bars_ema_9 AS bars_ema_9,
    '2.673186196864631e-19'::double precision * close_ema_12 AS close_ema_12,
    '2.673186196864631e-19'::double precision * bars_ema_12 AS bars_ema_12,
    '7.460748358528833e-12'::double precision * close_ema_20
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '5.566276606929068e-23'::double precision * lag(close_ema_20, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS close_ema_20,
    '7.460748358528833e-12'::double precision * (close_ema_20_m1 - 256 * close_ema_20)
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '5.566276606929068e-23'::double precision * (lag(close_ema_20_m1, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) - 512 * lag(close_ema_20, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start)) END, 0) AS close_ema_20_m1,
    '7.460748358528833e-12'::double precision * (close_ema_20_m2 - 512 * close_ema_20_m1 + 65536 * close_ema_20)
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '5.566276606929068e-23'::double precision * (lag(close_ema_20_m2, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) - 1024 * lag(close_ema_20_m1, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) + 262144 * lag(close_ema_20, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start)) END, 0) AS close_ema_20_m2,
    '7.460748358528833e-12'::double precision * bars_ema_20
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '5.566276606929068e-23'::double precision * lag(bars_ema_20, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS bars_ema_20,
    '7.460748358528833e-12'::double precision * (bars_ema_20_m1 - 256 * bars_ema_20)
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '5.566276606929068e-23'::double precision * (lag(bars_ema_20_m1, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) - 512 * lag(bars_ema_20, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start)) END, 0) AS bars_ema_20_m1,
    '7.460748358528833e-12'::double precision * (bars_ema_20_m2 - 512 * bars_ema_20_m1 + 65536 * bars_ema_20)
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '5.566276606929068e-23'::double precision * (lag(bars_ema_20_m2, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) - 1024 * lag(bars_ema_20_m1, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) + 262144 * lag(bars_ema_20, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start)) END, 0) AS bars_ema_20_m2,
    '2.7766337316716746e-09'::double precision * close_ema_26
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '7.709694879856969e-18'::double precision * lag(close_ema_26, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS close_ema_26,
    '2.7766337316716746e-09'::double precision * bars_ema_26
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '7.709694879856969e-18'::double precision * lag(bars_ema_26, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS bars_ema_26,
    '3.566411127947797e-05'::double precision * close_ema_50
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '1.271928833354988e-09'::double precision * lag(close_ema_50, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '4.536221145234889e-14'::double precision * lag(close_ema_50, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS close_ema_50,
    '3.566411127947797e-05'::double precision * bars_ema_50
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '1.271928833354988e-09'::double precision * lag(bars_ema_50, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '4.536221145234889e-14'::double precision * lag(bars_ema_50, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS bars_ema_50,
    '0.07730309126835809'::double precision * close_ema_200
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '0.005975767919644101'::double precision * lag(close_ema_200, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '0.00046194533289077436'::double precision * lag(close_ema_200, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 3 THEN '3.570980222944759e-05'::double precision * lag(close_ema_200, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 4 THEN '2.760478100918005e-06'::double precision * lag(close_ema_200, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 5) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 5 THEN '2.1339349057956833e-07'::double precision * lag(close_ema_200, 5) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 6) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 6 THEN '1.6495976478345886e-08'::double precision * lag(close_ema_200, 6) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 7) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 7 THEN '1.2751899752662604e-09'::double precision * lag(close_ema_200, 7) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 8) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 8 THEN '9.857612704250301e-11'::double precision * lag(close_ema_200, 8) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 9) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 9 THEN '7.620239345647873e-12'::double precision * lag(close_ema_200, 9) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 10 THEN '5.89068057623351e-13'::double precision * lag(close_ema_200, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS close_ema_200,
    '0.07730309126835809'::double precision * bars_ema_200
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '0.005975767919644101'::double precision * lag(bars_ema_200, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '0.00046194533289077436'::double precision * lag(bars_ema_200, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 3 THEN '3.570980222944759e-05'::double precision * lag(bars_ema_200, 3) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 4 THEN '2.760478100918005e-06'::double precision * lag(bars_ema_200, 4) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 5) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 5 THEN '2.1339349057956833e-07'::double precision * lag(bars_ema_200, 5) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 6) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 6 THEN '1.6495976478345886e-08'::double precision * lag(bars_ema_200, 6) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 7) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 7 THEN '1.2751899752662604e-09'::double precision * lag(bars_ema_200, 7) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 8) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 8 THEN '9.857612704250301e-11'::double precision * lag(bars_ema_200, 8) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 9) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 9 THEN '7.620239345647873e-12'::double precision * lag(bars_ema_200, 9) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 10 THEN '5.89068057623351e-13'::double precision * lag(bars_ema_200, 10) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS bars_ema_200,
    '5.763961309028221e-09'::double precision * gain_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(gain_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(gain_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS gain_wilder_14,
    '5.763961309028221e-09'::double precision * loss_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(loss_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(loss_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS loss_wilder_14,
    '5.763961309028221e-09'::double precision * true_range_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(true_range_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(true_range_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS true_range_wilder_14,
    '5.763961309028221e-09'::double precision * ranges_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(ranges_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(ranges_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS ranges_wilder_14,
    '1.9323349832289036e-12'::double precision * true_range_wilder_10
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.733918487410248e-24'::double precision * lag(true_range_wilder_10, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS true_range_wilder_10,
    '1.9323349832289036e-12'::double precision * ranges_wilder_10
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.733918487410248e-24'::double precision * lag(ranges_wilder_10, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS ranges_wilder_10,
    '5.763961309028221e-09'::double precision * plus_dm_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(plus_dm_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(plus_dm_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS plus_dm_wilder_14,
    '5.763961309028221e-09'::double precision * minus_dm_wilder_14
            + coalesce(CASE WHEN lag(chunk, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 1 THEN '3.322324997197432e-17'::double precision * lag(minus_dm_wilder_14, 1) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0)
            + coalesce(CASE WHEN lag(chunk, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) = chunk - 2 THEN '1.9149752739863289e-25'::double precision * lag(minus_dm_wilder_14, 2) OVER (PARTITION BY exchange, symbol, timeframe ORDER BY chunk_start) END, 0) AS minus_dm_wilder_14
FROM indicator_chunks;
