-- clock_exclusions: minutes of a feed that must not move its exchange's clock; written by `candlewave doctor clock --repair`.
-- grain: one row per exchange, symbol, minute
-- keys: exchange, symbol, minute
-- event time: minute
-- late data: a row added later moves the clock back; rows that were closed too early are withdrawn
-- readers: clock_days, clock_steps
CREATE TABLE clock_exclusions (
    exchange VARCHAR,
    symbol VARCHAR,
    minute TIMESTAMPTZ,
    reason VARCHAR,
    PRIMARY KEY (exchange, symbol, minute)
);
