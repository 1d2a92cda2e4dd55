-- closed_minutes: the minutes that are closed on each exchange, as rows: they come once and stay, so what joins them by
--   equality has a clock for each exchange and never looks at its history again. After the last event before a long
--   silence they end 312 minutes later: nothing is left there that could be closed.
-- grain: one row per exchange, closed minute
-- keys: exchange, minute
-- event time: minute
-- late data: a late event closes no minute twice; minutes closed by an excluded event are withdrawn
-- columns:
--   minute: when the minute begins
--   closed_at: when it was closed: as the first event arrived that happened after its end and grace, or, while there was none,
--     as long after that as an exchange may lag
-- footprint:
--   clock_steps by exchange: step -> minute [-11 minutes, +312 minutes]
--   market_clock by exchange of market_clock: closed_until -> minute [-1 minute, -1 minute]
-- readers: candles_1m, candles, late_trades
CREATE MATERIALIZED VIEW closed_minutes AS
WITH following AS (
    SELECT
        exchange,
        step,
        lead(step) OVER (PARTITION BY exchange ORDER BY step) AS next_step,
        -- A late event adds a step below later ones that came before it. Those further on came after the lag allowed.
        min(arrived_at) OVER (
            PARTITION BY exchange ORDER BY step
            ROWS BETWEEN 1 FOLLOWING AND 11 FOLLOWING
        ) AS passed_at
    FROM clock_steps
),
newest AS (
    SELECT *
    FROM following
    WHERE next_step IS NULL
),
spans AS (
    SELECT exchange, step, passed_at, next_step AS until
    FROM following
    WHERE next_step IS NOT NULL
    UNION ALL
    SELECT n.exchange, n.step, n.passed_at, c.closed_until AS until
    FROM newest AS n
    INNER JOIN market_clock AS c ON n.exchange = c.exchange
),
minutes AS (
    SELECT
        exchange,
        passed_at,
        generate_series(
            step,
            least(until - INTERVAL '1 minute', step + INTERVAL '312 minutes'),
            INTERVAL '1 minute'
        ) AS minute
    FROM spans
)
-- Minutes are already unique; grouping gives RisingWave the key, and keeps what only moved from one span to another.
SELECT
    exchange,
    minute,
    min(least(passed_at, minute + INTERVAL '1 minute' + INTERVAL '2 seconds' + INTERVAL '600 seconds')) AS closed_at
FROM minutes
GROUP BY exchange, minute;
