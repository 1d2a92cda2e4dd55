-- clock_steps: the minutes to which each exchange's own events brought its clock, less the grace, and when it got there.
-- grain: one row per exchange, minute to which its clock came
-- keys: exchange, step
-- event time: step
-- late data: a late event adds the step that was missing; clock_exclusions take steps away
-- columns:
--   step: minutes that end by then are closed
--   arrived_at: when the first event arrived that brought the clock there, or past there within the same minute
-- footprint:
--   clock_minutes by exchange: minute -> step [-1 minute, 0]
--   clock_exclusions by exchange: minute -> step [-1 minute, 0]
-- readers: closed_minutes
CREATE MATERIALIZED VIEW clock_steps AS
WITH counted AS (
    SELECT m.exchange, m.minute, m.early_at, m.passed_at
    FROM clock_minutes AS m
    LEFT JOIN clock_exclusions AS x
        ON m.exchange = x.exchange AND m.symbol = x.symbol AND m.minute = x.minute
    WHERE x.minute IS NULL
),
steps AS (
    SELECT exchange, minute AS step, passed_at AS arrived_at
    FROM counted
    WHERE passed_at IS NOT NULL
    UNION ALL
    -- Also of an event past the grace, so that the minute before an exchange's first event has a step.
    SELECT exchange, minute - INTERVAL '1 minute' AS step, least(early_at, passed_at) AS arrived_at
    FROM counted
)
SELECT
    exchange,
    step,
    min(arrived_at) AS arrived_at
FROM steps
GROUP BY exchange, step;
