-- loaded_ranges: which history of a market was loaded from where, so that no range is loaded from two places and counts twice.
-- grain: one row per exchange, symbol, source and begin of a range
-- keys: exchange, symbol, source, range_from
-- event time: range_from
-- late data: not applicable; a row is overwritten as its load goes on
-- columns:
--   source: where from, REST or the archive, and whether as candles
--   range_from, range_to: from and up to when, the end excluded
--   state: loading or done
--   reached: where a load goes on after it broke off
-- readers: backfill, trade-to-ohlc, plan
CREATE TABLE loaded_ranges (
    exchange VARCHAR,
    symbol VARCHAR,
    source VARCHAR,
    range_from TIMESTAMPTZ,
    range_to TIMESTAMPTZ,
    state VARCHAR,
    reached VARCHAR,
    trades BIGINT,
    updated_at TIMESTAMPTZ,
    PRIMARY KEY (exchange, symbol, source, range_from)
);
